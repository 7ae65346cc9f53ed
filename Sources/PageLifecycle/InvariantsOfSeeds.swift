// SPDX-License-Identifier: MIT

/// The specification, continued: page tables, pins in list words, and the page allocator.
extension Machine {
  /// Entries that a table's owner counts as references of it.
  mutating func countedAsReferences(_ pfn: PFN) -> Int32 {
    guard iommu.tables.contains(pfn), !obeys(.countsEntriesApart) else { return 0 }
    return iommu.slot(of: pfn).map { Int32(ledger.tables.counted[$0]) } ?? 0
  }

  /// I40 and I36: what the words of a page tell of its pins.
  mutating func violationOfPins(at pfn: PFN) -> (Invariant, Blame?)? {
    guard rules.domains.contains(.lru) else { return nil }
    let pins = ledger[pfn][.pin]
    let stored = storedPins(of: pfn)
    guard rules.pinsInListWords else {
      // More may seem to be there than are; fewer never.
      return stored < pins ? (.I36, Blame(.missing, .pin)) : nil
    }
    let isLinked = pages[pfn].flags.contains(.lru) || isolatedPages.contains(pfn)
    let keepsPins = pages[pfn].isMarkedPinned
    if isLinked && (keepsPins || pins > 0) { return (.I40, Blame(.foreign, .pin)) }
    return stored == pins ? nil : (.I36, Blame(stored < pins ? .missing : .extra, .pin))
  }

  /// I9 and I8: what the owner of a linked table reads from its counter.
  ///
  /// Under the domain's lock entries may be set and not counted yet.
  mutating func violation(ofTable pfn: PFN) -> (Invariant, Blame?)? {
    guard let slot = iommu.slot(of: pfn) else { return nil }
    let isApart = obeys(.countsEntriesApart)
    let decoded = decodedEntries(of: pfn)
    let upgrading = Int32(ledger.tables.upgrading[slot])
    let most = Int32(iommu.entriesPerTable) + (isApart ? upgrading : 0)
    guard decoded <= most else { return (.I9, blameForCount(of: pfn)) }
    guard iommu.lock.isFree else { return nil }
    guard decoded >= (isApart || upgrading > 0 ? 0 : 1) else { return (.I9, nil) }
    let bumped = isApart && obeys(.bumpsWhileUpgrading) ? upgrading : 0
    let live = Int32(iommu.present[slot].count)
    return decoded == live + bumped ? nil : (.I8, blameForCount(of: pfn))
  }

  private func blameForCount(of pfn: PFN) -> Blame? {
    for holder in [Holder.speculative, .get, .pin] where ledger[pfn][holder] != 0 {
      return Blame(.foreign, holder)
    }
    return nil
  }

  /// Of what a step did with the page allocator.
  mutating func violation(byAllocator event: Event) -> (Invariant, Subject, Blame?)? {
    switch event {
    case .returned(let pfn):
      let isOwned = ledger.blocks.contains(pfn) || ledger[pfn].isHeld
      return isOwned ? (.I12, .page(pfn), nil) : nil
    case .freedUnclean(let pfn): return (.I9, .page(pfn), nil)
    case .tableFreed(let pfn): return (.I63, .page(pfn), nil)
    case .tableUnhooked(let pfn, let hasLive): return hasLive ? (.I63, .page(pfn), nil) : nil
    case .lostTableUsed(let pfn): return (.I14, .page(pfn), nil)
    case .listWordWritten(let pfn): return (.I40, .page(pfn), nil)
    default: return nil
    }
  }

  /// With nobody holding anything, every page of RAM is free or in use for the machine's own sake.
  mutating func judgeAllocator() {
    guard !rules.domains.isDisjoint(with: .mechanisms) else { return }
    for offset in 0..<Limits.ramPages {
      let pfn = PFN(Limits.devicePages + offset)
      guard !freeRAM.contains(pfn), !ledger[pfn].isHeld, !ledger.blocks.contains(pfn) else {
        continue
      }
      report(.I62, .page(pfn), nil)
    }
  }
}
