// SPDX-License-Identifier: MIT

/// The second book, continued: blocks of the page allocator, and what it looks at when a page
/// comes back to it.
extension Machine {
  /// `alloc_pages()`: the lowest aligned block, one reference on its first page; none if there is
  /// no such block.
  mutating func allocateBlock(of count: Int, compound: Bool) -> PFN {
    noteAtomic(.ram)
    let end = Limits.devicePages + Limits.ramPages
    for start in stride(from: Limits.devicePages, to: end, by: count) {
      let block = UInt64(1 << count - 1) << UInt64(start)
      guard freeRAM.rawValue & block == block else { continue }
      freeRAM.rawValue &= ~block
      for position in start..<start + count { prepareNewPage(PFN(position)) }
      storeCount(PFN(start), 1)
      if compound && count > 1 { makeCompound(PFN(start), count) }
      // Whoever is handed the page is handed it after this.
      note(.release(.page(PFN(start))))
      return PFN(start)
    }
    return .none
  }

  /// `prep_new_page()`: every word is cleared.
  private mutating func prepareNewPage(_ pfn: PFN) {
    show(pfn)
    notePlainWrites(pfn)
    pages[pfn] = Page()
    pages[pfn].exists = true
    pages[pfn].type = .system
    memory[pfn] = 0
    touch(pfn)
  }

  /// `prep_compound_page()`.
  private mutating func makeCompound(_ head: PFN, _ count: Int) {
    pages[head].flags.insert(.head)
    for offset in 1..<count {
      let tail = PFN(head.position + offset)
      pages[tail].word1 = .compoundHead
      pages[tail].head = head
    }
  }

  /// `__put_page()` of what the allocator gave: a whole compound page, else the page alone.
  @inline(__always)
  mutating func freeUnreferenced(_ pfn: PFN) {
    guard !rules.domains.isDisjoint(with: .mechanisms) else { return freeRAMPage(pfn) }
    freeBlock(pfn, compoundPages(from: pfn))
  }

  private mutating func compoundPages(from head: PFN) -> Int {
    guard pages[head].isHead else { return 1 }
    let end = Limits.devicePages + Limits.ramPages
    var next = head.position + 1
    while next < end, pages[PFN(next)].isTail, pages[PFN(next)].head == head { next += 1 }
    return next - head.position
  }

  /// `free_the_page()`: back to the free lists, after `free_pages_prepare()` has looked at it.
  mutating func freeBlock(_ first: PFN, _ count: Int) {
    for position in first.position..<first.position + count {
      let pfn = PFN(position)
      emit(freeRAM.contains(pfn) ? .listedTwice(pfn) : .returned(pfn))
      if iommu.slot(of: pfn) != nil || iommu.unflushed.contains(pfn) { emit(.tableFreed(pfn)) }
      if pages[pfn].mapcount != 0 { emit(.freedUnclean(pfn)) }
      iommu.tables.remove(pfn)
      lruPages.remove(pfn)
      freeRAMPage(pfn)
    }
  }
}
