// SPDX-License-Identifier: MIT

/// The first phase of `migrate_vma_setup()`: each page-table entry of the range is replaced by a
/// migration entry, and its page locked; `migrate_vma_collect_pmd()`.
///
/// Registers: count, the slot at hand.
enum MigrateCollect: Body {
  enum Step: UInt8, CaseIterable {
    /// `pte_offset_map_lock()`
    case lockPageTable
    /// `ptep_get()`
    case readPTE
    /// `folio_get()`
    case getPage
    /// `folio_trylock()`
    case tryLockPage
    /// `ptep_clear_flush()`, `ptep_get_and_clear()`
    case clearPTE
    /// `folio_try_share_anon_rmap_pte()` fails of a page that may be pinned
    case restorePTE, unlockPinned
    /// `set_pte_at()` of the migration entry
    case setMigrationPTE
    /// `folio_remove_rmap_pte()`, `folio_put()`
    case removeRmap, putMapping
    /// the page stays: `folio_put()`
    case putSkipped
    /// `flush_tlb_range()`, `pte_unmap_unlock()`
    case flushTLB, unlockPageTable
    /// of a folio that is not collected whole: `pte_unmap_unlock()`, `folio_get()`, `folio_lock()`
    case flushToSplit, unlockToSplit, getToSplit, lockToSplit
    /// `split_folio()`, `folio_unlock()`, `folio_put()`
    case split, unlockSplit, putSplit
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let mm = m.migration.mm
    switch step {
    case .lockPageTable:
      guard m.acquire(.pageTable(mm)) else { return .wait }
      m.cpus[m.current].gatherMM = mm
      m.cpus[m.current].gatherMapping = m.migration.mapping
      return .next(.readPTE)

    case .readPTE: return readPTE(&m)
    case .getPage, .tryLockPage: return hold(step, &m)
    case .clearPTE, .restorePTE, .unlockPinned, .setMigrationPTE, .removeRmap:
      return replace(step, &m)

    case .putMapping:
      let pfn = m.slot.source
      nextSlot(&m)
      return m.enter(PutPage.frame(pfn, .gather), then: Step.readPTE)

    case .putSkipped:
      let pfn = m.slot.source
      skip(&m)
      return m.enter(PutPage.frame(pfn, .migration), then: Step.readPTE)

    case .flushTLB:
      m.flushTLBs(of: mm)
      m.cpus[m.current].gathered = Table(repeating: .none)
      return .next(.unlockPageTable)

    case .unlockPageTable:
      m.release(.pageTable(mm))
      return .finish

    default: return split(step, &m)
    }
  }

  private static func nextSlot(_ m: inout Machine) { m.frame.count += UInt8(m.slot.span) }

  /// The pages of an entry stay; `migrate_vma_collect_skip()`.
  private static func skip(_ m: inout Machine) {
    let pages = m.slot.span - (m.slot.isCompound ? m.frame.page.position % Limits.pagesPerPMD : 0)
    m.slot = Migration.Slot()
    m.frame.count = min(m.frame.count + UInt8(pages), m.migration.count)
  }

  private static func readPTE(_ m: inout Machine) -> Transition<Step> {
    while m.frame.count < m.migration.count {
      let page = m.migration.page + Int(m.frame.count)
      let vma = m.mms[m.migration.mm].vmas[m.migration.mapping]
      m.slot = Migration.Slot()
      let isInside = page.position < Limits.filePages && vma.pages.contains(page)
      let pte = isInside ? vma.ptes[page] : .none
      if isWhole(page, &m), vma.kind == .anonymous, isHole(vma, page) {
        m.slot.isEmpty = true
        m.slot.isSelected = true
        m.slot.before.isPMD = true
        m.migration.isBeaten = true
        nextSlot(&m)
        continue
      }
      switch pte.kind {
      case .none, .zero:
        let isWanted = m.migration.flags.contains(.selectSystem) || pte.kind == .none
        m.slot.isEmpty = isInside && isWanted && vma.kind == .anonymous
        m.slot.isSelected = m.slot.isEmpty
      case .page, .devicePrivate:
        if isInside && isSelected(pte, &m) {
          m.slot.source = m.owner(of: pte.pfn)
          m.slot.before = pte.wholePMD(at: page)
          m.frame.page = page
          return .next(toSplit(pte, &m) ?? .getPage)
        }
      case .migration: break
      }
      // Whoever changed the entry is done with it.
      m.migration.isBeaten = true
      nextSlot(&m)
    }
    return .next(.flushTLB)
  }

  /// The kind of page is one that was asked for, and a device page is this driver's own.
  private static func isSelected(_ pte: PTE, _ m: inout Machine) -> Bool {
    let flags = m.migration.flags
    guard m.pages[m.owner(of: pte.pfn)].mapping == .anon else { return false }
    let isOwn = PagemapID(of: pte.pfn)?.device == m.migration.pagemap || !m.obeys(.selectsByOwner)
    switch m.pages[pte.pfn].type {
    case .system: return flags.contains(.selectSystem)
    case .devicePrivate: return flags.contains(.selectPrivate) && isOwn
    case .coherent: return flags.contains(m.rules.coherentSelect) && isOwn
    default: return false
    }
  }

  private static func hold(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.slot.source
    guard step == .tryLockPage else {
      m.getPage(pfn)
      m.holdBriefly(.migration, of: pfn)
      return .next(m.isLarge(pfn) && !m.slot.before.isPMD ? .flushToSplit : .tryLockPage)
    }
    let isLocked = pfn == m.migration.faultPage && m.migration.isFaultPageLocked
    guard isLocked || m.tryLockPage(pfn) else {
      m.migration.isBeaten = true
      return .next(.putSkipped)
    }
    if m.slot.before.isPMD && !isWhole(m.frame.page, &m) {
      guard m.frame.count == 0, !m.obeys(.collectsFoliosWhereAsked) else {
        return .next(.flushToSplit)
      }
      // More is handed to the driver than it asked for.
      m.frame.page = File.firstOfPMD(m.frame.page)
      (m.migration.page, m.migration.count) = (m.frame.page, UInt8(Limits.pagesPerPMD))
    }
    m.emit(.collected(pfn, m.migration.pagemap, m.migration.flags))
    m.slot.isWritable = m.slot.before.isWritable
    m.slot.hasLockedSource = true
    return .next(.clearPTE)
  }

  private static func replace(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, page) = (m.migration.mm, m.migration.mapping, m.frame.page)
    let (pfn, before) = (m.slot.source, m.slot.before)
    switch step {
    case .clearPTE:
      m.clearPTE(mm, mapping, page)
      m.ledger.take(.gather, of: pfn)
      if before.kind == .page {
        m.noteUse(of: pfn)
        let isFlushed = m.pages[pfn].flags.contains(.anonExclusive)
        m.cpus[m.current].gathered[page] = before
        if !isFlushed { m.cpus[m.current].stale.insert(page) }
      }
      guard let wasExclusive = m.tryShare(before) else { return .next(.restorePTE) }
      m.slot.before.isExclusive = wasExclusive
      return .next(.setMigrationPTE)

    case .restorePTE:
      m.ledger.drop(.gather, of: pfn)
      m.setPTE(mm, mapping, page, before)
      m.cpus[m.current].gathered[page] = .none
      return .next(.unlockPinned)

    case .unlockPinned:
      m.slot.hasLockedSource = false
      m.unlockPage(pfn)
      return .next(.putSkipped)

    case .setMigrationPTE:
      let entry = PTE.migration(
        pfn, writable: before.isWritable, exclusive: m.slot.before.isExclusive, pmd: before.isPMD)
      m.setPTE(mm, mapping, page, entry)
      m.slot.isSelected = true
      return .next(.removeRmap)

    default:
      m.removeRmap(pfn)
      return .next(.putMapping)
    }
  }

  /// The PMD of a page lies in the range whole, and compound pages are asked for.
  private static func isWhole(_ page: PageIndex, _ m: inout Machine) -> Bool {
    guard m.rules.hasPrivateFolios else { return false }
    let end = Int(m.frame.count) + Limits.pagesPerPMD
    let isInside = page == File.firstOfPMD(page) && end <= Int(m.migration.count)
    return isInside && m.migration.flags.contains(.pmd)
  }

  /// `pmd_none()`
  private static func isHole(_ vma: VMA, _ page: PageIndex) -> Bool {
    (0..<Limits.pagesPerPMD).allSatisfy { offset in
      vma.pages.contains(page + offset) && vma.ptes[page + offset].kind == .none
    }
  }

  /// What comes first where an entry maps a part of a folio and must not be locked in passing; nil
  /// of every other entry.
  private static func toSplit(_ pte: PTE, _ m: inout Machine) -> Step? {
    guard m.isLarge(m.slot.source), !pte.isPMD else { return nil }
    let isFaultPage = m.slot.source == m.migration.faultPage
    return isFaultPage || !m.obeys(.holdsFolioToSplit) ? .flushToSplit : nil
  }

  /// `migrate_vma_split_folio()`: then the same entry is looked at again.
  private static func split(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .flushToSplit:
      m.flushTLBs(of: m.migration.mm)
      m.cpus[m.current].gathered = Table(repeating: .none)
      m.frame.pfn = m.slot.source
      m.frame.flags = m.slot.before.isPMD ? .pmd : []
      m.frame.holder = m.slot.source == m.migration.faultPage ? .faultPage : .migration
      m.slot = Migration.Slot()
      return .next(.unlockToSplit)

    case .unlockToSplit:
      m.release(.pageTable(m.migration.mm))
      guard m.frame.holder == .migration, !m.frame.flags.contains(.pmd) else {
        return .next(.split)
      }
      return .next(m.obeys(.holdsFolioToSplit) ? .lockToSplit : .getToSplit)

    case .getToSplit:
      m.getPage(m.frame.pfn)
      m.noteSpeculation(m.frame.pfn)
      m.holdBriefly(.migration, of: m.frame.pfn)
      return .next(.lockToSplit)

    case .lockToSplit:
      return m.lockPage(m.frame.pfn) ? .next(.split) : .wait

    case .split:
      // Somebody else may have split it while its lock was waited for.
      guard m.isLarge(m.frame.pfn) else { return .next(.unlockSplit) }
      return m.enter(SplitFolio.frame(m.frame.pfn, m.frame.holder), then: Step.unlockSplit)

    case .unlockSplit:
      if m.value.isFailure {
        m.noteBeaten(m.frame.pfn)
        m.frame.count = m.migration.count
      }
      m.value = .ok
      guard m.frame.holder == .migration else { return .next(.lockPageTable) }
      m.unlockPage(m.frame.pfn)
      return .next(.putSplit)

    default:
      return m.enter(PutPage.frame(m.frame.pfn, .migration), then: Step.lockPageTable)
    }
  }
}

extension Machine {
  /// The migration the running CPU works at.
  @inline(__always)
  var migration: Migration {
    get { cpus[current].migration }
    _modify { yield &cpus[current].migration }
  }
  /// Its slot at hand; an empty one where the last was passed.
  @inline(__always)
  var slot: Migration.Slot {
    mutating get {
      cpus.with(current) { cpu in
        let position = Int(cpu.frame.count)
        return position < Limits.migrationPages ? cpu.migration.slots[position] : Migration.Slot()
      }
    }
    _modify { yield &cpus[current].migration.slots[Int(cpus[current].frame.count)] }
  }
}
