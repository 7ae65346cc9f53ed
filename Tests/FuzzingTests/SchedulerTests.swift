// SPDX-License-Identifier: MIT

import PageLifecycle
import Testing

@testable import Fuzzing

@Suite("PCT(d)")
struct SchedulerTests {
  private static let all = Bits<CPUID>(rawValue: 0b1111)

  @Test("Every CPU begins above every change, and no two alike", arguments: 1...5)
  func priorities(depth: Int) {
    var random = Random(seed: UInt64(depth))
    let scheduler = PCT(depth: depth, length: 100, cpus: 4, &random)
    #expect(scheduler.priorities.sorted() == Array(depth..<depth + 4))
    #expect(scheduler.changes.count == depth - 1)
    #expect(Set(scheduler.changes.map(\.priority)) == Set(0..<depth - 1))
    #expect(scheduler.changes.allSatisfy { (1...100).contains($0.step) })
  }

  @Test("At a change the running CPU becomes the lowest before it runs one step more")
  func change() throws {
    var random = Random(seed: 1)
    var scheduler = PCT(depth: 2, length: 50, cpus: 4, &random)
    let change = try #require(scheduler.changes.first)
    let (first, budget) = scheduler.choose(among: Self.all, &random)
    #expect(budget == Pace(change.step))
    scheduler.note(executed: budget.budget)
    let (second, rest) = scheduler.choose(among: Self.all, &random)
    #expect(second != first)
    #expect(rest == Pace(.max))
    #expect(scheduler.priorities[first.position] == change.priority)
    #expect(scheduler.priorities.min() == change.priority)
  }

  @Test("Steps that were not executed bring no change nearer")
  func unusedSteps() throws {
    var random = Random(seed: 2)
    var scheduler = PCT(depth: 2, length: 50, cpus: 4, &random)
    let change = try #require(scheduler.changes.first)
    try #require(change.step > 2)
    let (first, _) = scheduler.choose(among: Self.all, &random)
    scheduler.note(executed: 1)
    let (again, budget) = scheduler.choose(among: Self.all, &random)
    #expect(again == first, "nothing has changed")
    #expect(budget == Pace(change.step - 1))
  }

  @Test("Without changes the highest CPU that can run always runs")
  func strict() {
    var random = Random(seed: 3)
    var scheduler = PCT(depth: 1, length: 50, cpus: 4, &random)
    let highest = scheduler.priorities.indices.max {
      scheduler.priorities[$0] < scheduler.priorities[$1]
    }
    for _ in 0..<5 {
      let (cpu, budget) = scheduler.choose(among: Self.all, &random)
      #expect(cpu.position == highest)
      scheduler.note(executed: min(budget.budget, 3))
    }
    var others = Self.all
    others.remove(CPUID(highest ?? 0))
    #expect(scheduler.choose(among: others, &random).0.position != highest)
  }
}

@Suite("How far a line runs")
struct PaceTests {
  /// Where a store that faults stops first, and after how many steps.
  private func stop(_ pace: Pace) -> (line: Instruction, steps: Int) {
    var run = Run(Machine(Variant(Protocol.all[0]).rules))
    var footprint = Footprint()
    footprint.begin()
    var call = Call(.store)
    call.address = Address(FileID(0), PageIndex(0))
    let line = run.burst(call, on: CPUID(0), pace, noting: &footprint)
    return (line, run.steps)
  }

  @Test("A budget is so many steps", arguments: [1, 2, 7])
  func budget(steps: Int) {
    #expect(stop(Pace(steps)).steps == steps)
    #expect(stop(Pace(steps)).line.until != nil)
  }

  @Test("A step that others may see costs what it is said to")
  func sharedCost() {
    let (whole, first) = (stop(Pace(.max)).steps, stop(Pace(16, sharedCost: 16)).steps)
    #expect(stop(Pace(.max)).line.until == nil, "it ran whole")
    #expect(first < min(16, whole), "a page or an entry was written before the 16th step")
    #expect(stop(Pace(16)).steps == 16, "and would not have stopped it")
    #expect(stop(Pace(16 + first, sharedCost: 16)).steps > first)
  }
}

@Suite("The uniform random walk")
struct UniformWalkTests {
  @Test("A CPU runs as often as it has steps left")
  func share() {
    var random = Random(seed: 1)
    var first = 0
    for _ in 0..<3000 {
      var scheduler = UniformWalk(stepsPerCall: 10)
      scheduler.begin(calls: [3, 1], standing: Bits())
      let (cpu, pace) = scheduler.choose(among: Bits(rawValue: 0b11), &random)
      #expect(pace == Pace(1))
      if cpu == CPUID(0) { first += 1 }
    }
    #expect((2100...2400).contains(first), "three of four, and not \(first) of 3000")
  }

  @Test("Both interleavings of one step with many are found equally often")
  func uniform() {
    var random = Random(seed: 2)
    var earlyEnds = 0
    for _ in 0..<2000 {
      var scheduler = UniformWalk(stepsPerCall: 1)
      scheduler.begin(calls: [1, 3], standing: Bits())
      var order: [Int] = []
      var left = [1, 3]
      while left != [0, 0] {
        var open = Bits<CPUID>()
        for cpu in 0..<2 where left[cpu] > 0 { open.insert(CPUID(cpu)) }
        let (cpu, _) = scheduler.choose(among: open, &random)
        left[cpu.position] -= 1
        scheduler.note(executed: 1)
        order.append(cpu.position)
      }
      if order.first == 0 { earlyEnds += 1 }
    }
    #expect((420...580).contains(earlyEnds), "one of four, and not \(earlyEnds) of 2000")
  }
}

@Suite("Calls while somebody stands")
struct StallingTests {
  private static let all = Bits<CPUID>(rawValue: 0b1111)
  private static let standing = Bits<CPUID>(rawValue: 0b0010)

  /// How many turns in a row went to others.
  private static func turns(_ random: inout Random) -> Int {
    var scheduler = Stalling()
    scheduler.begin(calls: [9, 9, 9, 9], standing: standing)
    for turn in 0..<1_000 where scheduler.choose(among: all, &random).0 == CPUID(1) { return turn }
    return 1_000
  }

  @Test("Others run whole calls for many turns, and at some turn it goes on")
  func stands() {
    var random = Random(seed: 1)
    let turns = (0..<400).map { _ in Self.turns(&random) }
    let mean = turns.reduce(0, +) / turns.count
    #expect((16...23).contains(mean), "16 until it may go on, and 3 until it is chosen: \(mean)")
    #expect(turns.allSatisfy { $0 < 1_000 })
    #expect(Set(turns).count > 30)
  }

  /// Chooses until a CPU is to run a part of a call; who, and how many steps.
  private static func part(
    _ scheduler: inout Stalling, _ random: inout Random
  ) -> (cpu: CPUID, steps: Int)? {
    for _ in 0..<100 {
      let (cpu, pace) = scheduler.choose(among: all, &random)
      if pace != Pace(.max) { return (cpu, pace.budget) }
      scheduler.note(executed: 20)
    }
    return nil
  }

  @Test("Who was preempted stands, and is whom others should meet; who was not does not")
  func enters() throws {
    var random = Random(seed: 3)
    var scheduler = Stalling()
    for _ in 0..<100 {
      let part = try #require(Self.part(&scheduler, &random))
      scheduler.note(executed: part.steps - 1)
      #expect(scheduler.standing == nil, "its call ended before")
    }
    var others = 0
    for _ in 0..<100 {
      scheduler.begin(calls: [9, 9, 9, 9], standing: Bits())
      let part = try #require(Self.part(&scheduler, &random))
      scheduler.note(executed: part.steps)
      #expect(scheduler.standing == part.cpu)
      if scheduler.choose(among: Self.all, &random).0 != part.cpu { others += 1 }
    }
    #expect(others > 90, "it goes on at once in one of 16 times, and is chosen then in one of 4")
  }

  @Test("Where nobody else can run it does, and where nobody stands all take turns")
  func alone() {
    var random = Random(seed: 2)
    var scheduler = Stalling()
    scheduler.begin(calls: [9, 9, 9, 9], standing: Self.standing)
    let (cpu, pace) = scheduler.choose(among: Self.standing, &random)
    #expect(cpu == CPUID(1) && pace == Pace(.max))
    scheduler.begin(calls: [9, 9, 9, 9], standing: Bits())
    let chosen = (0..<100).map { _ in scheduler.choose(among: Self.all, &random).0.position }
    #expect(Set(chosen) == [0, 1, 2, 3])
  }
}
