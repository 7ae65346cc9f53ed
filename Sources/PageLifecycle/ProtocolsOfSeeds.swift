// SPDX-License-Identifier: MIT

/// Proposals about the refcount of pages that no device has, and what they were answered with.
extension Protocol {
  static let ofSeeds: [Protocol] =
    [iommuRefcount, iommuMapcount, freePagesFirst, freePagesFixed, dmaPinned2018, follPin]

  // MARK: Page tables of an IOMMU

  static let iommuRefcount = Protocol(
    name: "iommu-refcount",
    summary: """
      December 2023: an IOMMU frees empty page tables.  A table is allocated with a refcount of \
      1, each live entry adds one, and whoever unmaps down to 1 takes the table out of the tree, \
      flushes the IOTLB and frees it.
      """,
    source: "seed 002; iommu/intel: Use page->refcount to count number of entries",
    design: pageTables,
    knownBugs: [KnownBug(.countsEntriesApart, "M. Wilcox's reply in seed 002")])

  static let iommuMapcount = Protocol(
    name: "iommu-mapcount",
    summary: """
      April 2024: the entries of an IOMMU page table are counted in _mapcount, from 0 to 512.  It \
      is raised by one while the unmapper changes its lock for the writer's, tested again under \
      that, and reset before the page is freed.
      """,
    source: "seed 002; its second version, iommu/intel: free empty page tables on unmaps",
    design: pageTables, knownBugs: [])

  private static let pageTables: Rules = {
    var rules = Rules()
    rules.domains = [.memory, .iommu]
    return rules
  }()

  // MARK: Blocks of the page allocator

  static let freePagesFirst = Protocol(
    name: "free-pages-e320d301",
    summary: """
      Whoever frees a block of several pages while somebody else looks at the first one frees \
      the others itself, unless the block is a compound page; whether it is one is read after \
      the put.
      """,
    source: "e320d3012d25", design: blocks,
    knownBugs: [KnownBug(.readsHeadFirst, "fixed by 462a8e08e0e6")])

  static let freePagesFixed = Protocol(
    name: "free-pages-462a8e08",
    summary: """
      __free_pages() reads whether its block is a compound page before it drops the reference \
      that kept it one.
      """,
    source: "462a8e08e0e6", design: blocks, knownBugs: [])

  private static let blocks: Rules = {
    var rules = Rules()
    rules.domains = .buddy
    return rules
  }()

  // MARK: Pins and lists

  static let dmaPinned2018 = Protocol(
    name: "dma-pinned-2018",
    summary: """
      July 2018: a page that gup() pinned is taken off its LRU list, and the two words that linked \
      it hold a flag, in bit 1 of lru.next, and the number of pins, over lru.prev.  put_page() of \
      a flagged page drops one of them, under a lock of the zone.
      """,
    source: "seed 004; mm: track gup pages with page->dma_pinned_* fields, v2 5/6",
    design: {
      var rules = lists
      rules.pinsInListWords = true
      return rules
    }(),
    knownBugs: [
      KnownBug(.dropsPinsApart, "J. Kara's reply in seed 004"),
      KnownBug(.pinsOnlyFromLRU, "J. Hubbard in seed 004: the fields are a union with lru"),
    ])

  static let follPin = Protocol(
    name: "foll-pin",
    summary: """
      What mainline has instead: a pin is a reference of its own kind, with its own calls to get \
      and to drop it, and adds 1024 to the refcount, which no list shares.
      """,
    source: "seed 004; 3faa52c03f44", design: lists, knownBugs: [])

  private static let lists: Rules = {
    var rules = Rules()
    rules.domains = [.buddy, .lru]
    return rules
  }()
}
