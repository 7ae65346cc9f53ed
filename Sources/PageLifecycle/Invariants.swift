// SPDX-License-Identifier: MIT

/// The specification: everything that must hold between atomic steps.
///
/// Read top to bottom.  `words` states each property with its source; the predicates below state
/// it in code, by the object it is about.  A seed is one of the documents the project comes
/// from, a function one of the kernel's, a number a commit.
package enum Invariant: UInt8, CaseIterable, Sendable {
  case I1 = 1, I2 = 2, I3 = 3, I4 = 4, I5 = 5, I6 = 6, I7 = 7
  case I8 = 8, I9 = 9
  case I10 = 10, I11 = 11, I12 = 12, I13 = 13, I14 = 14, I15 = 15, I16 = 16, I17 = 17
  case I18 = 18, I19 = 19, I20 = 20, I21 = 21, I22 = 22, I23 = 23
  case I24 = 24, I25 = 25, I26 = 26, I27 = 27, I28 = 28, I29 = 29, I30 = 30, I32 = 32, I33 = 33,
    I34 = 34,
    I35 = 35
  case I36 = 36, I37 = 37, I39 = 39, I40 = 40, I41 = 41, I42 = 42, I43 = 43, I44 = 44
  case I45 = 45, I46 = 46, I47 = 47, I48 = 48, I49 = 49, I50 = 50, I51 = 51, I52 = 52, I53 = 53
  case I54 = 54
  case I55 = 55, I56 = 56, I57 = 57, I58 = 58, I59 = 59, I60 = 60
  case I61 = 61
  case I62 = 62, I63 = 63, I64 = 64
  case I65 = 65, I66 = 66, I67 = 67, I68 = 68, I69 = 69

  /// The sentence that must hold, and where it comes from.
  package var words: (statement: String, source: String) {
    switch self {
    // Counting
    case .I1:
      (
        "The refcount of a page is its idle count plus the weights of all who hold it.",
        "seeds 000, 001, 003; `page_ref.h`"
      )
    case .I2:
      (
        "No refcount is ever below zero, and nobody gets a page whose count is zero.",
        "`VM_BUG_ON_PAGE` in `put_page_testzero()`; `try_grab_folio()`"
      )
    case .I3: ("No refcount crosses its sign bit.", "`try_get_page()`, v5.1")
    case .I4:
      (
        """
        The mapcount of a page is the number of page-table entries that name it; an fsdax page \
        of an era that does not count mappings has none.
        """, "`folio_add_file_rmap_pte()`; seed 001"
      )
    case .I5:
      ("Every mapping that is counted holds a reference.", "`insert_page_into_pte_locked()`")
    case .I6: ("A tail page has no references of its own.", "`prep_compound_tail()`")
    case .I7:
      ("At the end as many pins were released as acquired.", "NR_FOLL_PIN_ACQUIRED, _RELEASED")
    case .I8:
      (
        """
        The owner of a page table reads from its counter how many entries are live, whoever else \
        looks at the page.
        """, "seed 002"
      )
    case .I9:
      (
        """
        A table that is linked has a count an owner of so many entries can have, and a page that \
        is freed has its mapcount reset.
        """, "seed 002: 2..513, `page_mapcount_reset()`"
      )
    // Free and allocate
    case .I10:
      (
        "A page on a free list has the count of a free page from the moment it is there.",
        "seed 000; ef233450898f"
      )
    case .I11: ("A device page that nobody holds is on its owner's free list.", "seeds 000, 003")
    case .I12:
      (
        "A page is given back once for each time it was handed out.",
        "`page_free()` in `memremap.c`"
      )
    case .I13: ("Whoever gives a page back writes nothing of it afterwards.", "seed 000")
    case .I14:
      (
        "Nobody gets or uses a page that its owner has on a free list.",
        "ef233450898f; 16ce101db85d"
      )
    case .I15:
      (
        "A page is handed out with one reference, unmapped and without mapping.",
        "`zone_device_page_init()`"
      )
    case .I16:
      (
        "A page without page_free() is never dropped to the count that would call it.",
        "seed 003, patch 8"
      )
    case .I17:
      (
        """
        A device page is never on a list of the page allocator: word 1 names its pgmap, or the \
        head of its folio; a page on the LRU is charged to somebody.
        """, "seeds 000, 004; `mm_types.h`; 41cddf83d8b0"
      )
    // The pgmap
    case .I18:
      ("When memunmap_pages() has waited, nobody holds a page of the pgmap.", "0dc45ca1ce18")
    case .I19: ("A page that is used has its pgmap and its struct page.", "seed 000")
    case .I20: ("Every pgmap reference is put exactly once.", "`get_dev_pagemap()`")
    case .I21:
      ("Nobody looks a pgmap up through a reference that was exited.", "`memunmap_pages()`")
    case .I22: ("No page is handed out once its pgmap is dying.", "`zone_device_page_init()`")
    case .I23:
      ("memunmap_pages() returns once everybody has let go.", "seed 000; `percpu_ref_exit()`")
    // The file's association with its pages
    case .I24: ("The mapping of a page changes only while the page is idle.", "seed 001")
    case .I25:
      (
        "An entry names a page of a file if and only if the page names the file and the index.",
        "`dax_associate_entry()`; seed 001"
      )
    case .I26:
      (
        "A page of one entry belongs to its file, and a page of several counts them.",
        "`dax_page_share_get()`, `dax_folio_make_shared()`"
      )
    case .I27:
      (
        "A block that is freed has no holder, no page-table entry and no DAX entry left.",
        "seed 001; `dax_layout_busy_page()`"
      )
    case .I28: ("A page-table entry of a DAX file has a DAX entry behind it.", "`fs/dax.c`")
    case .I29:
      (
        "A DAX entry tagged as zapped holds nothing and is mapped nowhere, and only such a one goes.",
        "seed 001: DAX_ZAP"
      )
    case .I30:
      ("A DAX entry holds its page once, however often it is mapped.", "the series of 2022")
    case .I32:
      ("memory_failure() finds the file of a page until the page is truncated.", "seed 001")
    case .I33: ("An empty or zero entry stands for no device page.", "98c183a4fccf")
    case .I34: ("nrpages is the number of pages that entries stand for.", "`fs/dax.c`")
    case .I35: ("After breaking layouts truncate finds no entry.", "bde708f1a65d")
    // Pins
    case .I36:
      (
        "A page is pinned as often as somebody holds a pin of it: no other put takes one away.",
        "seed 004"
      )
    case .I37:
      (
        "A page with a pin is seen as pinned, and pins never weigh more than the refcount.",
        "`folio_maybe_dma_pinned()`; seed 004"
      )
    case .I39:
      (
        "Whoever puts or unpins a page has got or pinned that page.",
        "`sanity_check_pinned_pages()`; the ledger"
      )
    case .I40:
      ("Where a page keeps its pins no list keeps its links.", "seed 004; `mm_types.h`")
    case .I41:
      ("A pinned anonymous page stays the page of the process that pinned it.", "70e806e4e645")
    case .I42:
      (
        "No long-term reference exists on an fsdax or coherent page.",
        "2bb6d2837083; `folio_is_longterm_pinnable()`"
      )
    case .I43:
      (
        "The page gup_fast returns is the page the PTE names when it is checked again.",
        "`gup_fast_pte_range()`"
      )
    case .I44:
      ("A call that ended holds no reference of the kind taken for its length.", "`mm/gup.c`")
    // Migration
    case .I45:
      (
        "A page that somebody else holds is not taken for migration.",
        "seed 003; `folio_migrate_mapping()`"
      )
    case .I46:
      (
        "While a page moves, its old and its new frame are never mapped at once.",
        "`try_to_migrate()`, `remove_migration_ptes()`"
      )
    case .I47:
      (
        """
        A migration keeps a page locked from its collection, and the new frame from its \
        allocation, until page tables name where the page is.
        """, "`migrate_vma_collect_pmd()`, `migrate_vma_finalize()`"
      )
    case .I48: ("A page that has moved is mapped nowhere any more.", "`migrate_vma_finalize()`")
    case .I49: ("When a migration has ended no entry of it is left.", "`remove_migration_ptes()`")
    case .I50:
      ("No page-table entry that the CPU follows names a private device page.", "`memremap.h`")
    case .I51: ("A page that a migration entry names is locked and held.", "ffa65753c431")
    case .I52:
      (
        "A driver collects only what it asked for, and no page of another device.",
        "seed 003, patches 4 and 5"
      )
    case .I53: ("A migration keeps what a page-table entry allowed.", "fd35ca3d12cc")
    // Data
    case .I54: ("A load sees the value last written to that address.", "The shadow-value oracle")
    // Waiting
    case .I55:
      ("Whoever waits for a page to become idle is made runnable when it does.", "f4f451a16dd1")
    case .I56: ("A sleeper can still be woken by somebody.", "237388320def")
    case .I57:
      ("A wake-up of one waiter that takes no lock is passed on.", "237388320def; `fs/dax.c`")
    case .I58: ("Faults make progress.", "a69d1ab971a6")
    case .I59: ("Nobody sleeps with a spinlock held.", "`might_sleep()`")
    case .I60: ("Sleepers sleep where wakers wake.", "K6.18 `wait_page_idle()`")
    // Address spaces
    case .I61: ("An address space that has ended has nothing resident.", "`check_mm()`")
    // The page allocator
    case .I62:
      (
        "A page of RAM that nobody holds any more is on the allocator's free list.",
        "e320d3012d25; `__free_pages()`"
      )
    case .I63:
      (
        "A page table that is freed is linked nowhere, has no live entry, and no IOTLB knows it.",
        "seed 002: `iommu_iotlb_sync()` before the pages go"
      )
    case .I64: ("Nobody looks into an inode that is gone.", "dax: Don't access a freed inode")
    case .I65:
      (
        "Locks are taken in one order, and of two of a kind the lower first.",
        "`mm/filemap.c`, `mm/rmap.c`: lock ordering; `lockdep`"
      )
    case .I66:
      (
        "Of two plain accesses of a page's word on two CPUs, one a write, something orders one "
          + "behind the other.",
        "`tools/memory-model`, KCSAN; looked at with `boot races=1` only"
      )
    case .I67:
      ("A zap takes no private page of a device beside its range.", "`__split_huge_pmd()`")
    case .I68:
      (
        """
        Nobody maps the zero page in the place of a page that a process may write, or that a write \
        through the file has written.
        """, "`dax_insert_entry()`, `dax_iomap_iter()`: what is mapped goes first"
      )
    case .I69:
      (
        "Fork shares no page on its way that its process has alone, and pinned.",
        "6c287605fd56; `copy_nonpresent_pte()`"
      )
    }
  }
}

extension Invariant {
  package var statement: String { words.statement }
  package var source: String { words.source }
  package var name: String { String(describing: self) }
  package init?(name: String) {
    guard let match = Invariant.allCases.first(where: { $0.name == name }) else { return nil }
    self = match
  }

  /// A violation makes accounting or memory wrong: the run stops.  Others are noted.
  package var stops: Bool {
    switch self {
    case .I7, .I17, .I22, .I24, .I32, .I35, .I42, .I44, .I45, .I52, .I53: false
    case .I23, .I55, .I56, .I57, .I58, .I59, .I60, .I61: false
    case .I8, .I9, .I36, .I62, .I65: false
    default: true
    }
  }
}

// MARK: Of a page, after every step that touched it

extension Machine {
  @inline(__always)
  mutating func idleCount(of pfn: PFN) -> Int32 {
    switch pages[pfn].type {
    // memremap_pages() is a holder like others there.
    case _ where rules.baseHoldsPagemap: 0
    case .fsdax: pages[pfn].isTail ? 0 : rules.idleCount
    case .generic: rules.genericCount
    case .p2pdma, .devicePrivate, .coherent:
      ledger.idle.contains(pfn) ? freeCount(of: pages[pfn].type) : 0
    default: 0
    }
  }

  @inline(__always)
  mutating func expectedReferences(of pfn: PFN) -> Int32 {
    let held = ledger[pfn]
    let mapWeight: Int32 = countsMappings(of: pfn) ? 1 : 0
    let isLight = pages[pfn].isHead || rules.pinsInListWords
    let pinWeight: Int32 = isLight ? 1 : Page.pinBias
    let migrating =
      held[.migration] + held[.isolation] + held[.faultPage] + held[.driver]
    return idleCount(of: pfn) + (held[.map] + held[.gather]) * mapWeight + held[.fault]
      + held[.get] + held[.speculative] + held[.pin] * pinWeight + migrating
      + held[.entry] + held[.base]
  }

  /// The first invariant a page breaks, or nil when all hold.
  @inline(__always)
  mutating func violation(at pfn: PFN, mapcountIsSettled: Bool) -> (Invariant, Blame?)? {
    let refcount = pages[pfn].refcount
    let held = ledger[pfn]
    guard pages[pfn].exists else {
      return held.isInUse ? (.I19, blame(forExtra: held)) : nil
    }
    guard refcount >= 0 else { return (.I2, nil) }
    guard refcount < Int32.max / 2 else { return (.I3, nil) }
    guard !pages[pfn].isTail || refcount == 0 else { return (.I6, nil) }
    if ledger.listed.contains(pfn) {
      let passing = held[.speculative] + held[.migration]
      let isFree = refcount - passing == freeCount(of: pages[pfn].type)
      guard isFree else { return (.I10, nil) }
      guard !held.isInUse else { return (.I14, blame(forExtra: held)) }
    }
    guard held[.entry] <= 1 else { return (.I30, Blame(.extra, .entry)) }
    var expected = expectedReferences(of: pfn)
    var isTable = false
    if !rules.domains.isDisjoint(with: .mechanisms) {
      if let found = violationOfPins(at: pfn) { return found }
      isTable = iommu.tables.contains(pfn)
      if isTable { expected += countedAsReferences(pfn) }
    }
    guard refcount == expected else {
      return (.I1, blame(forDifference: refcount - expected, of: pfn))
    }
    // Who never maps a page to user space may use the word for something else.
    if mapcountIsSettled && !isTable {
      let mappings = countsMappings(of: pfn) ? held[.map] : 0
      guard pages[pfn].mapcount == mappings else { return (.I4, Blame(.missing, .map)) }
    }
    guard pages[pfn].mapcount <= refcount || isTable else { return (.I5, Blame(.missing, .map)) }
    if pages[pfn].type == .fsdax {
      let isOwned =
        pages[pfn].word1 == .pgmap
        || (pages[pfn].word1 == .compoundHead && pages[pages[pfn].head].isHead)
      guard isOwned else { return (.I17, nil) }
    } else if held[.map] != 0 && held[.driver] != 0 && isSourceMapped(of: pfn) {
      return (.I46, Blame(.foreign, .map))
    }
    if rules.hasPrivateFolios, !hasOwnWords(pfn) { return (.I17, nil) }
    if ledger.migrationEntries[pfn] != 0 {
      let owner = head(of: pfn)
      let isKept = pages[owner].flags.contains(.locked) && pages[owner].refcount > 0
      guard isKept else { return (.I51, nil) }
    }
    if held[.pin] != 0 && !rules.pinsInListWords {
      let isSeen =
        pages[pfn].isHead
        ? pages[pfn].pincount >= held[.pin] : refcount >= held[.pin] * Page.pinBias
      guard isSeen else { return (.I37, Blame(.missing, .pin)) }
    }
    return isTable ? violation(ofTable: pfn) : nil
  }

  private func blame(forDifference difference: Int32, of pfn: PFN) -> Blame {
    let held = ledger[pfn]
    let isEntry = rules.entriesHold && pages[pfn].type == .fsdax
    let holder: Holder =
      abs(difference) >= Page.pinBias - 1
      ? .pin
      : held[.get] != 0
        ? .get : held[.gather] != 0 ? .gather : isEntry ? .entry : .map
    return Blame(difference < 0 ? .missing : .extra, holder)
  }

  func blame(forExtra held: Ledger.Account) -> Blame? {
    for holder in [Holder.pin, .get, .map, .gather] where held[holder] != 0 {
      return Blame(.foreign, holder)
    }
    return nil
  }
}

// MARK: Of a file, when its pages lock is free

extension Machine {
  mutating func violation(at file: FileID, isSettled: Bool) -> (Invariant, PFN)? {
    var entryPages: Int32 = 0
    for position in 0..<Limits.filePages {
      let index = PageIndex(position)
      let entry = files.storage[file.position].entries.storage[position]
      if entry.kind != .absent { entryPages += entry.isPMD ? Int32(Limits.pagesPerPMD) : 1 }
      let covering = self.entry(of: file, at: index)
      let mapped = files.storage[file.position].present.storage[position]
      guard mapped == 0 || covering.kind == .page else {
        return (.I28, files[file].blocks[index].pfn)
      }
      guard isSettled, covering.kind == .page else { continue }
      let isReleased = mapped == 0 && ledger[covering.pfn][.entry] == 0
      guard !covering.isZapped || isReleased else { return (.I29, covering.pfn) }
      let pfn = PFN(covering.pfn.position + (covering.isPMD ? position % Limits.pagesPerPMD : 0))
      guard pages[pfn].exists else { return (.I19, pfn) }
      if hasReflink && isShared(pfn) { continue }
      let isFolioTail = pages[pfn].isTail
      let owner = isFolioTail ? pages[pfn].head : pfn
      guard pages[owner].mapping == Mapping(file) else { return (.I25, pfn) }
      let offset = isFolioTail ? pfn.position - owner.position : 0
      guard pages[owner].index.position + offset == position else { return (.I25, pfn) }
    }
    guard isSettled else { return nil }
    guard files[file].nrpages == entryPages else { return (.I34, .none) }
    for position in 0..<Limits.devicePages {
      let pfn = PFN(position)
      guard pages[pfn].mapping == Mapping(file), !pages[pfn].isTail else { continue }
      guard entry(of: file, at: pages[pfn].index).kind == .page else { return (.I25, pfn) }
    }
    return hasReflink ? violationOfSharing() : nil
  }
}
