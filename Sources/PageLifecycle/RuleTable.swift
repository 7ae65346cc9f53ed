// SPDX-License-Identifier: MIT

extension Rule {
  /// What each rule says, what must be found when a kernel breaks it, and where that is known.
  package var info: RuleInfo {
    let (bug, meaning, breaks, source): (String, String, [Invariant], String) =
      switch self {
      case .scansUnmappedFiles:
        // I18: the eviction before an unbind does not look either.
        (
          "M-MAPPED", "breaking layouts looks for busy pages even where no VMA maps the file",
          [.I27, .I18, .I29], "cee91fa13a8e"
        )
      case .examinesLockedEntries:
        (
          "M-SKIP", "the busy scan waits for a locked entry and examines it",
          [.I27, .I24, .I35, .I29], "6be3e21d25ca"
        )
      case .waitsAtEviction:
        // I18: an unbind evicts.  I1: a folio split under a pin; on a small page it weighs more.
        (
          "M-EVICT", "inode eviction waits for busy pages first",
          [.I27, .I24, .I35, .I18, .I1, .I29], "0e2f80afcfa6"
        )
      case .drainsBeforeUnbind:
        (
          "M-UNBIND", "files are evicted before memunmap_pages() removes their pages",
          [.I18, .I19, .I25], "reference kernels 6.12, 7.2 and 7.3: oops after unbind"
        )
      case .waitsForIdlePage:
        // I54: DMA to a block that was moved or zeroed.  I18 and I1 as for an eviction.
        (
          "M-TRUNCGUP", "truncate waits until no page of its range is busy",
          [.I27, .I24, .I54, .I18, .I1], "seed 001; d2c997c0f145"
        )
      case .wakesOnBulkRelease:
        (
          "M-RELPAGES", "release_pages() notices the idle transition of an fsdax page",
          [.I55, .I56], "seed 003, mm/swap.c"
        )
      case .wakesOnUnpin:
        (
          "M-FOLIOPUT", "unpin_user_pages() notices the idle transition of an fsdax page",
          [.I55, .I56], "f4f451a16dd1"
        )
      case .wakesWhereWaitersSleep:
        (
          "M-WAKEADDR", "waker and waiter of an idle page use one address",
          [.I60, .I55, .I56], "first patch of the 2022 series; K6.18"
        )
      case .rechecksPTE:
        (
          "M-NORECHECK", "gup_fast reads the PTE again after it took the reference",
          [.I43], "gup_fast_pte_range()"
        )
      case .rechecksPMD:
        (
          "M-STALEPMD", "gup_fast reads the PMD again after it took references",
          [.I43], "gup_fast_pmd_leaf()"
        )
      case .flushesBeforePut:
        (
          "M-NOFLUSH", "zap flushes TLBs before the page can be reused",
          [.I27, .I54], "tlb_finish_mmu()"
        )
      case .keepsMappingOnZap:
        (
          "M-MAPCLR", "zap removes page-table entries and leaves page->mapping alone",
          [.I24, .I25, .I26, .I32], "seed 001"
        )
      case .keepsPrivateCopies:
        (
          "M-COWUNMAP", "the layout scan leaves private copies mapped",
          [.I54], "V. Goyal's fix of 5fac7408d828"
        )
      case .ignoresZeroEntries:
        (
          "M-ZEROENT", "zero and empty entries are never taken for device pages",
          [.I33], "98c183a4fccf"
        )
      case .rescansAfterSleeping:
        (
          "M-SKIP2", "the scan examines an entry it slept for again",
          [.I35, .I27, .I24], "dd59137bfe70"
        )
      case .deletesEntriesInBreak:
        (
          "M-STALEENT", "breaking layouts deletes the entries it found idle",
          [.I35], "bde708f1a65d"
        )
      case .passesEntryWakeOn:
        (
          "M-ENTNOWAKE", "whoever finds an entry gone wakes the next waiter",
          [.I57, .I56], "237388320def"
        )
      case .wakesOnEntryUnlock:
        (
          "M-UNLOCKED0", "unlocking an entry wakes its next waiter",
          [.I57, .I56], "missed wakeup in put_unlocked_entry()"
        )
      case .waitsOnPMDQueue:
        (
          "M-PMDWQ", "a waiter for a PMD entry sleeps on the queue of its first index",
          [.I57, .I56], "23c84eb78375"
        )
      case .copiesPinnedPagesAtFork:
        (
          "M-FORKPIN", "fork copies a pinned anonymous page for the child",
          [.I41, .I54], "70e806e4e645"
        )
      case .unsharesBeforePin:
        (
          "M-VMSPLICE", "a read pin of a shared anonymous page copies it first",
          [.I41, .I54], "17839856fd58"
        )
      case .refusesLongterm:
        (
          "M-LTFSDAX", "FOLL_LONGTERM on fsdax is refused",
          [.I42], "2bb6d2837083, 7af75561e171"
        )
      case .putsPagemapOnEveryPath:
        (
          "M-PGMAPLEAK", "gup puts its pgmap reference on every path",
          [.I20, .I23], "seed 003; mm/gup.c"
        )
      case .splitsFolioOnDelete:
        (
          "M-COMPRESET", "deleting a PMD entry makes its pages small again",
          [.I17, .I6, .I25, .I27, .I39], "K6.18 dax_folio_put()"
        )
      case .getsBeforeMapping:
        (
          "M-MAPNOGET", "a page-table entry that counts takes its reference",
          [.I1, .I2, .I5], "seed 001: the DAX-gup mistake"
        )
      case .wakesWhenOnlyMapped:
        (
          "M-REMAPWAIT",
          "a page that was faulted in again during the wait is idle once only mappings hold it",
          [.I56], "found by pagefuzz; traces of 7.2.13, fsdax-007 event 29"
        )
      case .writesReplaceHoles:
        (
          "M-HOLEWRITE", "a write through a file takes the zero page away whoever got the block",
          [.I68, .I54], "found by pagefuzz; dax_iomap_rw() looks at IOMAP_F_NEW only"
        )
      case .countsBeforeListing:
        (
          "M-P2PFREE1", "a freed page has the count of a free one before its pool lists it",
          [.I10, .I13, .I1, .I2], "b7e282378773; seed 000"
        )
      case .waitsForPagesInUse:
        (
          "M-UNMAPLIVE", "memunmap_pages() waits for every page in use",
          [.I18, .I19, .I20, .I23], "0dc45ca1ce18"
        )
      case .waitsForDeviceDAXUsers:
        (
          "M-DAXUNBIND", "a device-dax device is not unbound while somebody holds its pages",
          [.I18, .I19], "reference kernels: oops at the unpin after unbind"
        )
      case .stopsAllocatingFirst:
        (
          "M-ALLOCDYING", "a driver stops handing out pages before its pgmap dies",
          [.I22, .I19, .I20, .I12, .I18], "v6.1 zone_device_page_init()"
        )
      case .exitsPagemapLast:
        (
          "M-EXITFIRST", "the pgmap's reference is exited after nobody can look it up",
          [.I21], "v5.18 memunmap_pages()"
        )
      case .rechecksPrivatePTE:
        (
          "M-DPFAULT",
          "a CPU fault checks the entry and holds the page before the driver is called",
          [.I14, .I19, .I45, .I58], "16ce101db85d"
        )
      case .locksFaultPage:
        (
          "M-FPLIVE", "of several CPU faults on a device page only one holds it",
          [.I58, .I51], "1afaeb8293c9"
        )
      case .sleepsOnFaultPageLock:
        (
          "M-SPIN", "a CPU fault sleeps until a locked device page is unlocked",
          [.I58], "a69d1ab971a6"
        )
      case .passesFaultPage:
        (
          "M-FAULTPAGE", "a driver names the page whose fault it serves",
          [.I58], "97061d441110"
        )
      case .waitsWithoutReference:
        (
          "M-MIGWAIT", "whoever waits for a migration holds no reference of the page",
          [.I58, .I45], "ffa65753c431"
        )
      case .selectsByOwner:
        (
          "M-SELSYS", "a driver collects device pages of its own only",
          [.I52], "seed 003, patch 5"
        )
      case .grantsNoSlack:
        (
          "M-CHKSLACK", "the check before the copy counts no base reference that is gone",
          [.I45], "v5.19 to v6.19 migrate_vma_check_page()"
        )
      case .migratesOnlyUnshared:
        (
          "M-GENPIN", "only a page that nobody but the migration holds passes the check",
          [.I45], "seed 003, patch 7: migrate_vma_check_page()"
        )
      case .leavesMigratedOffLRU:
        (
          "M-FINLRU", "a page that has moved away is not put on the LRU again",
          [.I17], "41cddf83d8b0"
        )
      case .movesBeforeLongterm:
        (
          "M-LTCOHERENT", "a coherent page moves to RAM before it is pinned for long",
          [.I42], "v6.0 check_and_migrate_movable_pages()"
        )
      case .keepsPinnedMapped:
        (
          "M-PINUNMAP", "a pinned page that one process has alone is not unmapped to be migrated",
          [.I69, .I41], "6c287605fd56"
        )
      case .takesEntryReferenceOnce:
        (
          "M-ENTTWICE", "a DAX entry takes its reference once, not at each fault",
          [.I30], "the review of the series of 2022"
        )
      case .tagsWhenDropped:
        (
          "M-ZAPTWICE", "an entry is tagged DAX_ZAP when its reference is dropped",
          [.I39, .I29, .I27, .I2, .I1], "seed 001: the reason for DAX_ZAP"
        )
      case .refaultTakesReference:
        (
          "M-D-REFAULT", "a fault on a zapped entry takes the reference again and clears the tag",
          [.I29, .I19, .I2], "derived from the posted dax_insert_entry()"
        )
      case .breaksBeforeTruncate:
        (
          "M-NOZAP", "truncate breaks layouts before it deletes entries",
          [.I29, .I27], "seed 001"
        )
      case .seesPlainReferences:
        (
          "M-D1PIN", "a page is busy whatever kind of reference holds it",
          [.I27, .I24, .I54], "cover letters of v1 and v2"
        )
      case .keepsMappingAtLastPut:
        (
          "M-D2-MAPCLR", "the last put of an fsdax page leaves its mapping alone",
          [.I25, .I32, .I24], "v2 16/18; seeds 000 and 001"
        )
      case .countsFirstReference:
        (
          "M-PGREQ", "the pgmap is taken with the reference that made the count one",
          [.I20, .I19, .I18, .I23], "the discussion of v3 10/25"
        )
      case .dropsPagemapAtLastPut:
        (
          "M-D3-REL", "whoever drops the last reference of a page drops the pgmap's",
          [.I23, .I20], "the discussion of v3 10/25"
        )
      case .putsOncePerReference:
        (
          "M-ZAPNOREF", "put_page() drops what was got, no more",
          [.I1, .I2], "seed 001: programming errors"
        )
      case .refusesFreePages:
        (
          "M-FREEGET", "a lookup by page frame does not get a page its driver has on the free list",
          [.I12, .I14, .I15, .I10], "ef233450898f; seed 000"
        )
      case .drainsDriverBeforeUnbind:
        (
          "M-UNBINDFREE", "a driver waits for its pages before memunmap_pages() puts them",
          [.I12, .I14, .I10, .I19, .I58],
          "derived: put_page() of each pfn in v5.17 memunmap_pages()"
        )
      case .testsOwnIdleCount:
        (
          "M-IDLE", "who waits for an idle page tests for the count an idle page has",
          [.I56, .I27, .I24, .I54, .I1, .I18, .I29], "seed 003, patches 1 and 2; 27674ef6c73f"
        )
      case .expectsOwnBase:
        (
          "M-EXPPRIV", "the expected references of a private page are those it has",
          [.I58], "seed 003, patch 2: expected_page_refs()"
        )
      case .drawsOneReference:
        (
          "M-BUSYDEF", "a driver hands a page out with one reference, whatever it had while free",
          [.I15, .I1], "seed 000: INIT_PAGEMAP_BUSY is the default"
        )
      case .mappingsHold:
        (
          "M-NOREFMAP", "a page-table entry of a page that starts at zero holds a reference",
          [.I2, .I18, .I27], "seed 001: the DAX-gup mistake; seed 003 for fsdax"
        )
      case .callsPageFree:
        (
          "M-GENNOFREE", "the last put of a coherent page gives it back to its driver",
          [.I11, .I20, .I23], "seed 003, patch 8"
        )
      case .callsOnlyOwnPageFree:
        (
          "M-GENNULL", "page_free() is called of a pgmap that has one",
          [.I16], "derived from seed 003, patch 8"
        )
      case .asksForOwnType:
        (
          "M-SELFLAG", "a driver that brings a page back asks for the type of its pages",
          [.I58], "seed 003, patches 4 and 5"
        )
      case .dropsRemovedPages:
        (
          "M-CHUNKLIST", "a page of a chunk that is being removed is not listed again",
          [.I19, .I12, .I22], "dmirror_devmem_free()"
        )
      case .unmapsEverywhere:
        (
          "M-STILLMAPPED", "every process loses its mapping of a page before the page moves",
          [.I46, .I45, .I48, .I58], "migrate_device_unmap()"
        )
      case .locksDestination:
        (
          "M-DSTUNLOCK", "a driver leaves the new frame of a page locked until it is mapped",
          [.I47], "dmirror_migrate_alloc_and_copy()"
        )
      case .holdsEntryWhileUnmapping:
        (
          "M-HOLEZAP", "a write keeps the entry it replaces locked until nobody maps the old page",
          [.I68, .I54, .I28, .I24],
          "found by pagefuzz; the order in invalidate_inode_pages2_range()"
        )
      case .invalidatesOnlyHoles:
        // I28: somebody maps the page.  I18: an eviction sees entries only.  I1: a folio is split
        // under who holds it.
        (
          "M-HOLEINVAL",
          "a write that gets a new block takes away what stands for a hole, and no page's entry",
          [.I28, .I24, .I27, .I18, .I1, .I29],
          "found by reading; `dax_iomap_iter()`, `__dax_invalidate_entry()`"
        )
      case .putsPagemapOnce:
        (
          "M-PGMAPDBL", "gup puts its cached pgmap reference once",
          [.I20, .I18, .I19], "`get_dev_pagemap()` hands the cached one back"
        )
      case .putsPagesBeforeWaiting:
        (
          "M-FINALPUT", "memunmap_pages() waits after it has put each page, not before",
          [.I18, .I19, .I20, .I1], "50f44ee7248a"
        )
      case .wakesAllOfReplaced:
        (
          "M-HOLEWAKE", "who replaces an entry by one of another lock wakes all its waiters",
          [.I57, .I56], "dax: fix deadlock with DAX 4k holes"
        )
      case .rereadsMappingAfterSleep:
        (
          "M-FREEDINODE", "memory_failure() finds the file again after it slept for its entry",
          [.I64], "dax: Don't access a freed inode"
        )
      default: infoOfSeeds
      }
    return RuleInfo(rule: self, bug: bug, meaning: meaning, breaks: breaks, source: source)
  }
}

/// A protocol with one rule broken, and the verdict that must produce.
package struct Specimen: Sendable {
  package var name: String
  package var variant: Variant
  package var rule: Rule
  package var breaks: [Invariant] { rule.info.breaks }
  package var source: String { rule.info.source }

  /// Every rule broken alone on each repaired protocol that has the mechanism.
  package static let all: [Specimen] = Protocol.all.flatMap { base in
    Rule.allCases.filter { $0.isMeaningful(in: base.design) }.map { rule in
      Specimen(
        name: "\(rule.info.bug)@\(base.name)",
        variant: Variant(base, broken: RuleSet([rule]), isRepaired: true), rule: rule)
    }
  }
}

extension Rule {
  /// Whether breaking the rule changes anything under a design.
  package func isMeaningful(in design: Rules) -> Bool {
    if let isMeaningful = isMeaningful(ofSeeds: design) { return isMeaningful }
    if let isMeaningful = isMeaningful(ofFolios: design) { return isMeaningful }
    guard design.domains.isSuperset(of: .kernel) else { return false }
    return switch self {
    case .rescansAfterSleeping, .deletesEntriesInBreak: design.breakDeletesEntries
    // Later designs find busy pages by deleting every entry anyway.
    case .scansUnmappedFiles: !design.breakDeletesEntries
    case .wakesOnBulkRelease, .wakesOnUnpin: design.idleCount == 1
    case .putsPagemapOnEveryPath, .putsPagemapOnce: design.gupTakesPagemap
    case .splitsFolioOnDelete: design.hasLargeFolios
    case .ignoresZeroEntries, .getsBeforeMapping, .wakesWhenOnlyMapped: design.countsMappings
    case .takesEntryReferenceOnce, .tagsWhenDropped, .refaultTakesReference,
      .breaksBeforeTruncate, .seesPlainReferences, .putsOncePerReference:
      design.entriesHold
    case .mappingsHold: design.countsMappings
    case .callsOnlyOwnPageFree: design.genericCount == 0
    case .refusesFreePages: design.driverCount != 0
    case .drainsDriverBeforeUnbind, .putsPagesBeforeWaiting: design.baseHoldsPagemap
    case .waitsForPagesInUse, .waitsForDeviceDAXUsers: !design.baseHoldsPagemap
    case .drawsOneReference: design.driverCount != 0 && design.driverBase == 0
    case .movesBeforeLongterm, .callsPageFree: design.hasCoherent
    // Only migrate_device_range(), which finds a page by its number, unmaps it during a fork.
    case .keepsPinnedMapped: design.hasCoherent && design.driverCount == 0
    // Where each entry holds the pgmap, memunmap_pages() waits until the file is evicted.
    case .drainsBeforeUnbind: design.entryPagemap != .perEntry
    // Where no walker sees private pages, nobody but their mappings holds them.
    case .grantsNoSlack, .migratesOnlyUnshared: design.driverBase == 0
    // Where drivers wait for their pages, a chunk goes only when none is in use.
    case .dropsRemovedPages, .stopsAllocatingFirst: !design.baseHoldsPagemap
    case .keepsMappingAtLastPut: design.idleCount == 0
    case .countsFirstReference, .dropsPagemapAtLastPut: design.entryPagemap == .perFolio
    case .countsBeforeListing:
      (design.mapsPools && design.poolCount != 0 || design.driverCount != 0)
        && !design.baseHoldsPagemap
    default: true
    }
  }
}
