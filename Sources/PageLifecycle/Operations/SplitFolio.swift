// SPDX-License-Identifier: MIT

/// Breaks a locked folio of private pages up into small ones; `split_folio()`, and
/// `folio_split_unmapped()` of one that is on its way.
///
/// Fails where somebody besides its caller holds the folio.  The first page stays locked and held
/// by the caller; of a mapped folio the others are let go, but for the page of a CPU fault.
/// Registers: pfn, the folio; holder, what the caller holds it by; flags, whether it is mapped
/// nowhere and the parts stay locked; index, the address space at hand; count, the part at hand.
enum SplitFolio: Body {
  enum Step: UInt8, CaseIterable {
    /// `unmap_folio()`; of a folio on its way `split_huge_pmd_address()`
    case nextMM, lockPageTable, findEntry, setMigrationPTEs, removeRmap, putMapping
    case unlockPageTable
    /// `__folio_freeze_and_split_unmapped()`
    case breakUp
    /// `remap_page()`, of every part
    case restoreEntries
    /// `folio_unlock()`, `free_folio_and_swap_cache()` of every part but the caller's
    case unlockPart, putPart
  }

  static func frame(_ pfn: PFN, _ holder: Holder) -> Frame {
    var frame = Frame(.splitFolio)
    (frame.pfn, frame.holder) = (pfn, holder)
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .breakUp: return breakUp(&m)
    case .restoreEntries, .unlockPart, .putPart: return remap(step, &m)
    default: return unmap(step, &m)
    }
  }

  private static func unmap(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.frame.pfn
    let mm = MMID(rawValue: m.frame.index.rawValue)
    switch step {
    case .nextMM:
      guard mm.position < Limits.mms else { return .next(.breakUp) }
      (m.frame.mapping, m.frame.page) = (MappingID(0), PageIndex(0))
      if m.mms[mm].isAlive && concerns(mm, &m) { return .next(.lockPageTable) }
      m.frame.index = m.frame.index + 1
      return .next(.nextMM)

    case .lockPageTable:
      return m.acquire(.pageTable(mm)) ? .next(.findEntry) : .wait

    case .findEntry:
      let pages = m.folio(pfn)
      let isWanted: (PTE) -> Bool = { pte in
        pages.contains(pte.pfn.position) && (pte.isMapping || (pte.kind == .migration && pte.isPMD))
      }
      guard m.find(isWanted, in: mm) else { return .next(.unlockPageTable) }
      m.frame.pte = m.mms[mm].vmas[m.frame.mapping].ptes[m.frame.page]
      guard m.frame.pte.isMapping else {
        m.splitPMD(mm, m.frame.mapping, m.frame.page)
        return .next(.findEntry)
      }
      m.clearPTE(mm, m.frame.mapping, m.frame.page)
      m.ledger.take(.gather, of: pfn)
      m.frame.pte.isExclusive = m.tryShare(m.frame.pte) ?? false
      return .next(.setMigrationPTEs)

    case .setMigrationPTEs:
      let pte = m.frame.pte
      for offset in 0..<pte.span {
        m.setPTE(
          mm, m.frame.mapping, m.frame.page + offset,
          .migration(
            PFN(pte.pfn.position + offset), writable: pte.isWritable, exclusive: pte.isExclusive))
      }
      return .next(.removeRmap)

    case .removeRmap:
      m.removeRmap(pfn)
      return .next(.putMapping)

    case .putMapping:
      return m.enter(PutPage.frame(pfn, .gather), then: Step.findEntry)

    default:
      m.release(.pageTable(mm))
      m.frame.index = m.frame.index + 1
      return .next(.nextMM)
    }
  }

  /// A migration once split the entry of the process it works for, and no other.
  private static func concerns(_ mm: MMID, _ m: inout Machine) -> Bool {
    !m.frame.flags.contains(.isUnmapped) || mm == m.migration.mm
      || m.obeys(.splitsEntriesEverywhere)
  }

  private static func breakUp(_ m: inout Machine) -> Transition<Step> {
    let pfn = m.frame.pfn
    let isUnmapped = m.frame.flags.contains(.isUnmapped)
    guard m.breakUp(pfn, expecting: 1) else {
      m.frame.result = Outcome(.again)
      return isUnmapped ? end(&m) : .next(.restoreEntries)
    }
    m.ledger.folios.remove(pfn)
    for offset in 1..<Limits.pagesPerPMD {
      m.holdBriefly(.migration, of: PFN(pfn.position + offset))
    }
    return isUnmapped ? end(&m) : .next(.restoreEntries)
  }

  private static func remap(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let part = PFN(m.frame.pfn.position + Int(m.frame.count))
    switch step {
    case .restoreEntries:
      let isWhole = m.frame.result.isFailure
      guard Int(m.frame.count) < (isWhole ? 1 : Limits.pagesPerPMD) else { return end(&m) }
      return m.enter(RestoreEntries.frame(part, to: part), then: Step.unlockPart)

    case .unlockPart:
      guard m.frame.count != 0 else {
        m.frame.count = 1
        return .next(.restoreEntries)
      }
      guard m.frame.holder == .faultPage, m.servesFault(at: part) else {
        m.unlockPage(part)
        return .next(.putPart)
      }
      // The lock and the reference of the fault are those of its own page from here.
      m.ledger.convert(.migration, to: .faultPage, of: part)
      m.migration.faultPage = part
      m.unlockPage(m.frame.pfn)
      return .next(.putPart)

    default:
      m.frame.count += 1
      let isFaults = part == m.migration.faultPage
      let frame =
        isFaults
        ? PutPage.frame(m.frame.pfn, .faultPage) : PutPage.frame(part, .migration)
      return m.enter(frame, then: Step.restoreEntries)
    }
  }

  private static func end(_ m: inout Machine) -> Transition<Step> {
    m.value = m.frame.result
    return .finish
  }
}

extension Machine {
  /// The fault that the running migration serves is one of this page; that of a PMD entry is one
  /// of the first.
  fileprivate mutating func servesFault(at pfn: PFN) -> Bool {
    cpus[current].hasEntered { frame in
      frame.procedure == .privateFault && frame.pte.pfn == pfn && !frame.pte.isPMD
    }
  }
}
