// SPDX-License-Identifier: MIT

/// The series of June 2021 that seed 003 is: pages of every device start at zero, and the memory
/// of a device that the CPU reaches migrates.  Never merged in this form.
extension Protocol {
  static let zoneDevice2021 = Protocol(
    name: "zone-device-2021",
    summary: """
      The posted series of eight patches.  Every idle device page has refcount 0, a driver stores \
      1 when it hands one out, and page_free() is called at the 1 to 0 transition.  A mapping of \
      an fsdax page takes no reference of it; repaired, it does.  Memory that the CPU reaches is \
      DEVICE_GENERIC there; here its name is today's, coherent.
      """,
    source: "seed 003",
    design: {
      var rules = eraC
      (rules.idleCount, rules.poolCount, rules.driverCount, rules.genericCount) = (0, 0, 0, 0)
      rules.countsMappings = true
      rules.hasLargeFolios = true
      rules.coherentSelect = .selectSystem
      rules.coherentAsk = .selectSystem
      return rules
    }(),
    knownBugs: eraCBugs.filter { inherited.contains($0.rule) } + [
      KnownBug(.mappingsHold, "derived: patch 2 counts from zero, and nobody counts mappings"),
      KnownBug(.migratesOnlyUnshared, "patch 7: migrate_vma_check_page()"),
      KnownBug(.selectsByOwner, "patch 5: coherent pages are asked for as system memory"),
      KnownBug(.callsOnlyOwnPageFree, "derived from patch 8"),
      KnownBug(.keepsPinnedMapped, "6c287605fd56, fixed in v5.19"),
      KnownBug(.waitsWithoutReference, "ffa65753c431, fixed in v5.17"),
    ],
    patches: [
      Patch(number: 1, title: "ext4/xfs: add page refcount helper", effect: .idleTest),
      Patch(
        number: 2, title: "mm: remove extra ZONE_DEVICE struct page refcount",
        effect: .countFromZero),
      Patch(number: 3, title: "kernel: resource: lookup_resource as exported symbol"),
      Patch(number: 4, title: "drm/amdkfd: add SPM support for SVM", effect: .coherentMemory),
      Patch(
        number: 5, title: "drm/amdkfd: generic type as sys mem on migration to ram",
        effect: .coherentAsSystem),
      Patch(number: 6, title: "include/linux/mm.h: helpers to check zone device generic type"),
      Patch(
        number: 7, title: "mm: add generic type support to migrate_vma helpers",
        effect: .coherentMigrates),
      Patch(
        number: 8, title: "mm: call pgmap->ops->page_free for DEVICE_GENERIC pages",
        effect: .coherentIsFreed),
    ])

  private static let inherited: [Rule] = [
    .scansUnmappedFiles, .examinesLockedEntries, .waitsAtEviction, .drainsBeforeUnbind,
    .writesReplaceHoles, .holdsEntryWhileUnmapping, .locksFaultPage, .leavesMigratedOffLRU,
    .waitsForDeviceDAXUsers,
    .waitsForPagesInUse, .exitsPagemapLast, .rechecksPrivatePTE, .unsharesBeforePin,
  ]
}

extension Rules {
  /// Page tables hold what they map, or in a kernel that counts from zero by mistake nothing.
  mutating func settle() {
    guard countsMappings, !obeyed.contains(.mappingsHold) else { return }
    countsMappings = false
    hasLargeFolios = false
  }

  /// The design of a series without some of its patches.
  mutating func withdraw(_ patches: [Protocol.Patch], sparing kept: RuleSet) {
    let effects = patches.compactMap(\.effect)
    if effects.contains(.countFromZero) {
      (idleCount, driverCount, genericCount, poolCount) = (1, 1, 1, 1)
      (driverBase, baseHoldsPagemap) = (1, true)
      (countsMappings, hasLargeFolios) = (false, false)
    } else if effects.contains(.idleTest) && !kept.contains(.testsOwnIdleCount) {
      obeyed.remove(.testsOwnIdleCount)
    }
    if effects.contains(.coherentMemory) { hasCoherent = false }
    if effects.contains(.coherentAsSystem) { coherentAsk = .selectPrivate }
    if effects.contains(.coherentMigrates) { migratesCoherent = false }
    let losesPages = effects.contains(.coherentIsFreed) && !kept.contains(.callsPageFree)
    if losesPages { obeyed.remove(.callsPageFree) }
  }
}
