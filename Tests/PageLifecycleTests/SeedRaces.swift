// SPDX-License-Identifier: MIT

import PageLifecycle

extension Race {
  private static func table(_ entries: UInt16) -> Boot {
    var boot = Boot()
    boot.tableEntries = entries
    return boot
  }
  private static func tables(
    _ name: String, _ entries: UInt16 = 2, _ setup: [String] = [], _ calls: [[String]],
    _ rules: [Rule] = []
  ) -> Race {
    Race(
      name: name, boot: table(entries), setup: setup, calls: calls, rules: rules,
      protocols: ["iommu-mapcount", "iommu-refcount"])
  }

  /// Who maps and unmaps I/O virtual addresses, and who looks at a page that is a table.
  static let tables: [Race] = [
    tables(
      "unmap of the last entry against a lookup", setup: ["cpu0  iommu_map(iova0:0)"],
      [["iommu_unmap(iova0:0)"], ["folio_try_get(p16)"]],
      [.countsEntriesApart, .flushesBeforeTableFree, .resetsMapcount]),
    tables(
      "a full table against a lookup", setup: ["cpu0  iommu_map(iova0:0, entries=2)"],
      [["iommu_unmap(iova0:0, entries=2)"], ["folio_try_get(p16)"]], [.countsEntriesApart]),
    tables(
      "unmap of the last entry against map and unmap", setup: ["cpu0  iommu_map(iova0:0)"],
      [["iommu_unmap(iova0:0)"], ["iommu_map(iova0:1)", "iommu_unmap(iova0:1)"]],
      [.bumpsWhileUpgrading, .retestsAfterUpgrade]),
    tables(
      "unmap against unmap", setup: ["cpu0  iommu_map(iova0:0, entries=2)"],
      [["iommu_unmap(iova0:0)"], ["iommu_unmap(iova0:1)"], ["iommu_map(iova1:0)"]]),
    tables(
      "map against map of one empty slot", [["iommu_map(iova0:0)"], ["iommu_map(iova0:1)"]]),
    tables(
      "a lookup of a user's page that becomes a table",
      setup: [
        "cpu0  mmap_anonymous(mm0, m0, pages=1)", "cpu0  store(mm0, m0:0, 7)",
        "cpu1  folio_try_get(p16) until tryGet", "cpu0  munmap(mm0, m0:0)",
      ],
      [["iommu_map(iova0:0)", "iommu_unmap(iova0:0)"], []], [.countsEntriesApart]),
    tables(
      "gup_fast() of a user's page that becomes a table",
      setup: [
        "cpu0  mmap_anonymous(mm0, m0, pages=1)", "cpu0  store(mm0, m0:0, 7)",
        "cpu1  h0 = gup_fast(mm0, m0:0) until gupFastWalk.tryGrab",
      ],
      [["munmap(mm0, m0:0)", "iommu_map(iova0:0)", "iommu_unmap(iova0:0)"], []]),
  ]

  private static func tables(
    _ name: String, setup: [String], _ calls: [[String]], _ rules: [Rule] = []
  ) -> Race {
    tables(name, 2, setup, calls, rules)
  }
  private static func tables(_ name: String, _ calls: [[String]]) -> Race {
    tables(name, 2, [], calls, [])
  }

  private static func blocks(
    _ name: String, _ setup: [String], _ calls: [[String]], _ rules: [Rule]
  ) -> Race {
    Race(
      name: name, setup: setup, calls: calls, rules: rules,
      protocols: ["free-pages-462a8e08", "free-pages-e320d301", "foll-pin", "dma-pinned-2018"])
  }

  /// Who frees a block while somebody looks at its first page.
  static let blocks: [Race] = [
    blocks(
      "__free_pages() of a block against a lookup", ["cpu0  h0 = alloc_pages()"],
      [["free_pages(h0)"], ["folio_try_get(p16)"]], [.freesSubBlocks]),
    blocks(
      "__free_pages() of a larger block against a lookup", ["cpu0  h0 = alloc_pages(pages=4)"],
      [["free_pages(h0)"], ["folio_try_get(p16)"], ["h1 = alloc_pages(pages=1)"]],
      [.freesSubBlocks]),
    blocks(
      "__free_pages() of a compound page against a lookup", ["cpu0  h0 = folio_alloc()"],
      [["free_pages(h0)"], ["folio_try_get(p17)"]], [.readsHeadFirst]),
    blocks(
      "__free_pages() of a compound page against its next owner", ["cpu0  h0 = folio_alloc()"],
      [["free_pages(h0)"], ["folio_try_get(p16)", "h1 = alloc_pages()"]], [.readsHeadFirst]),
  ]

  private static let listed = ["cpu0  h0 = alloc_pages(pages=1)", "cpu0  lru_add(h0)"]
  private static func pins(
    _ name: String, _ setup: [String], _ calls: [[String]], _ rules: [Rule]
  ) -> Race {
    Race(
      name: name, setup: setup, calls: calls, rules: rules,
      protocols: ["foll-pin", "dma-pinned-2018"])
  }

  /// Who pins a page, and who has it on a list or holds it otherwise.
  static let pins: [Race] = [
    pins(
      "pin against lru_add", ["cpu0  h0 = alloc_pages(pages=1)"],
      [["h1 = pin_page(p16)"], ["lru_add(h0)"]], [.pinsOnlyFromLRU]),
    pins(
      "pin against isolation", listed,
      [["h1 = pin_page(p16)", "unpin_user_pages(h1)"], ["isolate_lru_page(p16)"]],
      [.pinsOnlyFromLRU]),
    pins(
      "pin against a plain put", listed + ["cpu0  h1 = get_page(p16)"],
      [["h2 = pin_page(p16)"], ["put_page(h1)"]], [.dropsPinsApart, .looksBeforeUnpinning]),
    pins(
      "pin against pin", listed,
      [
        ["h1 = pin_page(p16)", "unpin_user_pages(h1)"],
        ["h2 = pin_page(p16)", "unpin_user_pages(h2)"],
      ], [.countsPins]),
    pins(
      "unpin against a lookup", listed + ["cpu0  h1 = pin_page(p16)"],
      [["unpin_user_pages(h1)"], ["folio_try_get(p16)"], ["free_pages(h0)"]], [.dropsPinsApart]),
  ]

  static let ofSeeds = tables + blocks + pins
}
