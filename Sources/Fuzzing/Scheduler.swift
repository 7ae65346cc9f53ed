// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Chooses which CPU executes next, and for how many steps.
package protocol Scheduler: Sendable {
  /// The CPU to run, among those that could, and how far before the next choice.
  mutating func choose(among cpus: Bits<CPUID>, _ random: inout Random) -> (CPUID, Pace)
  /// Says how many of those steps the CPU executed before it slept or its call ended.
  mutating func note(executed steps: Int)
  /// Who stands in a call that others should meet; nil where that is nobody.
  var standing: CPUID? { get }
  /// Says how many calls each CPU is going to make, and which ones stand in one already.
  mutating func begin(calls: [Int], standing: Bits<CPUID>)
}

extension Scheduler {
  /// Most schedulers need not know.
  package mutating func note(executed steps: Int) {}
  package mutating func begin(calls: [Int], standing: Bits<CPUID>) {}
  package var standing: CPUID? { nil }
}

/// Calls run whole, one after the other: bugs that need no preemption.
package struct Sequential: Scheduler {
  /// ThreadSanitizer takes values without size for one variable that threads share.
  private let pace = Pace(.max)
  package init() {}
  package mutating func choose(
    among cpus: Bits<CPUID>, _ random: inout Random
  ) -> (CPUID, Pace) {
    (cpus.member(random.below(cpus.count)), pace)
  }
}

/// Calls run whole, one after the other, but for one CPU at a time, which is preempted in a call
/// and stands there for a while: what whole calls of others may do in a window.
package struct Stalling: Scheduler {
  private var sequential = Sequential()
  private var stalled = Bits<CPUID>()
  /// Who was told to run that far and no further.
  private var entering: (cpu: CPUID, steps: Int)?
  package init() {}
  package mutating func begin(calls: [Int], standing: Bits<CPUID>) { stalled = standing }
  package var standing: CPUID? { stalled.isEmpty ? nil : stalled.member(0) }

  package mutating func choose(
    among cpus: Bits<CPUID>, _ random: inout Random
  ) -> (CPUID, Pace) {
    guard stalled.isEmpty else {
      let others = Bits<CPUID>(rawValue: cpus.rawValue & ~stalled.rawValue)
      let goesOn = others.isEmpty || random.oneIn(SearchLimits.stallingTurns)
      if goesOn { stalled = Bits() }
      return sequential.choose(among: goesOn ? cpus : others, &random)
    }
    guard cpus.count > 1, random.oneIn(SearchLimits.turnsPerStall) else {
      return sequential.choose(among: cpus, &random)
    }
    let cpu = cpus.member(random.below(cpus.count))
    let steps = 1 + random.below(SearchLimits.stallingSteps)
    entering = (cpu, steps)
    return (cpu, Pace(steps))
  }

  package mutating func note(executed steps: Int) {
    guard let (cpu, limit) = entering else { return }
    entering = nil
    if steps == limit { stalled = Bits(rawValue: 1 << UInt64(cpu.rawValue)) }
  }
}

/// Switches to a random CPU after a random burst of steps.
package struct RandomWalk: Scheduler {
  /// The mean burst: short ones split lock sections, long ones keep calls whole.
  var burst: Int
  /// What a step costs that others may see; more than 1 preempts after those.
  var sharedCost: Int
  package init(burst: Int, sharedCost: Int = 1) {
    (self.burst, self.sharedCost) = (burst, sharedCost)
  }
  package mutating func choose(
    among cpus: Bits<CPUID>, _ random: inout Random
  ) -> (CPUID, Pace) {
    (
      cpus.member(random.below(cpus.count)),
      Pace(1 + random.below(2 * burst), sharedCost: sharedCost)
    )
  }
}

/// Probabilistic concurrency testing: the CPU of highest priority runs, and at `depth - 1`
/// random steps the running one becomes the lowest (Burckhardt et al., ASPLOS 2010).
package struct PCT: Scheduler {
  /// A step of the program, and the priority of the CPU that runs there from then on.
  struct Change: Equatable, Sendable {
    var step: Int
    var priority: Int
  }
  private(set) var priorities: [Int]
  private(set) var changes: [Change]
  private var steps = 0
  private var running = CPUID(0)

  package init(depth: Int, length: Int, cpus: Int, _ random: inout Random) {
    var order = Array(0..<cpus)
    for position in order.indices.reversed() {
      order.swapAt(position, random.below(position + 1))
    }
    priorities = order.map { $0 + depth }
    // The i-th change drawn leaves priority i behind, wherever in the program it falls.
    changes = (0..<max(0, depth - 1))
      .map { Change(step: 1 + random.below(max(1, length)), priority: $0) }
      .sorted { ($0.step, $0.priority) < ($1.step, $1.priority) }
  }

  package mutating func choose(
    among cpus: Bits<CPUID>, _ random: inout Random
  ) -> (CPUID, Pace) {
    while let change = changes.first, change.step <= steps {
      priorities[running.position] = change.priority
      changes.removeFirst()
    }
    running = cpus.member(0)
    var rest = cpus.rawValue
    while rest != 0 {
      let position = rest.trailingZeroBitCount
      if priorities[position] > priorities[running.position] { running = CPUID(position) }
      rest &= rest &- 1
    }
    return (running, Pace(changes.first.map { $0.step - steps } ?? .max))
  }

  package mutating func note(executed steps: Int) { self.steps += steps }

  /// Of how many runs of a program with so many steps and CPUs at least one shows a bug that so many
  /// ordering constraints make certain, in the mean (Theorem 9 of the paper).
  package static func runs(depth: Int, steps: Int, cpus: Int) -> Int {
    (1..<max(1, depth)).reduce(max(1, cpus)) { bound, _ in bound * max(1, steps) }
  }
}

/// The uniform random walk: each step goes to a CPU with the probability of its share of the steps
/// that are left, so that every interleaving is about as likely as any other (Zhao et al.,
/// "Selectively Uniform Concurrency Testing", ASPLOS 2025).
///
/// How many steps are left is estimated: a call has as many as calls have in the mean.
package struct UniformWalk: Scheduler {
  private let stepsPerCall: Int
  private(set) var left: [Int] = []
  private var running = 0

  package init(stepsPerCall: Int) { self.stepsPerCall = stepsPerCall }

  package mutating func begin(calls: [Int], standing: Bits<CPUID>) {
    left = calls.map { $0 * stepsPerCall }
  }

  package mutating func choose(
    among cpus: Bits<CPUID>, _ random: inout Random
  ) -> (CPUID, Pace) {
    var rest = cpus.rawValue
    var total = 0
    while rest != 0 {
      total += max(1, left[rest.trailingZeroBitCount])
      rest &= rest &- 1
    }
    var pick = random.below(total)
    rest = cpus.rawValue
    while rest != 0 {
      running = rest.trailingZeroBitCount
      pick -= max(1, left[running])
      if pick < 0 { return (CPUID(rawValue: UInt8(running)), Pace(1)) }
      rest &= rest &- 1
    }
    preconditionFailure("the shares are less than their total")
  }

  package mutating func note(executed steps: Int) { left[running] -= steps }
}

extension Bits<CPUID> {
  /// The n-th member.
  func member(_ position: Int) -> CPUID {
    var rest = rawValue
    for _ in 0..<position { rest &= rest &- 1 }
    return CPUID(rawValue: UInt8(truncatingIfNeeded: rest.trailingZeroBitCount))
  }
}
