// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Why a program violates an invariant, for somebody who has not seen it before.
package struct Explanation: Sendable {
  /// One part, under a heading of its own.
  package struct Section: Equatable, Sendable {
    package var title: String
    package var lines: [String]
  }

  /// What is violated, why, who held what, and every step up to it.
  package let sections: [Section]

  /// Explains one violation of a program.
  package init(of violation: Violation, _ identity: Identity, in program: Program) {
    sections = [
      Section(title: "Violated", lines: Self.violated(violation)),
      Section(title: "Because", lines: Self.because(identity, program)),
      Section(title: "Who held what", lines: Self.ledger(violation, program)),
      Section(title: "Step by step", lines: Self.trace(violation, program)),
    ]
  }

  private static func violated(_ violation: Violation) -> [String] {
    let step = StepName(violation.procedure, violation.step)
    return [
      "\(TraceText.words(for: violation)).",
      "Source: \(violation.invariant.source)",
      "The step was \(step) on \(Spelling.cpuOrEnd(violation.cpu)).",
    ]
  }

  /// The rules to blame, each with what its repair does to the same program.
  private static func because(_ identity: Identity, _ program: Program) -> [String] {
    guard case .rules(let rules) = identity.cause else {
      return [
        "No repair of one rule or two makes it clean; the last steps that met are \(identity.cause)."
      ]
    }
    var lines = rules.map { rule in
      "\(program.variant.name) does not obey '\(rule.name)' (\(rule.info.bug)): "
        + "\(rule.info.meaning).  Source: \(rule.info.source)"
    }
    lines += program.variant.base.knownBugs.filter { rules.contains($0.rule) }.map {
      "Known of \(program.variant.base.name): \($0.source)."
    }
    var repaired = program
    repaired.variant = program.variant.obeying(RuleSet(rules))
    repaired.expectation = .unstated
    let found = Execution.run(repaired).identities().map(\.description)
    let outcome = found.isEmpty ? "clean" : "shows \(found.joined(separator: "; "))"
    lines.append("The same program under \(repaired.variant.name) is \(outcome).")
    return lines
  }

  /// Every reference of the pages in question, from birth to the violation.
  private static func ledger(_ violation: Violation, _ program: Program) -> [String] {
    let history = LedgerHistory(of: program)
    let pages: [PFN] =
      if case .page(let pfn) = violation.subject { [pfn] } else { history.pages }
    let last = violation.stepNumber
    return pages.flatMap { page in
      history.lines(for: page, upTo: last)
        + ["  then held by: \(history.holders(of: page, after: last))"]
    }
  }

  /// The trace, up to the violation.
  private static func trace(_ violation: Violation, _ program: Program) -> [String] {
    let lines = TraceText.lines(of: program)
    let place = lines.firstIndex { $0.hasPrefix("violated \(TraceText.words(for: violation))") }
    return Array(lines.prefix(place.map { $0 + 1 } ?? lines.count))
  }
}
