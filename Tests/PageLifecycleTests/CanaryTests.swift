// SPDX-License-Identifier: MIT

import Testing

@testable import PageLifecycle

/// Something is made wrong behind the engine's back; exactly one invariant must say so.
struct Canary: Sendable, CustomTestStringConvertible {
  var invariant: Invariant
  var note: String
  /// Eras in which it can be shown.
  var base = "v6.18"
  /// What is done before: correct, so the judge stays silent.
  var prepare: @Sendable (inout Machine) -> Void = { _ in }
  var corrupt: @Sendable (inout Machine) -> Void
  var testDescription: String { "\(invariant): \(note)" }
}

@Suite("Canaries")
struct CanaryTests {
  static let page = PFN(0)
  static let file = FileID(0)
  static let first = PageIndex(0)

  /// A machine with a page of file0 mapped once, judged clean.
  static func machine(_ name: String) -> Machine {
    let base = Protocol.all.first { $0.name == name } ?? Protocol.all[0]
    var machine = Machine(Variant(base, isRepaired: true).rules)
    var call = Call(.daxFault)
    call.address = Address(file, first)
    call.flags = .write
    machine.begin(call, on: CPUID(0))
    while machine.step(CPUID(0)) != .finished {}
    return machine
  }

  static func found(_ canary: Canary, isCorrupted: Bool) -> [Invariant] {
    var machine = machine(canary.base)
    canary.prepare(&machine)
    if isCorrupted { canary.corrupt(&machine) }
    for position in 0..<Limits.pages { machine.touch(PFN(position)) }
    for file in machine.files.indices { machine.touch(file) }
    machine.judge()
    return machine.verdict.all.map(\.invariant)
  }

  @Test("The engine says which invariant broke, and only that", arguments: Canary.all)
  func canaries(_ canary: Canary) {
    #expect(Self.found(canary, isCorrupted: false) == [])
    #expect(Self.found(canary, isCorrupted: true) == [canary.invariant])
  }

  @Test("Every invariant has a canary")
  func coverage() {
    #expect(Set(Canary.all.map(\.invariant)) == Set(Invariant.allCases))
  }

  @Test("With one predicate inverted the self-check fails", arguments: Canary.ofState)
  func inverted(_ canary: Canary) {
    #expect(Self.selfCheck { $0.wholeViolation() })
    #expect(
      !Self.selfCheck { machine in
        let found = machine.wholeViolation()
        if found == canary.invariant { return nil }
        return found ?? canary.invariant
      })
  }

  /// A correct machine satisfies everything, and each corrupted one breaks what it should.
  private static func selfCheck(_ predicates: (Machine) -> Invariant?) -> Bool {
    let isHonest = ["v6.1", "v6.18"].allSatisfy { predicates(machine($0)) == nil }
    return isHonest
      && Canary.ofState.allSatisfy { canary in
        var machine = machine(canary.base)
        canary.prepare(&machine)
        canary.corrupt(&machine)
        return predicates(machine) == canary.invariant
      }
  }
}

extension Canary {
  static let all = ofState + ofEvents + ofWaiting + ofTheEnd + ofSeeds

  private static let page = CanaryTests.page
  private static let file = CanaryTests.file
  private static let first = CanaryTests.first

  /// Words that are wrong wherever one looks.
  static let ofState: [Canary] = [
    Canary(invariant: .I1, note: "a reference nobody holds") { $0.pages[page].refcount += 1 },
    Canary(invariant: .I2, note: "a count below zero") { $0.pages[page].refcount = -1 },
    Canary(invariant: .I3, note: "a count near its sign bit") { $0.pages[page].refcount = .max },
    Canary(invariant: .I4, note: "a mapping that is not counted", base: "v6.1") {
      $0.pages[page].mapcount = 1
    },
    Canary(invariant: .I6, note: "a tail with a reference") {
      $0.pages[PFN(5)].word1 = .compoundHead
      $0.pages[PFN(5)].head = PFN(4)
      $0.pages[PFN(5)].refcount = 1
    },
    Canary(invariant: .I17, note: "a device page on the allocator's list") {
      $0.pages[page].word1 = .buddy
    },
    Canary(invariant: .I19, note: "a mapped page without its struct page") {
      $0.pages[page].exists = false
    },
    Canary(invariant: .I29, note: "a zapped entry that still holds", base: "dax-gup-v2") {
      $0.files[file].entries[first].isZapped = true
    },
    Canary(invariant: .I30, note: "an entry that holds twice", base: "dax-gup-v2") {
      $0.ledger.take(.entry, of: page)
      $0.pages[page].refcount += 1
    },
    Canary(invariant: .I25, note: "a page that names another index") {
      $0.pages[page].index = PageIndex(2)
    },
    Canary(
      invariant: .I26, note: "a page that counts an entry too many",
      prepare: { $0.hasReflink = true },
      corrupt: {
        $0.pages[page].mapping = .none
        $0.pages[page].share = 2
      }),
    Canary(invariant: .I28, note: "a mapping without an entry") {
      $0.files[file].entries[first] = .absent
    },
    Canary(invariant: .I34, note: "an entry too many") { $0.files[file].nrpages += 1 },
    Canary(
      invariant: .I46, note: "a page that is mapped where it was and where it goes",
      prepare: { machine in
        for (pfn, holder) in [(PFN(20), Holder.migration), (PFN(21), .driver)] {
          (machine.pages[pfn].refcount, machine.pages[pfn].mapcount) = (2, 1)
          machine.ledger.take(.map, of: pfn)
          machine.ledger.take(holder, of: pfn)
        }
      },
      corrupt: { move(PFN(20), to: PFN(21), &$0) }),
    Canary(
      invariant: .I37, note: "a pin that weighs too little",
      prepare: {
        $0.pages[page].flags.insert(.head)
        $0.pages[page].pincount = 1
        $0.pages[page].refcount += 1
        $0.ledger.take(.pin, of: page)
      },
      corrupt: { $0.pages[page].pincount = 0 }),
  ]

  /// What a step says it did, while the state says otherwise.
  static let ofEvents: [Canary] = [
    Canary(invariant: .I5, note: "more mappings than references") { machine in
      machine.mms[MMID(0)].pageTableLock.writer = 1
      machine.deferredPages[MMID(0)].insert(page)
      machine.pages[page].mapcount = 2
    },
    Canary(
      invariant: .I18, note: "a page in use when memunmap_pages(pmem0) has waited",
      corrupt: { $0.emit(.pagemapDrained(.pmem0)) }),
    Canary(
      invariant: .I20, note: "a lookup its call has not put",
      prepare: { $0.emit(.callEnded) }, corrupt: { $0.cpus[CPUID(0)].lookups = 1 }),
    Canary(
      invariant: .I10, note: "a listed page with a count",
      corrupt: { $0.ledger.listed.insert(page) }),
    Canary(
      invariant: .I11, note: "a page of a driver that nobody holds and no list has",
      prepare: {
        $0.pagemaps[.device0].state = .live
        $0.initializeDevicePage(PFN(PagemapID.device0.pages.lowerBound), .devicePrivate)
      }, corrupt: { $0.judgeConservation() }),
    Canary(invariant: .I12, note: "a page listed twice") { $0.emit(.listedTwice(page)) },
    Canary(invariant: .I13, note: "a page written after it was listed") {
      $0.emit(.writtenAfterFree(page))
    },
    Canary(
      invariant: .I14, note: "a fault uses a page nobody holds",
      prepare: { $0.emit(.usedWithoutReference(page)) },
      corrupt: { $0.emit(.gotFreePage(page)) }),
    Canary(invariant: .I15, note: "a page handed out that is mapped") { $0.emit(.handedOut(page)) },
    Canary(invariant: .I16, note: "a page without page_free() dropped to nothing") {
      $0.emit(.freedWithoutOwner(page))
    },
    Canary(invariant: .I22, note: "a page of a dying device handed out") {
      $0.emit(.allocatedFromDying(.device0))
    },
    Canary(
      invariant: .I45, note: "a page that is mapped accepted for migration",
      prepare: { $0.emit(.acceptedForMigration(PFN(2))) },
      corrupt: { $0.emit(.acceptedForMigration(page)) }),
    Canary(
      invariant: .I47, note: "a page is unlocked while it moves",
      prepare: { $0.emit(.unlocked(page)) }, corrupt: { move(page, to: PFN(20), &$0) }),
    Canary(
      invariant: .I48, note: "a page that has moved and is mapped still",
      prepare: { $0.emit(.migrationEnded(PFN(2), PFN(3))) },
      corrupt: { $0.emit(.migrationEnded(page, PFN(3))) }),
    Canary(
      invariant: .I49, note: "a migration that leaves an entry",
      prepare: {
        $0.pages[page].flags.insert(.locked)
        $0.ledger.migrationEntries[page] = 1
      }, corrupt: { $0.emit(.migrationEnded(page, .none)) }),
    Canary(invariant: .I51, note: "a page on its way that nobody has locked") {
      $0.ledger.migrationEntries[page] = 1
    },
    Canary(
      invariant: .I52, note: "a page of no kind that was asked for",
      corrupt: { $0.emit(.collected(page, .device0, .selectSystem)) }),
    Canary(invariant: .I50, note: "a private page mapped for the CPU") {
      $0.emit(.privatePageMapped(page))
    },
    Canary(
      invariant: .I53, note: "an entry that allows more than before",
      prepare: {
        $0.emit(
          .restored(
            .page(page, writable: true), before: .migration(page, writable: true, exclusive: true)))
      },
      corrupt: {
        $0.emit(
          .restored(
            .page(page, writable: true), before: .migration(page, writable: false, exclusive: true))
        )
      }),
    Canary(invariant: .I21, note: "a lookup after the exit") {
      $0.emit(.pagemapLookedUpAfterExit)
    },
    Canary(
      invariant: .I24, note: "a busy page changes its file",
      prepare: { $0.emit(.mappingChanged(PFN(2), wasFolio: false)) },
      corrupt: { $0.emit(.mappingChanged(page, wasFolio: false)) }),
    Canary(
      invariant: .I27, note: "a mapped block is freed",
      prepare: { $0.emit(.blockFreed(PFN(2), file, PageIndex(2))) },
      corrupt: { $0.emit(.blockFreed(page, file, first)) }),
    Canary(
      invariant: .I32, note: "a page with an entry that memory_failure() did not find",
      prepare: { $0.emit(.memoryFailureMissed(PFN(2))) },
      corrupt: { $0.emit(.memoryFailureMissed(page)) }),
    Canary(invariant: .I33, note: "a zero entry taken for a page") {
      $0.emit(.zeroEntryDereferenced(file))
    },
    Canary(invariant: .I35, note: "an entry left over") { $0.emit(.entryFoundAfterBreak(file)) },
    Canary(invariant: .I39, note: "an unpin without a pin") { $0.ledger.drop(.pin, of: PFN(2)) },
    Canary(invariant: .I41, note: "a pinned copy is replaced") { $0.emit(.pinnedWritten(page)) },
    Canary(
      invariant: .I42, note: "a long-term reference of an fsdax page",
      prepare: { $0.emit(.longtermGrabbed(PFN(Limits.devicePages))) },
      corrupt: { $0.emit(.longtermGrabbed(page)) }),
    Canary(
      invariant: .I61, note: "a process ends with pages resident",
      prepare: { $0.emit(.addressSpaceEnded(MMID(1))) },
      corrupt: { $0.mms[MMID(1)].residentAnonPages = 1 }),
    Canary(
      invariant: .I43, note: "gup_fast returns a page the PTE does not name",
      prepare: { $0.emit(.grabbed(page, MMID(0), MappingID(0), first)) },
      corrupt: { $0.emit(.grabbed(PFN(2), MMID(0), MappingID(0), first)) }),
    Canary(
      invariant: .I44, note: "a call ends with a reference taken for its length",
      prepare: { $0.emit(.callEnded) }, corrupt: { $0.cpus[CPUID(0)].transients = 1 }),
    Canary(
      invariant: .I54, note: "a load sees what nobody wrote",
      prepare: { $0.emit(.read(value: 7, expected: 7, page)) },
      corrupt: { $0.emit(.read(value: 8, expected: 7, page)) }),
  ]

  /// Somebody sleeps, and nobody sees to it.
  static let ofWaiting: [Canary] = [
    Canary(
      invariant: .I55, note: "a waiter is not woken",
      prepare: { sleep(&$0, keyedByRefcount: false, isWoken: true) },
      corrupt: { $0.cpus[CPUID(1)].wait.isWoken = false }),
    Canary(
      invariant: .I60, note: "a waiter sleeps elsewhere",
      prepare: { sleep(&$0, keyedByRefcount: true, isWoken: true) },
      corrupt: { $0.cpus[CPUID(1)].wait.isWoken = false }),
    Canary(
      invariant: .I57, note: "a wake-up is kept",
      prepare: { machine in
        machine.cpus[CPUID(1)].wait = Wait(kind: .entry, object: 0, isWoken: true)
        machine.waiting.insert(CPUID(1))
        machine.emit(.entryReleased(file, first))
      },
      corrupt: { $0.cpus[CPUID(1)].wait.isWoken = false }),
    Canary(invariant: .I58, note: "one fault too many") { $0.emit(.retriedTooOften) },
    Canary(invariant: .I64, note: "a freed inode looked into") { $0.emit(.freedInodeUsed(file)) },
    Canary(invariant: .I67, note: "a zap of more than its range") { $0.emit(.zappedBeside(page)) },
    Canary(invariant: .I68, note: "a zero page beside a page that is written") { machine in
      machine.mms[MMID(0)].vmas[MappingID(0)].ptes[first] = .zero
      machine.emit(.written(file, first))
    },
    Canary(invariant: .I69, note: "fork shares a pinned page") { machine in
      machine.ledger.take(.pin, of: page)
      machine.pages[page].refcount += Page.pinBias
      machine.emit(.sharedOnItsWay(page))
    },
    Canary(invariant: .I59, note: "a sleep under a spinlock") { $0.emit(.sleptUnderSpinlock) },
    Canary(invariant: .I65, note: "a lock taken after one that comes later") { machine in
      _ = machine.acquire(.invalidate(file))
      _ = machine.acquire(.inode(file))
    },
    Canary(invariant: .I66, note: "a mapping written on two CPUs") { machine in
      machine.accesses.isKept = true
      var races = DataRaces()
      for cpu in [CPUID(0), CPUID(1)] {
        machine.current = cpu
        machine.note(.write(page, .mapping))
        if let race = races.observe(&machine) { machine.judge(race) }
      }
    },
  ]

  /// What the staged end looks at.
  static let ofTheEnd: [Canary] = [
    Canary(invariant: .I56, note: "somebody still sleeps") { machine in
      machine.cpus[CPUID(1)].isActive = true
      machine.cpus[CPUID(1)].wait = Wait(kind: .entry)
      machine.judgeSleepers(mayWaitForPagemap: false)
    },
    Canary(invariant: .I23, note: "an unbind never returns") { machine in
      machine.cpus[CPUID(1)].isActive = true
      machine.cpus[CPUID(1)].wait = Wait(kind: .pagemap)
      machine.judgeSleepers(mayWaitForPagemap: false)
    },
    Canary(invariant: .I7, note: "a pin was never released") { machine in
      machine.ledger.take(.pin, of: PFN(2))
      machine.ledger.accounts[PFN(2)] = Ledger.Account()
      machine.files[file].nrpages = 0
      machine.pgmap.references = 0
      machine.judgeEnd()
      machine.files[file].nrpages = 1
    },
  ]

  private static func move(_ source: PFN, to destination: PFN, _ machine: inout Machine) {
    machine.cpus[CPUID(1)].migration.count = 1
    machine.cpus[CPUID(1)].migration.slots[0] = Migration.Slot(
      source: source, destination: destination, hasLockedSource: true)
  }

  private static func sleep(_ machine: inout Machine, keyedByRefcount: Bool, isWoken: Bool) {
    machine.cpus[CPUID(1)].wait = Wait(
      kind: .pageIdle, object: page.rawValue, isWoken: isWoken, isKeyedByRefcount: keyedByRefcount)
    machine.waiting.insert(CPUID(1))
    machine.emit(.wentIdle(page))
  }
}
