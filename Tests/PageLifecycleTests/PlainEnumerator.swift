// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle

/// Executes every interleaving of some calls from its beginning to its end, one by one.
///
/// It prunes nothing and shares no code with the explorer: what it finds is found because
/// somebody walked there.
struct PlainEnumerator {
  private(set) var interleavings = 0
  private(set) var violated: Set<Invariant> = []
  private(set) var finalStates: Set<UInt64> = []
  /// What the staged end of a final state shows; many interleavings end in one.
  private var ends: [UInt64: Set<Invariant>] = [:]

  mutating func enumerate(_ scene: Scene) {
    let successors = scene.successors()
    for next in successors {
      violated.formUnion(next.violated)
      if next.isStopped { interleavings += 1 } else { enumerate(next) }
    }
    if successors.isEmpty { end(scene) }
  }

  private mutating func end(_ scene: Scene) {
    interleavings += 1
    let key = scene.machine.stateHash
    finalStates.insert(key)
    if ends[key] == nil {
      var run = Run(scene.machine)
      run.finish()
      ends[key] = Set(run.machine.verdict.all.map(\.invariant))
    }
    violated.formUnion(ends[key] ?? [])
  }
}

/// A moment of a race: a machine, and the calls each CPU has still to start.
///
/// An object, so that a recursion as deep as a race is long needs little stack.
final class Scene {
  let machine: Machine
  let calls: [[Call]]
  let isStopped: Bool
  let violated: [Invariant]

  init(_ machine: Machine, _ calls: [[Call]]) {
    self.machine = machine
    self.calls = calls
    isStopped = machine.verdict.isStopped
    violated = machine.verdict.all.map(\.invariant)
  }

  /// Equal for scenes from which the same can happen.
  var key: UInt64 {
    calls.reduce(machine.stateHash) { $0 &* 0x9E37_79B9_7F4A_7C15 ^ UInt64($1.count) }
  }

  /// The scenes one atomic step away, one for each CPU that can take one.
  func successors() -> [Scene] {
    isStopped ? [] : calls.indices.compactMap(successor)
  }

  private func successor(_ position: Int) -> Scene? {
    let cpu = CPUID(position)
    var next = machine
    var remaining = calls
    if machine.cpus[cpu].isActive {
      guard machine.isRunnable(cpu) else { return nil }
    } else {
      guard let call = calls[position].first else { return nil }
      next.begin(call, on: cpu)
      remaining[position].removeFirst()
    }
    _ = next.step(cpu)
    return Scene(next, remaining)
  }
}

/// Counts interleavings without walking them, each scene once, and no further than a limit.
struct InterleavingCounter {
  let limit: Int
  private var known: [UInt64: Int] = [:]

  init(limit: Int) { self.limit = limit }

  mutating func count(_ scene: Scene) -> Int {
    if scene.isStopped { return 1 }
    let key = scene.key
    if let count = known[key] { return count }
    let successors = scene.successors()
    var total = successors.isEmpty ? 1 : 0
    for next in successors where total < limit { total += count(next) }
    known[key] = total
    return total
  }
}

extension Race {
  /// The race whole, where fewer than `wholeLimit` interleavings lead to its end; else the latter
  /// part of it: the earliest scene on one random way from which fewer than `limit` do.
  func closeUp(_ variant: Variant, wholeLimit: Int, limit: Int) throws -> (Scene, Int) {
    let whole = Scene(try machine(variant), try instructions.calls)
    var wholeCounter = InterleavingCounter(limit: wholeLimit)
    let count = wholeCounter.count(whole)
    if count < wholeLimit { return (whole, count) }
    var counter = InterleavingCounter(limit: limit)
    for seed: UInt64 in 1...16 {
      var way = whole.way(seed: seed)
      var chosen: (Scene, Int)?
      while let scene = way.popLast() {
        let count = counter.count(scene)
        guard count < limit else { break }
        chosen = (scene, count)
      }
      if let chosen { return chosen }
    }
    throw Unreachable()
  }

  /// Every way ends in a violation before few interleavings are left.
  struct Unreachable: Error {}
}

extension Scene {
  /// The scenes of one random way, the last one not stopped.
  fileprivate func way(seed: UInt64) -> [Scene] {
    var random = Random(seed: seed)
    var way = [self]
    while let last = way.last, !last.isStopped {
      let successors = last.successors()
      guard !successors.isEmpty else { break }
      way.append(successors[random.below(successors.count)])
    }
    if way.last?.isStopped == true { way.removeLast() }
    return way
  }
}
