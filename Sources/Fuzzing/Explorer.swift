// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Visits every state that interleaved calls can reach, breadth first, fewest calls first.
///
/// States are equal when their 64-bit hashes are; the first path to a state is kept, so a
/// witness has the fewest calls, and among those the fewest steps.
package struct Explorer: Sendable {
  package struct Bounds: Sendable {
    package var cpus = 2
    package var calls = 3
    /// States after which the search gives up and says it is incomplete.
    package var states = 400_000
    package init() {}
  }

  /// What a search found.
  package struct Outcome: Sendable {
    package var states = 0
    package var transitions = 0
    /// The most steps any state is away from the start.
    package var diameter = 0
    package var isComplete = true
    /// One shortest program an invariant, in the order found.
    package var witnesses: [Witness] = []
  }

  package struct Witness: Sendable {
    package var violation: Violation
    package var instructions: [Instruction]
  }

  /// What an idle CPU may start next.
  package typealias Choices = @Sendable (Machine, CPUID, _ started: [UInt8]) -> [Call]

  private struct Node {
    var machine: Machine
    var index: Int
    var depth: Int
    /// Calls each CPU has started.
    var started: [UInt8]
  }
  private struct Step {
    var parent: Int
    var cpu: CPUID
    var call: Call?
  }

  private let start: Machine
  private let bounds: Bounds
  private let choices: Choices
  private let countsPositions: Bool
  private var visited: Set<UInt64> = []
  private var path: [Step] = []
  private var outcome = Outcome()

  /// With `countsPositions` two states differ when their CPUs have started different numbers
  /// of calls; needed where the choices depend on that.
  package init(
    from start: Machine, within bounds: Bounds, countsPositions: Bool, choices: @escaping Choices
  ) {
    self.start = start
    self.bounds = bounds
    self.countsPositions = countsPositions
    self.choices = choices
  }

  /// Every interleaving of fixed calls, one list a CPU, up to equality of states.
  package static func race(_ calls: [[Call]], from start: Machine) -> Explorer {
    var bounds = Bounds()
    bounds.cpus = calls.count
    bounds.calls = calls.reduce(0) { $0 + $1.count }
    return Explorer(from: start, within: bounds, countsPositions: true) { _, cpu, started in
      let next = Int(started[cpu.position])
      return next < calls[cpu.position].count ? [calls[cpu.position][next]] : []
    }
  }

  /// Searches to the end or to the bounds.
  package mutating func search() -> Outcome {
    var levels: [[Node]] = Array(repeating: [], count: bounds.calls + 1)
    levels[0].append(
      Node(machine: start, index: -1, depth: 0, started: Array(repeating: 0, count: bounds.cpus)))
    _ = isNew(start, levels[0][0].started)
    for level in levels.indices {
      var next = 0
      while next < levels[level].count {
        let node = levels[level][next]
        next += 1
        if next % 4096 == 0 {
          levels[level].removeFirst(next)
          next = 0
        }
        expand(node, level, &levels)
        guard visited.count <= bounds.states else {
          outcome.isComplete = false
          return outcome
        }
      }
      levels[level] = []
    }
    return outcome
  }

  private mutating func expand(_ node: Node, _ level: Int, _ levels: inout [[Node]]) {
    var isQuiescent = true
    for position in 0..<bounds.cpus {
      let cpu = CPUID(position)
      if node.machine.cpus[cpu].isActive {
        guard node.machine.isRunnable(cpu) else { continue }
        isQuiescent = false
        take(nil, on: cpu, from: node, into: &levels[level])
      } else if level < bounds.calls {
        for call in choices(node.machine, cpu, node.started) {
          take(call, on: cpu, from: node, into: &levels[level + 1])
        }
      }
    }
    if isQuiescent { judgeEnd(of: node) }
  }

  private mutating func take(
    _ call: Call?, on cpu: CPUID, from node: Node, into level: inout [Node]
  ) {
    var next = node
    if let call {
      next.machine.begin(call, on: cpu)
      next.started[cpu.position] += 1
    }
    _ = next.machine.step(cpu)
    outcome.transitions += 1
    next.depth += 1
    outcome.diameter = max(outcome.diameter, next.depth)
    if next.machine.verdict.count > node.machine.verdict.count {
      keepWitness(next.machine, Step(parent: node.index, cpu: cpu, call: call))
    }
    guard !next.machine.verdict.isStopped, isNew(next.machine, next.started) else { return }
    path.append(Step(parent: node.index, cpu: cpu, call: call))
    next.index = path.count - 1
    level.append(next)
  }

  private mutating func isNew(_ machine: Machine, _ started: [UInt8]) -> Bool {
    var hash = machine.stateHash
    if countsPositions {
      for (position, count) in started.enumerated() {
        hash ^= (UInt64(count) &+ 1) &* (0x9E37_79B9_7F4A_7C15 &+ UInt64(position) << 7)
      }
    }
    guard visited.insert(hash).inserted else { return false }
    outcome.states += 1
    return true
  }

  private mutating func judgeEnd(of node: Node) {
    var run = Run(node.machine)
    run.finish()
    guard run.machine.verdict.count > node.machine.verdict.count else { return }
    keepWitness(run.machine, nil, at: node.index)
  }

  private mutating func keepWitness(_ machine: Machine, _ last: Step?, at index: Int = -1) {
    for violation in machine.verdict.all
    where !outcome.witnesses.contains(where: { $0.violation.invariant == violation.invariant }) {
      var steps: [Step] = last.map { [$0] } ?? []
      var position = last?.parent ?? index
      while position >= 0 {
        steps.append(path[position])
        position = path[position].parent
      }
      outcome.witnesses.append(
        Witness(violation: violation, instructions: instructions(of: steps.reversed())))
    }
  }

  /// Joins single steps into lines.
  private func instructions(of steps: [Step]) -> [Instruction] {
    var recorder = Recorder(on: start)
    var position = 0
    while position < steps.count {
      let first = steps[position]
      var end = position + 1
      while end < steps.count, steps[end].cpu == first.cpu, steps[end].call == nil { end += 1 }
      recorder.burst(Instruction(first.cpu, first.call), steps: end - position)
      position = end
    }
    return recorder.instructions
  }
}
