// SPDX-License-Identifier: MIT

import PageLifecycle
package import Programs

/// The statement that no program of fewer calls breaks an invariant, within bounds that it names.
///
/// Every call and every interleaving is tried, as ``Explorer`` does: complete, or no proof.
package struct ShortestProof: Sendable {
  private let program: Program
  private let invariant: Invariant
  private let bounds: Explorer.Bounds
  private let boot: Boot

  /// A proof for a program that shows an identity: of its protocol, with one call less, on as many
  /// CPUs or two, and with as many files and pages as it names.
  package init(of program: Program, showing identity: Identity, states: Int) {
    self.program = program
    invariant = identity.invariant
    var bounds = Explorer.Bounds()
    bounds.calls = max(0, program.callCount - 1)
    bounds.cpus = max(2, Set(program.instructions.map(\.cpu)).count)
    bounds.states = states
    self.bounds = bounds
    let calls = program.instructions.compactMap(\.call)
    let pages = 1 + (calls.flatMap(\.pageOperands).map(\.position).max() ?? 0)
    var boot = program.boot
    boot.files = min(boot.files, UInt8(1 + (calls.compactMap(\.fileOperand).max() ?? 0)))
    boot.filePages = min(boot.filePages, UInt8(pages))
    boot.devicePages = min(boot.devicePages, UInt8(pages))
    self.boot = boot
  }

  /// What a search came to.
  package enum Outcome: Sendable {
    /// The statement, as one line that says its bounds.
    case proven(String)
    /// The invariant breaks in fewer calls, by this bug or another one.
    case shorter(Program)
    /// There are more states than the search may visit.
    case gaveUp(states: Int)
  }

  /// Searches to the end, or until `mayGoOn` says no.
  package func search(while mayGoOn: () -> Bool = { true }) -> Outcome {
    let alphabet = Alphabet(pages: Int(boot.filePages), files: Int(boot.files))
    let start = Machine(program.variant.rules, boot)
    var explorer = Explorer(from: start, within: bounds) { machine, _, _ in
      alphabet.calls(in: machine)
    }
    let outcome = explorer.search { found in mayGoOn() && !found.violated.contains(invariant) }
    if let witness = outcome.witnesses.first(where: { $0.violation.invariant == invariant }) {
      var shorter = Program(program.variant, boot: boot, instructions: witness.instructions)
      shorter.expectation = .violation(Pattern(identity(of: witness.violation, in: shorter)))
      return .shorter(shorter)
    }
    guard outcome.isComplete else { return .gaveUp(states: outcome.states) }
    return .proven(
      "\(Self.title) no program of at most \(bounds.calls) calls breaks \(invariant.name) within "
        + "these bounds: \(program.variant.name), cpus=\(bounds.cpus) files=\(boot.files) "
        + "filePages=\(boot.filePages) devicePages=\(boot.devicePages) devices=\(boot.devices) "
        + "tableEntries=\(boot.tableEntries); \(outcome.states) states.")
  }

  private static let title = "Shortest:"

  /// The statement that stands in the comments of a program, and the number of its line, from 1.
  package static func written(in program: Program) -> (textLine: Int, text: String)? {
    let comments = program.introduction.map { $0 ?? "" }
    guard let line = comments.firstIndex(where: { $0.hasPrefix(title) }) else { return nil }
    return (line + 2, comments[line])
  }
}

extension Call {
  /// The number of the file it names.
  fileprivate var fileOperand: Int? {
    for parameter in Vocabulary.signature(operation)?.parameters ?? [] {
      switch parameter {
      case .file, .filePage: return file.position
      case .address where address.isFilePage: return address.file.position
      default: continue
      }
    }
    return nil
  }
}
