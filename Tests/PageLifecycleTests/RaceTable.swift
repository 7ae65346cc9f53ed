// SPDX-License-Identifier: MIT

import PageLifecycle

extension Race {
  /// Add a race here; every test of races reads this list.
  static let all: [Race] =
    lockFree + waiting + entries + folios + privateCopies + handles + teardown + migration + pools
    + privateFolios + proposals + olderEras + ofSeeds + sharing

  /// Who obtains pages without a lock meets who takes them away.
  static let lockFree: [Race] = [
    Race(
      name: "gup_fast against truncate and refault",
      setup: ["cpu0  dax_fault(mm0, file0:0, write)"],
      calls: [
        ["h0 = gup_fast(mm0, file0:0, write)"],
        ["punch_hole(file0:0)", "dax_fault(mm0, file1:0, write)"],
      ],
      rules: [.rechecksPTE]),
    Race(
      name: "gup_fast of a pin against the block's next owner",
      boot: Boot(files: 2, filePages: 1, devicePages: 1),
      setup: ["cpu0  dax_fault(mm0, file0:0, write)"],
      calls: [
        ["h0 = pin_user_pages_fast(mm0, file0:0, write)"],
        ["ftruncate(file0, 0)", "dax_fault(mm0, file1:0, write)"],
      ],
      rules: [.rechecksPTE]),
    Race(
      name: "zap against gup slow",
      setup: ["cpu0  dax_fault(mm0, file0:0, write)"],
      calls: [
        ["madvise_dontneed(mm0, file0:0)"],
        ["h0 = gup(mm0, file0:0, write)", "put_page(h0)"],
      ],
      rules: [.mappingsHold]),
    Race(
      name: "gup of more pages than there are against zap",
      setup: ["cpu0  dax_fault(mm0, file0:0, write)"],
      calls: [
        ["h0 = gup(mm0, file0:0, write, pages=2)"], ["madvise_dontneed(mm0, file0:0)"],
      ],
      rules: [.putsPagemapOnEveryPath]),
    Race(
      name: "zap against punch",
      setup: ["cpu0  dax_fault(mm0, file0:0, write)"],
      calls: [["madvise_dontneed(mm0, file0:0)"], ["punch_hole(file0:0)"]],
      rules: [.flushesBeforePut]),
    Race(
      name: "a long-term pin against zap",
      setup: ["cpu0  dax_fault(mm0, file0:0, write)"],
      calls: [
        ["h0 = pin_user_pages_fast(mm0, file0:0, write, longterm)"],
        ["madvise_dontneed(mm0, file0:0)"],
      ],
      rules: [.refusesLongterm]),
  ]

  /// Who changes a file waits until its pages are idle.
  static let waiting: [Race] = [
    Race(
      name: "pin against punch",
      setup: ["cpu0  dax_fault(mm0, file0:0, write)"],
      calls: [
        ["h0 = pin_user_pages(mm0, file0:0, write)", "unpin_user_pages(h0)"],
        ["punch_hole(file0:0)"],
      ],
      rules: [.waitsForIdlePage, .wakesOnUnpin, .wakesWhereWaitersSleep]),
    Race(
      name: "put against truncate's wait",
      setup: [
        "cpu0  dax_fault(mm0, file0:0, write)", "cpu0  h0 = gup(mm0, file0:0, write)",
      ],
      calls: [["release_pages(h0)"], ["ftruncate(file0, 0)"]],
      rules: [
        .wakesOnBulkRelease, .wakesWhereWaitersSleep, .testsOwnIdleCount, .keepsMappingAtLastPut,
      ]),
    Race(
      name: "munmap against punch while a pipe holds the page",
      setup: [
        "cpu0  dax_fault(mm0, file0:0, write)", "cpu0  h0 = vmsplice(mm0, file0:0)",
      ],
      calls: [["munmap(mm0, file0:0)"], ["punch_hole(file0:0)"]],
      rules: [.scansUnmappedFiles, .waitsForIdlePage]),
    Race(
      name: "a fault during truncate's wait",
      setup: [
        "cpu0  dax_fault(mm0, file0:0, write)", "cpu0  h0 = gup(mm0, file0:0, write)",
      ],
      calls: [["dax_fault(mm0, file0:0, write)", "put_page(h0)"], ["punch_hole(file0:0)"]],
      rules: [.wakesWhenOnlyMapped]),
    Race(
      name: "truncate against eviction of the other file",
      boot: Boot(files: 2, filePages: 1, devicePages: 2),
      setup: [
        "cpu0  dax_fault(mm0, file0:0, write)", "cpu0  dax_fault(mm0, file1:0, write)",
        "cpu0  h0 = gup(mm0, file1:0, write)", "cpu0  munmap(mm0, file1:0)", "cpu0  unlink(file1)",
        "cpu1  close(file1) until evictInode.breakLayouts",
      ],
      calls: [["ftruncate(file0, 0)"], [], ["put_page(h0)"]],
      rules: [.waitsAtEviction]),
    Race(
      name: "who holds a page reclaims its inode, against a put",
      boot: Boot(files: 1, filePages: 1, devicePages: 1),
      setup: [
        "cpu0  dax_fault(mm0, file0:0, write)", "cpu0  h0 = gup(mm0, file0:0, write)",
        "cpu0  munmap(mm0, file0:0)", "cpu0  close(file0)",
      ],
      calls: [["reclaim(h0, file0)"], ["put_page(h0)"]],
      rules: [.reclaimsIdleInodes]),
  ]

  /// Faults, failures and scans meet at one DAX entry.
  static let entries: [Race] = [
    Race(
      name: "fault against fault on one hole",
      boot: Boot(files: 1, filePages: 1, devicePages: 1),
      calls: [["dax_fault(mm0, file0:0, write)"], ["dax_fault(mm0, file0:0)"]],
      rules: [.wakesOnEntryUnlock, .getsBeforeMapping]),
    Race(
      name: "a write fault of a mapped hole against pwrite",
      boot: Boot(files: 1, filePages: 1, devicePages: 1),
      setup: ["cpu0  load(mm0, file0:0)"],
      calls: [["dax_fault(mm0, file0:0, write)"], ["pwrite(file0:0, 1)", "load(mm0, file0:0)"]],
      rules: [.writesReplaceHoles]),
    Race(
      name: "gup of a hole against the pwrite that gives it a block",
      boot: Boot(files: 1, filePages: 1, devicePages: 1),
      calls: [["pwrite(file0:0, 1)", "punch_hole(file0:0)"], ["h0 = gup(mm0, file0:0)"]],
      rules: [.invalidatesOnlyHoles]),
    Race(
      name: "munmap against memory_failure",
      setup: ["cpu0  dax_fault(mm0, file0:0, write)"],
      calls: [["munmap(mm0, file0:0)"], ["memory_failure(p0)"]],
      rules: [.keepsMappingOnZap]),
    Race(
      name: "memory_failure against punch of a page in use",
      setup: [
        "cpu0  dax_fault(mm0, file0:0, write)", "cpu0  h0 = gup(mm0, file0:0, write)",
      ],
      calls: [["memory_failure(p0)"], ["punch_hole(file0:0)"]],
      rules: [.examinesLockedEntries, .rescansAfterSleeping]),
    Race(
      name: "memory_failure against punch",
      setup: ["cpu0  dax_fault(mm0, file0:0, write)"],
      calls: [["memory_failure(p0)"], ["punch_hole(file0:0)"]],
      rules: [.deletesEntriesInBreak]),
    Race(
      name: "a read fault of a hole against punch",
      calls: [["dax_fault(mm0, file0:0)"], ["punch_hole(file0:0)"]],
      rules: [.ignoresZeroEntries]),
    Race(
      name: "a write fault on the zero page against pwrite",
      boot: Boot(files: 1, filePages: 1, devicePages: 1),
      setup: [
        "cpu0  dax_fault(mm0, file0:0)", "cpu1  pwrite(file0:0, 1) until examineEntry",
      ],
      calls: [["store(mm0, file0:0, 2)"], []],
      rules: []),
    Race(
      name: "three at the entry of one hole",
      boot: Boot(files: 1, filePages: 1, devicePages: 1),
      setup: [
        "cpu0  dax_fault(mm0, file0:0, write) until daxFaultIO.iomapBegin",
        "cpu1  pwrite(file0:0, 7)",
      ],
      calls: [[], [], ["load(mm0, file0:0)"]],
      rules: [.passesEntryWakeOn]),
  ]

  /// A PMD entry, and those who see only one of its pages.
  static let folios: [Race] = [
    Race(
      name: "gup_fast of a PMD against zap",
      boot: Boot(files: 1, filePages: 4, devicePages: 4),
      setup: ["cpu0  dax_fault(mm0, file0:0, write, pmd)"],
      calls: [["h0 = gup_fast(mm0, file0:1, write)"], ["madvise_dontneed(mm0, file0:1)"]],
      rules: [.rechecksPMD]),
    Race(
      name: "a small fault against a PMD fault",
      boot: Boot(files: 1, filePages: 4, devicePages: 4),
      calls: [["dax_fault(mm0, file0:0, write, pmd)"], ["dax_fault(mm0, file0:1, write)"]],
      rules: [.waitsOnPMDQueue]),
    Race(
      name: "punch of a PMD against the blocks' next owner",
      boot: Boot(files: 2, filePages: 4, devicePages: 4),
      setup: ["cpu0  dax_fault(mm0, file0:0, write, pmd)"],
      calls: [["punch_hole(file0:0, pages=4)"], ["dax_fault(mm0, file1:1, write)"]],
      rules: [.splitsFolioOnDelete]),
  ]

  /// Private copies of file pages: ordinary memory.
  static let privateCopies: [Race] = [
    Race(
      name: "fork against pin",
      boot: Boot(files: 1, filePages: 1, devicePages: 1),
      setup: ["cpu0  mmap(mm0, m2, file0:0, pages=1, private)", "cpu0  store(mm0, m2:0, 1)"],
      calls: [
        ["fork()", "store(mm0, m2:0, 2)"], ["h0 = pin_user_pages_fast(mm0, m2:0, write)"],
      ],
      rules: [.copiesPinnedPagesAtFork]),
    Race(
      name: "fork against a pin for reading",
      boot: Boot(files: 1, filePages: 1, devicePages: 1),
      setup: ["cpu0  mmap(mm0, m2, file0:0, pages=1, private)", "cpu0  store(mm0, m2:0, 1)"],
      calls: [["fork()", "store(mm0, m2:0, 2)"], ["h0 = pin_user_pages(mm0, m2:0)"]],
      rules: [.unsharesBeforePin]),
    Race(
      name: "punch against a reader of a private copy",
      boot: Boot(files: 1, filePages: 1, devicePages: 1),
      setup: ["cpu0  mmap(mm0, m2, file0:0, pages=1, private)", "cpu0  store(mm0, m2:0, 1)"],
      calls: [["punch_hole(file0:0)"], ["load(mm0, m2:0)"]],
      rules: [.keepsPrivateCopies]),
  ]

  /// Two callers use one handle.
  static let handles: [Race] = [
    Race(
      name: "two readers of one pipe, and who closes it",
      boot: Boot(files: 1, filePages: 2, devicePages: 2),
      setup: [
        "cpu0  dax_fault(mm0, file0:0, write)", "cpu0  dax_fault(mm0, file0:1, write)",
        "cpu0  h0 = vmsplice(mm0, file0:0, pages=2)",
      ],
      calls: [["pipe_read(h0)"], ["pipe_read(h0, pages=2)"], ["put_page(h0)"]],
      rules: []),
    Race(
      name: "put against gup into the same handle",
      boot: Boot(files: 1, filePages: 1, devicePages: 1),
      setup: [
        "cpu0  dax_fault(mm0, file0:0, write)", "cpu0  h0 = gup(mm0, file0:0)",
      ],
      calls: [["put_page(h0)"], ["h0 = gup(mm0, file0:0)", "put_page(h0)"]],
      rules: []),
  ]

  /// The device goes away.
  static let teardown: [Race] = [
    Race(
      name: "unbind against gup",
      setup: ["cpu0  dax_fault(mm0, file0:0, write)"],
      calls: [["memunmap_pages(pmem0)"], ["h0 = gup_fast(mm0, file0:0, write)"]],
      rules: [.drainsBeforeUnbind])
  ]
}
