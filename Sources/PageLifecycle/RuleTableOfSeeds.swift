// SPDX-License-Identifier: MIT

extension Rule {
  /// ``info`` of rules about page tables, blocks of pages, and pins beside lists.
  var infoOfSeeds: (String, String, [Invariant], String) {
    switch self {
    case .countsEntriesApart:
      (
        "M-ENTCNT", "entries of a page table are counted where nobody else counts",
        [.I8, .I9], "seed 002: the refcount as entry count"
      )
    case .bumpsWhileUpgrading:
      (
        "M-NOBUMP", "a table counts as in use while its unmapper waits to free it",
        [.I14], "seed 002, second version"
      )
    case .retestsAfterUpgrade:
      (
        "M-NORETEST", "whoever has the lock for writing looks again whether the table is empty",
        [.I63, .I14, .I8], "seed 002, second version"
      )
    case .resetsMapcount:
      (
        "M-MCRESET", "_mapcount is reset before a table is freed",
        [.I9], "seed 002; `page_mapcount_reset()`"
      )
    case .flushesBeforeTableFree:
      (
        "M-ENTCNT3", "an owner keeps its reference of a table until the IOTLB is flushed",
        [.I63, .I9], "seed 002: you are not necessarily the last to put"
      )
    case .freesSubBlocks:
      (
        "M-FREEPG0", "an owner whose put was not the last frees the rest of its block itself",
        [.I62], "e320d3012d25; seed 002"
      )
    case .readsHeadFirst:
      (
        "M-FREEPG1", "whether a block is a compound page is read before the put",
        [.I12, .I1], "462a8e08e0e6; seed 002"
      )
    case .pinsOnlyFromLRU:
      (
        "M-PINLRU", "a page is pinned only once its list words are nobody else's",
        [.I40, .I36], "seed 004"
      )
    case .looksBeforeUnpinning:
      (
        "M-PINBLIND", "a put looks at the flag before it takes a word for a count of pins",
        [.I40, .I36], "seed 004"
      )
    case .dropsPinsApart:
      (
        "M-UNPINSOON", "only who pinned a page drops a pin of it",
        [.I36], "seed 004: put_page() of a page that is pinned"
      )
    case .countsPins:
      (
        "M-PINPROP", "a page is pinned as often as it was pinned",
        [.I36], "seed 004: pinned is no property of a page"
      )
    default: infoOfErrorPaths
    }
  }

  /// Whether breaking a rule about tables, blocks or lists changes anything under a design; nil
  /// for the rules of files and devices.
  func isMeaningful(ofSeeds design: Rules) -> Bool? {
    let domains = design.domains
    return switch self {
    case .countsEntriesApart, .bumpsWhileUpgrading, .retestsAfterUpgrade, .resetsMapcount,
      .flushesBeforeTableFree:
      domains.contains(.iommu)
    case .freesSubBlocks, .readsHeadFirst: domains.contains(.buddy)
    case .pinsOnlyFromLRU, .looksBeforeUnpinning: design.pinsInListWords
    case .dropsPinsApart, .countsPins: domains.contains(.lru)
    default: isMeaningful(ofErrorPaths: design)
    }
  }
}
