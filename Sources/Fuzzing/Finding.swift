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
  /// Nothing can be left out of the program.
  package var isMinimized = false
  /// Its place in ``Campaign/sightings``.
  package var sighting = 0
  /// The campaign's seed, and the execution that found it, counted from 1.
  package var seed: UInt64 = 0
  package var execution = 0
  /// Calls and preemptions of the program as found.
  package let callsBefore: Int
  package let preemptionsBefore: Int

  init(_ violation: Violation, _ identity: Identity, _ program: Program) {
    (self.violation, self.identity, self.program) = (violation, identity, program)
    (callsBefore, preemptionsBefore) = (program.callCount, program.preemptionCount)
  }

  /// What a file of it is named after: one bug of one protocol has one name.
  package var key: String { "\(program.variant.base.name) \(identity)" }

  /// The known bugs of its era that cause it.
  package var knownBugs: [Protocol.KnownBug] {
    guard case .rules(let rules) = identity.cause else { return [] }
    return program.variant.base.knownBugs.filter { rules.contains($0.rule) }
  }

  /// The steps of its program and of the staged end.
  package var stepCounts: (lines: Int, end: Int) {
    let report = Execution.run(program)
    return (report.steps, report.endSteps)
  }

  /// The whole file: the program, what it violates, and where it comes from.
  package func text(file name: String) -> String {
    var program = program
    program.introduction = introduction(file: name).map { $0 }
    program.expectation = .violation(Pattern(identity))
    return ProgramPrinter.text(of: program)
  }

  private func introduction(file name: String) -> [String] {
    let (steps, endSteps) = stepCounts
    var lines = ["\(identity.invariant.name): \(identity.invariant.statement)", place]
    if case .rules(let rules) = identity.cause {
      lines += rules.map { "Broken: \($0.info.meaning) (\($0.info.bug))." }
    } else {
      lines.append("No repair of a rule makes it clean.")
    }
    lines += knownBugs.map { "Known: \($0.source)." }
    if !program.variant.repaired.members.isEmpty {
      lines.append("It shows only with the repairs that the protocol below names.")
    }
    lines.append(
      "\(program.callCount) calls, \(program.preemptionCount) preemptions, \(steps) steps and "
        + "\(endSteps) of the staged end.")
    let origin = "Found with seed \(seed) in execution \(execution)"
    lines.append(
      isMinimized
        ? "\(origin), in \(callsBefore) calls and \(preemptionsBefore) preemptions."
        : "\(origin); not minimized.")
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
      + ", \(violation.subject.words)\(blame ?? "")."
  }
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
