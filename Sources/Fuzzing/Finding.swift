// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// A program that violates an invariant, and where the campaign met it.
package struct Finding: Sendable {
  /// The violation that is meant; the program may show others.
  package var violation: Violation
  /// Signature and cause.
  package var identity: Identity
  /// As found, or minimized.
  package var program: Program
  /// Different programs tried to minimize it, and those of them for the first pass over the calls;
  /// and how often the engine executed one of them, causes included.
  package private(set) var reductionRuns = (all: 0, calls: 0, executions: 0)
  /// Nothing can be left out of the program.
  package var isMinimized = false
  /// Somebody has tried; where something can still be left out, the limit of programs was met.
  private var isReduced = false
  /// Its place in ``Campaign/sightings``.
  package var sighting = 0
  /// The campaign's seed, and the execution that found it, counted from 1; 0 for a program that
  /// somebody had.
  package var seed: UInt64 = 0
  package var execution = 0
  /// Calls and preemptions of the program as found.
  package let callsBefore: Int
  package let preemptionsBefore: Int

  /// A violation that a program shows.
  package init(_ violation: Violation, _ identity: Identity, _ program: Program) {
    (self.violation, self.identity, self.program) = (violation, identity, program)
    (callsBefore, preemptionsBefore) = (program.callCount, program.preemptionCount)
  }

  /// What a program is that was saved as it was found, and whose reduction was never finished; nil
  /// for any other program.
  package init?(unfinished program: Program) {
    let origin = program.introduction.compactMap { $0 }.first { $0.hasSuffix(Self.unfinishedMark) }
    let numbers = (origin ?? "").split { !$0.isNumber }.compactMap { UInt64($0) }
    guard numbers.count == 2, program.expectation != .none else { return nil }
    self.init(meantBy: program)
    (seed, execution) = (numbers[0], Int(clamping: numbers[1]))
  }

  /// The violation a program expects, or the first one where it states nothing of them; nil where
  /// it does not show that.
  package init?(meantBy program: Program) {
    for violation in program.violations {
      if case .violation(let pattern) = program.expectation, !pattern.mayMatch(violation) {
        continue
      }
      let identity = Programs.identity(of: violation, in: program)
      if case .violation(let pattern) = program.expectation, !pattern.matches(identity) {
        continue
      }
      self.init(violation, identity, program)
      return
    }
    return nil
  }

  private static let unfinishedMark = "; not minimized."

  /// What a file of it is named after: one bug of one protocol has one name.
  package var key: String { "\(program.variant.base.name) \(identity)" }

  /// The same bug in the smallest program found.
  package func minimized() -> Finding {
    var reducer = Reducer(program, showing: identity)
    var copy = self
    copy.program = reducer.reduce()
    (copy.isReduced, copy.isMinimized) = (true, reducer.isConverged)
    copy.reductionRuns = (reducer.runs, reducer.callRuns, reducer.executions)
    guard let witness = Reducer.witness(of: identity, in: copy.program) else {
      preconditionFailure("the reducer lost what it was asked to keep")
    }
    (copy.violation, copy.identity) = witness
    return copy
  }

  /// The same bug in what somebody else has reduced it to; nil where that does not show it.
  package func reduced(to statement: Program, isMinimized: Bool) -> Finding? {
    guard let smaller = Finding(stating: statement) else { return nil }
    var copy = self
    (copy.program, copy.isReduced, copy.isMinimized) = (smaller.program, true, isMinimized)
    (copy.violation, copy.identity) = (smaller.violation, smaller.identity)
    return copy
  }

  /// The rules that are broken: those of the cause, or all that it takes where those are more.
  private var brokenRules: [Rule] {
    guard case .rules(let rules) = identity.cause else { return program.rulesToRepair }
    return rules
  }

  /// The known bugs of its era that cause it.
  package var knownBugs: [Protocol.KnownBug] {
    knownBugs(breaking: brokenRules)
  }

  private func knownBugs(breaking rules: [Rule]) -> [Protocol.KnownBug] {
    program.variant.base.knownBugs.filter { rules.contains($0.rule) }
  }

  /// The steps of its program and of the staged end.
  package var stepCounts: (lines: Int, end: Int) {
    let report = Execution.run(program)
    return (report.steps, report.endSteps)
  }

  /// The whole file: the program, what it violates, where it comes from, and the comments that say
  /// why it is so small.
  package func text(file name: String, certificate: [String] = []) -> String {
    var program = program
    program.introduction = introduction(file: name).map { $0 }
    program.introduction += certificate.map { $0 }
    program.expectation = .violation(Pattern(identity))
    return ProgramPrinter.text(of: program)
  }

  private func introduction(file name: String) -> [String] {
    let (steps, endSteps) = stepCounts
    var lines = ["\(identity.invariant.name): \(identity.invariant.statement)", place]
    let rules = brokenRules
    lines += rules.map { "Broken: \($0.info.meaning) (\($0.info.bug))." }
    if rules.isEmpty {
      lines.append("No repair of rules makes it clean.")
    } else if rules.count > ProgramLimits.causeRules {
      lines.append("Only all \(rules.count) repairs together make it clean.")
    }
    lines += knownBugs(breaking: rules).map { "Known: \($0.source)." }
    if !program.variant.repaired.members.isEmpty {
      lines.append("It shows only with the repairs that the protocol below names.")
    }
    lines.append(
      "\(program.size), \(steps) steps and "
        + "\(endSteps) of the staged end.")
    let origin =
      execution > 0 ? "Found with seed \(seed) in execution \(execution)" : "Shown before"
    let before = "\(callsBefore.of("call")) and \(preemptionsBefore.of("preemption"))"
    let limit = isMinimized ? "" : "; the limit of programs was met"
    lines.append(isReduced ? "\(origin), in \(before)\(limit)." : origin + Self.unfinishedMark)
    lines.append("Replay: pagefuzz replay --trace \(name)")
    return lines
  }

  /// The step that violates it, and the object.
  private var place: String {
    let name = StepName(violation.procedure, violation.step)
    let cpu = violation.cpu == Run.janitor ? "the staged end" : "cpu\(violation.cpu.rawValue)"
    let blame = identity.blame.map { blame in
      blame.kind == .foreign ? ", held by \(blame.holder.name)" : ", \(blame.name)"
    }
    return "Violated in step \(violation.stepNumber) by \(cpu), \(name)"
      + ", \(violation.subject.words)\(blame ?? "")"
      + (violation.race.map { "; \($0.words)" } ?? "") + "."
  }
}

extension Program {
  /// `3 calls, 1 preemption`.
  package var size: String {
    "\(callCount.of("call")), \(preemptionCount.of("preemption"))"
  }
}

extension Int {
  /// `1 call`, `2 calls`.
  fileprivate func of(_ noun: String) -> String { "\(self) \(noun)\(self == 1 ? "" : "s")" }
}

extension Subject {
  /// The object in words.
  fileprivate var words: String {
    switch self {
    case .page(let pfn): "page p\(pfn.rawValue)"
    case .file(let file): "file\(file.rawValue)"
    case .task(let cpu):
      cpu == Run.janitor ? "the task of the staged end" : "the task of cpu\(cpu.rawValue)"
    case .pagemap: "the pgmap"
    }
  }
}
