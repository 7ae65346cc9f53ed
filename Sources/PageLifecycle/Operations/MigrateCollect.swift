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
      m.slot = Migration.Slot()
      nextSlot(&m)
      return m.enter(PutPage.frame(pfn, .migration), then: Step.readPTE)

    case .flushTLB:
      m.flushTLBs(of: mm)
      m.cpus[m.current].gathered = Table(repeating: .none)
      return .next(.unlockPageTable)

    case .unlockPageTable:
      m.release(.pageTable(mm))
      return .finish
    }
  }

  private static func nextSlot(_ m: inout Machine) { m.frame.count += 1 }

  private static func readPTE(_ m: inout Machine) -> Transition<Step> {
    while m.frame.count < m.migration.count {
      let page = m.migration.page + Int(m.frame.count)
      let vma = m.mms[m.migration.mm].vmas[m.migration.mapping]
      m.slot = Migration.Slot()
      let isInside = page.position < Limits.filePages && vma.pages.contains(page)
      let pte = isInside ? vma.ptes[page] : .none
      switch pte.kind {
      case .none, .zero:
        let isWanted = m.migration.flags.contains(.selectSystem) || pte.kind == .none
        m.slot.isEmpty = isInside && isWanted && vma.kind == .anonymous
        m.slot.isSelected = m.slot.isEmpty
      case .page, .devicePrivate:
        if isInside && isSelected(pte, &m) {
          m.slot.source = pte.pfn
          m.slot.before = pte
          m.frame.page = page
          return .next(.getPage)
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
    guard m.pages[pte.pfn].mapping == .anon else { return false }
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
      return .next(.tryLockPage)
    }
    let isLocked = pfn == m.migration.faultPage && m.migration.isFaultPageLocked
    guard isLocked || m.tryLockPage(pfn) else {
      m.migration.isBeaten = true
      return .next(.putSkipped)
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
        let isFlushed = m.pages[pfn].flags.contains(.anonExclusive)
        m.cpus[m.current].gathered[page] = before
        if !isFlushed { m.cpus[m.current].stale.insert(page) }
      }
      guard let wasExclusive = m.tryShare(pfn) else { return .next(.restorePTE) }
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
        pfn, writable: before.isWritable, exclusive: m.slot.before.isExclusive)
      m.setPTE(mm, mapping, page, entry)
      m.slot.isSelected = true
      return .next(.removeRmap)

    default:
      m.removeRmap(pfn)
      return .next(.putMapping)
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
    get {
      let position = Int(cpus[current].frame.count)
      guard position < Limits.migrationPages else { return Migration.Slot() }
      return cpus[current].migration.slots[position]
    }
    _modify { yield &cpus[current].migration.slots[Int(cpus[current].frame.count)] }
  }
}
