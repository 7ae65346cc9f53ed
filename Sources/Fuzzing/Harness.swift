// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// One program at a time for a fuzzing engine of somebody else's: what its bytes mean, what it
/// reaches, and whether it shows what is looked for.
package struct Harness: Sendable {
  /// What is looked for, and where.
  package struct Options: Sendable {
    /// The protocol every program runs under; nil leaves each the one it names.
    package var variant: Variant?
    /// What counts as found; where there is none, every violation does.
    package var wanted: [Quarry] = []
    /// What does not count, even so.
    package var ignored: [Quarry] = []
    /// Only what the program shows as it is counts, and not what it would show with other bugs
    /// repaired.
    package var isExact = false
    /// The protocol of ``variant`` or else v6.1: what programs made from nothing are about.
    package var main: Variant { variant ?? Variant(.v6_1) }

    /// Every violation, of whatever protocol a program names.
    package init() {}
  }

  /// What some violations have in common.
  package enum Quarry: Equatable, Sendable {
    /// An invariant, or an identity, as `expect` states it.
    case pattern(Pattern)
    /// One rule alone is to blame, and the invariant is one that its specimens break.
    case rule(Rule)
    /// Known bugs of the protocol's era are to blame.
    case known
  }

  private let options: Options
  private var footprint = Footprint()
  private var run: Run
  /// The last machine booted: most programs boot alike.
  private var booted: (variant: Variant, boot: Boot, machine: Machine)

  /// A harness that has executed nothing yet.
  package init(_ options: Options) {
    self.options = options
    let main = options.main
    booted = (main, Boot(), Machine(main.rules))
    run = Run(booted.machine)
  }

  /// The program of some bytes under the protocol it is to run under.
  ///
  /// Of that protocol a program may repair further known bugs: deeper ones hide behind them.
  package func program(of bytes: [UInt8]) throws(ProgramError) -> Program {
    var program = try ProgramBytes.decode(bytes)
    guard let variant = options.variant else { return program }
    if !program.variant.repairs(variant) { program.variant = variant }
    let domains = variant.base.design.domains
    program.lines.removeAll { line in
      !(line.instruction?.call?.operation.isEnabled(in: domains) ?? true)
    }
    return program.repairingHandles()
  }

  /// Executes a program with its staged end; the verdict says whether anything was violated.
  ///
  /// `note` is called with each feature the lines reach, once.
  package mutating func execute(_ program: Program, note: (Int) -> Void) -> Verdict {
    if program.variant != booted.variant || program.boot != booted.boot {
      booted = (program.variant, program.boot, program.machine())
    }
    run.reset(to: booted.machine, calls: 0)
    footprint.begin()
    for line in program.lines {
      guard let instruction = line.instruction else { continue }
      guard !run.machine.verdict.isStopped else { break }
      run.execute(instruction, noting: &footprint)
    }
    if !run.machine.verdict.isStopped { run.finish() }
    let reached = footprint.news
    for feature in reached { note(Int(feature)) }
    footprint.forget(reached)
    return run.machine.verdict
  }

  /// Atomic steps of the last program's lines, and of its staged end.
  package var steps: (lines: Int, end: Int) { (run.steps, run.endSteps) }

  /// What is looked for among the violations of a program; nil where none is it.
  package func finding(_ verdict: Verdict, in program: Program) -> Finding? {
    for violation in verdict.all {
      let isHopeless = !options.wanted.isEmpty && !options.wanted.contains { $0.mayBe(violation) }
      guard !isHopeless else { continue }
      let found = Finding(violation, identity(of: violation, in: program), program)
      if case .violation(let pattern) = program.expectation, !pattern.matches(found.identity) {
        continue
      }
      if isWanted(found) { return found }
      guard !options.wanted.isEmpty || !options.ignored.isEmpty, !options.isExact else { continue }
      // Several bugs at once have no single cause; each alone may be what is looked for.
      if let part = Campaign.bugs(behind: violation, in: program).first(where: isWanted) {
        return part
      }
    }
    return nil
  }

  /// Whether a bug is what is looked for.
  package func isWanted(_ finding: Finding) -> Bool {
    let isWanted = options.wanted.isEmpty || options.wanted.contains { $0.matches(finding) }
    return isWanted && !options.ignored.contains { $0.matches(finding) }
  }
}

extension Harness.Quarry {
  /// Reads the name of a bug or of its rule, `known`, or what may follow `expect`.
  package init?(parsing text: String) {
    if text == "known" {
      self = .known
      return
    }
    let name = text.prefix { $0 != "@" }
    if let rule = Rule.allCases.first(where: { $0.name == name || $0.info.bug == name }) {
      self = .rule(rule)
      return
    }
    let program = "# pagefuzz program 1\nprotocol v6.1\nexpect \(text)\n"
    guard case .violation(let pattern) = (try? ProgramParser.parse(program))?.expectation else {
      return nil
    }
    self = .pattern(pattern)
  }

  fileprivate func matches(_ finding: Finding) -> Bool {
    switch self {
    case .pattern(let pattern): return pattern.matches(finding.identity)
    case .known: return !finding.knownBugs.isEmpty
    case .rule(let rule):
      let isAlone = finding.identity.cause == .rules([rule])
      return isAlone && rule.info.breaks.contains(finding.violation.invariant)
    }
  }

  fileprivate func mayBe(_ violation: Violation) -> Bool {
    switch self {
    case .pattern(let pattern): pattern.mayMatch(violation)
    case .known: true
    case .rule(let rule): rule.info.breaks.contains(violation.invariant)
    }
  }
}

extension Variant {
  /// The same protocol, with all that another repairs, and of its other known bugs some.
  fileprivate func repairs(_ other: Variant) -> Bool {
    guard base == other.base, isRepaired == other.isRepaired, withdrawn == other.withdrawn,
      broken == other.broken, repaired.union(other.repaired) == repaired
    else { return false }
    return repaired.subtracting(other.repaired.union(base.knownBugSet)) == RuleSet()
  }
}

extension Finding {
  /// What a target says before it aborts: in words that ClusterFuzz and libFuzzer tell bugs apart
  /// by, and the program as text.
  package var alarm: String {
    let name = "\(program.variant.base.name) \(identity)"
    let token = name.map { $0 == " " ? "-" : String($0) }.joined()
    let file = "crash.prog"
    return """

      ASSERTION FAILED: \(name)
      DEDUP_TOKEN: \(token)
      \(text(file: file))
      The lines above are a program; in a file, 'pagefuzz minimize \(file)' makes it small, and
      'pagefuzz explain \(file)' says what happened.

      """
  }
}
