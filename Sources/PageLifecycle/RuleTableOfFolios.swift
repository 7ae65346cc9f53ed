// SPDX-License-Identifier: MIT

extension Rule {
  /// ``info`` of rules about folios of private pages.
  var infoOfFolios: (String, String, [Invariant], String) {
    switch self {
    case .resetsEveryPage:
      (
        "M-DPRESET", "every struct page of what a driver hands out is reset first",
        [.I15, .I17, .I6], "v6.19 zone_device_page_init(): pages of a folio handed out again"
      )
    case .takesPagemapPerPage:
      (
        "M-PGMANY", "a folio that is handed out takes a pgmap reference for each of its pages",
        [.I23, .I18, .I19, .I20], "v6.19 zone_device_page_init(): percpu_ref_tryget_many()"
      )
    case .putsPagemapPerPage:
      (
        "M-PGPUTONE", "a folio that is freed puts a pgmap reference for each of its pages",
        [.I23, .I20], "v6.19 free_zone_device_folio(): percpu_ref_put_many()"
      )
    case .freesFolioOnce:
      (
        "M-FOLIOFREE", "folio_free() is called once of a folio, for all its pages",
        [.I12], "v6.19 dev_pagemap_ops: page_free() became folio_free()"
      )
    case .collectsFoliosWhereAsked:
      (
        "M-SELCOMP", "a folio is collected whole only where compound pages are asked for",
        [.I52], "v6.19 migrate_vma_collect_huge_pmd()"
      )
    case .splitsPMDBeforeZap:
      (
        "M-PMDPART", "the rest of a PMD entry stays mapped when a part of it is zapped",
        [.I67], "__split_huge_pmd()"
      )
    case .freezesBeforeSplit:
      (
        "M-SPLITREF", "a folio is split only while nobody but its splitter holds it",
        [.I1], "folio_ref_freeze() in v6.19 __folio_freeze_and_split_unmapped()"
      )
    case .splitsEntriesEverywhere:
      (
        "M-SPLITPMD", "before a folio on its way is split every process has its PMD entry split",
        [.I1, .I5, .I54],
        "derived: v6.19 migrate_vma_split_unmapped_folio() splits that of one process"
      )
    case .holdsFolioToSplit:
      (
        "M-SPLITGET", "who splits a folio to collect it holds it before the page table is unlocked",
        [.I14, .I12], "derived: v6.19 migrate_vma_split_folio()"
      )
    default: preconditionFailure("a rule without an entry: \(self)")
    }
  }

  /// Whether breaking a rule about folios changes anything under a design; nil for other rules.
  func isMeaningful(ofFolios design: Rules) -> Bool? {
    switch self {
    case .resetsEveryPage, .takesPagemapPerPage, .putsPagemapPerPage, .freesFolioOnce,
      .collectsFoliosWhereAsked, .splitsPMDBeforeZap, .freezesBeforeSplit,
      .splitsEntriesEverywhere, .holdsFolioToSplit:
      design.hasPrivateFolios
    default: nil
    }
  }
}

extension Rules {
  /// Whether a word after the operands means something to an operation under this protocol.
  package func hasMeaning(_ flag: CallFlags, of operation: Procedure) -> Bool {
    flag != .pmd || operation == .daxFault || hasPrivateFolios
  }
}
