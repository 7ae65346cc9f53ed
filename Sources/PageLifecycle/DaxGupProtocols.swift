// SPDX-License-Identifier: MIT

/// The proposals of 2022 to "fix the DAX-gup mistake" (seeds 000 and 001), never merged: fsdax
/// pages start at zero, each DAX entry holds one reference, and a tag tells entries that were
/// zapped from entries that still hold.
extension Protocol {
  static let daxGup = [daxGupSketch, daxGupV1, daxGupV2, daxGupV3]

  static let daxGupSketch = Protocol(
    name: "dax-gup-sketch",
    summary: """
      The life cycle in six steps: memremap 0, fault 1, gup 2, breaking layouts drops the \
      fault's reference and waits for 0, the entry is tagged DAX_ZAP at the 1 to 0 transition, \
      the final truncate deletes it.
      """,
    source: "seed 001, steps 0 to 6",
    design: eraD(.never),
    knownBugs: eraDBugs + [
      KnownBug(.tagsWhenDropped, "derived: step 5 tags at 1 to 0, after step 4 dropped"),
      KnownBug(.refaultTakesReference, "derived: the steps know no second fault"),
    ])

  static let daxGupV1 = Protocol(
    name: "dax-gup-v1",
    summary: """
      13 patches of 3 September 2022.  The entry is tagged when its reference is dropped and \
      holds the pgmap from insertion to deletion; a page is busy while it may be pinned.  The \
      entry's reference is dropped by page_ref_dec(), without what a last put does.
      """,
    source: "cover letter of the first posting",
    design: eraD(.perEntry),
    knownBugs: eraDBugs + postedBugs + [
      KnownBug(.seesPlainReferences, "cover letter of v2: v1 did not handle all page pins")
    ])

  static let daxGupV2 = Protocol(
    name: "dax-gup-v2",
    summary: """
      18 patches of 15 September 2022.  As v1, but any reference makes a page busy.  \
      INIT_PAGEMAP_IDLE for fsdax; drivers' pages stay BUSY: refcount 1 while free.
      """,
    source: "seed 000: v2 16/18",
    design: eraD(.perEntry), knownBugs: eraDBugs + postedBugs)

  static let daxGupV3 = Protocol(
    name: "dax-gup-v3",
    summary: """
      25 patches of 14 October 2022.  As v2, but each page holds the pgmap while its count is \
      not zero: pgmap_request_folios() and pgmap_release_folios(), which puts what it drops.
      """,
    source: "the discussion of v3 10/25",
    design: eraD(.perFolio),
    knownBugs: eraDBugs + postedBugs + [
      KnownBug(.countsFirstReference, "the discussion of v3 10/25"),
      KnownBug(.dropsPagemapAtLastPut, "the discussion of v3 10/25"),
    ])

  /// Devices with drivers are as in v6.0; a DAX file is the proposal's.
  private static func eraD(_ pagemap: EntryPagemap) -> Rules {
    var rules = eraC
    rules.idleCount = 0
    rules.waitsOnRefcount = false
    rules.entriesHold = true
    rules.entriesPut = pagemap != .perEntry
    rules.entryPagemap = pagemap
    rules.gupTakesPagemap = false
    rules.exempt = InvariantSet()
    return rules
  }

  private static let eraDBugs: [KnownBug] = {
    let inherited: [Rule] = [
      .drainsBeforeUnbind, .writesReplaceHoles, .holdsEntryWhileUnmapping, .locksFaultPage,
      .invalidatesOnlyHoles, .grantsNoSlack,
      .leavesMigratedOffLRU, .countsBeforeListing, .waitsForDeviceDAXUsers, .waitsForPagesInUse,
      .exitsPagemapLast, .rechecksPrivatePTE,
    ]
    return eraCBugs.filter { inherited.contains($0.rule) }
  }()

  private static let postedBugs = [
    KnownBug(.refaultTakesReference, "derived from the posted dax_insert_entry()"),
    KnownBug(.keepsMappingAtLastPut, "derived from v2 16/18, seed 000"),
    KnownBug(.reclaimsIdleInodes, "text of v3: an accepted risk of the wait at eviction"),
  ]
}
