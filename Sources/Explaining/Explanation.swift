// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// Why a program violates an invariant, for somebody who has not seen it before.
///
/// Everything that is told of it is found here, once; a ``Renderer`` only prints.
package struct Explanation: Sendable {
  /// The program, and which violation of it is explained.
  package let program: Program
  package let violation: Violation
  package let identity: Identity
  /// Every step up to the violation.
  package let trace: TraceTable
  /// The books of the page in question, or else of every page somebody held.
  package let accounts: [PageAccount]
  package let dependencies: Dependencies
  /// One for each preemption.
  package let windows: [RaceWindow]
  package let depth: BugDepth
  package let rate: HitRate
  package let blames: [RuleBlame]
  package let protocols: [ProtocolOutcome]

  /// Explains one violation of a program.
  package init(of violation: Violation, _ identity: Identity, in program: Program) {
    (self.violation, self.identity, self.program) = (violation, identity, program)
    dependencies = Dependencies(of: violation, in: program)
    var trace = TraceTable(of: program, upTo: violation.stepNumber)
    trace.mark(dependencies)
    trace.close(with: violation)
    self.trace = trace
    accounts = Self.accounts(of: violation, in: program)
    windows = RaceWindow.all(of: identity, in: program)
    let calls = CallsByCPU(of: program, identity)
    depth = BugDepth(of: calls)
    rate = HitRate(of: calls)
    blames = RuleBlame.all(of: identity, in: program)
    protocols = ProtocolOutcome.all(of: program)
  }

  private static func accounts(of violation: Violation, in program: Program) -> [PageAccount] {
    let boot = program.machine()
    var history = LedgerHistory()
    var end = boot
    _ = Execution.run(program) { step, before, run in
      guard step.number <= violation.stepNumber else { return }
      history.record(step, before, run.machine)
      end = run.machine
    }
    let pages: [PFN] =
      if case .page(let pfn) = violation.subject { [pfn] } else { history.pages }
    return pages.map { page in
      var account = PageAccount(
        of: page, history, upTo: violation.stepNumber, boot: boot, end: end)
      if let blame = violation.blame { account.apply(blame) }
      return account
    }
  }
}
