// SPDX-License-Identifier: MIT

extension Rule {
  /// ``info`` of rules about calls that fail, allocations that reclaim, and blocks files share.
  var infoOfErrorPaths: (String, String, [Invariant], String) {
    switch self {
    case .putsPagemapOfRefused:
      (
        "M-P2PREF", "a page of a pool that could not be mapped puts the pgmap",
        [.I20, .I23, .I1], "6220694c52a5"
      )
    case .resetsCountOfRefused:
      (
        "M-P2PCOUNT",
        "a page of a pool that could not be mapped has the count of a free page again",
        [.I10, .I1], "PCI/P2PDMA: Reset page reference count when page mapping fails"
      )
    case .reclaimsIdleInodes:
      (
        "M-EVICTDL", "a task that needs memory waits for no page that it holds itself",
        [.I56], "text of the series of October 2022: an accepted risk"
      )
    case .countsPreviousOwner:
      (
        "M-SHARE", "who comes to share a page counts the entry that had it alone",
        [.I26], "`dax_page_share_get()`, v6.2; `dax_folio_make_shared()`, v6.15"
      )
    case .keepsShareUntilLast:
      (
        "M-SHAREPUT", "who lets go of a shared page leaves it to the others",
        [.I26, .I25], "`dax_disassociate_entry()`"
      )
    case .freesOnlyIdleBlocks:
      (
        "M-SHAREFREE",
        "a block that was got through one file and is freed through another is freed when idle",
        [.I27, .I18], "found by pagefuzz; the scan looks at the entries of one file"
      )
    case .locksInodesInOrder:
      (
        "M-INODEORDER", "of two files that are to share a block the lower is locked first",
        [.I65, .I56], "`lock_two_nondirectories()`, `xfs_ilock_two_inodes()`"
      )
    case .countsSharesAtomically:
      (
        "M-SHARELOST",
        "how many entries share a page changes at once, for each file has a lock of its own",
        [.I26, .I25, .I32, .I66], "found by pagefuzz; `page->share++` and `--page->share`"
      )
    default: infoOfFolios
    }
  }

  /// Whether breaking one of them changes anything under a design; nil for other rules.
  func isMeaningful(ofErrorPaths design: Rules) -> Bool? {
    let hasPools = design.domains.contains(.device) && design.mapsPools
    return switch self {
    case .putsPagemapOfRefused: hasPools
    case .resetsCountOfRefused: hasPools && design.poolCount == 0
    case .reclaimsIdleInodes: design.domains.isSuperset(of: .kernel)
    case .countsPreviousOwner, .keepsShareUntilLast, .freesOnlyIdleBlocks, .locksInodesInOrder,
      .countsSharesAtomically:
      design.domains.contains(.reflink)
    default: nil
    }
  }
}
