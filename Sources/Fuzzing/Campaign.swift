// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// A fuzzing run: what it finds depends on its options and the number of executions alone.
///
/// Whoever drives it calls ``advance()`` as long as time allows, saves what that returns, and
/// saves again what ``minimize(_:)`` makes of it.
package struct Campaign: Sendable {
  /// Who decides which CPU runs next: calls whole, a random walk in bursts, priorities (PCT), or the
  /// uniform random walk.
  package enum ScheduleKind: String, CaseIterable, Sendable { case sequential, walk, pct, uniform }

  /// What a campaign is about.
  package struct Options: Sendable {
    /// Where all randomness begins.
    package var seed: UInt64 = 1
    /// The protocols that take turns.
    package var variants: [Variant]
    /// What earlier campaigns have found.
    package var known: [Known] = []
    /// The most CPUs of a program.
    package var cpus = 4
    /// Programs that go through something new are kept.
    package var keepsCorpus = false
    /// Who schedules, and what it does beyond drawing at random.
    package var search = Search.full

    /// The options that test these protocols from the first seed.
    package init(_ variants: [Variant]) { self.variants = variants }
  }

  /// An identity that is no news: the protocol it was found on, and what its program expects.
  package struct Known: Sendable {
    var base: String
    var pattern: Pattern

    /// The violation a saved program of a protocol expects.
    package init(_ pattern: Pattern, on base: Protocol) {
      (self.base, self.pattern) = (base.name, pattern)
    }
  }

  /// One bug, and where it showed first.
  package struct Sighting: Sendable {
    /// The name of its protocol, without repairs.
    package var base: String
    /// Signature and cause.
    package var identity: Identity
    /// It was known before the campaign began.
    package var isKnown: Bool
    /// The first execution that showed it, counted from 1.
    package var firstExecution: Int
    /// Steps the campaign had executed by then.
    package var firstStep: Int
    /// The step that violated the invariant there.
    package var place: StepName
    /// Programs that showed it.
    package var programs = 1
  }

  private struct Key: Hashable {
    var base: String
    var identity: Identity
  }

  /// The options it was begun with.
  package let options: Options
  /// Programs executed.
  package private(set) var executions = 0
  /// Atomic steps executed for lines of programs.
  package private(set) var steps = 0
  /// Atomic steps executed for their staged ends.
  package private(set) var endSteps = 0
  /// Programs that violated an invariant, known or not.
  package private(set) var violating = 0
  /// Programs that went through something no earlier one did.
  package private(set) var corpus = Corpus()
  /// Every bug seen, in the order found.
  package private(set) var sightings: [Sighting] = []

  private let targets: [Target]
  private var generator: Generator
  private var pool: Pool
  private var execution: RandomExecution
  private var positions: [Key: Int] = [:]
  /// Reductions spent on violations that no repair explains, by signature.
  private var unexplained: [Key: Int] = [:]

  /// A campaign that has executed nothing yet.
  package init(_ options: Options) {
    precondition(!options.variants.isEmpty, "a campaign needs a protocol")
    self.options = options
    targets = options.variants.map(Target.init)
    pool = Pool(targets: options.variants.count)
    var limits = Generator.Options()
    limits.cpus = min(options.cpus, Limits.cpus)
    generator = Generator(limits)
    execution = RandomExecution(on: Machine(targets[0].given.rules))
  }

  /// Distinct states and features reached.
  package var coverage: Coverage { execution.coverage }

  /// Executes one program, and returns what it shows that nobody knew.
  package mutating func advance() -> [Finding] {
    let plan = executePlan()
    let verdict = execution.run.machine.verdict
    steps += execution.run.steps - execution.resumed
    endSteps += execution.run.endSteps
    let isNew = options.keepsCorpus && !execution.coverage.news.isEmpty
    guard verdict.count > 0 || isNew else { return [] }
    let program = Program(plan.variant, boot: plan.boot, instructions: execution.instructions)
    if isNew { corpus.add(.init(program)) }
    guard verdict.count > 0 else { return [] }
    violating += 1
    return verdict.all.flatMap { Self.bugs(behind: $0, in: program) }.compactMap { note($0) }
  }

  private mutating func executePlan() -> Plan {
    executions += 1
    let number = UInt64(executions)
    var planning = Random.stream(seed: options.seed, .protocols, number)
    var calls = Random.stream(seed: options.seed, .calls, number)
    var schedule = Random.stream(seed: options.seed, .schedule, number)
    let plan = Plan(executions, targets, options.search, &pool, &planning)
    defer { keepNovelty(plan, &planning) }
    generator.options.boot = plan.boot
    generator.options.domains = plan.variant.base.design.domains
    generator.reswarm(&planning)
    if let cpus = plan.cpus { generator.cpus = cpus }
    switch plan.schedule {
    case .sequential:
      var scheduler = Sequential()
      execute(plan, &scheduler, &calls, &schedule)
    case .walk(let burst):
      var scheduler = RandomWalk(burst: burst)
      execute(plan, &scheduler, &calls, &schedule)
    case .priorities(let depth):
      var scheduler = PCT(
        depth: depth, length: plan.calls * Self.stepsPerCall, cpus: generator.cpus, &schedule)
      execute(plan, &scheduler, &calls, &schedule)
    case .uniform:
      var scheduler = UniformWalk(stepsPerCall: Self.stepsPerCall)
      execute(plan, &scheduler, &calls, &schedule)
    }
    return plan
  }

  private mutating func execute(
    _ plan: Plan, _ scheduler: inout some Scheduler, _ calls: inout Random,
    _ schedule: inout Random
  ) {
    execution.execute(
      plan.start, calls: plan.calls, generator, &scheduler, &calls, &schedule)
  }

  /// Lets later programs go on from where this one reached something new.
  private mutating func keepNovelty(_ plan: Plan, _ random: inout Random) {
    guard !options.search.isBlind, let (run, lines) = execution.novelty,
      run.machine.verdict.count == 0
    else { return }
    pool.add(
      Checkpoint(
        target: plan.target, variant: plan.variant, boot: plan.boot, cpus: generator.cpus,
        instructions: Array(execution.instructions.prefix(lines)), run: run), &random)
  }

  /// About what `bench` measures; only the density of changes of priority depends on it.
  private static let stepsPerCall = 16
}

// MARK: What is new

extension Campaign {
  /// The bugs one violation stands for.
  ///
  /// Where no single repair makes the program clean, it may have met several known bugs, each of
  /// which hides the repair of the others: with all others repaired it shows one alone.
  private static func bugs(behind violation: Violation, in program: Program) -> [Finding] {
    let whole = Finding(violation, identity(of: violation, in: program), program)
    let obeyed = program.variant.rules.obeyed
    let broken = Rule.allCases.filter { !obeyed.contains($0) }
    if case .rules(let rules) = whole.identity.cause, rules.count == 1 { return [whole] }
    let parts = broken.compactMap { rule -> Finding? in
      var repaired = program
      repaired.variant = program.variant.obeying(RuleSet(broken.filter { $0 != rule }))
      for other in repaired.violations where whole.identity.hasSignature(of: other) {
        let identity = identity(of: other, in: repaired)
        if identity.cause == .rules([rule]) { return Finding(other, identity, repaired) }
      }
      return nil
    }
    return parts.isEmpty ? [whole] : parts
  }

  /// Counts a bug; returns it where it is new.
  private mutating func note(_ finding: Finding) -> Finding? {
    let base = finding.program.variant.base.name
    let key = Key(base: base, identity: finding.identity)
    if let position = positions[key] {
      sightings[position].programs += 1
      return nil
    }
    guard mayExplain(finding, base) else { return nil }
    let isKnown = options.known.contains {
      $0.base == base && $0.pattern.matches(finding.identity)
    }
    positions[key] = sightings.count
    sightings.append(
      Sighting(
        base: base, identity: finding.identity, isKnown: isKnown, firstExecution: executions,
        firstStep: steps, place: StepName(finding.violation.procedure, finding.violation.step)))
    guard !isKnown else { return nil }
    var finding = finding
    finding.sighting = sightings.count - 1
    (finding.seed, finding.execution) = (options.seed, executions)
    return finding
  }

  /// Whether a violation may still be reduced, where only its reduction tells which bug it is.
  private mutating func mayExplain(_ finding: Finding, _ base: String) -> Bool {
    if case .rules = finding.identity.cause { return true }
    var signature = Key(base: base, identity: finding.identity)
    signature.identity.cause = .unknown
    unexplained[signature, default: 0] += 1
    return unexplained[signature, default: 0] <= SearchLimits.unexplained
  }

  /// The smallest program found that shows the same bug; nil where that turns out to be known.
  package mutating func minimize(_ finding: Finding) -> Finding? {
    let minimized = finding.minimized()
    let (violation, identity) = (minimized.violation, minimized.identity)
    sightings[finding.sighting].place = StepName(violation.procedure, violation.step)
    guard identity != finding.identity else { return minimized }
    // Without a rule to blame, the steps of the canonical program are the cause.
    let key = Key(base: finding.program.variant.base.name, identity: identity)
    if let position = positions[key] {
      positions[Key(base: key.base, identity: finding.identity)] = position
      sightings[position].programs += sightings[finding.sighting].programs
      sightings[finding.sighting].programs = 0
      return nil
    }
    positions[key] = finding.sighting
    sightings[finding.sighting].identity = identity
    let isKnown = options.known.contains {
      $0.base == key.base && $0.pattern.matches(identity)
    }
    sightings[finding.sighting].isKnown = isKnown
    return isKnown ? nil : minimized
  }
}

extension Program {
  /// Every violation a run of it shows.
  var violations: [Violation] {
    var run = Run(machine())
    for instruction in instructions
    where !run.machine.verdict.isStopped { run.execute(instruction, tag: -1) }
    run.finish()
    return run.machine.verdict.all
  }
}
