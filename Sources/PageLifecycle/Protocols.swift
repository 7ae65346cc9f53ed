// SPDX-License-Identifier: MIT

/// The reference-count protocol of one kernel era: its design, and the bugs it shipped with.
package struct Protocol: Sendable, Equatable {
  package var name: String
  package var summary: String
  package var source: String
  /// The era's design, obeying every rule.
  package var design: Rules
  /// Rules the released kernels broke, and where that is known from.
  package var knownBugs: [KnownBug]
  /// The patches of a posted series, each of which a variant may leave out.
  package var patches: [Patch] = []

  package struct KnownBug: Sendable, Equatable {
    package var rule: Rule
    package var source: String
    init(_ rule: Rule, _ source: String) { (self.rule, self.source) = (rule, source) }
  }

  /// One patch of a series.
  package struct Patch: Sendable, Equatable {
    package var number: Int
    package var title: String
    /// What is different without it; nil where the model has nothing of it.
    package var effect: Effect?

    /// A part of the series' design that a patch brings.
    package enum Effect: UInt8, Sendable {
      case idleTest, countFromZero, coherentMemory, coherentAsSystem, coherentMigrates
      case coherentIsFreed
    }
  }

  package var knownBugSet: RuleSet { RuleSet(knownBugs.map(\.rule)) }
}

extension Protocol {
  /// Add a protocol here; command line, tests and campaign read this list.
  package static let all: [Protocol] =
    [v6_1, v6_12, v6_18, v6_19, v5_18, v5_17, zoneDevice2021] + daxGup + ofSeeds

  static let v5_18 = Protocol(
    name: "v5.18",
    summary: """
      v5.18 to v6.0.  fsdax as in v6.1.  A private or coherent page has refcount 1 on its \
      driver's free list, and is handed out with it: the last put stores it again after \
      page_free().  memunmap_pages() drops all its references at once.
      """,
    source: "27674ef6c73f; v5.19 memremap.c",
    design: eraC, knownBugs: eraCBugs)

  static let v5_17 = Protocol(
    name: "v5.17",
    summary: """
      Up to v5.17.  memremap_pages() holds each page, and each page the pgmap: a free page has \
      refcount 1 and one in use at least 2, page_free() is called at the 2 to 1 transition, and \
      memunmap_pages() puts each page and waits for every reference of every page.
      """,
    source: "v5.17-rc5 memremap.c; seeds 000 and 003",
    design: eraA, knownBugs: eraABugs)

  package static let v6_1 = Protocol(
    name: "v6.1",
    summary: """
      v6.1.  An idle fsdax page has refcount 1; page tables hold no reference of it \
      and its mapcount stays 0.  Waiters sleep until the count is 1 again.  O_DIRECT takes plain \
      references of the pages of a mapping.
      """,
    source: "recorded traces of 6.1.192; ef233450898f, 0dc45ca1ce18",
    design: sharingBlocks(eraE), knownBugs: eraEBugs + bugsOfSharing)

  static let v6_12 = Protocol(
    name: "v6.12",
    summary: """
      v6.3 to v6.14.  As v6.1, but a process can map pages of a peer-to-peer pool, O_DIRECT pins \
      the pages of a mapping, and ext4 breaks layouts before it compares the range of a punch \
      with the end of the file.
      """,
    source: "recorded traces of 6.12.107; 7e9c7ef83d78, v6.2; iov_iter_extract_pages(), v6.3",
    design: sharingBlocks(lateE), knownBugs: eraEBugs + bugsOfPools + bugsOfSharing)

  static let v6_18 = Protocol(
    name: "v6.18",
    summary: """
      v6.15 to v6.18.  An idle fsdax page has refcount 0; each page-table entry holds a \
      reference and counts in the mapcount.  Breaking layouts deletes the entries, and \
      eviction waits for the last reference.
      """,
    source: "recorded traces of 7.2.13; 38607c62b34b",
    design: sharingBlocks(Rules()), knownBugs: eraFBugs)

  static let v6_19 = Protocol(
    name: "v6.19",
    summary: """
      v6.19 and later.  As v6.18, and private pages of a device may be one compound folio: it is \
      handed out with one reference and one pgmap reference a page, mapped by one PMD entry or \
      by PTEs, collected whole where compound pages are asked for, and split where they are not.
      """,
    source: "recorded traces of 7.2.13; v6.19 migrate_device.c and zone_device_page_init()",
    design: {
      var rules = sharingBlocks(Rules())
      rules.hasPrivateFolios = true
      return rules
    }(),
    knownBugs: eraFBugs + [
      KnownBug(
        .holdsFolioToSplit,
        "derived: v6.19 migrate_vma_split_folio() takes its reference after pte_unmap_unlock()")
    ])

  private static let eraFBugs: [KnownBug] = [
    KnownBug(.drainsBeforeUnbind, "unbind of a mapped device, tried on 7.2 and 7.3"),
    KnownBug(.writesReplaceHoles, "found by pagefuzz, in no recording"),
    KnownBug(.holdsEntryWhileUnmapping, "found by pagefuzz, in no recording"),
    KnownBug(.invalidatesOnlyHoles, "derived from dax_iomap_iter(), in no recording"),
    KnownBug(.wakesWhenOnlyMapped, "found by pagefuzz, then seen in 32 recorded sequences"),
    KnownBug(.sleepsOnFaultPageLock, "a69d1ab971a6"),
    KnownBug(.grantsNoSlack, "read in 6.18 and 6.19"),
    KnownBug(.waitsForDeviceDAXUsers, "unbind of a pinned device-dax device, tried on 7.2"),
    KnownBug(.putsPagemapOfRefused, "6220694c52a5"),
    KnownBug(.freesOnlyIdleBlocks, "found by pagefuzz, in no recording"),
    KnownBug(.countsSharesAtomically, "found by pagefuzz, in no recording"),
    KnownBug(.reclaimsIdleInodes, "an accepted risk: dax_break_layout_final() of any eviction"),
    KnownBug(.resetsCountOfRefused, "fixed after v6.19, together with 6220694c52a5"),
  ]

  static let eraC: Rules = {
    var rules = eraE
    rules.driverCount = 1
    return rules
  }()

  static let eraCBugs =
    eraEBugs + [
      KnownBug(.countsBeforeListing, "ef233450898f, fixed in v6.1"),
      KnownBug(.waitsForPagesInUse, "0dc45ca1ce18, fixed in v6.1"),
      KnownBug(.exitsPagemapLast, "v5.19 memunmap_pages()"),
      KnownBug(.rechecksPrivatePTE, "16ce101db85d, fixed in v6.1"),
      KnownBug(.wakesOnUnpin, "f4f451a16dd1, fixed in v5.19"),
      KnownBug(.unsharesBeforePin, "a7f226604170, fixed in v5.19"),
      KnownBug(.refusesFreePages, "ef233450898f, fixed in v6.1"),
    ]

  static let eraA: Rules = {
    var rules = eraC
    rules.driverBase = 1
    rules.baseHoldsPagemap = true
    rules.hasCoherent = false
    return rules
  }()

  private static let eraABugs: [KnownBug] = {
    let later: [Rule] = [
      .countsBeforeListing, .waitsForPagesInUse, .waitsForDeviceDAXUsers, .wakesOnUnpin,
      .grantsNoSlack,
    ]
    return eraCBugs.filter { !later.contains($0.rule) } + [
      KnownBug(.drainsDriverBeforeUnbind, "derived from v5.17 memunmap_pages()"),
      KnownBug(.keepsPinnedMapped, "6c287605fd56, fixed in v5.19"),
    ]
  }()

  /// DAX files may share blocks since v6.0; the count is what v6.2 made of it.
  private static func sharingBlocks(_ design: Rules) -> Rules {
    var rules = design
    rules.domains.insert(.reflink)
    return rules
  }

  static let eraE: Rules = {
    var rules = Rules()
    (rules.idleCount, rules.poolCount) = (1, 1)
    rules.countsMappings = false
    rules.waitsOnRefcount = true
    rules.breakDeletesEntries = false
    rules.gupTakesPagemap = true
    rules.hasLargeFolios = false
    rules.tagsSharedPages = true
    rules.breaksBeyondEnd = false
    rules.pinsDirectIO = false
    rules.mapsPools = false
    // These eras test "trunc && refcount > 1" by a warning only, and delete entries later.
    rules.exempt = InvariantSet([.I24, .I35])
    return rules
  }()

  /// What came to the era while it lasted.
  private static let lateE: Rules = {
    var rules = eraE
    rules.breaksBeyondEnd = true
    rules.pinsDirectIO = true
    rules.mapsPools = true
    return rules
  }()

  private static let bugsOfPools = [
    KnownBug(.countsBeforeListing, "b7e282378773, fixed in v6.15"),
    KnownBug(.putsPagemapOfRefused, "6220694c52a5; the same lines since v6.2"),
  ]

  private static let bugsOfSharing = [
    KnownBug(.freesOnlyIdleBlocks, "found by pagefuzz, in no recording"),
    KnownBug(.countsSharesAtomically, "found by pagefuzz, in no recording"),
  ]

  static let eraEBugs = [
    KnownBug(.scansUnmappedFiles, "cee91fa13a8e, fixed in v6.15"),
    KnownBug(.examinesLockedEntries, "6be3e21d25ca, fixed in v6.15"),
    KnownBug(.waitsAtEviction, "0e2f80afcfa6, fixed in v6.15"),
    KnownBug(.drainsBeforeUnbind, "unbind of a mapped device, tried on 6.12"),
    KnownBug(.writesReplaceHoles, "found by pagefuzz, in no recording"),
    KnownBug(.holdsEntryWhileUnmapping, "found by pagefuzz, in no recording"),
    KnownBug(.invalidatesOnlyHoles, "derived from dax_iomap_iter(), in no recording"),
    KnownBug(.locksFaultPage, "1afaeb8293c9, fixed in v6.15"),
    KnownBug(.grantsNoSlack, "read in 5.19 to 6.12"),
    KnownBug(.leavesMigratedOffLRU, "41cddf83d8b0, fixed in v6.14"),
    KnownBug(.waitsForDeviceDAXUsers, "unbind of a pinned device-dax device, tried on 6.12"),
  ]
}

/// A protocol with rules repaired or broken: what a machine obeys, as program texts write it.
///
/// `v6.1` is the kernel as released, `v6.1+repaired` has no known bug, `v6.1 +rule` repairs
/// one, `v6.18+repaired -rule` is a specimen.
package struct Variant: Equatable, Sendable {
  package var base: Protocol
  package var isRepaired = false
  package var repaired = RuleSet()
  package var broken = RuleSet()
  /// Numbers of the series' patches that are left out, one bit each.
  package var withdrawn: UInt16 = 0

  package init(
    _ base: Protocol, repaired: RuleSet = RuleSet(), broken: RuleSet = RuleSet(),
    isRepaired: Bool = false
  ) {
    self.base = base
    self.isRepaired = isRepaired
    self.repaired = repaired
    self.broken = broken
  }

  package var rules: Rules {
    var rules = base.design
    if !isRepaired {
      rules.obeyed = rules.obeyed.subtracting(base.knownBugSet.subtracting(repaired))
    }
    rules.obeyed = rules.obeyed.subtracting(broken)
    rules.settle()
    rules.withdraw(
      base.patches.filter { withdrawn & 1 << UInt16($0.number) != 0 }, sparing: repaired)
    return rules
  }

  package var name: String {
    var name = base.name + (isRepaired ? "+repaired" : "")
    for rule in repaired.members { name += " +\(rule.name)" }
    for rule in broken.members { name += " -\(rule.name)" }
    for patch in base.patches where withdrawn & 1 << UInt16(patch.number) != 0 {
      name += " -patch\(patch.number)"
    }
    return name
  }

  /// The same variant with some rules obeyed.
  package func obeying(_ rules: RuleSet) -> Variant {
    var variant = self
    variant.broken = broken.subtracting(rules)
    // A rule that went with a patch is obeyed again without that patch.
    let known = isRepaired ? RuleSet() : base.knownBugSet
    let lost = withdrawn == 0 ? RuleSet() : RuleSet([.testsOwnIdleCount, .callsPageFree])
    variant.repaired = repaired.union(rules.intersection(known.union(lost)))
    return variant
  }

  /// Reads a name as ``name`` writes it; nil names the word that is wrong.
  package static func parse(_ words: [Substring]) throws(UnknownWord) -> Variant {
    guard let first = words.first else { throw UnknownWord(word: "", expected: "a protocol") }
    let isRepaired = first.hasSuffix("+repaired")
    let baseName = isRepaired ? first.dropLast("+repaired".count) : first
    guard let base = Protocol.all.first(where: { $0.name == baseName }) else {
      let names = Protocol.all.map(\.name).joined(separator: ", ")
      throw UnknownWord(word: String(first), expected: "one of \(names), or one with +repaired")
    }
    var variant = Variant(base, isRepaired: isRepaired)
    for word in words.dropFirst() {
      if let patch = base.patches.first(where: { "-patch\($0.number)" == word }) {
        variant.withdrawn |= 1 << UInt16(patch.number)
        continue
      }
      guard let sign = word.first, sign == "+" || sign == "-",
        let rule = Rule(name: String(word.dropFirst()))
      else {
        throw UnknownWord(word: String(word), expected: "+RULE or -RULE; see 'list rules'")
      }
      if sign == "+" { variant.repaired.insert(rule) } else { variant.broken.insert(rule) }
    }
    return variant
  }

  package struct UnknownWord: Error, Equatable {
    package var word: String
    package var expected: String
  }
}
