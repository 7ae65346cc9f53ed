// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

/// What one era has and another has not, each told by a program of a few calls.
@Suite("What eras differ in")
struct EraTests {
  struct Story: Sendable, CustomTestStringConvertible {
    /// Protocols, and what is repaired or broken of them.
    var variants: [String]
    var about: String
    var boot: String
    var lines: String
    var testDescription: String { about }

    init(_ variants: [String], _ about: String, boot: String, lines: String) {
      (self.variants, self.about) = (variants, about)
      (self.boot, self.lines) = (boot, lines)
    }
  }

  static let one = "files=1 filePages=1 devicePages=1"
  static let devices = "files=0 filePages=1 devicePages=1 devices=4"

  @Test("A program goes as it states", arguments: all)
  func story(_ story: Story) throws {
    for variant in story.variants {
      let head = "# pagefuzz program 1\nprotocol \(variant)\nboot \(story.boot)\n"
      let report = Execution.run(try ProgramParser.parse(head + story.lines))
      let differences = report.failures.flatMap(\.diff)
      #expect(report.isAsExpected(), "\(variant): \(differences.joined(separator: "\n"))")
    }
  }
}

extension EraTests {
  static let all: [Story] = directIO + pools + memory + entries

  /// O_DIRECT into a mapping.
  static let directIO: [Story] = [
    Story(
      ["v5.17", "v5.18", "zone-device-2021 +mappingsHold"],
      "O_DIRECT takes plain references", boot: one,
      lines: """
        cpu0  store(mm0, file0:0, 1) = 0
        cpu1  direct_io(mm0, file0:0, 2, write) = 0 until transfer
        assert file0:0 ref=2 gets=1 pins=0
        cpu1  resume
        assert file0:0 ref=1 gets=0 pins=0 data=2
        expect none
        """),
    Story(
      ["v6.12"], "O_DIRECT pins", boot: one,
      lines: """
        cpu0  store(mm0, file0:0, 1) = 0
        cpu1  direct_io(mm0, file0:0, 2, write) = 0 until transfer
        assert file0:0 ref=1025 gets=0 pins=1
        cpu1  resume
        assert file0:0 ref=1 gets=0 pins=0 data=2
        expect none
        """),
    Story(
      ["dax-gup-v1"], "a page of O_DIRECT is not seen to be busy", boot: one,
      lines: """
        cpu0  dax_fault(mm0, file0:0, write) = 0
        cpu1  direct_io(mm0, file0:0, 2, write) until transfer
        assert file0:0 ref=2 gets=1 pins=0
        cpu0  punch_hole(file0:0)
        expect I24 fsdax foreign-get cause=seesPlainReferences
        """),
  ]

  /// Pools of peer-to-peer memory.
  static let pools: [Story] = [
    Story(
      ["v5.18", "dax-gup-v2", "dax-gup-v3"], "no process maps a pool", boot: devices,
      lines: """
        assert p60 ref=1 map=0
        cpu0  mmap_p2pdma(mm0, m0) = -ENXIO
        assert p60 ref=1 map=0
        expect none
        """),
    Story(
      ["v6.12+repaired"], "a process maps a pool", boot: devices,
      lines: """
        assert p60 ref=1 map=0
        cpu0  mmap_p2pdma(mm0, m0) = 0
        assert p60 ref=1 map=1 mapped=1
        cpu0  h0 = gup(mm0, m0:0) = -EREMOTEIO
        cpu0  munmap(mm0, m0:0) = 0
        assert p60 ref=1 map=0
        expect none
        """),
    Story(
      ["v6.18"], "two free pages that are not in a row", boot: devices,
      lines: """
        cpu0  mmap_p2pdma(mm0, m0) = 0
        cpu0  mmap_p2pdma(mm0, m1) = 0
        cpu0  mmap_p2pdma(mm0, m2) = 0
        cpu0  munmap(mm0, m1:0) = 0
        assert p60 ref=1 map=1
        assert p61 ref=0 map=0
        assert p62 ref=1 map=1
        cpu0  mmap_p2pdma(mm0, m1, pages=2) = -ENOMEM
        assert p61 ref=0 map=0 mapped=0
        assert p63 ref=0 map=0 mapped=0
        cpu0  mmap_p2pdma(mm0, m1) = 0  # the name is free
        assert p61 ref=1 map=1
        cpu0  mmap_p2pdma(mm0, m3, pages=2) = -ENOMEM
        assert p63 ref=0 map=0 mapped=0
        expect none
        """),
  ]

  /// Anonymous memory.
  static let memory: [Story] = [
    Story(
      ["v5.17", "v5.18", "zone-device-2021"], "a read pin takes a shared page as it is", boot: one,
      lines: """
        cpu0  mmap(mm0, m2, file0:0, pages=1, private) = 0
        cpu0  store(mm0, m2:0, 1) = 0
        cpu0  fork() = 0
        cpu0  h0 = pin_user_pages(mm0, m2:0) = 1
        assert mm0.m2:0 pte=p16 ref=1026 map=2 pins=1
        cpu0  store(mm0, m2:0, 2)
        expect I41 system foreign-pin cause=unsharesBeforePin
        """),
    Story(
      ["v6.1"], "a read pin copies a shared page first", boot: one,
      lines: """
        cpu0  mmap(mm0, m2, file0:0, pages=1, private) = 0
        cpu0  store(mm0, m2:0, 1) = 0
        cpu0  fork() = 0
        cpu0  h0 = pin_user_pages(mm0, m2:0) = 1
        assert mm0.m2:0 pte=p17 ref=1025 map=1 pins=1
        cpu0  store(mm0, m2:0, 2)
        expect none
        """),
    Story(
      ["zone-device-2021"], "who waits for a migration holds the page", boot: devices,
      lines: """
        cpu0  mmap_anonymous(mm0, m0, pages=1) = 0
        cpu0  store(mm0, m0:0, 7) = 0
        cpu0  migrate_to_device(d0, mm0, m0:0) = 0 until migrateUnmap.isolate
        assert p16 ref=1 map=0
        cpu1  load(mm0, m0:0) = 7
        assert cpu1 blocked handle_fault
        assert p16 ref=2 map=0
        cpu0  resume
        cpu1  resume
        assert p16 ref=1 map=1
        expect none
        """),
    Story(
      ["v5.17 +leavesMigratedOffLRU"],
      "who waits for a migration does not hold the page", boot: devices,
      lines: """
        cpu0  mmap_anonymous(mm0, m0, pages=1) = 0
        cpu0  store(mm0, m0:0, 7) = 0
        cpu0  migrate_to_device(d0, mm0, m0:0) = 1 until migrateUnmap.isolate
        assert p16 ref=1 map=0
        cpu1  load(mm0, m0:0) = 7
        assert cpu1 blocked handle_fault
        assert p16 ref=1 map=0
        cpu0  resume
        cpu1  resume
        assert p16 ref=1 map=1
        expect none
        """),
  ]

  /// References that DAX entries hold.
  static let entries: [Story] = [
    Story(
      ["dax-gup-v1", "dax-gup-v2"], "a zap alone leaves the mapping", boot: one,
      lines: """
        cpu0  dax_fault(mm0, file0:0, write) = 0
        cpu0  punch_hole(file0:0) = 0 until deleteEntries
        assert file0:0 ref=0 mapped=0 mapping=file0 entry=p0
        cpu1  memory_failure(p0) = 0
        cpu0  resume
        assert p0 ref=0 mapping=none
        expect none
        """),
    Story(
      ["dax-gup-v3"], "a zap alone clears the mapping", boot: one,
      lines: """
        cpu0  dax_fault(mm0, file0:0, write) = 0
        cpu0  punch_hole(file0:0)
        expect I25 fsdax cause=keepsMappingAtLastPut
        """),
  ]
}
