// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Chooses which CPU executes next, and for how many steps.
package protocol Scheduler: Sendable {
  /// The CPU to run, among those that could, and the steps it gets before the next choice.
  mutating func choose(among cpus: Bits<CPUID>, _ random: inout Random) -> (CPUID, Int)
}

/// Calls run whole, one after the other: bugs that need no preemption.
package struct Sequential: Scheduler {
  package init() {}
  package mutating func choose(
    among cpus: Bits<CPUID>, _ random: inout Random
  ) -> (CPUID, Int) {
    (cpus.member(random.below(cpus.count)), Int.max)
  }
}

/// Switches to a random CPU after a random burst of steps.
package struct RandomWalk: Scheduler {
  /// The mean burst: short ones split lock sections, long ones keep calls whole.
  var burst: Int
  package init(burst: Int) { self.burst = burst }
  package mutating func choose(
    among cpus: Bits<CPUID>, _ random: inout Random
  ) -> (CPUID, Int) {
    (cpus.member(random.below(cpus.count)), 1 + random.below(2 * burst))
  }
}

/// Probabilistic concurrency testing: the CPU of highest priority runs, and at `depth - 1`
/// random steps the running one becomes the lowest (Burckhardt et al., ASPLOS 2010).
package struct PCT: Scheduler {
  private var priorities: [Int]
  private var changes: [Int]
  private var steps = 0

  package init(depth: Int, length: Int, cpus: Int, _ random: inout Random) {
    var order = Array(0..<cpus)
    for position in order.indices.reversed() {
      order.swapAt(position, random.below(position + 1))
    }
    priorities = order.map { $0 + depth }
    changes = (0..<max(0, depth - 1)).map { _ in random.below(max(1, length)) }.sorted()
  }

  package mutating func choose(
    among cpus: Bits<CPUID>, _ random: inout Random
  ) -> (CPUID, Int) {
    var best = cpus.member(0)
    var rest = cpus
    while let cpu = rest.popFirst() {
      if priorities[cpu.position] > priorities[best.position] { best = cpu }
    }
    guard let change = changes.first else { return (best, Int.max) }
    let budget = max(1, change - steps)
    if change <= steps {
      changes.removeFirst()
      priorities[best.position] = changes.count
    }
    steps += budget
    return (best, budget)
  }
}

extension Bits {
  /// The n-th member.
  func member(_ position: Int) -> Index {
    var rest = self
    for _ in 0..<position { _ = rest.popFirst() }
    return rest.popFirst() ?? Index(0)
  }
}
