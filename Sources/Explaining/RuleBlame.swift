// SPDX-License-Identifier: MIT

package import PageLifecycle
import Programs

/// Rules whose repair ends the violation in the same program.
package struct RuleBlame: Sendable {
  /// One rule, or two together.
  package let rules: [Rule]
  /// The identity names them: no smaller or earlier set does as much.
  package let isCause: Bool
  /// What the repaired program still shows, without causes; empty where it is clean.
  package let remaining: [String]
  /// What is known of them in the program's era.
  package let known: [String]
  /// The variant that has them repaired.
  package let variant: String
  /// The violation is gone, and what is left does not stop the run before it.
  let isRepair: Bool

  /// The cause first, then every other single rule whose repair ends the violation too.
  static func all(of identity: Identity, in program: Program) -> [RuleBlame] {
    var cause: [Rule] = []
    if case .rules(let rules) = identity.cause { cause = rules }
    let obeyed = program.variant.rules.obeyed
    let others = Rule.allCases.filter { !obeyed.contains($0) && cause != [$0] }
    return (cause.isEmpty ? [] : [RuleBlame(cause, isCause: true, identity, program)])
      + others.map { RuleBlame([$0], isCause: false, identity, program) }.filter(\.isRepair)
  }

  private init(_ rules: [Rule], isCause: Bool, _ identity: Identity, _ program: Program) {
    (self.rules, self.isCause) = (rules, isCause)
    var repaired = program
    repaired.variant = program.variant.obeying(RuleSet(rules))
    variant = repaired.variant.name
    let verdict = Execution.run(repaired).verdict
    remaining = verdict.signatures
    let before = Execution.run(program).verdict.signatures
    let isStoppedAnew =
      verdict.isStopped && !(verdict.all.last.map { before.contains($0.signature) } ?? true)
    isRepair = !isStoppedAnew && !BugTest(identity: identity).has(verdict)
    let base = program.variant.base
    known = base.knownBugs.filter { rules.contains($0.rule) }.map(\.source)
  }
}

/// What the same calls in the same order do under another protocol.
package struct ProtocolOutcome: Sendable {
  /// What came of it.
  package enum Result: Equatable, Sendable {
    /// Signatures, without causes, in the order found.
    case violated([String])
    case clean
    /// The protocol has no such program, and why.
    case notExpressible(String)

    /// The result in words.
    package var text: String {
      switch self {
      case .violated(let signatures): "violates " + signatures.joined(separator: "; ")
      case .clean: "clean"
      case .notExpressible(let reason): "not expressible: \(reason)"
      }
    }
  }

  package let name: String
  /// As the era shipped it, or as it was posted.
  package let shipped: Result
  /// With its known bugs repaired.
  package let repaired: Result

  /// A program under every protocol but its own.
  static func all(of program: Program) -> [ProtocolOutcome] {
    Protocol.all.filter { $0 != program.variant.base }.map { base in
      ProtocolOutcome(
        name: base.name, shipped: result(of: program, Variant(base)),
        repaired: result(of: program, Variant(base, isRepaired: true)))
    }
  }

  private static func result(of program: Program, _ variant: Variant) -> Result {
    let moved = Program(variant, boot: program.boot, instructions: program.instructions)
    do throws(ProgramError) {
      _ = try ProgramParser.parse(ProgramPrinter.text(of: moved))
    } catch {
      return .notExpressible(error.message)
    }
    let verdict = Execution.run(moved).verdict
    return verdict.count == 0 ? .clean : .violated(verdict.signatures)
  }
}

extension Violation {
  /// Invariant, memory and blame in the words of `expect`.
  var signature: String {
    "\(Pattern(invariant, type: type == .invalid ? nil : type, blame: blame))"
  }
}

extension Verdict {
  /// The signatures of the violations kept, in order.
  var signatures: [String] { all.map(\.signature) }
}
