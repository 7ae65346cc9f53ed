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
/// A smaller set goes before a larger one, then the number above decides, then which repair lets
/// the program run as before for longer, in lines, then the order of ``Rule``.  But repairing a
/// rule changes what a CPU does in a line, and may hide what has nothing to do with it.  A call
/// that now waits would keep its CPU from all that follows: the same has to come of it when another
/// CPU does that instead.  A race may go away: single rules go first that are known to break this
/// invariant (``RuleInfo/breaks``), and 3 is asked of no others.  Any other single rule goes behind
/// a pair of such rules, unless the program shows the signature with that rule broken alone.  Where
/// no set does, the cause is the last pair of conflicting steps.
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
      return CauseSearch.trial(of: repaired.instructions, on: repaired.machine()).lines.isEmpty
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
    /// Lines whose call found its CPU waiting.
    var queued: Set<Int> = []
    /// Steps executed when each line was over.
    var steps: [Int] = []
    /// Violations until now.
    private var violations = 0

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
  private let instructions: [Instruction]
  let own: Identity
  /// What the program shows as it is: asked only where some repair matters.
  private lazy var original = trial()
  /// Of the last trial, what it executed until each line was over.
  private var steps: [Int] = []
  /// Programs executed.
  private(set) var executions = 0

  init(_ violation: Violation, _ program: Program) {
    self.violation = violation
    self.program = program
    instructions = program.instructions
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
    var clean: (rule: Rule, lines: Int)?
    var second: Rule?
    var third: Rule?
    var hiding: [Rule] = []
    for rule in candidates {
      switch effect(ofRepairing: [rule]) {
      case .clean:
        let lines = unchangedLines
        if lines >= shown { return rule }
        if lines > clean?.lines ?? -1 { clean = (rule, lines) }
      case .gone: second = second ?? rule
      case .later: third = third ?? rule
      case .hidden: hiding.append(rule)
      case .none: continue
      }
    }
    if let clean { return clean.rule }
    if let rule = second ?? (orLater ? third : nil) { return rule }
    return hiding.first { rule in
      rules.contains { other in
        guard other != rule, effect(ofRepairing: [rule, other]).isGone else { return false }
        return effect(ofRepairing: [other]) == .none
      }
    }
  }

  /// Lines until the last trial executed something else than the program as it is.
  private var unchangedLines: Int {
    mutating get { zip(steps, original.steps).prefix { $0 == $1 }.count }
  }

  private func pairs(of rules: [Rule]) -> [[Rule]] {
    rules.indices.flatMap { first in rules[(first + 1)...].map { [rules[first], $0] } }
  }

  /// Whether a rule that is broken alone shows the signature.
  private mutating func isEnough(_ rule: Rule) -> Bool {
    let broken = Variant(program.variant.base, broken: RuleSet([rule]), isRepaired: true)
    return trial(under: broken, moving: true).lines[own] != nil
  }

  private mutating func best(of sets: [[Rule]]) -> [Rule]? {
    var second: [Rule]?
    for set in sets {
      switch effect(ofRepairing: set) {
      case .clean: return set
      case .gone: second = second ?? set
      default: continue
      }
    }
    return second
  }

  /// What repairing some rules does to the violation.
  private enum Effect: Int {
    case clean, gone, later, hidden, none
    var isGone: Bool { self == .clean || self == .gone }
  }

  /// The effect on the program as it is written, and on what nobody waits behind: the lesser one.
  private mutating func effect(ofRepairing rules: [Rule]) -> Effect {
    let variant = program.variant.obeying(RuleSet(rules))
    let written = trial(under: variant)
    let effect = effect(of: written)
    steps = written.steps
    guard effect != .none, hidesCalls(written) else { return effect }
    let moved = self.effect(of: trial(under: variant, moving: true))
    return moved.rawValue > effect.rawValue ? moved : effect
  }

  private mutating func effect(of trial: Trial) -> Effect {
    guard !trial.lines.isEmpty else { return .clean }
    let line = trial.lines[own]
    if let line, line <= shown { return .none }
    if stopsTooEarly(trial) { return .hidden }
    return line == nil ? .gone : .later
  }

  /// A call that the program began before the violation has to queue.
  private mutating func hidesCalls(_ trial: Trial) -> Bool {
    guard !trial.queued.isEmpty else { return false }
    let (queued, line) = (original.queued, shown)
    return trial.queued.contains { $0 <= line && !queued.contains($0) }
  }

  /// The first line that shows the violation.
  private var shown: Int { mutating get { original.lines[own] ?? 0 } }

  /// Another violation stops the run before it could show this one.
  private mutating func stopsTooEarly(_ trial: Trial) -> Bool {
    guard let stop = trial.stop, stop != own, original.lines[stop] == nil else { return false }
    return trial.lines[stop] ?? 0 <= shown
  }

  /// Runs the program as it is.
  private mutating func trial() -> Trial {
    executions += 1
    return Self.trial(of: instructions, on: program.machine())
  }

  /// Runs the program under other rules.
  ///
  /// Moving, who waits there and did not before keeps nobody: what follows on its CPU is done by
  /// one that has nothing to do.
  private mutating func trial(under variant: Variant, moving: Bool = false) -> Trial {
    executions += 1
    let machine = Machine(variant.rules, program.boot)
    guard moving else { return Self.trial(of: instructions, on: machine) }
    let queued = original.queued
    return Self.trial(of: instructions, on: machine) { line in !queued.contains(line) }
  }

  /// Runs a program, with other CPUs for the calls of lines that are not to queue.
  fileprivate static func trial(
    of instructions: [Instruction], on machine: Machine,
    isMoved: (_ line: Int) -> Bool = { _ in false }
  ) -> Trial {
    var run = Run(machine)
    var trial = Trial()
    trial.steps.reserveCapacity(instructions.count)
    var places = PerCPU<CPUID>(repeating: CPUID(0))
    for cpu in places.indices { places[cpu] = cpu }
    for (line, instruction) in instructions.enumerated() where !run.machine.verdict.isStopped {
      var moved = instruction
      moved.cpu = places[instruction.cpu]
      if instruction.call != nil, run.mustQueue(on: moved.cpu) {
        trial.queued.insert(line)
        if isMoved(line), let spare = run.idleCPU(beside: instructions) {
          (moved.cpu, places[instruction.cpu]) = (spare, spare)
        }
      }
      run.execute(moved, tag: -1)
      trial.steps.append(run.steps)
      trial.add(run.machine.verdict, line)
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

extension Run {
  /// Whether a call that begins on a CPU finds another one waiting there.
  fileprivate mutating func mustQueue(on cpu: CPUID) -> Bool {
    machine.cpus[cpu].isActive && machine.cpus[cpu].wait.kind != .none && !machine.canRun(cpu)
  }

  /// A CPU that has nothing to do, now or in any line; nil where all have.
  fileprivate mutating func idleCPU(beside instructions: [Instruction]) -> CPUID? {
    for position in (0..<Limits.cpus).reversed() {
      let cpu = CPUID(position)
      if machine.cpus[cpu].isActive { continue }
      if !instructions.contains(where: { $0.cpu == cpu }) { return cpu }
    }
    return nil
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
