// SPDX-License-Identifier: MIT

import PageLifecycle

extension Race {
  private static func devices(_ count: UInt8) -> Boot {
    Boot(files: 0, filePages: 1, devicePages: 1, devices: count)
  }
  /// One anonymous page with a byte in it.
  private static let page = ["cpu0  mmap_anonymous(mm0, m0, pages=1)", "cpu0  store(mm0, m0:0, 7)"]
  private static let privatePage = page + ["cpu0  migrate_to_device(d0, mm0, m0:0)"]
  private static let coherentPage = page + ["cpu0  migrate_to_device(d1, mm0, m0:0)"]

  /// Pages on their way to a device and back.
  static let migration: [Race] = [
    Race(
      name: "CPU fault against CPU fault on one private page",
      boot: devices(1), setup: privatePage,
      calls: [["load(mm0, m0:0)"], ["load(mm0, m0:0)"]],
      rules: []),
    Race(
      name: "CPU fault against CPU fault, one with the driver already",
      boot: devices(1),
      setup: privatePage + ["cpu0  load(mm0, m0:0) until privateFault.migrateToRAM"],
      calls: [[], ["load(mm0, m0:0)"]],
      rules: [.locksFaultPage]),
    Race(
      name: "CPU fault against driver alloc",
      boot: devices(1), setup: privatePage,
      calls: [["load(mm0, m0:0)"], ["h0 = driver_alloc(d0)"]],
      rules: [.passesFaultPage, .asksForOwnType, .expectsOwnBase]),
    Race(
      name: "CPU fault against eviction of the device",
      boot: devices(1),
      setup: privatePage + ["cpu1  migrate_device_range(d0) until migrateUnmap.lockPageTable"],
      calls: [["load(mm0, m0:0)"], []],
      rules: [.sleepsOnFaultPageLock]),
    Race(
      name: "CPU fault against migrate back",
      boot: devices(1),
      setup: privatePage + [
        "cpu0  load(mm0, m0:0) until privateFault.lockPageTable",
        "cpu1  migrate_to_ram(d0, mm0, m0:0) until migrateFinalize.putSource",
      ],
      calls: [[], ["h0 = driver_alloc(d0)"]],
      rules: [.rechecksPrivatePTE]),
    Race(
      name: "CPU fault against the wait for a migration",
      boot: devices(1),
      setup: privatePage + ["cpu0  load(mm0, m0:0) until migrateCopy.copyData"],
      calls: [[], ["load(mm0, m0:0)"]],
      rules: [.waitsWithoutReference]),
    Race(
      name: "fork against the eviction of a pinned page",
      boot: devices(2),
      setup: coherentPage + [
        "cpu0  h0 = pin_user_pages(mm0, m0:0, write)",
        "cpu1  migrate_device_range(d1) until migrateUnmap.clearPTE",
      ],
      calls: [["fork()", "store(mm0, m0:0, 2)"], []],
      rules: [.keepsPinnedMapped]),
    Race(
      name: "pin against migrate of a coherent page",
      boot: devices(2), setup: coherentPage,
      calls: [
        ["h0 = pin_user_pages_fast(mm0, m0:0, write)", "dma_write(h0, 1)", "load(mm0, m0:0)"],
        ["migrate_to_ram(d1, mm0, m0:0)"],
      ],
      rules: [.migratesOnlyUnshared]),
    Race(
      name: "get against migrate of a coherent page",
      boot: devices(2), setup: coherentPage,
      calls: [["h0 = gup_fast(mm0, m0:0)"], ["migrate_to_ram(d1, mm0, m0:0)"]],
      rules: [.grantsNoSlack, .callsPageFree]),
    Race(
      name: "long-term pin of a coherent page against a lookup",
      boot: devices(2), setup: coherentPage,
      calls: [["h0 = pin_user_pages(mm0, m0:0, longterm)"], ["folio_try_get(p44)"]],
      rules: [.movesBeforeLongterm]),
    Race(
      name: "migrate against munmap",
      boot: devices(1), setup: page,
      calls: [["migrate_to_device(d0, mm0, m0:0)"], ["munmap(mm0, m0:0)"]],
      rules: [.leavesMigratedOffLRU]),
    Race(
      name: "migrate against zap",
      boot: devices(1), setup: page,
      calls: [["migrate_to_device(d0, mm0, m0:0)"], ["madvise_dontneed(mm0, m0:0)"]],
      rules: [.locksDestination]),
    Race(
      name: "migrate against migrate",
      boot: devices(2), setup: page,
      calls: [["migrate_to_device(d0, mm0, m0:0)"], ["migrate_to_device(d1, mm0, m0:0)"]],
      rules: []),
    Race(
      name: "a foreign driver against a load",
      boot: devices(2), setup: privatePage,
      calls: [["migrate_to_ram(d1, mm0, m0:0, private_pages)"], ["load(mm0, m0:0)"]],
      rules: [.selectsByOwner]),
    Race(
      name: "fork against migrate",
      boot: devices(1), setup: page,
      calls: [["fork()"], ["migrate_to_device(d0, mm0, m0:0)"]],
      rules: [.unmapsEverywhere]),
  ]

  private static let secondChunk = ["cpu0  memremap_pages(d0c1)"]
  private static let everyPage = (0..<4).map { "cpu0  h\($0) = driver_alloc(d0)" }

  /// Owners of device pages, and who binds and unbinds the devices.
  static let pools: [Race] = [
    Race(
      name: "last put against driver alloc",
      boot: devices(1), setup: ["cpu0  h0 = driver_alloc(d0)"],
      calls: [["driver_free(h0)"], ["h1 = driver_alloc(d0)"]],
      rules: []),
    Race(
      name: "last put of a peer-to-peer page against its next owner",
      boot: devices(4), setup: ["cpu0  mmap_p2pdma(mm0, m0)"],
      calls: [["munmap(mm0, m0:0)"], ["fork()", "mmap_p2pdma(mm1, m1)"]],
      rules: [.countsBeforeListing], protocols: ["v6.12", "v6.18"]),
    Race(
      name: "a pool that cannot be mapped against memunmap_pages",
      boot: devices(4),
      calls: [["mmap_p2pdma(mm0, m0, pages=2, partial)"], ["memunmap_pages(p2p0)"]],
      rules: [.putsPagemapOfRefused, .resetsCountOfRefused], protocols: ["v6.12", "v6.18"]),
    Race(
      name: "memunmap_pages against a late put",
      boot: devices(1), setup: ["cpu0  h0 = driver_alloc(d0)"],
      calls: [["driver_free(h0)"], ["memunmap_pages(d0)"]],
      rules: [.waitsForPagesInUse]),
    Race(
      name: "memunmap_pages against get_dev_pagemap",
      boot: devices(1), setup: ["cpu0  h0 = driver_alloc(d0)"],
      calls: [["folio_try_get(p32)", "driver_free(h0)"], ["memunmap_pages(d0)"]],
      rules: [.exitsPagemapLast]),
    Race(
      name: "memunmap_pages against driver alloc",
      boot: devices(1),
      calls: [["h0 = driver_alloc(d0)"], ["memunmap_pages(d0)"]],
      rules: [.stopsAllocatingFirst]),
    Race(
      name: "driver alloc against driver alloc, with no free page and a chunk to bind",
      boot: devices(1), setup: secondChunk + ["cpu0  memunmap_pages(d0)"] + everyPage,
      calls: [["h4 = driver_alloc(d0)"], ["h5 = driver_alloc(d0)"]],
      rules: []),
    Race(
      name: "last put against the removal of its chunk",
      boot: devices(1), setup: secondChunk + ["cpu0  h0 = driver_alloc(d0)"],
      calls: [["driver_free(h0)"], ["memunmap_pages(d0c1)", "h1 = driver_alloc(d0)"]],
      rules: [.dropsRemovedPages]),
    Race(
      name: "unbind of a device-dax device against a pin",
      boot: devices(3), setup: ["cpu0  mmap_device_dax(mm0, m0, pages=1)"],
      calls: [
        ["h0 = pin_user_pages(mm0, m0:0, write)", "unpin_user_pages(h0)"],
        ["memunmap_pages(dax0)"],
      ],
      rules: [.waitsForDeviceDAXUsers]),
  ]
}
