// SPDX-License-Identifier: MIT

/// iommu_map() of a range below one table: the table is allocated if there is none, and its
/// entries are set and counted.  Registers: pfn.
enum IOMMUMap: Body {
  enum Step: UInt8, CaseIterable {
    /// the caller's IOVA allocator
    case reserveRange
    /// `read_lock(&domain->pgd_lock)`
    case lockDomain
    /// `dma_pte_present(parent)`
    case readRoot
    /// `alloc_pgtable_page()`
    case allocTable
    /// `atomic_set(&page->_mapcount, 0)`
    case startCounting
    /// `cmpxchg64(&parent->val, 0, pteval)`
    case linkTable
    /// another mapper was faster: `free_pgtable_page()`
    case resetUnused, freeUnused
    /// `cmpxchg64_local(&pte->val, 0, pteval)`
    case setEntries
    /// `page_ref_add()`, `atomic_add()`
    case countEntries
    /// `read_unlock()`
    case unlockDomain
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "iommu_map", parameters: [.iova, .entries], weight: 8, domain: .iommu,
      summary: "map I/O virtual addresses; a table is allocated where there is none")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.isWithinTable(call) && m.iommu.present[call.slot].count(in: call.entries) == 0
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let slot = m.call.slot
    switch step {
    case .reserveRange:
      m.value = m.reserveRange(isUseful(m.call, in: &m))
      return m.value.isFailure ? .finish : .next(.lockDomain)

    case .lockDomain:
      return m.acquire(.iommu, .shared) ? .next(.readRoot) : .wait

    case .readRoot:
      m.frame.pfn = m.iommu.roots[slot]
      return .next(m.frame.pfn.isNone ? .allocTable : .setEntries)

    case .allocTable:
      m.frame.pfn = m.allocateRAM()
      guard !m.frame.pfn.isNone else {
        m.frame.result = Outcome(.noMemory)
        return .next(.unlockDomain)
      }
      m.ledger.take(.driver, of: m.frame.pfn)
      m.iommu.tables.insert(m.frame.pfn)
      return .next(m.obeys(.countsEntriesApart) ? .startCounting : .linkTable)

    case .startCounting:
      m.startCounting(m.frame.pfn)
      return .next(.linkTable)

    case .linkTable:
      if m.linkTable(m.frame.pfn, at: slot) { return .next(.setEntries) }
      return .next(m.obeys(.resetsMapcount) ? .resetUnused : .freeUnused)

    case .resetUnused:
      m.resetMapcount(m.frame.pfn)
      return .next(.freeUnused)

    case .freeUnused:
      return m.enter(PutPage.frame(m.frame.pfn, .driver), then: Step.readRoot)

    case .setEntries:
      m.iommu.present[slot].insert(m.call.entries)
      return .next(.countEntries)

    case .countEntries:
      m.countEntries(m.frame.pfn, Int32(m.call.times))
      m.ledger.tables.counted[slot] += Int16(m.call.times)
      return .next(.unlockDomain)

    case .unlockDomain:
      m.release(.iommu, .shared)
      m.value = m.frame.result
      return .finish
    }
  }
}

/// iommu_unmap() of a range below one table: whoever empties the table frees it.
///
/// Nobody else is in a table that the range covers.  A larger one is taken out of the tree with the
/// lock held for writing only; until then it is counted as in use, or looked up again afterwards.
/// Registers: pfn.
enum IOMMUUnmap: Body {
  enum Step: UInt8, CaseIterable {
    /// the caller's IOVA allocator
    case releaseRange
    /// `read_lock(&domain->pgd_lock)`
    case lockDomain
    case readRoot
    /// `xchg(&pte->val, 0)`
    case clearEntries
    /// `page_ref_sub_return()`, `atomic_sub_return()`
    case countDown
    /// `read_unlock()`
    case unlockDomain
    /// one more, so that nobody else finds the table empty
    case bump, unlockToUpgrade
    /// `write_lock()`
    case lockExclusively
    case retest
    case unlockUpgraded
    /// the parent's entry is cleared
    case unhook, unhookCovered
    /// `page_mapcount_reset()`
    case resetMapcount
    /// `iommu_iotlb_sync()`
    case flushIOTLB
    /// `put_pages_list()`
    case putTable
    /// `put_page_testzero()`, by an owner who takes its put for the last
    case putFirst, flushLate, resetLate, freeTable
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "iommu_unmap", parameters: [.iova, .entries], weight: 8, domain: .iommu,
      summary: "unmap I/O virtual addresses; a table that is empty is freed")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.isWithinTable(call)
      && m.iommu.present[call.slot].count(in: call.entries) == Int(call.times)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let slot = m.call.slot
    switch step {
    case .releaseRange:
      m.value = m.reserveRange(isUseful(m.call, in: &m))
      return m.value.isFailure ? .finish : .next(.lockDomain)

    case .lockDomain:
      return m.acquire(.iommu, .shared) ? .next(.readRoot) : .wait

    case .readRoot:
      m.frame.pfn = m.iommu.roots[slot]
      // Only after somebody took away a table that was in use.
      if m.frame.pfn.isNone { m.frame.result = Outcome(.noDevice) }
      return .next(m.frame.pfn.isNone ? .unlockDomain : .clearEntries)

    case .clearEntries:
      m.iommu.present[slot].remove(m.call.entries)
      return .next(.countDown)

    case .countDown:
      m.countEntries(m.frame.pfn, -Int32(m.call.times))
      m.ledger.tables.counted[slot] -= Int16(m.call.times)
      guard m.decodedEntries(of: m.frame.pfn) == 0 else { return .next(.unlockDomain) }
      if Int(m.call.times) == Int(m.iommu.entriesPerTable) { return .next(.unhookCovered) }
      if m.obeys(.countsEntriesApart) && m.obeys(.bumpsWhileUpgrading) { return .next(.bump) }
      m.ledger.tables.upgrading[slot] += 1
      return .next(.unlockToUpgrade)

    case .unlockDomain:
      m.release(.iommu, .shared)
      // count: the table is out of the tree.
      guard m.frame.count != 0 else { return .next(.flushIOTLB) }
      return .next(next(afterUnhooking: &m))

    case .bump:
      m.countEntries(m.frame.pfn, 1)
      m.ledger.tables.upgrading[slot] += 1
      return .next(.unlockToUpgrade)

    case .unlockToUpgrade:
      m.release(.iommu, .shared)
      return .next(.lockExclusively)

    case .lockExclusively:
      return m.acquire(.iommu) ? .next(.retest) : .wait

    default: return free(step, &m)
    }
  }

  private static func free(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (slot, table) = (m.call.slot, m.frame.pfn)
    switch step {
    case .retest:
      let isEmpty = isStillEmpty(table, slot, &m)
      return .next(isEmpty || !m.obeys(.retestsAfterUpgrade) ? .unhook : .unlockUpgraded)

    case .unhook, .unhookCovered:
      m.unhookTable(table, at: slot)
      m.frame.count = 1
      return .next(step == .unhook ? .unlockUpgraded : .unlockDomain)

    case .unlockUpgraded:
      m.release(.iommu)
      guard m.frame.count != 0 else { return .next(.flushIOTLB) }
      return .next(next(afterUnhooking: &m))

    case .resetMapcount, .resetLate:
      m.resetMapcount(table)
      return .next(step == .resetMapcount ? .flushIOTLB : .freeTable)

    case .flushIOTLB, .flushLate:
      m.iommu.unflushed = Bits()
      if step == .flushLate { return .next(m.obeys(.resetsMapcount) ? .resetLate : .freeTable) }
      guard m.frame.count != 0 else {
        m.value = m.frame.result
        return .finish
      }
      return .next(.putTable)

    case .putTable:
      guard m.frame.count == 1 else {
        m.value = .ok
        return .finish
      }
      m.frame.count = 2
      return m.enter(PutPage.frame(table, .driver), then: Step.putTable)

    case .putFirst:
      m.ledger.drop(.driver, of: table)
      if m.putPage(table, 1) == .free { return .next(.flushLate) }
      m.value = .ok
      return .finish

    default:
      m.freeUnreferenced(table)
      m.value = .ok
      return .finish
    }
  }

  /// The condition under which a table may go, with the lock held for writing.
  private static func isStillEmpty(_ table: PFN, _ slot: Int, _ m: inout Machine) -> Bool {
    m.ledger.tables.upgrading[slot] -= 1
    guard m.obeys(.countsEntriesApart) else {
      // Without a mark of its own the table must be looked up again.
      return m.iommu.roots[slot] == table && m.decodedEntries(of: table) == 0
    }
    // Somebody else has freed it, or is about to: its counter is nobody's to act on.
    guard m.iommu.roots[slot] == table else {
      m.emit(.lostTableUsed(table))
      return false
    }
    if m.obeys(.bumpsWhileUpgrading) { m.countEntries(table, -1) }
    return m.decodedEntries(of: table) == 0
  }

  private static func next(afterUnhooking m: inout Machine) -> Step {
    guard m.obeys(.flushesBeforeTableFree) else { return .putFirst }
    return m.obeys(.countsEntriesApart) && m.obeys(.resetsMapcount) ? .resetMapcount : .flushIOTLB
  }
}
