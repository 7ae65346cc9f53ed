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

  /// A place with few features, and one with many; neither is a window.
  private static func places() throws -> (rare: Int, common: Int) {
    let known = (0..<Footprint.steps).filter { footprint.features(at: $0) > 0 }
      .sorted { footprint.features(at: $0) < footprint.features(at: $1) }
    let (rare, common) = (try #require(known.first), try #require(known.last))
    try #require(footprint.features(at: common) > 10 * footprint.features(at: rare))
    return (rare, common)
  }

  /// Checkpoints kept for a place; programs that go on from them may use so many CPUs.
  private static func checkpoints(_ count: Int, for place: Int, cpus: Int) -> [Checkpoint] {
    let bytes = ProgramBinary.encode(Program(Variant(base)))
    return (0..<count).map { _ in
      Checkpoint(target: 0, of: base, cpus: cpus, origin: place, bytes: bytes)
    }
  }

  @Test("Every feature is counted at its place, and no more when it is forgotten")
  func counts() {
    var footprint = Self.footprint
    let sum = { (footprint: Footprint) in
      (0..<Footprint.places).reduce(0) { $0 + footprint.features(at: $1) }
    }
    #expect(sum(footprint) == footprint.count)
    #expect(footprint.counts.reduce(0, +) == footprint.count)
    let members = footprint.members
    footprint.forget(members.prefix(members.count / 2))
    #expect(sum(footprint) == members.count - members.count / 2)
    _ = footprint.take(members)
    #expect(sum(footprint) == members.count)
  }

  @Test("What is kept for a place with few features comes before what is kept for others")
  func rareFirst() throws {
    let (rare, common) = try Self.places()
    var random = Random(seed: 1)
    var pool = Pool(targets: 1)
    for checkpoint in Self.checkpoints(40, for: common, cpus: 4) {
      pool.add(checkpoint, &random)
    }
    for checkpoint in Self.checkpoints(40, for: rare, cpus: 1) {
      pool.add(checkpoint, &random)
    }
    let early = (0..<100).filter { _ in pool.next(0, Self.footprint, &random)?.cpus == 1 }
    #expect(early.count > 80, "one of the four is nearly always a rare one: \(early.count)")
  }

  @Test("What was tried often comes after what was not")
  func untriedFirst() throws {
    let place = try Self.places().common
    var random = Random(seed: 3)
    var pool = Pool(targets: 1)
    for checkpoint in Self.checkpoints(40, for: place, cpus: 4) {
      pool.add(checkpoint, &random)
    }
    for _ in 0..<2_000 { _ = pool.next(0, Self.footprint, &random) }
    for checkpoint in Self.checkpoints(40, for: place, cpus: 1) {
      pool.add(checkpoint, &random)
    }
    let fresh = (0..<100).filter { _ in pool.next(0, Self.footprint, &random)?.cpus == 1 }
    #expect(fresh.count > 80, "one of the four is nearly always a new one: \(fresh.count)")
  }

  @Test("Whose machine was tried often enough is told, and another one takes its place and tries")
  func another() throws {
    let window = Footprint.steps + 1
    for (place, kept) in [(try Self.places().common, 2), (window, 1)] {
      var random = Random(seed: 4)
      var pool = Pool(targets: 1)
      let draw = Pool.Draw(target: 0, position: 0)
      let all = Self.checkpoints(3, for: place, cpus: 1)
      pool.add(all[0], &random)
      let enough = SearchLimits.triesPerMachine
      #expect((1..<enough).allSatisfy { _ in pool.note(draw) == nil })
      #expect(pool.note(draw) == place)
      pool.add(all[1], &random)
      #expect(pool.machines(at: place) == kept, "only windows have one machine after the other")
      #expect((1..<enough).allSatisfy { _ in pool.note(draw) == nil })
      #expect(pool.note(draw) == place, "it goes on counting")
      #expect(pool.count == kept)
    }
  }

  @Test("Beside a machine of a window that was tried seldom another one is kept")
  func beside() {
    var random = Random(seed: 4)
    var pool = Pool(targets: 1)
    for checkpoint in Self.checkpoints(3, for: Footprint.steps + 1, cpus: 1) {
      pool.add(checkpoint, &random)
    }
    #expect(pool.machines(at: Footprint.steps + 1) == 3)
  }

  @Test("Where there is no room, one that shares its place with many makes it")
  func room() throws {
    let (rare, common) = try Self.places()
    var random = Random(seed: 2)
    var pool = Pool(targets: 1)
    pool.add(Self.checkpoints(1, for: common, cpus: 1)[0], &random)
    for checkpoint in Self.checkpoints(3 * SearchLimits.checkpoints, for: rare, cpus: 4) {
      pool.add(checkpoint, &random)
    }
    #expect(pool.count == SearchLimits.checkpoints)
    let drawn = (0..<100_000).contains { _ in pool.next(0, Self.footprint, &random)?.cpus == 1 }
    #expect(drawn, "the only one of its place is still there, although others have fewer features")
  }
}

@Suite("Where CPUs stand when a line ends")
struct WindowTests {
  /// The abstract state of the entry that cpu1 works on after the lines of a program.
  private func state(_ lines: String) throws -> Int {
    let text = "# pagefuzz program 1\nprotocol v6.12\n" + lines
    let program = try ProgramParser.parse(Array(text.utf8), file: "window.prog")
    var run = Run(program.machine())
    for instruction in program.instructions { run.execute(instruction, tag: -1) }
    let stands = run.machine.isActive(CPUID(1))
    #expect(stands)
    let frame = run.machine.cpus[CPUID(1)].frame
    return run.machine.abstractState(of: frame)
  }

  @Test("Whether another file has the block makes a difference: its locks are others")
  func otherFile() throws {
    let setUp = "boot files=2 filePages=2 devicePages=4 reflink=1\ncpu0  pwrite(file0:0, 7)\n"
    let fault = "cpu1  dax_fault(mm0, file0:0) until daxFaultIO.associate\n"
    let alone = try state(setUp + fault)
    let within = try state(setUp + "cpu0  reflink(file0:0, file0:1)\n" + fault)
    let across = try state(setUp + "cpu0  reflink(file0:0, file1:0)\n" + fault)
    #expect(within == alone, "one lock guards both")
    #expect(across != alone)
    #expect(alone != 0, "it is about an entry of a file")
    #expect(max(alone, across) < Machine.abstractObjects)
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
      cpu0  load(mm0, m2:0)
      cpu1  resume
      """)
    #expect(known[1] == 0, "nobody stands")
    #expect(known[2] == 1, "pwrite() stands before it unmaps the zero page")
    #expect(known[3] == 1, "nothing has become of its entry")
    #expect(known[4] == 2, "now there is a page beside the zero page")
    #expect(known[5] == 2, "nobody stands any more")
  }

  @Test("Of the windows that a program shows first, those of one place stay known")
  func forgotten() throws {
    let text = """
      # pagefuzz program 1
      protocol v5.18
      cpu0  store(mm0, file0:1, 7)
      cpu0  dax_fault(mm0, file0:0) until daxFaultIO.lockToInsert
      cpu1  dax_fault(mm0, file1:0) until daxFaultIO.unlockEntry
      """
    let program = try ProgramParser.parse(Array(text.utf8), file: "window.prog")
    var footprint = Footprint()
    var run = Run(program.machine())
    for line in program.instructions { run.execute(line, noting: &footprint) }
    let windows = Footprint.Kind.window.rawValue
    let (shown, others) = (footprint.counts[windows], footprint.count - footprint.counts[windows])
    #expect(shown >= 2 && others > 0)
    let places = (Footprint.steps..<Footprint.places).filter { footprint.features(at: $0) > 0 }
    let place = try #require(places.first)
    let here = footprint.features(at: place)
    footprint.forgetWindows(except: place)
    #expect(footprint.counts[windows] == here && footprint.features(at: place) == here)
    #expect(footprint.count == here + others, "what is no window stays known")
    #expect(footprint.news.count == footprint.count)
    let known = footprint
    footprint.forgetWindows(at: place - Footprint.steps)
    #expect(footprint.count == known.count, "a step that is executed has no windows")
    footprint.forgetWindows(at: place)
    #expect(footprint.counts[windows] == 0 && footprint.count == others)
    let areNew = footprint.take(known.members)
    #expect(areNew, "what shows them again reaches something new")
    #expect(footprint.members == known.members)
  }
}
