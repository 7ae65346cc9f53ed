// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@testable import Fuzzing

@Suite("Which program is gone on with")
struct PoolTests {
  private static let base = Protocol.all[0]

  /// What a hundred programs have reached.
  private static let footprint: Footprint = {
    var footprint = Footprint()
    for drawn in Drawn.programs(Variant(base), count: 100) {
      _ = footprint.take(Coverage.features(of: drawn.program))
    }
    return footprint
  }()

  /// A step with few features, and one with many.
  private static func steps() throws -> (rare: Int, common: Int) {
    let known = (0..<Footprint.steps).filter { footprint.features(of: $0) > 0 }
      .sorted { footprint.features(of: $0) < footprint.features(of: $1) }
    let (rare, common) = (try #require(known.first), try #require(known.last))
    try #require(footprint.features(of: common) > 10 * footprint.features(of: rare))
    return (rare, common)
  }

  /// Checkpoints kept for a step; programs that go on from them may use so many CPUs.
  private static func checkpoints(_ count: Int, for step: Int, cpus: Int) -> [Checkpoint] {
    let bytes = ProgramBinary.encode(Program(Variant(base)))
    return (0..<count).map { _ in
      Checkpoint(target: 0, of: base, cpus: cpus, origin: step, bytes: bytes)
    }
  }

  @Test("Every feature is counted with the step that reaches it, and no more when it is forgotten")
  func counts() {
    var footprint = Self.footprint
    let sum = { (footprint: Footprint) in
      (0..<Footprint.steps).reduce(0) { $0 + footprint.features(of: $1) }
    }
    #expect(sum(footprint) == footprint.count)
    #expect(footprint.counts.reduce(0, +) == footprint.count)
    let members = footprint.members
    footprint.forget(members.prefix(members.count / 2))
    #expect(sum(footprint) == members.count - members.count / 2)
    _ = footprint.take(members)
    #expect(sum(footprint) == members.count)
  }

  @Test("What a step reached that seldom does anything comes before what common ones reach")
  func rareFirst() throws {
    let (rare, common) = try Self.steps()
    var random = Random(seed: 1)
    var pool = Pool(targets: 1)
    for checkpoint in Self.checkpoints(40, for: common, cpus: 4) {
      pool.add(checkpoint, Self.footprint, &random)
    }
    for checkpoint in Self.checkpoints(40, for: rare, cpus: 1) {
      pool.add(checkpoint, Self.footprint, &random)
    }
    let early = (0..<100).filter { _ in pool.next(0, Self.footprint, &random)?.cpus == 1 }
    #expect(early.count > 80, "one of the four is nearly always a rare one: \(early.count)")
  }

  @Test("What was tried often comes after what was not")
  func untriedFirst() throws {
    let step = try Self.steps().common
    var random = Random(seed: 3)
    var pool = Pool(targets: 1)
    for checkpoint in Self.checkpoints(40, for: step, cpus: 4) {
      pool.add(checkpoint, Self.footprint, &random)
    }
    for _ in 0..<2_000 { _ = pool.next(0, Self.footprint, &random) }
    for checkpoint in Self.checkpoints(40, for: step, cpus: 1) {
      pool.add(checkpoint, Self.footprint, &random)
    }
    let fresh = (0..<100).filter { _ in pool.next(0, Self.footprint, &random)?.cpus == 1 }
    #expect(fresh.count > 80, "one of the four is nearly always a new one: \(fresh.count)")
  }

  @Test("Where there is no room, what common steps reached makes it")
  func room() throws {
    let (rare, common) = try Self.steps()
    var random = Random(seed: 2)
    var pool = Pool(targets: 1)
    let half = SearchLimits.checkpoints / 2
    for checkpoint in Self.checkpoints(half, for: rare, cpus: 1) {
      pool.add(checkpoint, Self.footprint, &random)
    }
    for checkpoint in Self.checkpoints(3 * half, for: common, cpus: 4) {
      pool.add(checkpoint, Self.footprint, &random)
    }
    #expect(pool.count == SearchLimits.checkpoints)
    let drawn = (0..<100).filter { _ in pool.next(0, Self.footprint, &random)?.cpus == 1 }
    #expect(drawn.count > 60, "most of the rare ones are still there: \(drawn.count)")
  }
}

@Suite("Where CPUs stand when a line ends")
struct WindowTests {
  /// The abstract state of the entry that cpu1 works on after the lines of a program.
  private func state(_ lines: String) throws -> Int {
    let text = "# pagefuzz program 1\nprotocol v5.18\n" + lines
    let program = try ProgramParser.parse(Array(text.utf8), file: "window.prog")
    var run = Run(program.machine())
    for instruction in program.instructions { run.execute(instruction, tag: -1) }
    let stands = run.machine.isActive(CPUID(1))
    #expect(stands)
    let frame = run.machine.cpus[CPUID(1)].frame
    return run.machine.abstractState(of: frame)
  }

  @Test("Whether somebody still reads the zero page where the file has a block makes a difference")
  func zeroPage() throws {
    let write = "cpu2  pwrite(file0:0, 7) until zapHole\n"
    let fault = "cpu1  dax_fault(mm0, file0:0, write) until daxFaultIO.lockToInsert\n"
    let load = "cpu0  fork()\ncpu0  load(mm1, file0:0)\n"
    let mapped = try state(load + write + fault)
    let unmapped = try state(load + "cpu0  munmap(mm1, file0:0)\n" + write + fault)
    #expect(unmapped != mapped)
    #expect(unmapped != 0, "it is about an entry of a file")
    #expect(max(unmapped, mapped) < Machine.abstractObjects)
  }

  /// How many windows are known after each line of a program, drawn line by line.
  private func windows(_ lines: String) throws -> [Int] {
    let text = "# pagefuzz program 1\nprotocol v5.18\n" + lines
    let program = try ProgramParser.parse(Array(text.utf8), file: "window.prog")
    var run = Run(program.machine())
    var footprint = Footprint()
    return program.instructions.map { line in
      run.execute(line, noting: &footprint)
      return footprint.counts[Footprint.Kind.window.rawValue]
    }
  }

  @Test("What others do to the entry of a call that was preempted is a window of that call")
  func standing() throws {
    let known = try windows(
      """
      cpu0  mmap(mm0, m2, file0:0)
      cpu0  load(mm0, file0:0)
      cpu1  pwrite(file0:0, 7) until zapHole
      cpu0  open(file1)
      cpu0  store(mm0, m2:0, 1)
      cpu1  resume
      """)
    #expect(known[1] == 0, "nobody stands")
    #expect(known[2] == 1, "pwrite() stands before it unmaps the zero page")
    #expect(known[3] == 1, "nothing has become of its entry")
    #expect(known[4] == 2, "now there is a page beside the zero page")
    #expect(known[5] == 2, "nobody stands any more")
  }
}
