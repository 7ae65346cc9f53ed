// SPDX-License-Identifier: MIT

import PageLifecycle

extension Race {
  /// A race of private pages that are one folio; the first page of the device is p32.
  private static func folio(
    _ name: String, _ setup: [String], _ calls: [[String]], _ rules: [Rule] = []
  ) -> Race {
    Race(
      name: name, boot: Boot(files: 0, filePages: 1, devicePages: 1, devices: 1),
      setup: setup.map { "cpu0  " + $0 }, calls: calls, rules: rules, protocols: ["v6.19"])
  }
  /// Four pages behind one PMD entry, with a byte in the second, and behind entries of their own.
  private static let whole = [
    "mmap_anonymous(mm0, m0)", "migrate_to_device(d0, mm0, m0:0, pmd)",
    "device_write(d0, mm0, m0:1, 7)",
  ]
  private static let parts = whole + ["madvise_dontneed(mm0, m0:2)"]

  /// Folios of private pages: handed out, mapped whole and in parts, split and freed.
  static let privateFolios: [Race] = [
    folio(
      "last put of a folio against driver alloc", ["h0 = driver_alloc(d0, pmd)"],
      [["driver_free(h0)"], ["h1 = driver_alloc(d0)"]], [.resetsEveryPage, .freesFolioOnce]),
    folio(
      "a page of a folio that was freed against a lookup",
      ["h0 = driver_alloc(d0, pmd)", "driver_free(h0)", "next_page(p33)"],
      [["h1 = driver_alloc(d0)"], ["folio_try_get(p33)"]], [.resetsEveryPage]),
    folio(
      "last put of a folio against memunmap_pages", ["h0 = driver_alloc(d0, pmd)"],
      [["driver_free(h0)"], ["memunmap_pages(d0)"]],
      [.takesPagemapPerPage, .putsPagemapPerPage]),
    folio(
      "zap of a part against a lookup", whole,
      [["madvise_dontneed(mm0, m0:0)", "device_read(d0, mm0, m0:1)"], ["folio_try_get(p33)"]],
      [.splitsPMDBeforeZap]),
    folio(
      "zap of a part against zap of the rest", whole,
      [["madvise_dontneed(mm0, m0:0)"], ["madvise_dontneed(mm0, m0:1, pages=3)"]]),
    folio(
      "migrate back of a part against a lookup", whole,
      [["migrate_to_ram(d0, mm0, m0:1)"], ["folio_try_get(p32)"]],
      [.collectsFoliosWhereAsked, .freezesBeforeSplit]),
    folio(
      "migrate back of a folio against a lookup", whole,
      [["migrate_to_ram(d0, mm0, m0:0, pmd)"], ["folio_try_get(p32)"]], [.freezesBeforeSplit]),
    folio(
      "migrate back of a part against zap", parts,
      [["migrate_to_ram(d0, mm0, m0:0)"], ["madvise_dontneed(mm0, m0:0, pages=4)"]],
      [.holdsFolioToSplit]),
    folio(
      "CPU fault on a part against zap of another", parts,
      [["load(mm0, m0:1)"], ["madvise_dontneed(mm0, m0:0)"]]),
    folio(
      "migrate back of a folio that is shared against a read of the child",
      whole + ["fork()", "migrate_to_ram(d0, mm0, m0:0, pmd) until splitFolio.nextMM"],
      [[], ["device_read(d0, mm1, m0:1)"]], [.splitsEntriesEverywhere]),
  ]
}
