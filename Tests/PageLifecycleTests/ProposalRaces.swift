// SPDX-License-Identifier: MIT

import PageLifecycle

/// What only proposals, and eras before v6.1, can lose.
extension Race {
  private static let mapped = ["cpu0  dax_fault(mm0, file0:0, write)"]
  private static let gotten = mapped + ["cpu0  h0 = gup(mm0, file0:0, write)"]
  private static let onePage = Boot(files: 1, filePages: 1, devicePages: 1)

  /// DAX entries that hold references.
  static let proposals: [Race] = [
    Race(
      name: "last put against the wait of a punch",
      boot: onePage, setup: gotten,
      calls: [["put_page(h0)"], ["punch_hole(file0:0)"]],
      rules: [
        .breaksBeforeTruncate, .seesPlainReferences, .keepsMappingAtLastPut,
        .putsOncePerReference,
      ],
      protocols: ["dax-gup-sketch", "dax-gup-v2", "dax-gup-v3"]),
    Race(
      name: "a fault during the wait of a punch",
      boot: onePage, setup: gotten,
      calls: [["dax_fault(mm0, file0:0, write)", "put_page(h0)"], ["punch_hole(file0:0)"]],
      rules: [.refaultTakesReference],
      protocols: ["dax-gup-v2", "dax-gup-v3"]),
    Race(
      name: "a fault of the child against a punch",
      boot: onePage, setup: mapped + ["cpu0  fork()"],
      calls: [["dax_fault(mm1, file0:0, write)"], ["punch_hole(file0:0)"]],
      rules: [.takesEntryReferenceOnce],
      protocols: ["dax-gup-v3"]),
    Race(
      name: "an interrupted punch, and one more",
      boot: onePage, setup: gotten,
      calls: [["punch_hole(file0:0)"], ["signal(cpu0)", "punch_hole(file0:0)"]],
      rules: [.tagsWhenDropped],
      protocols: ["dax-gup-v2"]),
    Race(
      name: "a first fault against a lookup",
      boot: onePage,
      calls: [["dax_fault(mm0, file0:0, write)"], ["folio_try_get(p0)"]],
      rules: [.countsFirstReference],
      protocols: ["dax-gup-v3"]),
    Race(
      name: "the release of an entry against a lookup",
      boot: onePage, setup: mapped,
      calls: [["punch_hole(file0:0)"], ["folio_try_get(p0)"]],
      rules: [.dropsPagemapAtLastPut],
      protocols: ["dax-gup-v3"]),
  ]

  private static func devices(_ count: UInt8) -> Boot {
    Boot(files: 0, filePages: 1, devicePages: 1, devices: count)
  }

  /// Free pages with a count, and bugs that were mended long ago.
  static let olderEras: [Race] = [
    Race(
      name: "a fault of one process against a write over the zero page of another",
      boot: onePage,
      setup: ["cpu0  fork()", "cpu0  dax_fault(mm1, file0:0)"],
      calls: [["pwrite(file0:0, 1)"], ["store(mm0, file0:0, 1)", "load(mm1, file0:0)"]],
      rules: [.holdsEntryWhileUnmapping]),
    Race(
      name: "gup of two pages against unbind",
      boot: onePage, setup: mapped,
      calls: [["h0 = gup(mm0, file0:0, write)"], ["madvise_dontneed(mm0, file0:0)"]],
      rules: [.putsPagemapOnce], protocols: ["v6.1"]),
    Race(
      name: "three faults wait for the zero PMD that the first of them replaces",
      boot: Boot(files: 1, filePages: 4, devicePages: 4),
      setup: [
        "cpu0  dax_fault(mm0, file0:0, pmd) until daxFaultIO.iomapBegin",
        "cpu1  dax_fault(mm0, file0:1)", "cpu2  dax_fault(mm0, file0:1)",
        "cpu3  dax_fault(mm0, file0:0)", "cpu0  resume",
      ],
      calls: [[], [], [], []],
      rules: [.wakesAllOfReplaced]),
    Race(
      name: "unbind of a device-dax device against the unpin",
      boot: devices(3),
      setup: [
        "cpu0  mmap_device_dax(mm0, m0, pages=1)",
        "cpu0  h0 = pin_user_pages(mm0, m0:0, write)",
      ],
      calls: [["unpin_user_pages(h0)"], ["memunmap_pages(dax0)"]],
      rules: [.putsPagesBeforeWaiting], protocols: ["v5.17"]),
    Race(
      name: "two failures of one page against eviction",
      boot: onePage,
      setup: mapped + [
        "cpu0  munmap(mm0, file0:0)", "cpu0  close(file0)",
        "cpu0  memory_failure(p0) until killPage.unmap",
      ],
      calls: [[], ["memory_failure(p0)"], ["evict_inode(file0)"]],
      rules: [.rereadsMappingAfterSleep]),
    Race(
      name: "a lookup against driver alloc",
      boot: devices(1),
      calls: [["folio_try_get(p32)"], ["h0 = driver_alloc(d0)"]],
      rules: [.refusesFreePages],
      protocols: ["v5.17", "v5.18"]),
    Race(
      name: "last put against driver alloc, where a free page has a count",
      boot: devices(1),
      calls: [["h0 = driver_alloc(d0)", "driver_free(h0)"], ["h1 = driver_alloc(d0)"]],
      rules: [.countsBeforeListing, .drawsOneReference],
      protocols: ["v5.18"]),
    Race(
      name: "unbind against the last put",
      boot: devices(1), setup: ["cpu0  h0 = driver_alloc(d0)"],
      calls: [["driver_free(h0)"], ["memunmap_pages(d0)"]],
      rules: [.drainsDriverBeforeUnbind, .countsBeforeListing, .waitsForPagesInUse],
      protocols: ["v5.17", "v5.18"]),
    Race(
      name: "munmap of a device-dax page against gup",
      boot: devices(3),
      setup: ["cpu0  mmap_device_dax(mm0, m0, pages=1)", "cpu0  store(mm0, m0:0, 1)"],
      calls: [["h0 = gup(mm0, m0:0)", "put_page(h0)"], ["munmap(mm0, m0:0)"]],
      rules: [.callsOnlyOwnPageFree, .mappingsHold],
      protocols: ["zone-device-2021"]),
  ]
}
