// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

/// What lines do to each other, on a kernel without known bugs.
@Suite("The order of lines is the order of events")
struct ExecutionTests {
  /// cpu1 waits in break_layouts for the reference in h1.
  static let blocked = """
    cpu0  dax_fault(mm0, file0:0, write)
    cpu0  h1 = gup(mm0, file0:0) = 1
    cpu1  punch_hole(file0:0) = 0

    """

  static let schedules = [
    "a call runs to completion": """
    cpu0  dax_fault(mm0, file0:0, write) = 0
    assert cpu0 idle
    assert file0:0 block=p0 entry=p0 mapping=file0
    assert mm0.file0:0 pte=p0
    assert mm0.m0:1 pte=none
    assert file0 size=4 nrpages=1
    """,
    "until stops before the step": """
    cpu0  dax_fault(mm0, file0:0, write) until daxFaultIO.storeEntry
    assert cpu0 runnable dax_fault
    assert file0:0 entry=empty mapping=file0
    cpu0  resume until daxFaultIO.unlockInserted
    assert file0:0 entry=p0
    cpu0  resume
    assert cpu0 idle
    """,
    "#n counts visits from where the line began": """
    cpu0  dax_fault(mm0, file0:0, write)
    cpu0  dax_fault(mm0, file0:1, write)
    cpu0  munmap(mm0, file0:0) until zapRange.clearPTE#2
    assert mm0.m0:0 pte=none
    assert mm0.m0:1 pte=p1
    cpu0  resume until zapRange.clearPTE#2
    assert mm0.m0:1 pte=none
    cpu0  resume
    """,
    "a blocked call yields; woken, it runs only at resume": blocked + """
      assert cpu1 blocked break_layouts
      assert cpu1 blocked punch_hole
      cpu0  put_page(h1)
      assert cpu1 runnable break_layouts
      assert file0:0 block=p0
      cpu1  resume
      assert cpu1 idle
      assert file0:0 block=none
      """,
    "a lock whose queue is never empty goes round, however often": """
    cpu0  pwrite(file0:0, 1) until unlockInode
    cpu1  pwrite(file0:0, 2)

    """
      + String(
        repeating: """
          cpu0  resume
          cpu0  pwrite(file0:0, 1)
          assert cpu0 blocked
          assert p0 data=1
          cpu1  resume
          cpu1  pwrite(file0:0, 2)
          assert cpu1 blocked
          assert p0 data=2

          """, count: 300),
    "resume of a blocked or idle CPU does nothing": blocked + """
      cpu1  resume
      cpu3  resume
      assert cpu1 blocked
      assert cpu3 idle
      """,
    "what is woken and never resumed runs at the end": blocked + """
      cpu0  put_page(h1)
      """,
    "a call behind a blocked one queues, and runs after it": blocked + """
      cpu1  next_block(p5) = 0
      cpu1  pwrite(file0:0, 9) = 0
      assert cpu1 blocked break_layouts
      assert file0:0 data=0
      cpu0  put_page(h1)
      cpu1  resume
      assert cpu1 idle
      assert file0:0 block=p5 data=9
      """,
    "a call behind an unfinished one resumes that one first": """
    cpu0  dax_fault(mm0, file0:0, write) until daxFaultIO.storeEntry
    cpu0  load(mm0, file0:0) = 0
    assert cpu0 idle
    """,
    "a contended spinlock blocks": """
    cpu0  dax_fault(mm0, file0:0, write) until daxFaultIO.storeEntry
    cpu1  dax_fault(mm0, file0:1, write)
    assert cpu1 blocked dax_fault_io
    cpu0  resume until daxFaultIO.unlockInserted
    assert cpu1 blocked
    cpu0  resume until daxFaultIO.lockPageTable
    assert cpu1 runnable dax_fault_io
    """,
    "a signal ends the wait": blocked.replacing(" = 0\n", with: " = -EINTR\n") + """
      cpu2  signal(cpu1) = 0
      cpu1  resume
      assert cpu1 idle
      """,
    "many references in one step": """
    cpu0  dax_fault(mm0, file0:0, write)
    cpu0  h0 = gup_fast(mm0, file0:0, times=1023)
    cpu0  h1 = pin_user_pages(mm0, file0:0, times=2)
    assert p0 ref=3072 gets=1023 pins=2 mapped=1
    """,
    "a handle whose call failed is of no use": """
    cpu0  h1 = gup(mm0, m3:0) = -EFAULT
    cpu0  put_page(h1) = -EBADF
    """,
  ]

  @Test("A schedule does what it says", arguments: schedules.keys.sorted())
  func schedule(_ name: String) throws {
    let lines = try #require(Self.schedules[name])
    let report = try run(lines + "\nexpect none", under: "v6.1+repaired")
    #expect(report.failures.map(\.diff) == [], "\(name)")
    #expect(report.expectationDifference() == nil)
  }

  @Test(
    "A statement that does not hold fails with a diff",
    arguments: [
      ("assert p0 ref=2 map=0", ["- ref=2", "+ ref=1"]),
      (
        "assert p0 ref=7 map=1 mapping=anon",
        ["- ref=7 map=1 mapping=anon", "+ ref=1 map=0 mapping=none"]
      ),
      ("assert file0:0 ref=1", ["- ref=1", "+ ref=(no page)"]),
      ("assert cpu1 blocked break_layouts", ["- cpu1 blocked break_layouts", "+ cpu1 idle"]),
      ("cpu0  load(mm0, file0:0) = -EFAULT", ["- = -EFAULT", "+ = 0"]),
      ("cpu0  fork() = 0 until lockMM", []),
    ])
  func failure(_ line: String, _ diff: [String]) throws {
    let report = try run("# a remark\n" + line)
    let expected = diff.isEmpty ? [] : ["line 4: \(line)"] + diff.map { "  " + $0 }
    #expect(report.failures.flatMap(\.diff) == expected)
    #expect(report.isAsExpected() == diff.isEmpty)
  }

  @Test("A result is compared when the call has returned, or at the end if it never does")
  func lateResults() throws {
    let late = try run(Self.blocked + "cpu0  put_page(h1)", under: "v6.1+repaired")
    #expect(late.results.map { $0?.rawValue } == [0, 1, 0, 0])
    let wrong = try run(
      Self.blocked.replacing(") = 0", with: ") = 5") + "cpu0  put_page(h1)", under: "v6.1+repaired")
    #expect(wrong.failures.map(\.found) == ["= 0"])
    let never = try run(
      Self.blocked + "cpu0  unpin_user_pages(h1) = -EINVAL\ncpu0  put_page(h1)",
      under: "v6.1+repaired -wakesWhereWaitersSleep")
    #expect(never.failures.map(\.diff.last) == ["  + never returned"])
  }

  @Test("The seventeenth call behind a blocked one is refused")
  func queueLimit() throws {
    let queued = String(repeating: "cpu1  fork()\n", count: Limits.queuedCalls + 1)
    let report = try run(Self.blocked + queued, under: "v6.1+repaired")
    #expect(report.results.last == Outcome(.again))
  }

  @Test(
    "What a line asks in vain is noted",
    arguments: [
      (
        "cpu0  fork() until allocateCopy",
        "line 3: not preempted: fork.allocateCopy was not reached"
      ),
      ("cpu0  resume", "line 3: nothing to resume"),
      (
        blocked + "cpu1  resume until punch_hole.setSize",
        "line 6: not preempted: blocked in breakLayouts.sleep"
      ),
      (blocked + "cpu1  fork() until lockMM", "line 6: queued: 'until' has no effect"),
    ])
  func notes(_ lines: String, _ note: String) throws {
    #expect(try run(lines, under: "v6.1+repaired").notes == [note])
  }

  @Test("A violation that stops ends the program, and the rest is not reached")
  func stopped() throws {
    let report = try run(
      """
      cpu0  dax_fault(mm0, file0:0, write)
      cpu0  h1 = vmsplice(mm0, file0:0)
      cpu0  munmap(mm0, file0:0)
      cpu1  punch_hole(file0:0) = 0
      assert p0 ref=100
      expect none
      """)
    #expect(report.notes == ["line 7: not reached: a violation stopped the run"])
    #expect(report.failures.isEmpty)
    #expect(report.endSteps == 0)
    let difference = report.expectationDifference()
    #expect(difference?.expected == "none")
    #expect(difference?.found == "I27 fsdax foreign-get cause=scansUnmappedFiles")
  }

  @Test("The combined hash is the fold of the hashes of all states")
  func hashes() throws {
    let program = try program(Self.blocked)
    var hash: UInt64 = 0
    var count = 0
    let report = Execution.run(program, hashing: true) { step, _, run in
      hash = Execution.combine(hash, run.machine.stateHash)
      count += 1
      #expect(step.number == count)
    }
    #expect(count == report.steps + report.endSteps)
    #expect(report.hash == hash)
    #expect(Execution.run(program).hash == 0)
  }
}
