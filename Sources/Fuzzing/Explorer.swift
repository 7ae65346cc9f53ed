// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Visits every state that interleaved calls can reach: fewest calls first, then fewest steps.
///
/// States are equal when their hashes are, taints of noted violations included.  A search is
/// *complete* when every state reachable within the bounds was visited, every step from each
/// was judged, and so was the staged end of each state in which nobody can run.  The bounds
/// include the alphabet: a complete search says nothing of calls its choices leave out.
///
/// What makes it small, and hides nothing: registers of idle CPUs and handles that hold nothing
/// are no part of a state; idle CPUs are interchangeable, so a call starts on the lowest of
/// them; a queued state is kept as its difference from the first.
package struct Explorer: Sendable {
  package struct Bounds: Sendable {
    package var cpus = 2
    /// Calls that may start, on all CPUs together.
    package var calls = 2
    /// States after which the search gives up and is incomplete.
    package var states = 4_000_000
    package init() {}
  }

  /// What a search found.
  package struct Outcome: Sendable {
    package var states = 0
    package var transitions = 0
    /// The most steps any state is away from the start, by the shortest of the ways with fewest
    /// calls.
    package var diameter = 0
    package var isComplete = true
    /// One shortest program an invariant, in the order found; of what is wanted.
    package var witnesses: [Witness] = []
    /// The hashes of the states in which nobody can run and nothing may start.
    package var finalStates: Set<UInt64> = []

    /// The invariants that were violated.
    package var violated: Set<Invariant> { Set(witnesses.map(\.violation.invariant)) }
  }

  package struct Witness: Sendable {
    package var violation: Violation
    package var instructions: [Instruction]
  }

  /// How many calls each CPU has started.
  package struct Started: Hashable, Sendable {
    fileprivate var rawValue: UInt64 = 0
    package subscript(cpu: CPUID) -> Int { Int(rawValue >> (8 * UInt64(cpu.rawValue)) & 255) }
    fileprivate mutating func count(_ cpu: CPUID) { rawValue += 1 << (8 * UInt64(cpu.rawValue)) }
  }

  /// What an idle CPU may start next.
  package typealias Choices = @Sendable (Machine, CPUID, Started) -> [Call]

  private struct Node {
    var machine: PackedMachine
    var index: Int
    var started: Started
  }
  /// The edge a state was first reached by.
  private struct Edge {
    var parent: Int
    var cpu: CPUID
    var call: Call?
  }
  /// Queued states by their distance in steps.
  private struct Queue {
    var levels: [[Node]] = []
    mutating func append(_ node: Node, at depth: Int) {
      while levels.count <= depth { levels.append([]) }
      levels[depth].append(node)
    }
  }

  /// What a witness is kept of.
  package var isWanted: @Sendable (Violation) -> Bool = { _ in true }

  private let start: Machine
  private let bounds: Bounds
  private let choices: Choices
  private let countsPositions: Bool
  private var visited: Set<UInt64> = []
  private var edges: [Edge] = []
  private var queue = Queue()
  /// States of this number of calls in which another may start.
  private var starters = Queue()
  private var isLastCall = false
  private var outcome = Outcome()

  /// With `countsPositions` the choices depend on how many calls each CPU has started, and so
  /// does the equality of states.  Without it idle CPUs are interchangeable: a call starts on
  /// the lowest.
  package init(
    from start: Machine, within bounds: Bounds, countsPositions: Bool = false,
    choices: @escaping Choices
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
      let next = started[cpu]
      return next < calls[cpu.position].count ? [calls[cpu.position][next]] : []
    }
  }

  /// Searches to the end, to the bounds, or until `mayGoOn` says no.
  package mutating func search(while mayGoOn: (Outcome) -> Bool = { _ in true }) -> Outcome {
    let root = Node(machine: PackedMachine(start, against: start), index: -1, started: Started())
    _ = isNew(start, root.started)
    queue.append(root, at: 0)
    for call in 0...bounds.calls {
      isLastCall = call == bounds.calls
      if call > 0 { startCalls() }
      var depth = 0
      while depth < queue.levels.count {
        let nodes = queue.levels[depth]
        queue.levels[depth] = []
        for (position, node) in nodes.enumerated() {
          expand(node, at: depth)
          let isInterrupted = position % 4096 == 0 && !mayGoOn(outcome)
          guard outcome.states <= bounds.states, !isInterrupted else {
            outcome.isComplete = false
            return outcome
          }
        }
        depth += 1
      }
      queue.levels = []
    }
    return outcome
  }

  private mutating func expand(_ node: Node, at depth: Int) {
    let machine = node.machine.unpacked(against: start)
    var isQuiescent = true
    for position in 0..<bounds.cpus {
      let cpu = CPUID(position)
      guard machine.isRunnable(cpu) else { continue }
      isQuiescent = false
      take(nil, on: cpu, from: machine, node, at: depth)
    }
    let starting = idleCPUs(of: machine, node.started)
    if !isLastCall && !starting.isEmpty { starters.append(node, at: depth) }
    if isQuiescent { judgeEnd(of: machine, node, isFinal: isLastCall || starting.isEmpty) }
  }

  /// The CPUs on which a call may start.
  private func idleCPUs(of machine: Machine, _ started: Started) -> [CPUID] {
    var idle: [CPUID] = []
    for position in 0..<bounds.cpus where !machine.cpus[CPUID(position)].isActive {
      let cpu = CPUID(position)
      if countsPositions && choices(machine, cpu, started).isEmpty { continue }
      idle.append(cpu)
      if !countsPositions { break }
    }
    return idle
  }

  /// Begins the next number of calls, from every state of the last one.
  private mutating func startCalls() {
    let levels = starters.levels
    starters.levels = []
    for (depth, nodes) in levels.enumerated() {
      for node in nodes where outcome.states <= bounds.states {
        let machine = node.machine.unpacked(against: start)
        for cpu in idleCPUs(of: machine, node.started) {
          for call in choices(machine, cpu, node.started) {
            take(call, on: cpu, from: machine, node, at: depth)
          }
        }
      }
    }
  }

  private mutating func take(
    _ call: Call?, on cpu: CPUID, from machine: Machine, _ node: Node, at depth: Int
  ) {
    var next = machine
    var started = node.started
    if let call {
      next.begin(call, on: cpu)
      started.count(cpu)
    }
    let progress = next.step(cpu)
    outcome.transitions += 1
    let edge = Edge(parent: node.index, cpu: cpu, call: call)
    if next.verdict.count > machine.verdict.count { keepWitness(next, edge) }
    guard !next.verdict.isStopped else {
      outcome.diameter = max(outcome.diameter, depth + 1)
      return
    }
    // A blocked step only enters a queue; when it already was in one, nothing has changed.
    if progress == .blocked && call == nil && machine.cpus[cpu].wait == next.cpus[cpu].wait
      && machine.cpus[cpu].isAsleep == next.cpus[cpu].isAsleep
    {
      return
    }
    guard isNew(next, started) else { return }
    outcome.diameter = max(outcome.diameter, depth + 1)
    edges.append(edge)
    let packed = PackedMachine(next, against: start)
    queue.append(
      Node(machine: packed, index: edges.count - 1, started: started), at: depth + 1)
  }

  private mutating func isNew(_ machine: Machine, _ started: Started) -> Bool {
    var key = machine.stateHash ^ machine.verdict.taints &* 0xC2B2_AE3D_27D4_EB4F
    if countsPositions { key ^= (started.rawValue &+ 1) &* 0x9E37_79B9_7F4A_7C15 }
    guard visited.insert(key).inserted else { return false }
    outcome.states += 1
    return true
  }

  private mutating func judgeEnd(of machine: Machine, _ node: Node, isFinal: Bool) {
    if isFinal { outcome.finalStates.insert(machine.stateHash) }
    var run = Run(machine)
    run.finish()
    guard run.machine.verdict.count > machine.verdict.count else { return }
    keepWitness(run.machine, nil, at: node.index)
  }

  private mutating func keepWitness(
    _ machine: Machine, _ last: Edge?, at index: Int = -1
  ) {
    for violation in machine.verdict.all
    where isWanted(violation)
      && !outcome.witnesses.contains(where: { $0.violation.invariant == violation.invariant })
    {
      var path: [Edge] = last.map { [$0] } ?? []
      var position = last?.parent ?? index
      while position >= 0 {
        path.append(edges[position])
        position = edges[position].parent
      }
      var lines = instructions(of: path.reversed())
      // Where the last step shows it, the line may as well run on.
      if last != nil, !lines.isEmpty { lines[lines.count - 1].until = nil }
      outcome.witnesses.append(Witness(violation: violation, instructions: lines))
    }
  }

  /// Joins single steps into lines.
  private func instructions(of path: [Edge]) -> [Instruction] {
    var run = Run(start)
    var lines: [Instruction] = []
    var ignored = Footprint()
    var position = 0
    while position < path.count {
      let first = path[position]
      var end = position + 1
      while end < path.count, path[end].cpu == first.cpu, path[end].call == nil { end += 1 }
      lines.append(
        run.burst(first.call, on: first.cpu, Pace(end - position), noting: &ignored))
      position = end
    }
    return lines
  }
}
