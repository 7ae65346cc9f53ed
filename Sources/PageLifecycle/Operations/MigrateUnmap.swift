// SPDX-License-Identifier: MIT

/// The second phase of `migrate_vma_setup()`: collected pages leave the LRU and every other
/// page table, and those somebody else holds are given back; `migrate_device_unmap()`.
///
/// Registers: count, the slot at hand; index, the address space at hand.
enum MigrateUnmap: Body {
  enum Step: UInt8, CaseIterable {
    case nextSlot
    /// `folio_isolate_lru()`, and `folio_put()` of the reference of collection
    case isolate, getIsolated, putCollected
    /// `try_to_migrate()`: for every process that maps the page
    case nextMM, lockPageTable, clearPTE, restorePTE, setMigrationPTE, removeRmap, putMapping
    case flushTLB, unlockPageTable
    /// `migrate_vma_check_page()`
    case checkPage
    /// of a page that stays: `remove_migration_ptes()`, `folio_unlock()`, `folio_put()`
    case nextRejected, restoreEntries, putbackLRU, unlockPage, putPage
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .nextSlot:
      while m.frame.count < m.migration.count {
        if m.slot.isSelected && !m.slot.source.isNone {
          let isSystem = m.pages[m.slot.source].type == .system
          m.frame.index = PageIndex(0)
          return .next(isSystem ? .isolate : .nextMM)
        }
        m.frame.count += 1
      }
      m.frame.count = 0
      return .next(.nextRejected)

    case .isolate, .getIsolated, .putCollected: return isolate(step, &m)
    case .checkPage: return check(&m)
    case .nextRejected, .restoreEntries, .putbackLRU, .unlockPage, .putPage:
      return reject(step, &m)
    default: return unmap(step, &m)
    }
  }

  private static func isolate(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.slot.source
    switch step {
    case .isolate:
      guard m.takeOffLRU(pfn) else {
        m.slot.isSelected = false
        m.frame.count += 1
        return .next(.nextSlot)
      }
      return .next(.getIsolated)

    case .getIsolated:
      m.getPage(pfn)
      m.holdBriefly(.isolation, of: pfn)
      m.slot.isIsolated = true
      return .next(.putCollected)

    default:
      return m.enter(PutPage.frame(pfn, .migration), then: Step.nextMM)
    }
  }

  private static func unmap(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.slot.source
    let mm = MMID(rawValue: m.frame.index.rawValue)
    let (mapping, page) = (m.frame.mapping, m.frame.page)
    switch step {
    case .nextMM:
      m.noteUse(of: pfn)
      guard m.pages[pfn].mapcount > 0, mm.position < Limits.mms, m.obeys(.unmapsEverywhere) else {
        return .next(.checkPage)
      }
      (m.frame.mapping, m.frame.page) = (MappingID(0), PageIndex(0))
      if m.mms[mm].isAlive { return .next(.lockPageTable) }
      m.frame.index = m.frame.index + 1
      return .next(.nextMM)

    case .lockPageTable:
      guard m.acquire(.pageTable(mm)) else { return .wait }
      m.cpus[m.current].gatherMM = mm
      return .next(.clearPTE)

    case .clearPTE:
      let pages = m.folio(pfn)
      guard m.find({ $0.isMapping && pages.contains($0.pfn.position) }, in: mm) else {
        return .next(.flushTLB)
      }
      m.frame.pte = m.mms[mm].vmas[m.frame.mapping].ptes[m.frame.page]
      m.clearPTE(mm, m.frame.mapping, m.frame.page)
      m.ledger.take(.gather, of: pfn)
      if m.frame.pte.kind == .page {
        m.cpus[m.current].gatherMapping = m.frame.mapping
        m.cpus[m.current].gathered[m.frame.page] = m.frame.pte
        m.cpus[m.current].stale.insert(m.frame.page)
      }
      guard let wasExclusive = m.tryShare(m.frame.pte) else { return .next(.restorePTE) }
      m.frame.pte.isExclusive = wasExclusive
      return .next(.setMigrationPTE)

    case .restorePTE:
      // It may be pinned: it stays mapped, and the check refuses it.
      m.ledger.drop(.gather, of: pfn)
      m.frame.pte.isExclusive = false
      m.setPTE(mm, mapping, page, m.frame.pte)
      m.cpus[m.current].gathered[page] = .none
      return .next(.flushTLB)

    case .setMigrationPTE:
      m.setPTE(mm, mapping, page, m.frame.pte.onItsWay)
      return .next(.removeRmap)

    case .removeRmap:
      m.removeRmap(pfn)
      return .next(.putMapping)

    case .putMapping:
      m.flushTLBs(of: mm)
      m.cpus[m.current].gathered[page] = .none
      return m.enter(PutPage.frame(pfn, .gather), then: Step.clearPTE)

    case .flushTLB:
      m.flushTLBs(of: mm)
      return .next(.unlockPageTable)

    default:
      m.release(.pageTable(mm))
      m.frame.index = m.frame.index + 1
      return .next(.nextMM)
    }
  }

  /// Still mapped, or held by more than the migration: the page stays.
  private static func check(_ m: inout Machine) -> Transition<Step> {
    let pfn = m.slot.source
    m.noteUse(of: pfn)
    var extra: Int32 = 1 + m.migrationBase(of: pfn)
    if pfn == m.migration.faultPage { extra += 1 }
    if m.pages[pfn].type != .system && !m.obeys(.grantsNoSlack) { extra += 1 }
    let mapped = m.pages[pfn].mapcount
    // While memremap_pages() held private pages they passed without a look at the count.
    let isPrivate = m.rules.driverBase != 0 && !m.obeys(.grantsNoSlack)
    let isTrusted =
      m.pages[pfn].type != .system && (isPrivate || !m.obeys(.migratesOnlyUnshared))
    let isMapped = mapped > 0 && m.obeys(.unmapsEverywhere)
    let isRefused = m.pages[pfn].type == .coherent && !m.rules.migratesCoherent
    if isRefused || isMapped || (m.pages[pfn].refcount - extra > mapped && !isTrusted) {
      m.slot.isSelected = false
      m.noteBeaten(pfn)
    } else {
      m.emit(.acceptedForMigration(pfn))
    }
    m.frame.count += 1
    return .next(.nextSlot)
  }

  private static func reject(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.slot.source
    switch step {
    case .nextRejected:
      while m.frame.count < m.migration.count {
        if !m.slot.isSelected && !m.slot.source.isNone { return .next(.restoreEntries) }
        m.frame.count += 1
      }
      return .finish

    case .restoreEntries:
      return m.enter(
        RestoreEntries.frame(pfn, to: pfn), then: m.slot.isIsolated ? Step.putbackLRU : .unlockPage)

    case .putbackLRU:
      m.putOnLRU(pfn)
      return .next(.unlockPage)

    case .unlockPage:
      let isCallers = pfn == m.migration.faultPage && m.migration.isFaultPageLocked
      m.slot.hasLockedSource = false
      if !isCallers { m.unlockPage(pfn) }
      m.emit(.migrationEnded(pfn, .none))
      return .next(.putPage)

    default:
      let holder: Holder = m.slot.isIsolated ? .isolation : .migration
      m.slot.source = .none
      m.frame.count += 1
      return m.enter(PutPage.frame(pfn, holder), then: Step.nextRejected)
    }
  }
}

/// Replaces the migration entries of a page by entries of its new place;
/// `remove_migration_ptes()`.
///
/// Registers: pfn, the page they name; pte.pfn, the page they become; index, the address space.
enum RestoreEntries: Body {
  enum Step: UInt8, CaseIterable {
    case nextMM
    /// `page_vma_mapped_walk()`: `pte_offset_map_lock()`
    case lockPageTable
    /// `remove_migration_pte()`: `folio_get()`, `folio_add_anon_rmap_pte()`, `set_pte_at()`
    case findEntry, addRmap, setPTE
    /// `pte_unmap_unlock()`
    case unlockPageTable
  }

  static func frame(_ pfn: PFN, to destination: PFN) -> Frame {
    var frame = Frame(.restoreEntries)
    frame.pfn = pfn
    frame.pte.pfn = destination
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let mm = MMID(rawValue: m.frame.index.rawValue)
    let (source, destination) = (m.frame.pfn, m.frame.pte.pfn)
    switch step {
    case .nextMM:
      guard mm.position < Limits.mms else { return .finish }
      (m.frame.mapping, m.frame.page) = (MappingID(0), PageIndex(0))
      if m.mms[mm].isAlive { return .next(.lockPageTable) }
      m.frame.index = m.frame.index + 1
      return .next(.nextMM)

    case .lockPageTable:
      return m.acquire(.pageTable(mm)) ? .next(.findEntry) : .wait

    case .findEntry:
      let pages = m.folio(source)
      guard m.find({ $0.kind == .migration && pages.contains($0.pfn.position) }, in: mm) else {
        return .next(.unlockPageTable)
      }
      m.getPage(destination)
      m.holdBriefly(.fault, of: destination)
      return .next(.addRmap)

    case .addRmap:
      m.addRmap(destination)
      return .next(.setPTE)

    case .setPTE:
      let entry = m.mms[mm].vmas[m.frame.mapping].ptes[m.frame.page]
      let isPrivate = m.pages[destination].type == .devicePrivate
      // The page of the folio that the entry is about.
      let pfn = PFN(destination.position + entry.pfn.position - source.position)
      let pte: PTE =
        isPrivate
        ? .devicePrivate(pfn, writable: entry.isWritable, pmd: entry.isPMD)
        : .page(pfn, writable: entry.isWritable, pmd: entry.isPMD)
      m.clearPTE(mm, m.frame.mapping, m.frame.page)
      m.dropBriefHold(.fault, of: destination)
      m.setPTE(mm, m.frame.mapping, m.frame.page, pte)
      if entry.isExclusive { m.makeExclusive(pte, true) }
      m.emit(.restored(pte, before: entry))
      return .next(.findEntry)

    case .unlockPageTable:
      m.release(.pageTable(mm))
      m.frame.index = m.frame.index + 1
      return .next(.nextMM)
    }
  }
}

extension Machine {
  /// Moves the registers mapping and page to the next entry of an address space that is wanted.
  mutating func find(_ isWanted: (PTE) -> Bool, in mm: MMID) -> Bool {
    while frame.mapping.position < Limits.mappings {
      while frame.page.position < Limits.filePages {
        if isWanted(mms[mm].vmas[frame.mapping].ptes[frame.page]) { return true }
        frame.page = frame.page + 1
      }
      frame.mapping = MappingID(frame.mapping.position + 1)
      frame.page = PageIndex(0)
    }
    return false
  }
}
