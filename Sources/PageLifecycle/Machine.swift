// SPDX-License-Identifier: MIT

/// What a machine is booted with: how much of the ``Limits`` a program uses.
package struct Boot: Equatable, Hashable, Sendable {
  /// Files that exist, are open, and are mapped whole and shared into mm0.
  package var files: UInt8 = 2
  /// Pages of each of these files, all of them holes.
  package var filePages: UInt8 = 4
  /// Blocks the file system has.
  package var devicePages: UInt8 = 8
  /// Entries of one IOMMU page table.
  package var tableEntries: UInt16 = 4
  /// Devices bound beside the file system's: d0 with private pages, d1 with coherent ones, a
  /// device-dax device, a peer-to-peer pool.
  package var devices: UInt8 = 0
  /// 1: the file system lets files share blocks, as xfs made with reflink=1 does.
  package var reflink: UInt8 = 0
  /// 1: plain accesses of a page's words that nothing orders are violations, as KCSAN reports them.
  package var races: UInt8 = 0
  package init() {}
  package init(files: UInt8, filePages: UInt8, devicePages: UInt8, devices: UInt8 = 0) {
    (self.files, self.filePages, self.devicePages) = (files, filePages, devicePages)
    self.devices = devices
  }
  /// The parts of the machine a program meets; operations of others have nothing to work on.
  package var domains: [Domain] {
    Domain.allCases.filter { domain in
      switch domain {
      case .fsdax: files > 0 || devices == 0
      case .memory: true
      case .device: devices > 0
      case .reflink: reflink > 0 && files > 0
      // Whether there are any is the protocol's business.
      case .buddy, .iommu, .lru: true
      }
    }
  }

  /// As much as there is.
  package static let full = Boot(
    files: UInt8(Limits.files), filePages: UInt8(Limits.filePages),
    devicePages: UInt8(Limits.devicePages), devices: UInt8(PagemapID.bootDevices))
}

/// Something a step did that an invariant is about, beyond the words it wrote.
package enum Event: Equatable, Sendable {
  case blockFreed(PFN, FileID, PageIndex)
  case mappingChanged(PFN, wasFolio: Bool)
  case wentIdle(PFN)
  case grabbed(PFN, MMID, MappingID, PageIndex)
  case longtermGrabbed(PFN)
  case read(value: UInt8, expected: UInt8, PFN)
  case memoryFailureMissed(PFN)
  case pagemapDrained(PagemapID)
  case pagemapLookedUpAfterExit
  case vanishedPageUsed(PFN)
  case zeroEntryDereferenced(FileID)
  case entryFoundAfterBreak(FileID)
  case unzappedEntryDeleted(PFN)
  case freedInodeUsed(FileID)
  case mappedWithoutReference(PFN)
  case entryReleased(FileID, PageIndex)
  case sleptUnderSpinlock
  case lockedOutOfOrder
  case retriedTooOften
  case callEnded
  case resurrected(PFN)
  case pinnedWritten(PFN)
  case sharedOnItsWay(PFN)
  case addressSpaceEnded(MMID)
  case listed(PFN)
  case listedTwice(PFN)
  case writtenAfterFree(PFN)
  case freedWithoutOwner(PFN)
  case handedOut(PFN)
  case allocatedFromDying(PagemapID)
  case gotFreePage(PFN)
  case usedWithoutReference(PFN)
  case unchargedOnLRU(PFN)
  case privatePageMapped(PFN)
  case zappedBeside(PFN)
  case mapped(FileID, PageIndex, pages: UInt8)
  case written(FileID, PageIndex)
  case collected(PFN, PagemapID, CallFlags)
  case acceptedForMigration(PFN)
  case migrated(PFN)
  case unlocked(PFN)
  case migrationEnded(PFN, PFN)
  case restored(PTE, before: PTE)
  case returned(PFN)
  case freedUnclean(PFN)
  case tableFreed(PFN)
  case tableUnhooked(PFN, live: Bool)
  case lostTableUsed(PFN)
  case listWordWritten(PFN)
}

/// The whole modelled machine: a value, so a snapshot is an assignment.
///
/// Whatever a step calls is `mutating`, or takes the machine `inout`, even where it only reads:
/// then it works on the machine in place, where a method that reads would be handed a copy.
package struct Machine: Sendable {
  package internal(set) var rules: Rules
  package var pages = PerPage<Page>(repeating: Page())
  /// What the memory behind each page holds; one byte stands for the page.
  package var memory = PageContents(repeating: 0)
  package var ledger = Ledger()
  package var files = PerFile<File>(repeating: File())
  /// The `i_mmap_rwsem` of each file; the last is that of what is no file.
  var mappingTrees = InlineArray<4, RWLock>(repeating: RWLock())
  package var mms = PerMM<MM>(repeating: MM())
  package var handles = PerHandle<Handle>(repeating: Handle())
  package var pagemaps = PerPagemap<DevPagemap>(repeating: DevPagemap())
  package var cpus = PerCPU<CPU>(repeating: CPU())
  /// The CPU whose step is being executed.
  package var current = CPUID(0)
  /// CPUs in some queue.
  package var waiting = Bits<CPUID>()
  /// Blocks and RAM pages nobody owns.
  package var freeBlocks = Bits<PFN>()
  package var freeRAM = Bits<PFN>()
  /// Blocks the allocator was told to hand out next.
  var blockChoices = InlineArray<8, PFN>(repeating: .none)
  var blockChoiceCount: UInt8 = 0
  /// Files may share blocks.
  package var hasReflink = false
  /// Violations are noted and never stop the machine: a recorded kernel went on too.
  package var keepsGoing = false
  /// Pages that drivers were told to hand out next.
  var pageChoices = InlineArray<8, PFN>(repeating: .none)
  var pageChoiceCount: UInt8 = 0
  /// The page tables of an IOMMU.
  package internal(set) var iommu = PageTables()
  /// Pages that were put on an LRU list and not freed since, and those of them that somebody took
  /// off it for a while.
  package internal(set) var lruPages = Bits<PFN>()
  package internal(set) var isolatedPages = Bits<PFN>()
  /// The locks of the zone: of its LRU lists and of what shares their words.
  var zoneLock = RWLock()
  /// The staged end has begun: lasting holders let go.
  package var isEnding = false

  // What the judge looks at after the step; part of no hash.
  package var touchedPages = Bits<PFN>()
  package var touchedFiles = Bits<FileID>()
  /// Those that the last step touched, kept for whoever watches.
  package internal(set) var recentPages = Bits<PFN>()
  package internal(set) var recentFiles = Bits<FileID>()
  var deferredPages = PerMM<Bits<PFN>>(repeating: Bits())
  var deferredFiles = Bits<FileID>()
  var events = InlineArray<8, Event>(repeating: .callEnded)
  var eventCount = 0
  package var verdict = Verdict()
  /// What the step being executed did, for whoever looks for data races.
  var accesses = AccessLog()
  #if PAGEFUZZ_POISON
    /// A step is being executed: what it must not look at is poisoned.
    var isPoisoned = false
  #endif
  /// The step being executed, or the last one: where a violation happened.
  var executed = (procedure: Procedure.idle, step: UInt8(0))

  package init(_ rules: Rules, _ boot: Boot = Boot()) {
    self.rules = rules
    initialize(boot)
  }

  /// The pgmap of the file system's device.
  package var pgmap: DevPagemap {
    @inline(__always) get { pagemaps[.pmem0] }
    @inline(__always) _modify { yield &pagemaps[.pmem0] }
  }

  /// The frame of the running procedure on the running CPU.
  @inline(__always)
  var frame: Frame {
    get { cpus[current].frame }
    _modify { yield &cpus[current].frame }
  }
  @inline(__always)
  var call: Call { cpus[current].call }
  /// What the procedure just left returned.
  @inline(__always)
  var value: Outcome {
    get { cpus[current].value }
    set { cpus[current].value = newValue }
  }

  @inline(__always)
  func obeys(_ rule: Rule) -> Bool { rules.obeyed.contains(rule) }

  @inline(__always)
  mutating func touch(_ pfn: PFN) { touchedPages.insert(pfn) }
  @inline(__always)
  mutating func touch(_ file: FileID) { touchedFiles.insert(file) }

  @inline(__always)
  mutating func emit(_ event: Event) {
    guard eventCount < 8 else { return }
    events[eventCount] = event
    eventCount += 1
  }

  /// Starts a call on an idle CPU; its first step is executed by ``step(_:)``.
  package mutating func begin(_ call: Call, on cpu: CPUID) {
    precondition(!cpus[cpu].isActive, "a call is unfinished")
    cpus[cpu].isActive = true
    cpus[cpu].call = call
    cpus[cpu].frame = Frame(call.operation)
    cpus[cpu].frame.flags = call.flags
    cpus[cpu].frame.mm = call.mm
    cpus[cpu].depth = 0
    cpus[cpu].value = .ok
    (cpus[cpu].retries, cpus[cpu].retriesAlone) = (0, true)
    cpus[cpu].isSignalled = false
  }

  /// Enters a procedure; the running one continues at `step` when that one is left.
  @inline(__always)
  mutating func enter<Step: RawRepresentable<UInt8>>(
    _ callee: Frame, then step: Step
  ) -> Transition<Step> {
    precondition(cpus[current].depth < Limits.stackDepth, "procedures nest too deep")
    cpus[current].frame.step = step.rawValue
    cpus[current].stack[Int(cpus[current].depth)] = cpus[current].frame
    cpus[current].depth += 1
    cpus[current].frame = callee
    return .entered
  }

  /// Leaves the running procedure, and the call when it was the outermost.
  @inline(__always)
  mutating func leave() -> Progress {
    let depth = cpus[current].depth
    guard depth == 0 else {
      cpus[current].depth = depth - 1
      cpus[current].frame = cpus[current].stack[Int(depth) - 1]
      cpus[current].stack[Int(depth) - 1] = Frame()
      return .advanced
    }
    precondition(cpus[current].wait.kind == .none, "a call ended in a queue")
    emit(.callEnded)
    cpus[current].isActive = false
    cpus[current].frame = Frame()
    return .finished
  }

  /// Executes one atomic step of a CPU, and judges it.
  @inline(__always)
  package mutating func step(_ cpu: CPUID) -> Progress {
    current = cpu
    executed = (cpus[cpu].frame.procedure, cpus[cpu].frame.step)
    hideWhatIsGone()
    let progress = cpus[cpu].frame.procedure.resume(&self)
    #if PAGEFUZZ_BROKEN
      misbehave()
    #endif
    showAll()
    judge()
    return progress
  }
}
