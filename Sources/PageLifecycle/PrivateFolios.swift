// SPDX-License-Identifier: MIT

/// The second book, continued: private pages of a device that are one folio.
///
/// Only its first page has counts; word 1 of the others names it.  A page that comes back to its
/// driver stays as it was until it is handed out again, alone or in another folio.
extension Machine {
  /// The page frames of the folio that starts at a page: that page alone where it is small.
  @inline(__always)
  mutating func folio(_ head: PFN) -> Range<Int> {
    noteUse(of: head)
    return frames(ofFolio: head)
  }

  /// ``folio(_:)``, for whoever looks from outside and uses nothing.
  @inline(__always)
  mutating func frames(ofFolio head: PFN) -> Range<Int> {
    let isLarge = rules.hasPrivateFolios && pages[head].isHead
    return head.position..<head.position + (isLarge ? Limits.pagesPerPMD : 1)
  }

  /// `folio_test_large()`.
  @inline(__always)
  mutating func isLarge(_ pfn: PFN) -> Bool { folio(pfn).count > 1 }

  /// `zone_device_page_init()`, for each page: order, head, mapping and word 1 as at the start.
  mutating func resetPage(_ pfn: PFN) {
    noteUse(of: pfn)
    pages[pfn].flags.remove(.head)
    pages[pfn].word1 = .pgmap
    pages[pfn].head = .none
    pages[pfn].mapping = .none
    pages[pfn].index = PageIndex(0)
    touch(pfn)
  }

  /// `folio_ref_freeze()`, `__split_folio_to_order()`: the pages of a folio become small, locked
  /// and with one reference each; false where its count is not what its splitter expects.
  mutating func breakUp(_ head: PFN, expecting references: Int32) -> Bool {
    noteUse(of: head)
    let isAlone = pages[head].refcount == references && pages[head].mapcount == 0
    guard isAlone || !obeys(.freezesBeforeSplit) else { return false }
    pages[head].refcount = references
    pages[head].flags.remove(.head)
    touch(head)
    for position in head.position + 1..<head.position + Limits.pagesPerPMD {
      let tail = PFN(position)
      noteUse(of: tail)
      pages[tail].word1 = .pgmap
      pages[tail].head = .none
      pages[tail].mapping = pages[head].mapping
      pages[tail].index = pages[head].index
      pages[tail].flags.formUnion([.locked, .charged])
      pages[tail].refcount = 1
      touch(tail)
    }
    return true
  }

  /// `folio_ref_add()`, `folio_add_anon_rmap_ptes()` and `folio_remove_rmap_pmd()`: as many
  /// mappings as pages, where there was one.
  mutating func addRmapOfParts(_ head: PFN) {
    noteUse(of: head)
    noteAtomic(.page(head))
    pages[head].mapcount += Int32(Limits.pagesPerPMD - 1)
    touch(head)
  }

  /// `percpu_ref_tryget_many()`, `percpu_ref_put_many()`.
  mutating func changeReferences(of pagemap: PagemapID, by references: Int32) {
    noteAtomic(.pagemap(pagemap))
    pagemaps[pagemap].references += references
  }

  /// PG_anon_exclusive of every page that an entry maps.
  mutating func makeExclusive(_ pte: PTE, _ isExclusive: Bool) {
    for position in pte.pfn.position..<pte.pfn.position + pte.span {
      if isExclusive { makeExclusive(PFN(position)) } else { share(PFN(position)) }
    }
  }
}

// MARK: The free list

extension Machine {
  /// Takes as many free pages as a PMD maps off the list of a device, the first aligned: those the
  /// program chose, else the lowest; none where there are no such pages, or they are coherent.
  mutating func unlistFolio(from device: PagemapID) -> PFN {
    guard pagemaps[device].type == .devicePrivate else { return .none }
    let chosen = choosePage(of: device)
    let size = Limits.pagesPerPMD
    let starts = stride(
      from: device.pages.lowerBound, through: device.pages.upperBound - size, by: size)
    var head = PFN.none
    for start in starts.reversed() {
      let isFree = (start..<start + size).allSatisfy { ledger.listed.contains(PFN($0)) }
      if isFree && (head != chosen || chosen.isNone) { head = PFN(start) }
    }
    guard !head.isNone else { return .none }
    for position in head.position..<head.position + size { unlist(PFN(position), from: device) }
    return head
  }

  /// Takes one page off the free list of a device, wherever it stands there.
  mutating func unlist(_ pfn: PFN, from device: PagemapID) {
    var previous = PFN.none
    var next = pagemaps[device].firstFree
    for _ in 0..<Limits.driverPages where next != pfn && !next.isNone {
      previous = next
      noteUse(of: next)
      next = pages[next].zoneDeviceData
    }
    guard next == pfn else { return }
    noteUse(of: pfn)
    if previous.isNone {
      pagemaps[device].firstFree = pages[pfn].zoneDeviceData
    } else {
      link(previous, to: pages[pfn].zoneDeviceData)
    }
    ledger.listed.remove(pfn)
  }
}

// MARK: PMD entries of private pages

extension Machine {
  /// `__split_huge_pmd()` of a private or a migration entry, once the references are there: entries
  /// that name the same pages one by one.
  mutating func splitPMD(_ mm: MMID, _ mapping: MappingID, _ page: PageIndex) {
    let first = File.firstOfPMD(page)
    let pte = mms[mm].vmas[mapping].ptes[first]
    if pte.kind == .devicePrivate {
      let parts = Int32(Limits.pagesPerPMD - 1)
      keepBriefHold(.fault, as: .map, of: pte.pfn, parts)
      addRmapOfParts(pte.pfn)
    }
    for offset in 0..<Limits.pagesPerPMD {
      mms[mm].vmas[mapping].ptes[first + offset].isPMD = false
    }
  }

  /// `folio_ref_add()` for the entries that a PMD entry is split into.
  mutating func getForParts(_ pte: PTE) {
    guard pte.kind == .devicePrivate else { return }
    let head = owner(of: pte.pfn)
    let parts = Int32(Limits.pagesPerPMD - 1)
    getPage(head, parts)
    holdBriefly(.fault, of: head, parts)
  }

  /// A PMD entry of private pages, of which a range does not take all.
  mutating func isPartOfPMD(_ pte: PTE, at page: PageIndex, before end: PageIndex) -> Bool {
    guard pte.isPMD, pte.kind == .devicePrivate || pte.kind == .migration else { return false }
    let first = File.firstOfPMD(page)
    return page != first || end < first + Limits.pagesPerPMD
  }
}

// MARK: What the specification asks of them

extension Machine {
  /// A page in use names its pgmap, and one of a folio the first page of that folio.
  mutating func hasOwnWords(_ pfn: PFN) -> Bool {
    guard pages[pfn].type == .devicePrivate else { return true }
    let head = PFN(pfn.position - pfn.position % Limits.pagesPerPMD)
    if pfn != head && ledger.folios.contains(head) {
      return pages[pfn].isTail && pages[pfn].head == head && pages[head].isHead
    }
    guard ledger[pfn].isHeld else { return true }
    return pages[pfn].word1 == .pgmap
  }

  /// A page that is handed out is small, or the first of a folio that was asked for.
  mutating func isOfRequestedOrder(_ pfn: PFN) -> Bool {
    guard rules.hasPrivateFolios else { return true }
    return !pages[pfn].isTail && pages[pfn].isHead == ledger.folios.contains(pfn)
  }
}
