// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Something two protocols do differently, in the fewest calls.
package struct Difference: Sendable {
  /// In what they differ.
  package enum Kind: String, CaseIterable, Sendable {
    /// What a call returns.
    case result
    /// Whether a call sleeps.
    case blocking
    /// How a call changes counts and mappings of pages.
    case counts
    /// Which invariants break.
    case verdict
  }
  package var kind: Kind
  /// The call that shows it.
  package var operation: Procedure
  /// What each of the two does.
  package var first: String
  package var second: String
  package var instructions: [Instruction]
}

/// Runs the same calls under two protocols, fewest first, and keeps the first program of each kind
/// of difference and operation.
package struct DifferenceSearch: Sendable {
  private let variants: (Variant, Variant)
  private let boot: Boot
  private let alphabet: Alphabet
  private let bounds: Explorer.Bounds
  private var visited: Set<[UInt64]> = []
  private var known: Set<String> = []
  private var found: [Difference] = []
  /// Programs executed under both.
  package private(set) var programs = 0
  /// Every program within the bounds was tried.
  package private(set) var isComplete = true

  /// A search within bounds; calls run whole, or until they sleep.
  package init(
    _ first: Variant, _ second: Variant, _ boot: Boot, _ alphabet: Alphabet,
    within bounds: Explorer.Bounds
  ) {
    (variants, self.boot) = ((first, second), boot)
    (self.alphabet, self.bounds) = (alphabet, bounds)
  }

  /// All differences, those of fewest calls first.
  package mutating func search(while mayGoOn: (Int) -> Bool = { _ in true }) -> [Difference] {
    var frontier: [[Instruction]] = [[]]
    for _ in 0..<bounds.calls {
      var next: [[Instruction]] = []
      for path in frontier {
        guard mayGoOn(programs), visited.count < bounds.states else {
          isComplete = false
          return found
        }
        let (first, second) = runs(of: path)
        guard let cpu = idleCPU(first, second) else { continue }
        for call in calls(first, second) {
          let instruction = Instruction(cpu, call)
          if compare(path, instruction, first, second) { next.append(path + [instruction]) }
        }
      }
      frontier = next
    }
    return found
  }

  private func runs(of path: [Instruction]) -> (Run, Run) {
    var first = Run(Machine(variants.0.rules, boot))
    var second = Run(Machine(variants.1.rules, boot))
    for instruction in path {
      first.execute(instruction, tag: -1)
      second.execute(instruction, tag: -1)
    }
    return (first, second)
  }

  private func idleCPU(_ first: Run, _ second: Run) -> CPUID? {
    (0..<bounds.cpus).map { CPUID($0) }.first {
      !first.machine.cpus[$0].isActive && !second.machine.cpus[$0].isActive
    }
  }

  private func calls(_ first: Run, _ second: Run) -> [Call] {
    let calls = alphabet.calls(in: first.machine)
    let all = calls + alphabet.calls(in: second.machine).filter { !calls.contains($0) }
    let domains = variants.0.base.design.domains
    let others = variants.1.base.design.domains
    return all.filter { $0.operation.isEnabled(in: domains) && $0.operation.isEnabled(in: others) }
  }

  /// Runs one call more; true where it leads to a state worth going on from.
  private mutating func compare(
    _ path: [Instruction], _ instruction: Instruction, _ first: Run, _ second: Run
  ) -> Bool {
    programs += 1
    let sides = [first, second].map { Side($0, instruction) }
    guard let call = instruction.call else { return false }
    for kind in Difference.Kind.allCases {
      let (one, other) = (sides[0].words(kind), sides[1].words(kind))
      guard one != other else { continue }
      let key = "\(kind) \(call.operation.name) \(kind == .counts ? "" : one + "/" + other)"
      if known.insert(key).inserted {
        found.append(
          Difference(
            kind: kind, operation: call.operation, first: one, second: other,
            instructions: path + [instruction]))
      }
    }
    guard !sides.contains(where: \.isStopped) else { return false }
    return visited.insert(sides.map(\.hash)).inserted
  }
}

/// What one call did under one protocol.
private struct Side {
  let isStopped: Bool
  let hash: UInt64
  private let result: String
  private let sleeps: String
  private let counts: String
  private let verdict: String

  init(_ before: Run, _ instruction: Instruction) {
    var run = before
    run.execute(instruction, tag: -1)
    let task = run.machine.cpus[instruction.cpu]
    isStopped = run.machine.verdict.isStopped
    hash = run.machine.stateHash
    result = task.isActive ? "" : "returns \(task.value)"
    // What a violation stopped does not sleep.
    sleeps =
      task.isActive && !isStopped ? "sleeps in \(task.frame.procedure.name)" : "does not sleep"
    counts = Self.changes(before.machine, run.machine)
    run.finish()
    let broken = Set(run.machine.verdict.all.map(\.invariant)).sorted { $0.rawValue < $1.rawValue }
    verdict = broken.isEmpty ? "clean" : "breaks \(broken.map(\.name).joined(separator: ", "))"
  }

  func words(_ kind: Difference.Kind) -> String {
    switch kind {
    case .result: result
    case .blocking: sleeps
    case .counts: counts
    case .verdict: verdict
    }
  }

  /// By how much each page's words changed.
  private static func changes(_ before: Machine, _ after: Machine) -> String {
    let pages = (0..<Limits.pages).map { PFN($0) }.compactMap { pfn -> String? in
      let (old, new) = (before.pages[pfn], after.pages[pfn])
      let references = new.refcount - old.refcount
      let mappings = new.mapcount - old.mapcount
      var words: [String] = []
      if references != 0 { words.append("ref \(references > 0 ? "+" : "")\(references)") }
      if mappings != 0 { words.append("map \(mappings > 0 ? "+" : "")\(mappings)") }
      if old.mapping != new.mapping { words.append("mapping \(new.mapping.name)") }
      return words.isEmpty ? nil : "p\(pfn.rawValue) \(words.joined(separator: " "))"
    }
    return pages.isEmpty ? "changes no page" : pages.joined(separator: ", ")
  }
}
