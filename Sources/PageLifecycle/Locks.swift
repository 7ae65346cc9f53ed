// SPDX-License-Identifier: MIT

package enum LockMode: UInt8, Sendable { case exclusive, shared }

/// A reader-writer lock; a spinlock or mutex is one that is never shared.
package struct RWLock: Equatable, Sendable {
  /// The CPU that holds it exclusively, plus one.
  package var writer: UInt8 = 0
  package var readers = Bits<CPUID>()
  package var isFree: Bool { writer == 0 && readers.isEmpty }
  @inline(__always)
  func admits(_ mode: LockMode) -> Bool {
    mode == .shared ? writer == 0 : isFree
  }
}

/// A lock of the machine, by kind and object.
package struct LockID: Equatable, Hashable, Sendable {
  package enum Kind: UInt8, Sendable {
    /// `inode->i_rwsem`.
    case inode
    /// `mm->mmap_lock`.
    case mmap
    /// `mapping->invalidate_lock`.
    case invalidate
    /// The page-table lock; a spinlock.
    case pageTable
    /// `i_pages.xa_lock`; a spinlock taken with interrupts off.
    case pages
    /// A driver's lock of its free list, or a pool's; a spinlock.
    case driver
    /// `mapping->i_mmap_rwsem`: which VMAs map a file, or a device.
    case mappingTree
    /// `pgd_lock` of an IOMMU domain; a spinning reader-writer lock.
    case iommu
    /// `zone->lru_lock`, or the lock the proposal of 2018 added; a spinlock.
    case zone
  }
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  @inline(__always)
  init(_ kind: Kind, _ index: UInt8) { rawValue = kind.rawValue << 4 | index }
  package var kind: Kind { Kind(rawValue: rawValue >> 4) ?? .inode }
  package var index: UInt8 { rawValue & 15 }
  var isSpinlock: Bool {
    switch kind {
    case .pageTable, .pages, .driver, .iommu, .zone: true
    case .inode, .mmap, .invalidate, .mappingTree: false
    }
  }

  /// Its place in the order of locks, which `mm/filemap.c` and `mm/rmap.c` list; of one kind the
  /// lower object comes first.
  @inline(__always)
  var place: UInt64 { rank * 7 + UInt64(index) }
  @inline(__always)
  private var rank: UInt64 {
    switch kind {
    case .inode: 0
    case .mmap: 1
    case .invalidate: 2
    case .mappingTree: 3
    case .pageTable: 4
    case .pages: 5
    case .driver: 6
    case .iommu: 7
    case .zone: 8
    }
  }

  static func inode(_ file: FileID) -> Self { Self(.inode, file.rawValue) }
  static func invalidate(_ file: FileID) -> Self { Self(.invalidate, file.rawValue) }
  static func pages(_ file: FileID) -> Self { Self(.pages, file.rawValue) }
  static func mappingTree(_ vma: VMA) -> Self { Self(.mappingTree, vma.file.rawValue & 3) }
  static func mappingTree(_ file: FileID) -> Self { Self(.mappingTree, file.rawValue & 3) }
  static func driver(_ pagemap: PagemapID) -> Self { Self(.driver, pagemap.device.rawValue) }
  static let iommu = Self(.iommu, 0)
  static let zone = Self(.zone, 0)
  static func mmap(_ mm: MMID) -> Self { Self(.mmap, mm.rawValue) }
  static func pageTable(_ mm: MMID) -> Self { Self(.pageTable, mm.rawValue) }
}

extension Machine {
  subscript(lock lock: LockID) -> RWLock {
    @inline(__always) mutating get {
      switch lock.kind {
      case .inode: files[FileID(rawValue: lock.index)].inodeLock
      case .invalidate: files[FileID(rawValue: lock.index)].invalidateLock
      case .pages: files[FileID(rawValue: lock.index)].pagesLock
      case .mmap: mms[MMID(rawValue: lock.index)].lock
      case .pageTable: mms[MMID(rawValue: lock.index)].pageTableLock
      case .driver: pagemaps[PagemapID(rawValue: lock.index)].lock
      case .mappingTree: mappingTrees[Int(lock.index)]
      case .iommu: iommu.lock
      case .zone: zoneLock
      }
    }
    @inline(__always) _modify {
      switch lock.kind {
      case .inode: yield &files[FileID(rawValue: lock.index)].inodeLock
      case .invalidate: yield &files[FileID(rawValue: lock.index)].invalidateLock
      case .pages: yield &files[FileID(rawValue: lock.index)].pagesLock
      case .mmap: yield &mms[MMID(rawValue: lock.index)].lock
      case .pageTable: yield &mms[MMID(rawValue: lock.index)].pageTableLock
      case .driver: yield &pagemaps[PagemapID(rawValue: lock.index)].lock
      case .mappingTree: yield &mappingTrees[Int(lock.index)]
      case .iommu: yield &iommu.lock
      case .zone: yield &zoneLock
      }
    }
  }

  /// Takes a lock, or registers the running CPU at the end of its queue.
  ///
  /// Returns false when the step must wait: nothing else has changed then.
  @inline(__always)
  mutating func acquire(_ lock: LockID, _ mode: LockMode = .exclusive) -> Bool {
    if !lock.isSpinlock && cpus[current].spinlocks != 0 { emit(.sleptUnderSpinlock) }
    if cpus[current].locks &>> lock.place != 0 { noteOrder() }
    guard canGrant(lock, mode, to: current) else {
      enqueue(Wait(kind: .lock, object: lock.rawValue, mode: mode))
      return false
    }
    leaveQueue()
    if mode == .shared {
      self[lock: lock].readers.insert(current)
    } else {
      self[lock: lock].writer = current.rawValue + 1
    }
    note(.acquire(.lock(lock)))
    cpus[current].locks |= 1 &<< lock.place
    if lock.isSpinlock { cpus[current].spinlocks += 1 }
    return true
  }

  /// Who waits for a lock has said before what it holds.
  private mutating func noteOrder() {
    guard cpus[current].wait.kind == .none else { return }
    emit(.lockedOutOfOrder)
  }

  /// Takes the mmap_lock of a process; a process that has ended meanwhile fails the call.
  mutating func lockMM<Step: RawRepresentable<UInt8>>(
    _ mm: MMID, _ mode: LockMode = .exclusive, then step: Step
  ) -> Transition<Step> {
    guard acquire(.mmap(mm), mode) else { return .wait }
    guard mms[mm].isAlive else {
      release(.mmap(mm), mode)
      value = Outcome(.noProcess)
      return .finish
    }
    return .next(step)
  }

  /// Gives a lock back; whoever waits for it becomes runnable.
  @inline(__always)
  mutating func release(_ lock: LockID, _ mode: LockMode = .exclusive) {
    if mode == .shared {
      precondition(self[lock: lock].readers.contains(current), "released a lock not held")
      self[lock: lock].readers.remove(current)
    } else {
      precondition(self[lock: lock].writer == current.rawValue + 1, "released a lock not held")
      self[lock: lock].writer = 0
    }
    note(.release(.lock(lock)))
    cpus[current].locks &= ~(1 &<< lock.place)
    guard lock.isSpinlock else { return }
    cpus[current].spinlocks -= 1
    endSection(of: lock)
  }

  /// A lock is granted in the order of the queue, as rwsem and qspinlock do.
  @inline(__always)
  mutating func canGrant(_ lock: LockID, _ mode: LockMode, to cpu: CPUID) -> Bool {
    guard self[lock: lock].admits(mode) else { return false }
    return waiting.isEmpty || isFirst(cpu, for: lock)
  }

  private mutating func isFirst(_ cpu: CPUID, for lock: LockID) -> Bool {
    let own = cpus[cpu].wait
    let isQueued = own.kind == .lock && own.object == lock.rawValue
    var others = waiting
    while let other = others.popFirst() {
      guard other != cpu else { continue }
      let wait = cpus[other].wait
      guard wait.kind == .lock, wait.object == lock.rawValue else { continue }
      if !isQueued || wait.place < own.place { return false }
    }
    return true
  }

  /// Puts the running CPU at the end of the queue for what `wait` names.
  mutating func enqueue(_ wait: Wait) {
    guard cpus[current].wait.kind == .none else { return }
    var wait = wait
    var others = waiting
    while let other = others.popFirst() {
      if cpus[other].wait.sharesQueue(with: wait) { wait.place += 1 }
    }
    cpus[current].wait = wait
    waiting.insert(current)
  }

  /// `finish_wait()`: the running CPU waits for nothing any more, if it did.
  mutating func leaveQueue() {
    let own = cpus[current].wait
    guard own.kind != .none else { return }
    if own.kind != .lock { note(.everyone) }
    cpus[current].wait = .none
    waiting.remove(current)
    var others = waiting
    while let other = others.popFirst() {
      let wait = cpus[other].wait
      if wait.sharesQueue(with: own), wait.place > own.place { cpus[other].wait.place -= 1 }
    }
  }

  /// Whether a CPU could execute its next step now.
  package func isRunnable(_ cpu: CPUID) -> Bool {
    var copy = self
    return copy.canRun(cpu)
  }

  /// As ``isRunnable(_:)``, of a machine that is at hand to change.
  package mutating func canRun(_ cpu: CPUID) -> Bool {
    guard cpus[cpu].isActive else { return false }
    let wait = cpus[cpu].wait
    switch wait.kind {
    case .none: return true
    case .lock:
      let lock = LockID(rawValue: wait.object)
      return canGrant(lock, wait.mode, to: cpu)
    case .entry: return wait.isWoken || !cpus[cpu].isAsleep
    case .pageIdle:
      return wait.isWoken || !cpus[cpu].isAsleep
        || (wait.isInterruptible && cpus[cpu].isSignalled)
    case .pagemap: return pagemaps[PagemapID(rawValue: wait.object)].references == 0
    case .eviction: return !files[FileID(rawValue: wait.object)].isEvicting
    case .driver: return pagemaps[PagemapID(rawValue: wait.object)].allocating == 0
    case .pageLock: return !pages[PFN(rawValue: wait.object)].flags.contains(.locked)
    case .gracePeriod: return !cpus.indices.contains { cpus[$0].hasInterruptsOff }
    }
  }
}
