// SPDX-License-Identifier: MIT

extension Machine {
  /// Checks what the last step touched and what it did.
  @inline(__always)
  mutating func judge() {
    verdict.stepsJudged += 1
    (recentPages, recentFiles) = (touchedPages, touchedFiles)
    while let pfn = touchedPages.popFirst() {
      guard let (invariant, blame) = violation(at: pfn, mapcountIsSettled: isSettled(pfn)) else {
        continue
      }
      report(invariant, .page(pfn), blame)
    }
    while let file = touchedFiles.popFirst() {
      guard let (invariant, pfn) = violation(at: file, isSettled: isSettled(file)) else { continue }
      report(invariant, pfn.isNone ? .file(file) : .page(pfn), nil)
    }
    if eventCount != 0 { judgeEvents() }
    if !ledger.overdrawn.isNone {
      report(.I39, .page(ledger.overdrawn), nil)
      ledger.overdrawn = .none
    }
  }

  private mutating func judgeEvents() {
    for position in 0..<eventCount {
      if let (invariant, subject, blame) = violation(by: events[position]) {
        report(invariant, subject, blame)
        if case .mappingChanged(let pfn, true) = events[position] { taintFolio(at: pfn) }
      }
    }
    eventCount = 0
  }

  /// A page whose PTEs change under a page-table lock is judged by I4 when that is released.
  @inline(__always)
  private mutating func isSettled(_ pfn: PFN) -> Bool {
    var isSettled = true
    for position in 0..<Limits.mms {
      let mm = MMID(position)
      let holder = mms[mm].pageTableLock.writer
      guard holder != 0 else { continue }
      if holder == current.rawValue + 1 { deferredPages[mm].insert(pfn) }
      if deferredPages[mm].contains(pfn) { isSettled = false }
    }
    return isSettled
  }

  /// A file whose entries change under its pages lock is judged by I25 and I34 after it.
  @inline(__always)
  private mutating func isSettled(_ file: FileID) -> Bool {
    guard files[file].pagesLock.writer != 0 else { return true }
    deferredFiles.insert(file)
    return false
  }

  /// The objects a lock section changed are judged now that it has ended.
  @inline(__always)
  mutating func endSection(of lock: LockID) {
    if lock.kind == .pageTable {
      let mm = MMID(rawValue: lock.index)
      touchedPages.rawValue |= deferredPages[mm].rawValue
      deferredPages[mm] = Bits()
    } else if lock.kind == .iommu || lock.kind == .zone {
      if lock.kind == .iommu { touchedPages.rawValue |= iommu.tables.rawValue }
    } else {
      let file = FileID(rawValue: lock.index)
      if deferredFiles.contains(file) {
        deferredFiles.remove(file)
        touchedFiles.insert(file)
      }
    }
  }

  /// Judges what the last step, together with an earlier one of another CPU, did to a word.
  mutating func judge(_ race: DataRace) { report(.I66, .page(race.pfn), nil, race) }

  mutating func report(
    _ invariant: Invariant, _ subject: Subject, _ blame: Blame?, _ race: DataRace? = nil
  ) {
    guard !rules.exempt.contains(invariant) else { return }
    var violation = Violation(invariant: invariant, subject: subject, blame: blame)
    violation.race = race
    if case .page(let pfn) = subject { violation.type = pages[pfn].type }
    violation.cpu = current
    (violation.procedure, violation.step) = (executed.procedure, executed.step)
    violation.stepNumber = verdict.stepsJudged
    verdict.add(violation)
    if case .page(let pfn) = subject, pages[pfn].isHead || pages[pfn].isTail { taintFolio(at: pfn) }
    if keepsGoing { verdict.isStopped = false }
  }

  /// What is wrong with one page of a folio makes the others' counts meaningless too.
  private mutating func taintFolio(at pfn: PFN) {
    let head = pfn.position - pfn.position % Limits.pagesPerPMD
    for offset in 0..<Limits.pagesPerPMD { verdict.taintedPages.insert(PFN(head + offset)) }
  }

  /// With every holder gone nobody may sleep, but for memunmap_pages() and mapped pages.
  ///
  /// Returns true when nobody does: only then can the books be expected to close.
  @discardableResult
  mutating func judgeSleepers(mayWaitForPagemap: Bool) -> Bool {
    // Who waits for a lock waits for its holder; only where all do is that the deadlock itself.
    var sleepers = Bits<CPUID>()
    var lockWaiters = Bits<CPUID>()
    for cpu in cpus.indices where cpus[cpu].isActive {
      switch cpus[cpu].wait.kind {
      case .pagemap where mayWaitForPagemap: continue
      case .driver where mayWaitForPagemap && rules.baseHoldsPagemap: continue
      case .lock: lockWaiters.insert(cpu)
      default: sleepers.insert(cpu)
      }
    }
    if sleepers.isEmpty { sleepers = lockWaiters }
    let isQuiet = sleepers.isEmpty
    while let cpu = sleepers.popFirst() {
      current = cpu
      report(cpus[cpu].wait.kind == .pagemap ? .I23 : .I56, .task(cpu), nil)
    }
    return isQuiet
  }

  /// A page stays because somebody holds it: faults that each hold it for their own migrations
  /// wait for each other for ever, whoever else holds it lets go by himself.
  mutating func noteBeaten(_ pfn: PFN) {
    for cpu in cpus.indices where cpus[cpu].isActive {
      let isTolerated = cpu == current && migration.faultPage == pfn
      if !isTolerated && isServing(pfn, cpu) { return }
    }
    migration.isBeaten = true
  }

  /// With nothing mapped and nobody holding, every page of a driver is on its free list.
  mutating func judgeConservation() {
    current = Run.janitor
    for id in PagemapID.all where id.hasOwnList && pagemaps[id].state != .gone {
      // What comes back of a chunk that is being removed stays off the list.
      guard !id.hasDriver || !pagemaps[id].isRemoving else { continue }
      for position in id.pages {
        let pfn = PFN(position)
        guard pages[pfn].exists, !ledger.listed.contains(pfn), !ledger[pfn].isHeld else { continue }
        report(.I11, .page(pfn), nil)
      }
    }
    judgeAllocator()
  }

  /// What must be true once everything was released, unmapped, evicted and unbound.
  mutating func judgeEnd() {
    current = Run.janitor
    if ledger.pinsAcquired != ledger.pinsReleased { report(.I7, .pagemap, Blame(.extra, .pin)) }
    for id in pagemaps.indices
    where pagemaps[id].references != 0 || pagemaps[id].lookups != 0 || pagemaps[id].inUse != 0 {
      report(.I20, .pagemap, nil)
    }
    for file in files.indices where files[file].nrpages != 0 { report(.I34, .file(file), nil) }
  }

  /// The specification over every object: what the step-wise check is tested against.
  package func wholeViolation() -> Invariant? {
    var copy = self
    return copy.findWholeViolation()
  }

  private mutating func findWholeViolation() -> Invariant? {
    for pfn in pages.indices {
      let isLocked = mms.indices.contains { mms[$0].pageTableLock.writer != 0 }
      if let (invariant, _) = violation(at: pfn, mapcountIsSettled: !isLocked),
        !rules.exempt.contains(invariant)
      {
        return invariant
      }
    }
    for file in files.indices {
      let isSettled = files[file].pagesLock.writer == 0
      if let (invariant, _) = violation(at: file, isSettled: isSettled),
        !rules.exempt.contains(invariant)
      {
        return invariant
      }
    }
    return nil
  }
}
