// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs

/// The calls of a program without its schedule: each CPU makes its own in order.
struct CallsByCPU {
  var calls: [[Call]] = []
  let start: Machine
  let test: BugTest

  init(of program: Program, _ identity: Identity) {
    for instruction in program.instructions {
      guard let call = instruction.call else { continue }
      while calls.count <= instruction.cpu.position { calls.append([]) }
      calls[instruction.cpu.position].append(call)
    }
    start = program.machine()
    test = BugTest(identity: identity)
  }

  /// CPUs that have calls to make.
  var users: [CPUID] { calls.indices.filter { !calls[$0].isEmpty }.map { CPUID($0) } }
}

/// A point of some schedule of these calls.
struct ScheduledState {
  var machine: Machine
  /// Calls each CPU has begun.
  var begun: [Int]

  init(_ calls: CallsByCPU) {
    machine = calls.start
    begun = calls.calls.map { _ in 0 }
  }

  /// CPUs that could execute a step.
  mutating func candidates(_ calls: CallsByCPU) -> Bits<CPUID> {
    var candidates = Bits<CPUID>()
    for position in calls.calls.indices {
      let cpu = CPUID(position)
      let isActive = machine.cpus[cpu].isActive
      let canGo = isActive ? machine.canRun(cpu) : begun[position] < calls.calls[position].count
      if canGo { candidates.insert(cpu) }
    }
    return candidates
  }

  /// Executes one step of a CPU, the first of its next call if it has none.
  mutating func step(_ cpu: CPUID, _ calls: CallsByCPU) {
    if !machine.cpus[cpu].isActive {
      machine.begin(calls.calls[cpu.position][begun[cpu.position]], on: cpu)
      begun[cpu.position] += 1
    }
    _ = machine.step(cpu)
  }

  /// Whether the bug shows in what is left when no CPU can go on: the staged end.
  func showsAtEnd(_ calls: CallsByCPU) -> Bool {
    guard !machine.verdict.isStopped else { return calls.test.has(machine.verdict) }
    var run = Run(machine)
    run.finish()
    return calls.test.has(run.machine.verdict)
  }
}

/// How many ordering constraints between CPUs a schedule must obey to show the bug: the depth of
/// probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010).
package struct BugDepth: Sendable {
  /// 0 where every order of the CPUs shows it; nil where it is deeper than was tried.
  package private(set) var constraints: Int?
  /// CPUs with calls, and the steps of the first schedule.
  package private(set) var cpus = 0
  package private(set) var length = 0
  /// Schedules tried to find out.
  package private(set) var schedules = 0
  private var steps = 0
  private var isFound = false

  /// Looks for the fewest constraints: first an order of the CPUs, then change points.
  init(of calls: CallsByCPU) {
    cpus = calls.users.count
    let orders = Self.orders(of: calls.users)
    var showing = 0
    for order in orders {
      isFound = false
      attempt(order, 0, calls)
      if isFound { showing += 1 }
    }
    if showing == orders.count { constraints = 0 } else if showing > 0 { constraints = 1 }
    var changes = 1
    while constraints == nil, changes < ExplanationLimits.depth,
      steps < ExplanationLimits.depthSteps
    {
      isFound = false
      for order in orders where !isFound { attempt(order, changes, calls) }
      if isFound { constraints = changes + 1 }
      changes += 1
    }
  }

  /// The probability that one run of PCT with the right depth finds it, as `1 in this many`.
  package var guarantee: Int? {
    constraints.map { $0 == 0 ? 1 : PCT.runs(depth: $0, steps: length, cpus: cpus) }
  }

  private mutating func attempt(_ order: [CPUID], _ changes: Int, _ calls: CallsByCPU) {
    var state = ScheduledState(calls)
    let count = explore(&state, order, [], Array(1...max(1, changes)).suffix(changes), calls)
    if length == 0 { length = count }
  }

  /// Runs the highest CPU of an order, and at every step also the run in which it falls to the end.
  @discardableResult
  private mutating func explore(
    _ state: inout ScheduledState, _ order: [CPUID], _ fallen: [(cpu: CPUID, place: Int)],
    _ places: [Int], _ calls: CallsByCPU
  ) -> Int {
    var count = 0
    while !state.machine.verdict.isStopped, !isFound, steps < ExplanationLimits.depthSteps {
      let candidates = state.candidates(calls)
      guard let cpu = Self.highest(of: candidates, order, fallen) else { break }
      if count > 0 || !fallen.isEmpty {
        for (index, place) in places.enumerated() where candidates.count > 1 {
          var rest = places
          rest.remove(at: index)
          var branch = state
          let now = fallen.filter { $0.cpu != cpu } + [(cpu, place)]
          explore(&branch, order, now, rest, calls)
          if isFound { return count }
        }
      }
      state.step(cpu, calls)
      (count, steps) = (count + 1, steps + 1)
    }
    if !isFound {
      schedules += 1
      isFound = state.showsAtEnd(calls)
    }
    return count
  }

  /// Who has not fallen goes first, in order; of the fallen the one with the higher place.
  private static func highest(
    of candidates: Bits<CPUID>, _ order: [CPUID], _ fallen: [(cpu: CPUID, place: Int)]
  ) -> CPUID? {
    let standing = order.first { cpu in
      candidates.contains(cpu) && !fallen.contains { $0.cpu == cpu }
    }
    return standing
      ?? fallen.filter { candidates.contains($0.cpu) }.max { $0.place < $1.place }?.cpu
  }

  private static func orders(of cpus: [CPUID]) -> [[CPUID]] {
    guard let last = cpus.last else { return [[]] }
    return orders(of: cpus.dropLast()).flatMap { order in
      (0...order.count).map { place in
        var longer = order
        longer.insert(last, at: place)
        return longer
      }
    }
  }
}

/// How often a random schedule of the same calls shows the bug: each step goes to a CPU that
/// can run, all of them equally likely.
package struct HitRate: Sendable {
  /// Between 0 and 1.
  package private(set) var probability = 0.0
  /// The schedules drawn; nil where every interleaving was followed and the number is exact.
  package private(set) var sampled: Int?
  package private(set) var hits = 0
  /// Distinct states in which a choice was made.
  package private(set) var states = 0

  private struct Key: Hashable {
    var hash: UInt64
    var taints: UInt64
    var begun: [Int]
  }

  /// Follows every interleaving, merging equal states, or draws a sample where they are too many.
  init(of calls: CallsByCPU) {
    if !follow(calls) { sample(calls) }
  }

  private mutating func follow(_ calls: CallsByCPU) -> Bool {
    var level: [(state: ScheduledState, weight: Double)] = [(ScheduledState(calls), 1)]
    var steps = 0
    while !level.isEmpty {
      var next: [(state: ScheduledState, weight: Double)] = []
      var places: [Key: Int] = [:]
      for (state, weight) in level {
        var state = state
        var candidates = state.candidates(calls)
        guard !candidates.isEmpty, !state.machine.verdict.isStopped else {
          if state.showsAtEnd(calls) { probability += weight }
          continue
        }
        let share = weight / Double(candidates.count)
        if candidates.count > 1 { states += 1 }
        while let cpu = candidates.popFirst() {
          var successor = state
          successor.step(cpu, calls)
          steps += 1
          if calls.test.has(successor.machine.verdict) {
            probability += share
            continue
          }
          let key = Key(
            hash: successor.machine.hashState(), taints: successor.machine.verdict.taints,
            begun: successor.begun)
          if let place = places[key] {
            next[place].weight += share
          } else {
            places[key] = next.count
            next.append((successor, share))
          }
        }
      }
      guard steps < ExplanationLimits.rateSteps else {
        (probability, states) = (0, 0)
        return false
      }
      level = next
    }
    return true
  }

  private mutating func sample(_ calls: CallsByCPU) {
    var random = Random(seed: ExplanationLimits.sampleSeed)
    for _ in 0..<ExplanationLimits.sampledSchedules {
      var state = ScheduledState(calls)
      var steps = 0
      while !state.machine.verdict.isStopped, steps < Limits.steps {
        let candidates = state.candidates(calls)
        guard !candidates.isEmpty else { break }
        var rest = candidates
        for _ in 0..<random.below(candidates.count) { _ = rest.popFirst() }
        guard let cpu = rest.popFirst() else { break }
        state.step(cpu, calls)
        steps += 1
      }
      if state.showsAtEnd(calls) { hits += 1 }
    }
    sampled = ExplanationLimits.sampledSchedules
    probability = Double(hits) / Double(ExplanationLimits.sampledSchedules)
  }

  /// Hits in a million runs, rounded.
  package var perMillion: Int { Int((probability * 1_000_000).rounded()) }

  /// One run in so many, rounded, at most ``rarest``; nil where none does.
  package var oneIn: Int? {
    guard probability > 0 else { return nil }
    return Int(min(1 / probability, Double(Self.rarest)).rounded())
  }

  /// What is rarer than once in so many is not told apart.
  package static let rarest = 1_000_000_000_000_000

  /// The 95 % interval of a sample, in hits per million (Wilson); nil where it is exact.
  package var interval: ClosedRange<Int>? {
    guard let sampled else { return nil }
    let (count, z) = (Double(sampled), 1.96)
    let middle = probability + z * z / (2 * count)
    let spread =
      z
      * (probability * (1 - probability) / count + z * z / (4 * count * count))
      .squareRoot()
    let scale = 1_000_000 / (1 + z * z / count)
    let low = max(0, Int(((middle - spread) * scale).rounded()))
    return low...max(low, Int(((middle + spread) * scale).rounded()))
  }
}
