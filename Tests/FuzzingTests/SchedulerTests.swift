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
