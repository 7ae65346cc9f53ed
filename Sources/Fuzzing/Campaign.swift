// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// A fuzzing run: what it finds depends on its options and the number of executions alone.
///
/// It goes on in epochs.  Whoever drives it asks for the ``shards(within:)`` of the next one, has
/// each of them run by a campaign in the same state, here or in another process, gives all
/// results to ``merge(_:)``, minimizes what that returns, and tells what became of it by
/// ``settle(_:)``.
package struct Campaign: Sendable {
  /// Who decides which CPU runs next: calls whole, calls whole while who was preempted stands
  /// still, a random walk in bursts, priorities (PCT), the uniform random walk, or a walk whose
  /// bursts mostly end after a step that others may see.
  package enum ScheduleKind: String, CaseIterable, Sendable {
    case sequential, stalling, walk, pct, uniform, selective
  }

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
    /// The name of the protocol, without repairs.
    package let base: String
    package let pattern: Pattern

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
    /// Programs that showed it; 0 where it turned out to be another one.
    package var programs = 1
    /// Nothing can be left out of the program that was saved for it.
    package var isMinimized = false
  }

  /// What makes two findings of a campaign the same bug.
  struct Key: Hashable {
    var base: String
    var identity: Identity

    /// The same where only reduction tells the cause.
    var signature: Key {
      var copy = self
      copy.identity.cause = .unknown
      return copy
    }
  }

  /// The options it was begun with.
  package let options: Options
  /// Epochs merged.
  package internal(set) var epoch = 0
  /// Programs executed.
  package internal(set) var executions = 0
  /// Atomic steps executed for lines of programs.
  package internal(set) var steps = 0
  /// Atomic steps executed for their staged ends.
  package internal(set) var endSteps = 0
  /// Programs that violated an invariant, known or not.
  package internal(set) var violating = 0
  /// Programs that reached something new, and the last execution of one.
  package internal(set) var discoveries = 0
  package internal(set) var lastDiscovery = 0
  /// The same for each way that programs come to be.
  package internal(set) var yields = Yields()
  /// Every bug seen, in the order found.
  package internal(set) var sightings: [Sighting] = []
  /// Programs that went through something no earlier one did, in binary form.
  var kept: [[UInt8]] = []

  let targets: [Target]
  private var generator: Generator
  var pool: Pool
  var execution: RandomExecution
  /// Where the sighting of a finding is.
  var positions: [Key: Int] = [:]
  /// Reductions spent on violations that no repair explains, by signature.
  var unexplained: [Key: Int] = [:]

  /// A campaign that has executed nothing yet.
  package init(_ options: Options) {
    precondition(!options.variants.isEmpty, "a campaign needs a protocol")
    self.options = options
    targets = options.variants.map(Target.init)
    pool = Pool(targets: options.variants.count)
    var limits = Generator.Options()
    limits.cpus = min(options.cpus, Limits.cpus)
    generator = Generator(limits)
    execution = RandomExecution()
  }

  /// Distinct states and features reached.
  package var coverage: Coverage { _read { yield execution.coverage } }
  /// Programs that later ones may go on from.
  package var checkpoints: Int { pool.count }
  /// Programs that together reach what all did; empty unless a corpus is kept.
  package var corpus: Corpus {
    var corpus = Corpus()
    for bytes in kept { corpus.add(.init(ProgramBinary.decode(bytes))) }
    return corpus
  }

  /// Is shown the number of an execution and its program before each line is executed.
  package typealias Watch = @Sendable (Int, Program) -> Void

  /// Executes the program of a number, and says what it was about.
  mutating func execute(_ position: Int, _ watch: Watch? = nil) -> (plan: Plan, cpus: Int) {
    let number = UInt64(position)
    var planning = Random.stream(seed: options.seed, .protocols, number)
    var calls = Random.stream(seed: options.seed, .calls, number)
    var schedule = Random.stream(seed: options.seed, .schedule, number)
    let plan = Plan(
      position, targets, options.search, &pool, execution.coverage.footprint, &planning)
    if let watch {
      let (variant, boot) = (plan.variant, plan.boot)
      execution.watcher = { lines, next in
        watch(position, Program(variant, boot: boot, instructions: lines + [next]))
      }
    } else {
      execution.watcher = nil
    }
    generator.options.boot = plan.boot
    generator.options.domains = plan.variant.base.design.domains
    switch plan.draws {
    case .evenly: generator.useEverything(evenly: true)
    case .swarm: generator.reswarm(always: true, &planning)
    case .either: generator.reswarm(&planning)
    }
    if let cpus = plan.cpus { generator.cpus = cpus }
    execution.execute(
      plan.start, calls: plan.calls, generator, plan.schedule, &calls, &schedule)
    return (plan, generator.cpus)
  }
}

// MARK: What is new

extension Campaign {
  /// The bugs one violation stands for.
  ///
  /// Where no single repair makes the program clean, it may have met several known bugs, each of
  /// which hides the repair of the others: with all others repaired it shows one alone.
  static func bugs(behind violation: Violation, in program: Program) -> [Finding] {
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
}

extension Finding {
  /// The smallest program found that shows one bug: this one, or, where each of several broken
  /// rules would do for it, the first of these.
  ///
  /// A long program hides that: with a rule repaired a call sleeps, and with it what follows.
  package func minimizedAlone() -> Finding {
    let whole = minimized()
    guard let first = Campaign.bugs(behind: whole.violation, in: whole.program).first,
      first.identity != whole.identity
    else { return whole }
    let alone = first.minimized()
    return reduced(to: alone.statement, isMinimized: alone.isMinimized) ?? whole
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
