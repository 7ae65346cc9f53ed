// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Finds why a program violates what it does: signature and cause.
///
/// The cause is the smallest set of rules, at most two, among those the program's variant
/// breaks, whose repair
///
/// 1. makes the same program clean, or else
/// 2. makes this signature disappear without a new violation stopping the run before its line is
///    over: other bugs the program shows, or would have shown later, keep their own causes; or
/// 3. makes it appear in a later line only, again without such a stop: there it has another cause;
///    or
/// 4. hides it behind a new violation, which one more repair undoes as in 1 or 2, and that repair
///    alone leaves this signature where it is.
///
/// A smaller set goes before a larger one.  But repairing a rule changes what a CPU does in a line,
/// and may hide what has nothing to do with it: a race, or all that its CPU would have done after a
/// call that now sleeps.  So of sets of one size those go first whose repair has no call sleep but
/// the violating one, other than slept before; then the number above decides, then the order of
/// ``Rule``.  Single rules go first that are known to break this invariant (``RuleInfo/breaks``), and
/// 3 is asked of no others.  Any other single rule goes behind a pair of such rules, unless the
/// program shows the signature with that rule broken alone.  Where no set does, the cause is the
/// last pair of conflicting steps.
package func identity(of violation: Violation, in program: Program) -> Identity {
  var executions = 0
  return identity(of: violation, in: program, counting: &executions)
}

/// The same, and how often that executed the program, under whatever rules.
package func identity(
  of violation: Violation, in program: Program, counting executions: inout Int
) -> Identity {
  var search = CauseSearch(violation, program)
  let cause = search.cause()
  executions += search.executions
  return Identity(of: violation, cause: cause)
}

extension Program {
  /// The rules that have to be obeyed together for the program to be clean: without any one of them
  /// it is not.  None where not even all of them do.
  ///
  /// It says of how many bugs a violation takes that no cause can name, for that has two rules at
  /// most.
  package var rulesToRepair: [Rule] {
    let obeyed = variant.rules.obeyed
    var rules = Rule.allCases.filter { !obeyed.contains($0) }
    func isClean(_ rules: [Rule]) -> Bool {
      var repaired = self
      repaired.variant = variant.obeying(RuleSet(rules))
      return CauseSearch.trial(of: repaired).lines.isEmpty
    }
    guard isClean(rules) else { return [] }
    for rule in rules {
      let others = rules.filter { $0 != rule }
      if isClean(others) { rules = others }
    }
    return rules
  }
}

private struct CauseSearch {
  /// What a run showed: signatures, as identities without cause, and the line of each.
  struct Trial {
    var lines: [Identity: Int] = [:]
    /// The violation that stopped the run.
    var stop: Identity?
    /// Calls that waited when a line of theirs was over, each by the line that began it.
    var waits: [(call: Int, line: Int)] = []
    /// The call under way on each CPU, by the line that began it.
    private(set) var calls = PerCPU<Int>(repeating: -1)
    /// Violations until now.
    private var violations = 0

    /// A line is over.  A run is passed in place, for it is large.
    mutating func note(_ run: inout Run, after line: Int, _ instruction: Instruction) {
      let cpu = instruction.cpu
      if instruction.call != nil, !run.didQueue { calls[cpu] = line }
      if run.machine.cpus[cpu].wait.kind != .none { waits.append((calls[cpu], line)) }
      add(run.machine.verdict, line)
    }

    mutating func add(_ verdict: Verdict, _ line: Int) {
      guard verdict.count > violations else { return }
      violations = verdict.count
      for violation in verdict.all {
        let signature = Identity(of: violation, cause: .unknown)
        if lines[signature] == nil { lines[signature] = line }
        if violation.invariant.stops { stop = signature }
      }
    }
  }

  let violation: Violation
  let program: Program
  let own: Identity
  /// What the program shows as it is: asked only where a repair does not make it clean.
  private lazy var original = trial(program)
  /// Programs executed.
  private(set) var executions = 0

  init(_ violation: Violation, _ program: Program) {
    self.violation = violation
    self.program = program
    own = Identity(of: violation, cause: .unknown)
  }

  mutating func cause() -> Cause {
    let obeyed = program.variant.rules.obeyed
    let rules = Rule.allCases.filter { !obeyed.contains($0) }
    let suspects = rules.filter { $0.info.breaks.contains(violation.invariant) }
    let others = rules.filter { !$0.info.breaks.contains(violation.invariant) }
    if let rule = single(of: suspects, among: rules, orLater: true) { return .rules([rule]) }
    let other = single(of: others, among: rules, orLater: false)
    if let other, isEnough(other) { return .rules([other]) }
    if let pair = best(of: pairs(of: suspects)) { return .rules(pair) }
    if let other { return .rules([other]) }
    if let pair = best(of: pairs(of: rules)) { return .rules(pair) }
    executions += 1
    return lastSteps()
  }

  /// The rule that is to blame alone.
  private mutating func single(
    of candidates: [Rule], among rules: [Rule], orLater: Bool
  ) -> Rule? {
    var found: [(effect: Effect, rule: Rule)] = []
    var hiding: [Rule] = []
    for rule in candidates {
      switch effect(ofRepairing: [rule]) {
      case .clean: return rule
      case .hidden: hiding.append(rule)
      case .none: continue
      case let effect: if !effect.isLater || orLater { found.append((effect, rule)) }
      }
    }
    if let best = found.min(by: { $0.effect < $1.effect }) { return best.rule }
    return hiding.first { rule in
      rules.contains { other in
        guard other != rule, effect(ofRepairing: [rule, other]).isGone else { return false }
        return effect(ofRepairing: [other]) == .none
      }
    }
  }

  private func pairs(of rules: [Rule]) -> [[Rule]] {
    rules.indices.flatMap { first in rules[(first + 1)...].map { [rules[first], $0] } }
  }

  /// Whether a rule that is broken alone shows the signature.
  private mutating func isEnough(_ rule: Rule) -> Bool {
    var broken = program
    broken.variant = Variant(program.variant.base, broken: RuleSet([rule]), isRepaired: true)
    return trial(broken).lines[own] != nil
  }

  private mutating func best(of sets: [[Rule]]) -> [Rule]? {
    var found: [(effect: Effect, rules: [Rule])] = []
    for set in sets {
      let effect = effect(ofRepairing: set)
      if effect == .clean { return set }
      if effect.isGone { found.append((effect, set)) }
    }
    return found.min { $0.effect < $1.effect }?.rules
  }

  /// What repairing some rules does to the violation, the best first.
  private enum Effect: Int, Comparable {
    case clean, gone, later
    /// The same, but a call before the violating one waits that did not.
    case cleanWaiting, goneWaiting, laterWaiting
    case hidden, none

    var isGone: Bool { [.clean, .gone, .cleanWaiting, .goneWaiting].contains(self) }
    var isLater: Bool { self == .later || self == .laterWaiting }

    static func < (left: Effect, right: Effect) -> Bool { left.rawValue < right.rawValue }
  }

  private mutating func effect(ofRepairing rules: [Rule]) -> Effect {
    var repaired = program
    repaired.variant = program.variant.obeying(RuleSet(rules))
    let trial = trial(repaired)
    guard !trial.lines.isEmpty else { return waits(trial) ? .cleanWaiting : .clean }
    let line = trial.lines[own]
    if let line, line <= shown { return .none }
    if stopsTooEarly(trial) { return .hidden }
    if line == nil { return waits(trial) ? .goneWaiting : .gone }
    return waits(trial) ? .laterWaiting : .later
  }

  /// The first line that shows the violation.
  private var shown: Int { mutating get { original.lines[own] ?? 0 } }

  /// A call waits before the violating line that did not, and is not the violating one.
  private mutating func waits(_ trial: Trial) -> Bool {
    guard !trial.waits.isEmpty else { return false }
    let violating = violation.cpu == Run.janitor ? -1 : original.calls[violation.cpu]
    let (before, line) = (original.waits, shown)
    return trial.waits.contains { wait in
      wait.line < line && wait.call != violating && !before.contains { $0.call == wait.call }
    }
  }

  /// Another violation stops the run before it could show this one.
  private mutating func stopsTooEarly(_ trial: Trial) -> Bool {
    guard let stop = trial.stop, stop != own, original.lines[stop] == nil else { return false }
    return trial.lines[stop] ?? 0 <= shown
  }

  private mutating func trial(_ program: Program) -> Trial {
    executions += 1
    return Self.trial(of: program)
  }

  fileprivate static func trial(of program: Program) -> Trial {
    var run = Run(program.machine())
    var trial = Trial()
    let instructions = program.instructions
    for (line, instruction) in instructions.enumerated() where !run.machine.verdict.isStopped {
      run.execute(instruction, tag: -1)
      trial.note(&run, after: line, instruction)
    }
    run.finish()
    trial.add(run.machine.verdict, instructions.count)
    return trial
  }

  /// The last two steps on different CPUs that changed the object of the violation; where there
  /// are none, the last two on different CPUs, or the last two.
  private func lastSteps() -> Cause {
    var steps: [(step: ExecutedStep, isAboutSubject: Bool)] = []
    _ = Execution.run(program) { step, before, run in
      guard step.number <= violation.stepNumber, !step.isBlocked else { return }
      steps.append((step, violation.subject.changed(from: before, to: run.machine)))
    }
    guard let last = steps.last?.step else { return .unknown }
    let earlier = steps.dropLast()
    let other =
      earlier.last { $0.isAboutSubject && $0.step.cpu != last.cpu }
      ?? earlier.last { $0.step.cpu != last.cpu } ?? earlier.last
    guard let other else { return .unknown }
    return .steps(other.step.name, last.name)
  }
}

extension Subject {
  /// Whether a step changed the object's words or holders.
  func changed(from before: Machine, to after: Machine) -> Bool {
    switch self {
    case .page(let pfn): after.changedPage(pfn, since: before)
    case .file(let file):
      before.files[file].nrpages != after.files[file].nrpages
        || before.files[file].blocks.indices.contains {
          before.files[file].blocks[$0] != after.files[file].blocks[$0]
            || before.files[file].entries[$0] != after.files[file].entries[$0]
        }
    case .task(let cpu): before.cpus[cpu].wait != after.cpus[cpu].wait
    case .pagemap:
      before.pgmap.state != after.pgmap.state || before.pgmap.references != after.pgmap.references
    }
  }
}

extension Machine {
  /// Whether a page's words, contents or holders differ.
  package func changedPage(_ pfn: PFN, since before: Machine) -> Bool {
    let (old, new) = (before.pages[pfn], pages[pfn])
    return old.refcount != new.refcount || old.mapcount != new.mapcount
      || old.pincount != new.pincount || old.mapping != new.mapping || old.index != new.index
      || old.word1 != new.word1 || old.flags != new.flags || old.exists != new.exists
      || before.ledger[pfn] != ledger[pfn] || before.memory[pfn] != memory[pfn]
  }
}
