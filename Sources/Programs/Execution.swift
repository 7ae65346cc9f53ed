// SPDX-License-Identifier: MIT

package import PageLifecycle

/// One atomic step that was executed.
package struct ExecutedStep: Sendable {
  /// Counted from 1, staged end included; ``Violation/stepNumber`` counts the same.
  package var number: Int
  package var cpu: CPUID
  package var name: StepName
  /// The call it belongs to.
  package var call: Call
  /// The index of the line that executed it; nil in the staged end.
  package var line: Int?
  package var stage: Run.Stage
  /// It only registered the CPU as waiting.
  package var isBlocked: Bool
  /// What the call returned, if this step ended it.
  package var result: Outcome?
}

/// A statement of a program that does not hold.
package struct Failure: Equatable, Sendable {
  /// The index of the line in ``Program/lines``.
  package var line: Int
  /// The line's number in the text.
  package var textLine: Int
  /// The line as it is printed, without its comment.
  package var text: String
  package var expected: String
  package var found: String

  /// The failure as a diff.
  package var diff: [String] {
    ["line \(textLine): \(text)", "  - \(expected)", "  + \(found)"]
  }
}

/// What a run of a program showed.
package struct Report: Sendable {
  package var program: Program
  package var verdict: Verdict
  /// Atomic steps of the lines, and of the staged end.
  package var steps: Int
  package var endSteps: Int
  /// Statements that do not hold, in the order of lines.
  package var failures: [Failure]
  /// What went otherwise than a line asks, without being wrong.
  package var notes: [String]
  /// What the call of each line returned; nil for lines without call, and for calls that never
  /// returned.
  package var results: [Outcome?]
  /// The state hashes after every step, combined in order; zero unless asked for.
  package var hash: UInt64
  /// Where the run ended.
  package var machine: Machine

  /// Whether every statement holds and the expectation is met.
  package func isAsExpected() -> Bool { failures.isEmpty && expectationDifference() == nil }

  /// What was expected and what was found instead; nil when the expectation is met.
  package func expectationDifference() -> (expected: String, found: String)? {
    switch program.expectation {
    case .unstated: return nil
    case .none:
      guard verdict.count > 0 else { return nil }
      return ("none", identities().map(\.description).joined(separator: "; "))
    case .violation(let pattern):
      let candidates = verdict.all.filter { pattern.mayMatch($0) }
      let isMet = candidates.contains { violation in
        pattern.cause == nil || pattern.matches(identity(of: violation, in: program))
      }
      guard !isMet else { return nil }
      let found = identities().map(\.description)
      return (pattern.description, found.isEmpty ? "none" : found.joined(separator: "; "))
    }
  }

  /// The identity of each violation kept, in the order they were found.
  package func identities() -> [Identity] {
    verdict.all.map { identity(of: $0, in: program) }
  }
}

/// Runs a program line by line, checks what it states, and then the staged end.
package struct Execution {
  /// Called after every atomic step with the machine before it and the run after it.
  package typealias Observer = (ExecutedStep, _ before: Machine, _ run: Run) -> Void

  private let program: Program
  private var run: Run
  private var failures: [Failure] = []
  private var notes: [String] = []
  private var hash: UInt64 = 0
  private let isHashing: Bool

  /// Runs a program to its end.
  ///
  /// Without observer and hash the lines are executed whole, which is the fast path.
  package static func run(
    _ program: Program, hashing: Bool = false, observer: Observer? = nil
  ) -> Report {
    var execution = Execution(program, hashing)
    execution.runLines(observer)
    execution.run.beginEnd()
    execution.advance(line: nil, observer)
    return execution.report()
  }

  /// Combines the hash of one more state into a running hash.
  package static func combine(_ hash: UInt64, _ stateHash: UInt64) -> UInt64 {
    hash &* 0x9E37_79B9_7F4A_7C15 ^ stateHash
  }

  private init(_ program: Program, _ isHashing: Bool) {
    self.program = program
    self.isHashing = isHashing
    run = Run(program.machine(), calls: program.lines.count)
  }

  private mutating func runLines(_ observer: Observer?) {
    for (index, line) in program.lines.enumerated() {
      if run.machine.verdict.isStopped {
        guard line.statement != .remark else { continue }
        return note(index, "not reached: a violation stopped the run")
      }
      switch line.statement {
      case .instruction(let instruction, _):
        let wasActive = run.machine.cpus[instruction.cpu].isActive
        run.start(instruction, tag: index)
        advance(line: index, observer)
        noteStop(of: instruction, index, wasActive)
      case .assertion(let assertion):
        if let (expected, found) = assertion.difference(in: run.machine) {
          fail(index, expected, found)
        }
      case .remark: break
      }
    }
  }

  private mutating func advance(line: Int?, _ observer: Observer?) {
    guard isHashing || observer != nil else {
      while run.advance() {}
      return
    }
    var isOver = false
    while !isOver {
      let count = run.steps + run.endSteps
      let before = run.machine
      isOver = !run.advance()
      guard run.steps + run.endSteps > count else { continue }
      if isHashing { hash = Self.combine(hash, run.machine.stateHash) }
      observer?(executedStep(count + 1, line, before), before, run)
    }
  }

  private func executedStep(_ number: Int, _ line: Int?, _ before: Machine) -> ExecutedStep {
    let cpu = run.machine.current
    let (old, new) = (before.cpus[cpu], run.machine.cpus[cpu])
    let isBlocked =
      new.wait.kind != .none && new.depth == old.depth && new.frame.procedure == old.frame.procedure
      && new.frame.step == old.frame.step
    return ExecutedStep(
      number: number, cpu: cpu, name: StepName(old.frame.procedure, old.frame.step),
      call: old.call, line: line, stage: run.stage, isBlocked: isBlocked,
      result: new.isActive ? nil : new.value)
  }

  // MARK: Statements

  private mutating func note(_ index: Int, _ text: String) {
    notes.append("line \(program.textLine(of: index)): \(text)")
  }

  private mutating func fail(_ index: Int, _ expected: String, _ found: String) {
    var line = program.lines[index]
    line.comment = nil
    failures.append(
      Failure(
        line: index, textLine: program.textLine(of: index), text: ProgramPrinter.text(of: line),
        expected: expected, found: found))
  }

  private mutating func noteStop(
    of instruction: Instruction, _ index: Int, _ wasActive: Bool
  ) {
    guard !run.machine.verdict.isStopped else { return }
    let state = run.machine.cpus[instruction.cpu]
    if instruction.call == nil && !wasActive { return note(index, "nothing to resume") }
    if instruction.call != nil && wasActive {
      if instruction.until != nil { note(index, "queued: 'until' has no effect") }
      return
    }
    guard let until = instruction.until else { return }
    let name = StepName(until.procedure, until.step)
    if run.missedStop {
      note(index, "not preempted: \(name) was not reached")
    } else if state.isActive, !run.machine.isRunnable(instruction.cpu),
      state.frame.procedure != until.procedure || state.frame.step != until.step
    {
      note(index, "not preempted: blocked in \(StepName(state.frame.procedure, state.frame.step))")
    }
  }

  private mutating func report() -> Report {
    let results = run.results.map { $0 == Run.unfinished ? nil : Outcome(rawValue: $0) }
    for (index, line) in program.lines.enumerated() {
      guard case .instruction(let instruction, let stated?) = line.statement,
        instruction.call != nil, results[index] != stated
      else { continue }
      guard let found = results[index] else {
        // A call that the violation stopped, or never started, has not returned anything else.
        if !run.machine.verdict.isStopped { fail(index, "= \(stated)", "never returned") }
        continue
      }
      fail(index, "= \(stated)", "= \(found)")
    }
    failures.sort { $0.line < $1.line }
    return Report(
      program: program, verdict: run.machine.verdict, steps: run.steps, endSteps: run.endSteps,
      failures: failures, notes: notes, results: results, hash: hash, machine: run.machine)
  }
}
