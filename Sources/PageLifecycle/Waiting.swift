// SPDX-License-Identifier: MIT

/// Wait queues: who sleeps on a page or an entry, and who wakes them.
extension Machine {
  /// The queue of a DAX entry, hashed by file and first index of the entry.
  @inline(__always)
  mutating func entryQueue(_ file: FileID, _ index: PageIndex) -> UInt8 {
    let home = obeys(.waitsOnPMDQueue) ? files[file].home(of: index) : index
    return file.rawValue << 4 | home.rawValue
  }

  /// `prepare_to_wait_exclusive()` on a locked entry.
  mutating func waitForEntry(_ file: FileID, _ index: PageIndex, exclusive: Bool = true) {
    enqueue(
      Wait(
        kind: .entry, object: entryQueue(file, index), mode: exclusive ? .exclusive : .shared))
  }

  /// `dax_wake_entry()`: one exclusive waiter, or all; the others always.
  mutating func wakeEntry(_ file: FileID, _ index: PageIndex, all: Bool) {
    let home = file.rawValue << 4 | files[file].home(of: index).rawValue
    var first: CPUID?
    var sleepers = waiting
    while let cpu = sleepers.popFirst() {
      let wait = cpus[cpu].wait
      guard wait.kind == .entry, !wait.isWoken else { continue }
      let matches =
        all
        ? wait.object >> 4 == file.rawValue
          && files[file].home(of: PageIndex(rawValue: wait.object & 15))
            == PageIndex(rawValue: home & 15)
        : wait.object == home
      guard matches else { continue }
      if all || wait.mode == .shared {
        cpus[cpu].wait.isWoken = true
      } else if first.map({ wait.place < cpus[$0].wait.place }) ?? true {
        first = cpu
      }
    }
    if let first { cpus[first].wait.isWoken = true }
  }

  /// A waiter of an unlocked entry whom nobody has woken, and nobody woken will.
  mutating func hasForgottenWaiter(_ file: FileID, _ index: PageIndex) -> Bool {
    guard !files[file].entry(at: index).isLocked else { return false }
    var hasSleeper = false
    var sleepers = waiting
    while let cpu = sleepers.popFirst() {
      let wait = cpus[cpu].wait
      guard wait.kind == .entry, wait.object >> 4 == file.rawValue,
        files[file].home(of: PageIndex(rawValue: wait.object & 15)) == files[file].home(of: index)
      else { continue }
      if wait.isWoken { return false }
      hasSleeper = true
    }
    return hasSleeper
  }

  /// `schedule()`: true once the wait has been answered; until then the step waits.
  mutating func isWokenFromSleep() -> Bool {
    let wait = cpus[current].wait
    let isOver = wait.isWoken || (wait.isInterruptible && cpus[current].isSignalled)
    if cpus[current].spinlocks != 0 { emit(.sleptUnderSpinlock) }
    cpus[current].isAsleep = !isOver
    if isOver { leaveQueue() }
    return isOver
  }

  /// `prepare_to_wait_event()` on a busy page.
  mutating func waitForIdle(_ pfn: PFN, interruptible: Bool) {
    enqueue(
      Wait(
        kind: .pageIdle, object: pfn.rawValue, isInterruptible: interruptible,
        isKeyedByRefcount: rules.waitsOnRefcount))
  }

  /// `wake_up_var()` on an idle page.
  mutating func wakePageWaiters(_ pfn: PFN) {
    let key = obeys(.wakesWhereWaitersSleep) ? rules.waitsOnRefcount : !rules.waitsOnRefcount
    var sleepers = waiting
    while let cpu = sleepers.popFirst() {
      let wait = cpus[cpu].wait
      guard wait.kind == .pageIdle, wait.object == pfn.rawValue else { continue }
      if wait.isKeyedByRefcount == key { cpus[cpu].wait.isWoken = true }
    }
  }
}

// MARK: What a call holds for its length

extension Machine {
  @inline(__always)
  mutating func holdBriefly(_ holder: Holder, of pfn: PFN, _ times: Int32 = 1) {
    ledger.take(holder, of: pfn, times)
    touch(pfn)
    cpus[current].transients += times
  }

  @inline(__always)
  mutating func dropBriefHold(_ holder: Holder, of pfn: PFN, _ times: Int32 = 1) {
    ledger.drop(holder, of: pfn, times)
    touch(pfn)
    cpus[current].transients -= times
  }

  @inline(__always)
  mutating func keepBriefHold(_ from: Holder, as to: Holder, of pfn: PFN, _ times: Int32 = 1) {
    ledger.convert(from, to: to, of: pfn, times)
    touch(pfn)
    cpus[current].transients -= times
  }

  /// `get_dev_pagemap()`: `percpu_ref_tryget_live()` on the pgmap.
  mutating func lookUpPagemap(_ id: PagemapID = .pmem0) -> Bool {
    if pagemaps[id].hasExited && pagemaps[id].state != .gone { emit(.pagemapLookedUpAfterExit) }
    noteAtomic(.pagemap(id))
    guard pagemaps[id].state == .live else { return false }
    pagemaps[id].references += 1
    pagemaps[id].lookups += 1
    cpus[current].lookups += 1
    return true
  }

  /// A present PTE of the page is marked as a device's: gup treats it apart.
  @inline(__always)
  mutating func isDevmap(_ pfn: PFN) -> Bool {
    pages[pfn].type == .fsdax || pages[pfn].type == .generic
  }

  /// The lookup of a gup walk, which keeps what it found in its registers.
  mutating func lookUpPagemap(of pfn: PFN) -> Bool {
    frame.pagemap = PagemapID(of: pfn) ?? .pmem0
    return lookUpPagemap(frame.pagemap)
  }

  /// `put_dev_pagemap()`.
  mutating func putPagemap(_ id: PagemapID = .pmem0) {
    noteAtomic(.pagemap(id))
    pagemaps[id].references -= 1
    pagemaps[id].lookups -= 1
    cpus[current].lookups -= 1
  }

  /// `synchronize_rcu()`: every section with interrupts off has ended; false while one has not.
  mutating func waitForGracePeriod() -> Bool {
    guard !cpus.indices.contains(where: { cpus[$0].hasInterruptsOff }) else {
      enqueue(Wait(kind: .gracePeriod))
      return false
    }
    leaveQueue()
    note(.everyone)
    return true
  }

  /// `folio_lock()`; false while somebody else has it.
  mutating func lockPage(_ pfn: PFN) -> Bool {
    waitForPageLock(pfn) && tryLockPage(pfn)
  }

  /// Sleeps until a page is unlocked; false while it is not.
  mutating func waitForPageLock(_ pfn: PFN) -> Bool {
    noteUse(of: pfn)
    guard pages[pfn].flags.contains(.locked) else {
      leaveQueue()
      return true
    }
    if cpus[current].spinlocks != 0 { emit(.sleptUnderSpinlock) }
    enqueue(Wait(kind: .pageLock, object: pfn.rawValue))
    return false
  }
}
