// SPDX-License-Identifier: MIT

import PageLifecycle
package import Programs

/// The statement that no program of fewer calls breaks an invariant, within bounds that it names.
///
/// Every call and every interleaving is tried, as ``Explorer`` does: complete, or no proof.
package struct ShortestProof: Sendable {
  private let program: Program
  private let identity: Identity
  private let isOfSignature: Bool
  private let bounds: Explorer.Bounds
  private let boot: Boot

  /// A proof for a program that shows an identity: of its protocol, with one call less, on as many
  /// CPUs or two, and with as many files and pages as it names.
  ///
  /// With `isOfSignature` what breaks the invariant with another memory or holder is no shorter
  /// program, and the statement says nothing of it.
  package init(
    of program: Program, showing identity: Identity, isOfSignature: Bool = false, states: Int
  ) {
    self.program = program
    self.identity = identity
    self.isOfSignature = isOfSignature
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
    explorer.isWanted = { [identity, isOfSignature] violation in
      isOfSignature
        ? identity.hasSignature(of: violation) : violation.invariant == identity.invariant
    }
    let outcome = explorer.search { found in mayGoOn() && found.witnesses.isEmpty }
    if let witness = outcome.witnesses.first {
      var shorter = Program(program.variant, boot: boot, instructions: witness.instructions)
      let shown = Programs.identity(of: witness.violation, in: shorter)
      shorter.expectation = .violation(Pattern(shown))
      return .shorter(shorter)
    }
    guard outcome.isComplete else { return .gaveUp(states: outcome.states) }
    return .proven(
      "\(Self.title) no program of at most \(bounds.calls) calls breaks "
        + "\(identity.invariant.name) within "
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
