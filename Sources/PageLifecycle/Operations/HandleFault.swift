// SPDX-License-Identifier: MIT

/// Handles one page fault with the mmap_lock held; `handle_mm_fault()`.
///
/// A fault on a file goes on in ``DaxFault``; a write to a private mapping that already shows a
/// page copies it here, as `wp_page_copy()` does.  Registers: mm, mapping, page, flags.
enum HandleFault: Body {
  enum Step: UInt8, CaseIterable {
    /// `handle_pte_fault()`
    case readPTE
    /// `migration_entry_wait()`; once with a reference of the page
    case waitForMigration, putMigrating
    /// `do_anonymous_page()` of a read: the zero page
    case lockToMapZero, mapZero, unlockMapped
    /// `do_wp_page()`: `pte_offset_map_lock()`, `pte_same()`
    case lockToCheck, checkPTE, unlockChecked
    /// `wp_page_reuse()`
    case reusePage
    /// `vma_alloc_folio()`
    case allocateCopy
    /// `__wp_page_copy_user()`
    case copyData
    /// `wp_page_copy()`: `pte_offset_map_lock()`, `pte_same()`
    case lockToInstall, recheckPTE
    /// `ptep_clear_flush()`
    case clearOldPTE, flushOldPTE
    /// `folio_add_new_anon_rmap()`
    case addRmap
    /// `set_pte_at_notify()`
    case setPTE
    /// `folio_remove_rmap_pte()`
    case removeOldRmap
    /// `pte_unmap_unlock()`
    case unlockInstalled
    /// `folio_put(old_folio)`, twice where the copy held one of its own
    case putHeldSource, putOldMapping
    /// The PTE changed meanwhile: `folio_put(new_folio)`
    case discardCopy
  }

  static func frame(
    _ mm: MMID, _ mapping: MappingID, _ page: PageIndex, _ flags: CallFlags
  ) -> Frame {
    var frame = Frame(.handleFault)
    (frame.mm, frame.mapping, frame.page, frame.flags) = (mm, mapping, page, flags)
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .readPTE: return readPTE(&m)
    case .waitForMigration, .putMigrating: return waitForMigration(step, &m)
    case .lockToMapZero, .mapZero, .unlockMapped: return mapZero(step, &m)
    case .lockToCheck, .checkPTE, .unlockChecked, .reusePage: return check(step, &m)
    case .allocateCopy, .copyData, .discardCopy: return copy(step, &m)
    default: return install(step, &m)
    }
  }

  private static func readPTE(_ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, page) = (m.frame.mm, m.frame.mapping, m.frame.page)
    let vma = m.mms[mm].vmas[mapping]
    guard !vma.isFree, vma.pages.contains(page) else {
      m.value = Outcome(.sigsegv)
      return .finish
    }
    let pte = vma.ptes[page]
    m.frame.pte = pte
    let isWrite = m.frame.flags.contains(.write)
    switch pte.kind {
    case .migration: return .next(.waitForMigration)
    case .devicePrivate:
      return m.enter(PrivateFault.frame(mm, mapping, page, pte), then: Step.putOldMapping)
    case .none where vma.kind == .anonymous:
      return .next(isWrite ? .allocateCopy : .lockToMapZero)
    case .none where vma.kind == .deviceDAX:
      return m.enter(DeviceDAXFault.frame(mm, mapping, page), then: Step.putOldMapping)
    case .none where vma.kind == .p2pdma:
      m.value = Outcome(.sigbus)
      return .finish
    default: break
    }
    if pte.kind != .none {
      if m.frame.flags.contains(.unshare) { return .next(.lockToCheck) }
      guard isWrite, !pte.isWritable else {
        m.value = .ok
        return .finish
      }
      if vma.isPrivate { return .next(.lockToCheck) }
    }
    m.value = .ok
    if pte.kind != .page || !vma.isPrivate {
      // Left for good: what the file's fault returns is what this one does.
      let frame = DaxFault.frame(mm, mapping, page, m.frame.flags, file: vma.file)
      return m.enter(frame, then: Step.putOldMapping)
    }
    return .finish
  }

  private static func waitForMigration(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pte = m.mms[m.frame.mm].vmas[m.frame.mapping].ptes[m.frame.page]
    m.value = .ok
    // The entry is looked at under the page-table lock each time.  The page is not held: once the
    // entry has changed it may be gone, and who was woken does not look at it.
    guard step == .putMigrating || pte == m.frame.pte || m.frame.count == 1 else {
      m.leaveQueue()
      return .finish
    }
    // A folio on its way is locked by its first page.
    let pfn = m.owner(of: m.frame.pte.pfn)
    switch step {
    case .waitForMigration:
      if m.frame.count == 0 && !m.obeys(.waitsWithoutReference) {
        m.getPage(pfn)
        m.holdBriefly(.faultPage, of: pfn)
        m.frame.count = 1
      }
      guard m.waitForPageLock(pfn) else { return .wait }
      return m.frame.count == 1 ? .next(.putMigrating) : .finish

    default:
      m.frame.count = 0
      return m.enter(PutPage.frame(pfn, .faultPage), then: Step.putOldMapping)
    }
  }

  private static func mapZero(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, page) = (m.frame.mm, m.frame.mapping, m.frame.page)
    m.value = .ok
    switch step {
    case .lockToMapZero:
      return m.acquire(.pageTable(mm)) ? .next(.mapZero) : .wait

    case .mapZero:
      if m.mms[mm].vmas[mapping].ptes[page].kind == .none {
        m.setPTE(mm, mapping, page, .zero)
      }
      return .next(.unlockMapped)

    default:
      m.release(.pageTable(mm))
      return .finish
    }
  }

  private static func check(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, page) = (m.frame.mm, m.frame.mapping, m.frame.page)
    let pte = m.frame.pte
    switch step {
    case .lockToCheck:
      return m.acquire(.pageTable(mm)) ? .next(.checkPTE) : .wait

    case .checkPTE:
      guard m.mms[mm].vmas[mapping].ptes[page] == pte else {
        m.frame.pte = .none
        return .next(.unlockChecked)
      }
      if pte.kind == .page {
        m.noteUse(of: pte.pfn)
        let isAnonymous = m.pages[pte.pfn].mapping == .anon
        let isOwn =
          m.pages[pte.pfn].flags.contains(.anonExclusive) || m.pages[pte.pfn].refcount == 1
        if isAnonymous && isOwn { return .next(.reusePage) }
        if m.countsMappings(of: pte.pfn) {
          m.getPage(m.owner(of: pte.pfn))
          m.holdBriefly(.fault, of: m.owner(of: pte.pfn))
          m.frame.count = 1
        }
      }
      m.frame.pfn = .none
      return .next(.unlockChecked)

    case .reusePage:
      m.makeExclusive(pte.pfn)
      if m.frame.flags.contains(.write) {
        m.mms[mm].vmas[mapping].ptes[page].isWritable = true
      }
      m.frame.pte = .none
      return .next(.unlockChecked)

    default:
      m.release(.pageTable(mm))
      m.value = .ok
      return m.frame.pte.kind == .none ? .finish : .next(.allocateCopy)
    }
  }

  private static func copy(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .allocateCopy:
      m.frame.pfn = m.allocateRAM()
      guard !m.frame.pfn.isNone else {
        m.value = Outcome(.noMemory)
        return putSource(&m)
      }
      m.holdBriefly(.fault, of: m.frame.pfn)
      return .next(.copyData)

    case .copyData:
      let source = m.frame.pte
      m.store(source.kind == .page ? m.contents(of: source.pfn) : 0, in: m.frame.pfn)
      return .next(.lockToInstall)

    default:
      let frame = PutPage.frame(m.frame.pfn, .fault)
      return m.enter(frame, then: Step.putHeldSource)
    }
  }

  private static func install(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, page) = (m.frame.mm, m.frame.mapping, m.frame.page)
    let (old, new) = (m.frame.pte, m.frame.pfn)
    switch step {
    case .lockToInstall:
      return m.acquire(.pageTable(mm)) ? .next(.recheckPTE) : .wait

    case .recheckPTE:
      guard m.mms[mm].vmas[mapping].ptes[page] == old else {
        m.release(.pageTable(mm))
        return .next(.discardCopy)
      }
      return .next(.clearOldPTE)

    case .clearOldPTE:
      m.addResident(mm, old, -1)
      m.clearPTE(mm, mapping, page)
      if old.kind == .page {
        m.cpus[m.current].gatherMM = mm
        m.cpus[m.current].gatherMapping = mapping
        m.cpus[m.current].gathered[page] = old
        m.cpus[m.current].stale.insert(page)
        m.noteReplaced(old.pfn, in: mm)
        if m.countsMappings(of: old.pfn) {
          m.ledger.take(.gather, of: m.owner(of: old.pfn))
          m.frame.end = PageIndex(1)
        }
      }
      return .next(.flushOldPTE)

    case .flushOldPTE:
      m.flushTLBs(of: mm)
      m.cpus[m.current].gathered[page] = .none
      return .next(.addRmap)

    case .addRmap:
      m.becomeAnonymous(new)
      m.addRmap(new)
      return .next(.setPTE)

    case .setPTE:
      let isWritable = m.frame.flags.contains(.write)
      m.keepCopy(of: new, at: (mm, mapping, page), writable: isWritable)
      guard old.kind == .page, m.countsMappings(of: old.pfn) else { return .next(.unlockInstalled) }
      return .next(.removeOldRmap)

    case .removeOldRmap:
      m.removeRmap(m.owner(of: old.pfn))
      return .next(.unlockInstalled)

    case .unlockInstalled:
      m.release(.pageTable(mm))
      m.value = .ok
      return .next(.putHeldSource)

    case .putHeldSource:
      return putSource(&m)

    default:
      guard m.frame.end.rawValue == 1 else { return .finish }
      m.frame.end = PageIndex(0)
      return m.enter(PutPage.frame(m.owner(of: old.pfn), .gather), then: Step.putOldMapping)
    }
  }

  private static func putSource(_ m: inout Machine) -> Transition<Step> {
    guard m.frame.count == 1 else { return .next(.putOldMapping) }
    m.frame.count = 0
    return m.enter(PutPage.frame(m.owner(of: m.frame.pte.pfn), .fault), then: Step.putOldMapping)
  }
}

extension Machine {
  /// An anonymous page leaves an address space that has it pinned.
  fileprivate mutating func noteReplaced(_ pfn: PFN, in mm: MMID) {
    guard ledger[pfn][.pin] != 0, pages[pfn].exists, pages[pfn].mapping == .anon else { return }
    let isPinnedHere = handles.indices.contains { handle in
      let held = handles[handle]
      guard held.state == .held, held.holder == .pin else { return false }
      return (0..<Int(held.count)).contains { held.pages[$0] == pfn && held.origins[$0].mm == mm }
    }
    if isPinnedHere { emit(.pinnedWritten(pfn)) }
  }

  /// A fault has copied the page behind an address, and not yet put the copy in its place.
  mutating func isCopying(
    _ pfn: PFN, _ mm: MMID, _ mapping: MappingID, _ page: PageIndex
  ) -> Bool {
    let copied = HandleFault.Step.copyData.rawValue
    return cpus.indices.contains { cpu in
      cpus[cpu].hasEntered { frame in
        let isThere = frame.mm == mm && frame.mapping == mapping && frame.page == page
        return frame.procedure == .handleFault && isThere && frame.pte.pfn == pfn
          && frame.step > copied
      }
    }
  }

  /// Maps a fresh private copy; the fault's reference becomes the mapping's.
  mutating func keepCopy(
    of new: PFN, at place: (MMID, MappingID, PageIndex), writable: Bool
  ) {
    let (mm, mapping, page) = place
    dropBriefHold(.fault, of: new)
    addResident(mm, .page(new, writable: writable), 1)
    setPTE(mm, mapping, page, .page(new, writable: writable))
    noteCopy(of: new, at: place)
  }

  /// The address has memory of its own from now on.
  mutating func noteCopy(of new: PFN, at place: (MMID, MappingID, PageIndex)) {
    let (mm, mapping, page) = place
    mms[mm].vmas[mapping].hasAnonVMA = true
    if !mms[mm].vmas[mapping].copies.contains(page) {
      mms[mm].vmas[mapping].copies.insert(page)
      mms[mm].vmas[mapping].copyValues[page] = memory[new]
      mms[mm].vmas[mapping].unsettled.remove(page)
    }
  }
}
