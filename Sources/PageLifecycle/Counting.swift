// SPDX-License-Identifier: MIT

/// The second book: protocol rules that write the count words of a page.
///
/// Nothing here reads or writes the ``Ledger``; what a holder holds is not known here.
extension Machine {
  /// The page whose words count for `pfn`: the head of its folio; `compound_head()`.
  @inline(__always)
  mutating func owner(of pfn: PFN) -> PFN {
    noteUse(of: pfn)
    let owner = head(of: pfn)
    if owner != pfn { noteUse(of: owner) }
    return owner
  }

  /// ``owner(of:)``, for whoever looks from outside and uses nothing.
  @inline(__always)
  package mutating func head(of pfn: PFN) -> PFN { pages[pfn].isTail ? pages[pfn].head : pfn }

  /// What a put found.
  enum PutResult { case stillReferenced, idle, free, freeDevice, unbound }

  /// `get_page()`: a plain increment, legal where somebody else holds the page.
  @inline(__always)
  mutating func getPage(_ pfn: PFN, _ references: Int32 = 1) {
    noteUse(of: pfn)
    noteAtomic(.page(pfn))
    pages[pfn].refcount += references
    touch(pfn)
  }

  /// `try_get_folio()`: add unless the count is zero.
  @inline(__always)
  mutating func tryGetPage(_ pfn: PFN, _ references: Int32 = 1) -> Bool {
    noteUse(of: pfn)
    noteAtomic(.page(pfn))
    guard pages[pfn].refcount > 0 else { return false }
    pages[pfn].refcount += references
    touch(pfn)
    return true
  }

  /// `folio_ref_inc()` under the entry lock: the one place where zero may become one.
  mutating func getForFault(_ pfn: PFN) {
    noteUse(of: pfn)
    noteAtomic(.page(pfn))
    pages[pfn].refcount += 1
    touch(pfn)
  }

  /// `page_ref_dec()`: whoever drops a reference so sees himself to what zero asks for.
  mutating func dropUnnoticed(_ pfn: PFN) {
    noteUse(of: pfn)
    noteAtomic(.page(pfn))
    pages[pfn].refcount -= 1
    touch(pfn)
  }

  /// Drops references and says which transition that was.
  ///
  /// fsdax with an idle count of 1 is noticed by `__put_devmap_managed_page_refs()`, with 0 by
  /// `free_zone_device_folio()`.
  @inline(__always)
  mutating func putPage(_ pfn: PFN, _ references: Int32) -> PutResult {
    noteUse(of: pfn)
    noteAtomic(.page(pfn))
    pages[pfn].refcount -= references
    touch(pfn)
    switch pages[pfn].type {
    case .system, .invalid: return pages[pfn].refcount == 0 ? .free : .stillReferenced
    case _ where rules.baseHoldsPagemap && pages[pfn].refcount == 0: return .unbound
    case .fsdax: return isIdle(pfn) ? .idle : .stillReferenced
    case .devicePrivate, .coherent:
      return pages[pfn].refcount == rules.driverBase ? .freeDevice : .stillReferenced
    default: return pages[pfn].refcount == 0 ? .freeDevice : .stillReferenced
    }
  }

  /// What one FOLL_PIN weighs: `try_grab_folio()`.
  @inline(__always)
  mutating func pinWeight(of pfn: PFN) -> Int32 {
    noteUse(of: pfn)
    return pages[pfn].isHead || rules.pinsInListWords ? 1 : Page.pinBias
  }

  /// `_pincount` of a large folio; small pages carry pins in the refcount.
  @inline(__always)
  mutating func addPincount(_ pfn: PFN, _ pins: Int32) {
    noteUse(of: pfn)
    guard pages[pfn].isHead else { return }
    noteAtomic(.page(pfn))
    pages[pfn].pincount += pins
    touch(pfn)
  }

  /// `folio_maybe_dma_pinned()`.
  mutating func maybePinned(_ pfn: PFN) -> Bool {
    noteUse(of: pfn)
    return pages[pfn].isHead ? pages[pfn].pincount > 0 : pages[pfn].refcount >= Page.pinBias
  }

  /// `dax_page_is_idle()`: the condition of the wait.
  ///
  /// v6.15 and later wait for a count of zero, which a page that was mapped again meanwhile does
  /// not reach when its last user lets go.
  mutating func isIdle(_ pfn: PFN) -> Bool {
    noteUse(of: pfn)
    guard obeys(.seesPlainReferences) else { return !maybePinned(pfn) }
    if rules.entriesHold && obeys(.wakesWhenOnlyMapped) {
      return pages[pfn].refcount == testedIdleCount + entryReferences(of: pfn)
    }
    if obeys(.wakesWhenOnlyMapped) { return !isBusy(pfn) }
    return pages[pfn].refcount == testedIdleCount
  }

  /// `dax_busy_page()`: somebody but the page tables holds the page.
  mutating func isBusy(_ pfn: PFN) -> Bool {
    noteUse(of: pfn)
    guard obeys(.seesPlainReferences) else { return maybePinned(pfn) }
    let mapped = rules.countsMappings ? pages[pfn].mapcount : 0
    return pages[pfn].refcount - mapped != testedIdleCount
  }

  /// The count that code takes for idle; its own era's, if nobody forgot to change it.
  private var testedIdleCount: Int32 {
    obeys(.testsOwnIdleCount) ? rules.idleCount : 1 - rules.idleCount
  }

  /// What the entry of a page, found through its mapping, holds of it.
  private mutating func entryReferences(of pfn: PFN) -> Int32 {
    // An entry without a tag may have dropped its reference: then the wait is for zero.
    guard obeys(.tagsWhenDropped), let file = pages[pfn].mapping.file else { return 0 }
    let entry = files[file].entry(at: pages[pfn].index)
    return entry.kind == .page && !entry.isZapped ? 1 : 0
  }

  @inline(__always)
  mutating func countsMappings(of pfn: PFN) -> Bool {
    switch pages[pfn].type {
    case .fsdax, .generic: rules.countsMappings
    default: true
    }
  }

  /// The count of a device page that nobody uses; `memremap_pages()` leaves it there.
  @inline(__always)
  func freeCount(of type: MemoryType) -> Int32 {
    switch type {
    case .fsdax: rules.idleCount
    case .generic: rules.genericCount
    case .p2pdma: rules.poolCount
    case .devicePrivate, .coherent: rules.driverCount
    default: 0
    }
  }

  /// `set_page_count()`: a plain store, legal where nobody else can see the page.
  mutating func storeCount(_ pfn: PFN, _ count: Int32) {
    noteUse(of: pfn)
    note(.write(pfn, .refcount))
    pages[pfn].refcount = count
    touch(pfn)
  }

  /// `folio_add_file_rmap_pte()` and its anonymous and PMD sisters.
  mutating func addRmap(_ pfn: PFN) {
    guard countsMappings(of: pfn) else { return }
    noteUse(of: pfn)
    noteAtomic(.page(pfn))
    pages[pfn].mapcount += 1
    touch(pfn)
  }

  /// `folio_remove_rmap_pte()`.
  mutating func removeRmap(_ pfn: PFN) {
    guard countsMappings(of: pfn) else { return }
    noteUse(of: pfn)
    noteAtomic(.page(pfn))
    pages[pfn].mapcount -= 1
    touch(pfn)
  }

  /// `add_mm_counter()` of what an entry names; a page that is not there, or is on its way, counts.
  mutating func addResident(_ mm: MMID, _ pte: PTE, _ entries: Int) {
    let pages = Int32(entries * pte.span)
    switch pte.kind {
    case .none, .zero: break
    case .devicePrivate, .migration: mms[mm].residentAnonPages += pages
    case .page:
      noteUse(of: pte.pfn)
      note(.read(pte.pfn, .mapping))
      if self.pages[pte.pfn].mapping == .anon {
        mms[mm].residentAnonPages += pages
      } else if countsMappings(of: pte.pfn) {
        mms[mm].residentFilePages += pages
      }
    }
  }

  /// A struct page that memunmap_pages() took away must not be looked at.
  @inline(__always)
  mutating func noteUse(of pfn: PFN) {
    guard !pages[pfn].exists else { return }
    show(pfn)
    // Of several uses in a step the first is told.
    for position in 0..<eventCount {
      if case .vanishedPageUsed = events[position] { return }
    }
    emit(.vanishedPageUsed(pfn))
  }

  /// What the memory behind a page holds.
  mutating func contents(of pfn: PFN) -> UInt8 {
    noteUse(of: pfn)
    return memory[pfn]
  }

  /// The memory behind a page is written.
  mutating func store(_ value: UInt8, in pfn: PFN) {
    noteUse(of: pfn)
    memory[pfn] = value
  }
}
