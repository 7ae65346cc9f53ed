// SPDX-License-Identifier: MIT

/// A CPU touches a page that lies in a device it cannot reach: the driver brings it back;
/// `do_swap_page()` of a device-private entry.
///
/// Registers: mm, mapping, page, pte; pfn, the device page; index, 1 when the driver is done.
enum PrivateFault: Body {
  enum Step: UInt8, CaseIterable {
    /// `pte_offset_map_lock()`, `pte_same()`
    case lockPageTable, recheckPTE
    /// `folio_trylock()`, `folio_get()`
    case tryLockPage, getPage
    /// `pte_unmap_unlock()`
    case unlockPageTable
    /// `softleaf_entry_wait_on_locked()`: the page is waited for without a reference
    case unlockToWait, waitForLock
    /// `pgmap->ops->migrate_to_ram()`
    case migrateToRAM
    /// `folio_unlock()`, `folio_put()`
    case unlockPage, putPage, leave
  }

  static func frame(
    _ mm: MMID, _ mapping: MappingID, _ page: PageIndex, _ pte: PTE
  ) -> Frame {
    var frame = Frame(.privateFault)
    (frame.mm, frame.mapping, frame.page, frame.pte) = (mm, mapping, page, pte)
    frame.pfn = pte.pfn
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.frame.pfn
    switch step {
    case .lockPageTable, .recheckPTE, .tryLockPage, .getPage, .unlockPageTable:
      return check(step, &m)

    case .unlockToWait:
      m.release(.pageTable(m.frame.mm))
      guard !m.obeys(.sleepsOnFaultPageLock) else { return .next(.waitForLock) }
      m.frame.result = Outcome(.again)
      return .next(.leave)

    case .waitForLock:
      // The page is not held: once the entry has changed it may be gone, and nobody looks at it.
      let mm = m.frame.mm
      guard m.mms[mm].vmas[m.frame.mapping].ptes[m.frame.page] == m.frame.pte else {
        m.leaveQueue()
        return .next(.leave)
      }
      return m.waitForPageLock(pfn) ? .next(.leave) : .wait

    case .migrateToRAM:
      // The callback is found through page->pgmap.
      if m.frame.holder != .faultPage {
        m.noteUse(of: pfn)
        m.emit(.usedWithoutReference(pfn))
      }
      m.migration = Migration()
      (m.migration.mm, m.migration.mapping) = (m.frame.mm, m.frame.mapping)
      (m.migration.page, m.migration.count) = (m.frame.page, 1)
      m.migration.pagemap = PagemapID(of: pfn)?.device ?? .device0
      m.migration.isToSystem = true
      m.migration.flags = m.obeys(.asksForOwnType) ? .selectPrivate : .selectSystem
      if m.frame.pte.isPMD { m.migrateWholePMD() }
      // What no reference was taken of needs no exception for it.
      let isHeld = m.frame.holder == .faultPage
      if m.obeys(.passesFaultPage) && isHeld { m.migration.faultPage = pfn }
      m.migration.isFaultPageLocked = m.frame.count == 1
      return m.enter(Frame(.migrate), then: Step.unlockPage)

    case .unlockPage:
      m.frame.index = PageIndex(1)
      // Nothing moved, and it was not that another migration has the page.
      if m.value.rawValue == 0 && m.migration.lacksMemory {
        m.frame.result = Outcome(.noMemory)
      } else if m.value.rawValue == 0 && !m.migration.isBeaten {
        m.frame.result = Outcome(.again)
      }
      // A part of a folio that it was one entry of may be a page of its own now.
      if !m.frame.pte.isPMD { m.frame.pfn = m.owner(of: m.frame.pte.pfn) }
      if m.frame.count == 1 { m.unlockPage(m.frame.pfn) }
      return .next(.putPage)

    case .putPage:
      guard m.frame.holder == .faultPage else { return .next(.leave) }
      return m.enter(PutPage.frame(pfn, .faultPage), then: Step.leave)

    case .leave:
      // Without memory the task is killed; else, whatever came of it, the access is tried again.
      let isOver = m.frame.result == Outcome(.noMemory)
      if m.frame.result.isFailure && !isOver { m.noteSpin() }
      m.value = isOver ? m.frame.result : .ok
      return .finish
    }
  }

  private static func check(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, pfn) = (m.frame.mm, m.frame.pfn)
    switch step {
    case .lockPageTable:
      // Once the driver was called with neither lock nor reference.
      guard m.obeys(.rechecksPrivatePTE) else {
        m.noteUse(of: pfn)
        m.emit(.usedWithoutReference(pfn))
        return .next(.migrateToRAM)
      }
      return m.acquire(.pageTable(mm)) ? .next(.recheckPTE) : .wait

    case .recheckPTE:
      guard m.mms[mm].vmas[m.frame.mapping].ptes[m.frame.page] == m.frame.pte else {
        m.frame.end = PageIndex(1)
        return .next(.unlockPageTable)
      }
      m.frame.pfn = m.owner(of: pfn)
      return .next(m.obeys(.locksFaultPage) ? .tryLockPage : .getPage)

    case .tryLockPage:
      guard m.tryLockPage(pfn) else { return .next(.unlockToWait) }
      m.frame.count = 1
      return .next(.getPage)

    case .getPage:
      m.getPage(pfn)
      m.holdBriefly(.faultPage, of: pfn)
      m.frame.holder = .faultPage
      return .next(.unlockPageTable)

    default:
      m.release(.pageTable(mm))
      return .next(m.frame.end.rawValue == 1 ? .leave : .migrateToRAM)
    }
  }
}

extension Machine {
  /// A CPU holds a page for a fault that goes on when somebody else's migration has ended.
  mutating func isServing(_ pfn: PFN, _ cpu: CPUID) -> Bool {
    let isLocked = migration.isFaultPageLocked
    let isFolio = isLarge(pfn)
    let isPage = { (frame: Frame) in !frame.pte.isPMD && frame.pte.pfn == pfn }
    return cpus[cpu].hasEntered { frame in
      switch frame.procedure {
      case .privateFault:
        // Who unlocked the page before we locked it is on its way out.
        let isLeaving = isLocked && frame.index.rawValue == 1
        // Of a part of a folio it holds the folio, until that is split.
        let isHeld = frame.pfn == pfn && (frame.pte.isPMD || isFolio)
        return frame.holder == .faultPage && (isHeld || isPage(frame)) && !isLeaving
      case .handleFault:
        // It waits for a migration, with a reference.
        return frame.count == 1 && frame.pte.pfn == pfn && frame.pte.kind == .migration
      default: return false
      }
    }
  }
}
