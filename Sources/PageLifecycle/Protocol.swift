// SPDX-License-Identifier: MIT

/// One switch of a protocol, stated as what a correct kernel does.
///
/// A protocol obeys a rule or breaks it.  Where a released kernel breaks one, that is a known
/// bug of its era, and obeying the rule is the repair.
package enum Rule: UInt8, CaseIterable, Sendable {
  case scansUnmappedFiles
  case examinesLockedEntries
  case waitsAtEviction
  case drainsBeforeUnbind
  case waitsForIdlePage
  case wakesOnBulkRelease
  case wakesOnUnpin
  case wakesWhereWaitersSleep
  case rechecksPTE
  case rechecksPMD
  case flushesBeforePut
  case keepsMappingOnZap
  case keepsPrivateCopies
  case ignoresZeroEntries
  case rescansAfterSleeping
  case deletesEntriesInBreak
  case passesEntryWakeOn
  case wakesOnEntryUnlock
  case waitsOnPMDQueue
  case copiesPinnedPagesAtFork
  case unsharesBeforePin
  case refusesLongterm
  case putsPagemapOnEveryPath
  case splitsFolioOnDelete
  case getsBeforeMapping
  case wakesWhenOnlyMapped
  case writesReplaceHoles
  // Devices with pages of their own
  case countsBeforeListing
  case waitsForPagesInUse
  case waitsForDeviceDAXUsers
  case stopsAllocatingFirst
  case exitsPagemapLast
  case rechecksPrivatePTE
  case locksFaultPage
  case sleepsOnFaultPageLock
  case passesFaultPage
  case waitsWithoutReference
  case selectsByOwner
  case grantsNoSlack
  case migratesOnlyUnshared
  case leavesMigratedOffLRU
  case movesBeforeLongterm
  // References that DAX entries hold
  case takesEntryReferenceOnce
  case tagsWhenDropped
  case refaultTakesReference
  case breaksBeforeTruncate
  case seesPlainReferences
  case keepsMappingAtLastPut
  case countsFirstReference
  case dropsPagemapAtLastPut
  case putsOncePerReference
  // What memremap_pages() holds of each page
  case refusesFreePages
  case drainsDriverBeforeUnbind
  case testsOwnIdleCount
  case expectsOwnBase
  case drawsOneReference
  case mappingsHold
  case callsPageFree
  case callsOnlyOwnPageFree
  case asksForOwnType
  case dropsRemovedPages
  case unmapsEverywhere
  case locksDestination
  case holdsEntryWhileUnmapping
  case putsPagemapOnce
  case putsPagesBeforeWaiting
  case wakesAllOfReplaced
  case rereadsMappingAfterSleep
  // Page tables of an IOMMU
  case countsEntriesApart
  case bumpsWhileUpgrading
  case retestsAfterUpgrade
  case resetsMapcount
  case flushesBeforeTableFree
  // Blocks of the page allocator
  case freesSubBlocks
  case readsHeadFirst
  // Pins and lists
  case pinsOnlyFromLRU
  case looksBeforeUnpinning
  case dropsPinsApart
  case countsPins
  // Folios of private pages
  case resetsEveryPage
  case takesPagemapPerPage
  case putsPagemapPerPage
  case freesFolioOnce
  case collectsFoliosWhereAsked
  case splitsPMDBeforeZap
  case freezesBeforeSplit
  case splitsEntriesEverywhere
  case holdsFolioToSplit
  // A pool that could not be mapped
  case putsPagemapOfRefused
  case resetsCountOfRefused
  // Who holds pages needs memory
  case reclaimsIdleInodes
  // Files that share blocks
  case countsPreviousOwner
  case keepsShareUntilLast
  case freesOnlyIdleBlocks
  case locksInodesInOrder
  case countsSharesAtomically
  // Who finds a page by its number
  case keepsPinnedMapped
  // Who writes through the file
  case invalidatesOnlyHoles
}

package struct RuleInfo: Sendable {
  package var rule: Rule
  /// The catalogue name of the bug a kernel has that breaks it.
  package var bug: String
  package var meaning: String
  /// What a fuzzer must find when only this rule is broken.
  package var breaks: [Invariant]
  package var source: String
}

extension Rule {
  /// Program texts and `list` use this name.
  package var name: String { String(describing: self) }

  package init?(name: String) {
    guard let rule = Rule.allCases.first(where: { $0.name == name }) else { return nil }
    self = rule
  }
}

/// A set of rules, one bit each.
package struct RuleSet: Equatable, Hashable, Sendable {
  package var rawValue: UInt128 = 0
  package init(rawValue: UInt128 = 0) { self.rawValue = rawValue }
  package init(_ rules: [Rule]) { for rule in rules { insert(rule) } }
  package static let all = RuleSet(Rule.allCases)
  @inline(__always)
  package func contains(_ rule: Rule) -> Bool { rawValue & (1 << UInt128(rule.rawValue)) != 0 }
  package mutating func insert(_ rule: Rule) { rawValue |= 1 << UInt128(rule.rawValue) }
  package mutating func remove(_ rule: Rule) { rawValue &= ~(1 << UInt128(rule.rawValue)) }
  package var members: [Rule] { Rule.allCases.filter(contains) }
  package func subtracting(_ other: RuleSet) -> RuleSet {
    RuleSet(rawValue: rawValue & ~other.rawValue)
  }
  package func intersection(_ other: RuleSet) -> RuleSet {
    RuleSet(rawValue: rawValue & other.rawValue)
  }
  package func union(_ other: RuleSet) -> RuleSet {
    RuleSet(rawValue: rawValue | other.rawValue)
  }
}

/// When a DAX entry, or its page, holds the pgmap.
package enum EntryPagemap: UInt8, Sendable {
  case never
  /// `get_dev_pagemap_many()` of each entry, from insertion to deletion.
  case perEntry
  /// `pgmap_request_folios()`: each page while its count is not zero.
  case perFolio
}

/// What the machine reads of a protocol while it runs: plain numbers and switches.
package struct Rules: Sendable, Equatable {
  /// `_refcount` of an idle FS_DAX page: `memremap_pages()` leaves it there.
  package var idleCount: Int32 = 0
  /// `_refcount` of a page that lies in a peer-to-peer pool.
  package var poolCount: Int32 = 0
  /// `_refcount` of a private or coherent page on its driver's free list.
  package var driverCount: Int32 = 0
  /// References of a private page that stay with `memremap_pages()` while a driver uses it.
  package var driverBase: Int32 = 0
  /// `memremap_pages()` holds each page, and each page the pgmap, until the device is unbound.
  package var baseHoldsPagemap = false
  /// `_refcount` of a page of a device-dax device that nobody uses.
  package var genericCount: Int32 = 1
  /// What collects a coherent page for migration, and what its driver asks for.
  package var coherentSelect = CallFlags.selectCoherent
  package var coherentAsk = CallFlags.selectCoherent
  /// Coherent pages pass the check before the copy.
  package var migratesCoherent = true
  /// There is memory of devices that the CPU reaches, and migrates.
  package var hasCoherent = true
  /// Pages of a peer-to-peer pool can be mapped by a process.
  package var mapsPools = true
  /// Each PTE of a FS_DAX page holds a reference and counts in `_mapcount`.
  package var countsMappings = true
  /// Waiters for an idle page sleep on the address of `_refcount`, not of the page.
  package var waitsOnRefcount = false
  /// `dax_break_layout()` deletes the entries of its range once nothing is busy.
  package var breakDeletesEntries = true
  /// GUP takes a pgmap reference around each FS_DAX PTE.
  package var gupTakesPagemap = false
  /// O_DIRECT into a mapping pins its pages, and holds no plain references of them.
  package var pinsDirectIO = true
  /// A PMD entry is one folio: counts live in its head page.
  package var hasLargeFolios = true
  /// Private pages of a device may be one folio: handed out, mapped, migrated and freed whole.
  package var hasPrivateFolios = false
  /// Each DAX entry holds one reference of each of its pages until it is zapped.
  package var entriesHold = false
  /// That reference is dropped as any other is; without, by `page_ref_dec()`, which asks for
  /// nothing at zero.
  package var entriesPut = true
  /// Who holds the pgmap for the pages of DAX entries.
  package var entryPagemap = EntryPagemap.never
  /// ext4 breaks layouts before it looks whether a punch lies beyond the end of the file.
  package var breaksBeyondEnd = true
  /// A page of a shared extent has a mapping of its own; without, it has none, and a count.
  package var tagsSharedPages = false
  /// What is modelled: operations of other domains are no part of its programs.
  package var domains = DomainSet.kernel
  /// Pins are kept in the words of `struct page` that link it into a list.
  package var pinsInListWords = false
  /// The rules this kernel obeys.
  package var obeyed = RuleSet.all
  /// Invariants this era does not promise.
  package var exempt = InvariantSet()
}

/// A set of invariants, one bit each.
package struct InvariantSet: Sendable, Equatable {
  package var rawValue: UInt128 = 0
  package init(_ invariants: [Invariant] = []) {
    for invariant in invariants { rawValue |= 1 << UInt128(invariant.rawValue) }
  }
  @inline(__always)
  package func contains(_ invariant: Invariant) -> Bool {
    rawValue & (1 << UInt128(invariant.rawValue)) != 0
  }
}
