// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@Suite("The identity of a violation")
struct CauseTests {
  /// A reference outlives the mapping, and the block is freed below it.
  static func splice(_ file: Int) -> String {
    """
    cpu0  dax_fault(mm0, file\(file):0, write)
    cpu0  h\(file) = vmsplice(mm0, file\(file):0)
    cpu0  munmap(mm0, file\(file):0)
    cpu2  punch_hole(file\(file):0)

    """
  }
  /// A waiter sleeps on a page whose last pin is put by a path that may not wake it.
  static let sleeper = """
    cpu0  dax_fault(mm0, file0:0, write)
    cpu0  h5 = pin_user_pages(mm0, file0:0)
    cpu1  punch_hole(file0:0)
    cpu0  unpin_user_pages(h5)

    """

  @Test(
    "The cause is the smallest set of rules whose repair makes the program clean",
    arguments: [
      (splice(0), "v6.1", ["I27 fsdax foreign-get cause=scansUnmappedFiles"]),
      (
        splice(0), "v6.1+repaired -scansUnmappedFiles -rechecksPTE",
        ["I27 fsdax foreign-get cause=scansUnmappedFiles"]
      ),
      (splice(0), "v6.1+repaired", []),
    ])
  func smallestSet(_ lines: String, _ variant: String, _ identities: [String]) throws {
    #expect(try run(lines, under: variant).identities().map(\.description) == identities)
  }

  /// Two faults on a device page, each of which holds it while the other one migrates it.
  static let faults = """
    boot files=0 filePages=1 devicePages=1 devices=1
    cpu0  mmap_anonymous(mm0, m0)
    cpu0  migrate_to_device(d0, mm0, m0:0)
    cpu0  dax_fault(mm0, m0:0) until privateFault.recheckPTE
    cpu1  dax_fault(mm0, m0:0)

    """

  /// Two files whose blocks are freed under a reader, in two ways.
  static let evicted = """
    cpu0  dax_fault(mm0, file1:0, write)
    cpu0  h1 = vmsplice(mm0, file1:0)
    cpu0  munmap(mm0, file1:0)
    cpu0  close(file1)
    cpu0  unlink(file1)

    """

  /// A file is removed after its device.
  static let unbound = """
    boot files=1 filePages=1 devicePages=1
    cpu0  h1 = pin_user_pages(mm0, file0:0, write)
    cpu0  munmap(mm0, file0:0)
    cpu0  close(file0)
    cpu0  memunmap_pages(pmem0)
    cpu1  unlink(file0)

    """

  /// A device goes while somebody holds its page, on a CPU that punched a hole before.
  static let deviceDAX = """
    boot files=1 filePages=2 devicePages=1 devices=3
    cpu0  h1 = gup(mm0, file0:0, write)
    cpu0  munmap(mm0, file0:0)
    cpu0  punch_hole(file0:1)
    cpu0  mmap_device_dax(mm0, m0)
    cpu0  h2 = gup(mm0, m0:0)
    cpu1  memunmap_pages(dax0)

    """

  /// A page that is free is looked up; how it came to be free took a race before.
  static let freed = """
    boot files=0 filePages=1 devicePages=1 devices=2
    cpu0  mmap_anonymous(mm0, m0)
    cpu0  migrate_to_device(d0, mm0, m0:0, pages=2) until migratePages.recheckPTE
    cpu1  load(mm0, m0:0)
    cpu0  resume
    cpu1  resume
    cpu0  dax_fault(mm0, m0:1)
    cpu1  resume until migrate.unmap
    cpu0  folio_try_get(p44)
    cpu0  memunmap_pages(d1)

    """

  @Test(
    "Repairing another rule may hide a race; to blame is one that is known to break the invariant",
    arguments: [
      // Where the CPU waits for a locked fault page there is no race either.
      (faults, "v6.1", "I45 private foreign-fault_page cause=grantsNoSlack", Rule.locksFaultPage),
      // Without the pgmap's drain the program would go on, and stop at another bug.
      (
        "boot devices=1\ncpu0  h1 = driver_alloc(d0)\ncpu0  memunmap_pages(d0)\n", "v5.18",
        "I19 private cause=waitsForPagesInUse", .countsBeforeListing
      ),
      (
        "cpu0  h1 = gup(mm0, file0:0, write) until daxFaultIO.lockToInsert\n"
          + "cpu1  memunmap_pages(pmem0)\n", "zone-device-2021",
        "I19 fsdax cause=drainsBeforeUnbind", .mappingsHold
      ),
      // The second file shows the same later, by another bug.
      (
        splice(0) + evicted, "v6.1", "I27 fsdax foreign-get cause=scansUnmappedFiles",
        .waitsAtEviction
      ),
      // Either of two bugs is enough; what drains before the unbind only comes in between.
      (
        unbound, "v5.17", "I27 fsdax foreign-pin cause=scansUnmappedFiles+waitsAtEviction",
        .drainsBeforeUnbind
      ),
      // Where the punch waits for the file's page, its CPU never gets one of the device.
      (
        deviceDAX, "v6.1", "I18 generic foreign-get cause=waitsForDeviceDAXUsers",
        .scansUnmappedFiles
      ),
      // Both are known to show it, and without either it is clean: the lookup comes later.
      (
        freed, "v5.17", "I14 private extra-speculative cause=refusesFreePages",
        .rechecksPrivatePTE
      ),
    ])
  func suspects(_ lines: String, _ variant: String, _ identity: String, _ other: Rule) throws {
    let program = try program(lines, under: variant)
    let identities = Execution.run(program).identities().map(\.description)
    #expect(identities.contains(identity), "\(identities)")
    #expect(!program.variant.rules.obeyed.contains(other))
  }

  @Test("Two bugs in one program keep their own causes")
  func independent() throws {
    let report = try run(
      Self.sleeper + Self.splice(1), under: "v6.1+repaired -wakesOnUnpin -scansUnmappedFiles")
    let causes = report.identities().map(\.cause)
    #expect(causes.first == .rules([.wakesOnUnpin]))
    #expect(causes.last == .rules([.scansUnmappedFiles]))
  }

  @Test(
    "A cause is what its text says",
    arguments: [
      "scansUnmappedFiles", "scansUnmappedFiles+examinesLockedEntries", "unknown",
      "gupFastWalk.tryGrab/punch_hole.changeBlocks",
    ])
  func text(_ cause: String) throws {
    let line = "expect I27 fsdax foreign-get cause=\(cause)"
    #expect(try program(line).description.hasSuffix(line + "\n"))
  }

  @Test("Rules that have to be repaired together are known where a cause cannot name them all")
  func together() throws {
    let lines = """
      cpu0  mmap(mm0, m2, file0:0)
      cpu0  h1 = gup(mm0, m2:0, write)
      cpu0  munmap(mm0, m2:0)
      cpu0  close(file0)
      cpu0  unlink(file0)
      cpu0  memunmap_pages(pmem0)
      cpu0  munmap(mm0, file0:0)

      """
    var program = try program(lines, under: "v5.17")
    let rules = program.rulesToRepair
    #expect(rules.count > ProgramLimits.causeRules)
    let released = program.variant
    for rule in rules {
      program.variant = released.obeying(RuleSet(rules.filter { $0 != rule }))
      #expect(!Execution.run(program).identities().isEmpty, "\(rule) is not needed")
    }
    program.variant = released.obeying(RuleSet(rules))
    #expect(Execution.run(program).identities().isEmpty)
    #expect(program.rulesToRepair.isEmpty, "it is clean already")
  }

  @Test("Rules of a cause are written in one order")
  func order() throws {
    let program = try program("expect I27 cause=examinesLockedEntries+scansUnmappedFiles")
    #expect(program.description.contains("cause=scansUnmappedFiles+examinesLockedEntries"))
  }
}

@Suite("What a run looked like")
struct TraceTests {
  @Test("A trace has one row a step, in the column of its CPU, and the line that was crossed")
  func trace() throws {
    let (lines, report) = TraceText.trace(try program(CauseTests.splice(0)))
    let rows = lines.filter { $0.first?.isNumber == true }
    #expect(rows.count == report.steps + report.endSteps)
    #expect(
      lines[0].split(separator: " ") == ["#", "cpu0", "cpu2", "page", "ref", "map", "mapping"])
    #expect(lines[1] == "> cpu0  dax_fault(mm0, file0:0, write)")
    let free = try #require(rows.last)
    #expect(free.contains("punch_hole: changeBlocks"))
    #expect(
      lines.last?.hasPrefix("violated I27 at step \(report.steps): A block that is freed") == true)
    #expect(lines.last?.hasSuffix("Page p0, fsdax; still held by 'get'") == true)
    let grab = try #require(rows.first { $0.contains("gupFastWalk: tryGrab") })
    #expect(grab.split(separator: " ").suffix(4) == ["p0", "2", "0", "file0"])
  }

  @Test("Waiting steps are marked, and the staged end has headings")
  func stages() throws {
    let lines = TraceText.lines(
      of: try program(ExecutionTests.blocked, under: "v6.1+repaired"))
    #expect(lines.contains { $0.contains("breakLayouts: sleep (blocked)") })
    let headings = lines.filter { $0.hasPrefix("-- ") }.map { $0.prefix { $0 != ":" } }
    #expect(headings.contains("-- releasing"))
    #expect(headings.last == "-- unbinding")
    #expect(lines[0].contains("end"))
  }

  @Test("The ledger's history says when each reference was born and died, and where")
  func history() throws {
    let history = LedgerHistory(of: try program(CauseTests.splice(0)))
    #expect(history.pages == [PFN(0)])
    let changes = history.entries.map { "\($0.change) \($0.holder.name) \($0.name)" }
    #expect(
      changes == [
        "1 map daxFaultIO.setPTE", "1 speculative gupFastWalk.tryGrab",
        "1 get gupFastWalk.recheckPTE", "-1 speculative gupFastWalk.recheckPTE",
        "-1 map zapRange.clearPTE",
      ])
    #expect(history.holders(of: PFN(0)) == "get 1")
    #expect(history.holders(of: PFN(1)) == "nobody")
    let lines = history.lines(for: PFN(0))
    #expect(lines.count == 6)
    #expect(lines[0] == "p0:")
    #expect(lines[5].contains("-1  map"))
    #expect(lines[5].hasSuffix("in munmap(mm0, file0:0)"))
  }
}
