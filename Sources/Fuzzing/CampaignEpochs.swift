// SPDX-License-Identifier: MIT

import PageLifecycle
package import Programs

/// What became of a new finding once it was as small as it gets.
package struct Resolution: Equatable, Sendable {
  /// Its place in ``Campaign/sightings``.
  package var sighting: Int
  /// What the minimized program shows, and where.
  package var identity: Identity
  package var place: StepName
  /// Nothing can be left out of it.
  package var isMinimized: Bool

  /// What became of a finding by minimizing it.
  package init(_ minimized: Finding) {
    let violation = minimized.violation
    (sighting, identity) = (minimized.sighting, minimized.identity)
    (place, isMinimized) = (StepName(violation.procedure, violation.step), minimized.isMinimized)
  }

  init(_ sighting: Int, _ identity: Identity, _ place: StepName, isMinimized: Bool) {
    (self.sighting, self.identity) = (sighting, identity)
    (self.place, self.isMinimized) = (place, isMinimized)
  }
}

// MARK: Running a shard

extension Campaign {
  /// The shards of the next epoch, so that no more than `limit` programs are executed in all.
  package func shards(within limit: Int) -> [Shard] {
    let doublings = min(epoch / SearchLimits.epochsPerDoubling, 30)
    let programs = min(
      SearchLimits.lastShardPrograms, SearchLimits.firstShardPrograms << doublings)
    let parts =
      [Int](repeating: programs, count: SearchLimits.wholeShards)
      + repeatElement(programs / 2, count: SearchLimits.halfShards)
      + repeatElement(programs / 4, count: SearchLimits.quarterShards)
    var done = executions
    return parts.compactMap { programs in
      let count = min(programs, limit - done)
      guard count > 0 else { return nil }
      defer { done += count }
      return Shard(epoch: epoch, first: done + 1, count: count)
    }
  }

  /// Runs a shard of the next epoch; afterwards the campaign is as before.
  ///
  /// `announce` is called before each execution, with its number.
  /// `executed` is shown each program after it was.
  package mutating func run(
    _ shard: Shard, announce: (Int) -> Void = { _ in }, watch: Watch? = nil,
    executed: ((Program) -> Void)? = nil
  ) -> ShardResult {
    precondition(shard.epoch == epoch, "a shard of another epoch")
    var result = ShardResult()
    var local: [Key: Int] = [:]
    for number in shard.first..<shard.first + shard.count {
      result.executions += 1
      guard !shard.skipped.contains(number) else { continue }
      announce(number)
      let (plan, cpus) = execute(number, watch)
      result.ways[plan.way.position] += 1
      let verdict = execution.run.machine.verdict
      result.steps += execution.run.steps - execution.resumed
      result.endSteps += execution.run.endSteps
      noteNovelty(number, plan, cpus, in: &result)
      executed?(Program(plan.variant, boot: plan.boot, instructions: execution.instructions))
      guard verdict.count > 0 else { continue }
      result.violating += 1
      let drawn = Program(plan.variant, boot: plan.boot, instructions: execution.instructions)
      // Interleaved anew, a call may use a handle before another one assigns it: no text says so.
      let program = drawn.repairingHandles()
      for violation in program == drawn ? verdict.all : program.violations {
        for bug in Self.bugs(behind: violation, in: program) { note(bug, in: &result, &local) }
      }
    }
    result.rises = execution.coverage.rises
    execution.coverage.forget(result.novelties.lazy.flatMap(\.features))
    result.draws = pool.takeBack()
    return result
  }

  /// Keeps what reached something new: for all at the end of the epoch, for this shard at once.
  private mutating func noteNovelty(
    _ number: Int, _ plan: Plan, _ cpus: Int, in result: inout ShardResult
  ) {
    let lines = execution.novelty ?? .max
    let isKept = !options.search.isBlind && lines <= SearchLimits.checkpointLines
    if !options.search.isBlind {
      // A window is known when a machine is kept that somebody can go on from.
      execution.coverage.footprint.forgetWindows(except: isKept ? execution.origin : nil)
    }
    guard !execution.coverage.news.isEmpty else { return }
    let (start, given) =
      plan.beginning
      ?? (ProgramBinary.encode(Program(plan.variant, boot: plan.boot, instructions: [])), 0)
    let whole =
      options.keepsCorpus
      ? ProgramBinary.encode(execution.instructions[given...], after: start) : []
    var bytes: [UInt8] = []
    if isKept {
      let instructions = Array(execution.instructions.prefix(lines))
      bytes = ProgramBinary.encode(instructions[given...], after: start)
      let stop = Checkpoint.Stop(plan.variant, plan.boot, instructions, execution.noveltyRun)
      pool.addForNow(
        Checkpoint(
          target: plan.target, of: targets[plan.target].base, cpus: cpus,
          origin: execution.origin, bytes: bytes, stop: stop),
        number)
    }
    result.novelties.append(
      .init(
        execution: result.executions, target: plan.target, cpus: cpus, way: plan.way.position,
        origin: execution.origin, features: execution.coverage.news.sorted(), checkpoint: bytes,
        whole: whole))
  }

  /// Counts a bug of a shard: one that was seen before its epoch, or one of its own.
  private func note(
    _ bug: Finding, in result: inout ShardResult, _ local: inout [Key: Int]
  ) {
    let key = Key(base: bug.program.variant.base.name, identity: bug.identity)
    if let position = positions[key] {
      result.seen[position, default: 0] += 1
    } else if let position = local[key] {
      result.found[position].programs += 1
    } else if unexplained[key.signature, default: 0] < SearchLimits.unexplained
      || key.isExplained
    {
      local[key] = result.found.count
      var program = bug.program
      program.expectation = .violation(Pattern(bug.identity))
      result.found.append(
        .init(
          program: program,
          place: StepName(bug.violation.procedure, bug.violation.step),
          execution: result.executions, steps: result.steps, programs: 1))
    }
  }
}

extension Campaign.Key {
  /// A repair of rules makes its program clean.
  var isExplained: Bool {
    if case .rules = identity.cause { return true }
    return false
  }
}

// MARK: Merging an epoch

extension Campaign {
  /// Takes in the results of all shards of an epoch, in their order, and returns the programs that
  /// show what nobody knew; each expects what it shows.
  ///
  /// What two shards found, the first of them has found.  Of the novelties those stay in the
  /// results that were one still: it takes no others to merge them again.  Results that do not
  /// belong to this campaign change nothing and are an error.
  package mutating func merge(_ results: inout [ShardResult]) throws(Unpackable) -> [NewBug] {
    let bugs = try results.map { result throws(Unpackable) in
      try result.found.map { found throws(Unpackable) in try Bug(found.program) }
    }
    for result in results { try check(result) }
    for draw in results.lazy.flatMap(\.draws) {
      if let place = pool.note(draw) { execution.coverage.footprint.forgetWindows(at: place) }
    }
    var news: [NewBug] = []
    for (position, bugs) in bugs.enumerated() {
      results[position].novelties.removeAll { !take($0) }
      let result = results[position]
      execution.coverage.take(result.rises)
      yields.add(programs: result.ways)
      for (position, programs) in result.seen { sightings[position].programs += programs }
      for (found, bug) in zip(result.found, bugs) {
        if let new = note(found, bug) { news.append(new) }
      }
      executions += result.executions
      steps += result.steps
      endSteps += result.endSteps
      violating += result.violating
    }
    pool.endEpoch()
    epoch += 1
    return news
  }

  /// A bug that nobody knew, and its place in ``sightings``.
  package struct NewBug: Sendable {
    package var program: Program
    package var sighting: Int
    /// The execution that showed it, counted from 1.
    package var execution: Int

    /// What one execution showed.
    package init(program: Program, sighting: Int = 0, execution: Int) {
      (self.program, self.sighting, self.execution) = (program, sighting, execution)
    }
  }

  private struct Bug {
    var program: Program
    var identity: Identity

    init(_ program: Program) throws(Unpackable) {
      self.program = program
      guard case .violation(let pattern) = program.expectation,
        let identity = Identity(pattern)
      else { throw Unpackable() }
      self.identity = identity
    }
  }

  private func check(_ result: ShardResult) throws(Unpackable) {
    let isOurs =
      result.draws.allSatisfy { pool.has($0) }
      && result.seen.keys.allSatisfy { sightings.indices.contains($0) }
      && result.novelties.allSatisfy { targets.indices.contains($0.target) && $0.cpus > 0 }
    guard isOurs else { throw Unpackable() }
  }

  /// False where others have reached all of it before.
  private mutating func take(_ novelty: ShardResult.Novelty) -> Bool {
    guard execution.coverage.footprint.take(novelty.features) else { return false }
    let number = executions + novelty.execution
    discoveries += 1
    lastDiscovery = number
    yields.addDiscovery(novelty.way)
    if options.keepsCorpus, kept.count < SearchLimits.corpusCandidates {
      kept.append(novelty.whole)
    }
    guard !novelty.checkpoint.isEmpty else { return true }
    var random = Random.stream(seed: options.seed, .merges, UInt64(number))
    pool.add(
      Checkpoint(
        target: novelty.target, of: targets[novelty.target].base, cpus: novelty.cpus,
        origin: novelty.origin, bytes: novelty.checkpoint, stop: pool.machine(of: number)),
      &random)
    return true
  }

  /// Counts a bug; returns it where it is new.
  private mutating func note(_ found: ShardResult.Found, _ bug: Bug) -> NewBug? {
    let key = Key(base: bug.program.variant.base.name, identity: bug.identity)
    if let position = positions[key] {
      sightings[position].programs += found.programs
      return nil
    }
    if !key.isExplained {
      // Only its reduction tells which bug it is.
      guard unexplained[key.signature, default: 0] < SearchLimits.unexplained else { return nil }
      unexplained[key.signature, default: 0] += 1
    }
    positions[key] = sightings.count
    let execution = executions + found.execution
    sightings.append(
      Sighting(
        base: key.base, identity: key.identity, isKnown: isKnown(key), firstExecution: execution,
        firstStep: steps + found.steps, place: found.place, programs: found.programs))
    guard !isKnown(key) else { return nil }
    return NewBug(program: bug.program, sighting: sightings.count - 1, execution: execution)
  }

  /// Whether a program expects what no sighting is about, and nobody knew before.
  package func isNews(_ program: Program) -> Bool {
    guard case .violation(let pattern) = program.expectation, let identity = Identity(pattern)
    else { return false }
    let key = Key(base: program.variant.base.name, identity: identity)
    return positions[key] == nil && !isKnown(key)
  }

  private func isKnown(_ key: Key) -> Bool {
    options.known.contains { $0.base == key.base && $0.pattern.matches(key.identity) }
  }

  /// Takes in what became of a finding; true where it still is news under the new identity.
  @discardableResult
  package mutating func settle(_ resolution: Resolution) -> Bool {
    let position = resolution.sighting
    let base = sightings[position].base
    sightings[position].place = resolution.place
    sightings[position].isMinimized = resolution.isMinimized
    guard resolution.identity != sightings[position].identity else { return true }
    // Without a rule to blame, the steps of the canonical program are the cause.
    let key = Key(base: base, identity: resolution.identity)
    if let other = positions[key] {
      positions[Key(base: base, identity: sightings[position].identity)] = other
      sightings[other].programs += sightings[position].programs
      sightings[position].programs = 0
      return false
    }
    positions[key] = position
    sightings[position].identity = resolution.identity
    sightings[position].isKnown = isKnown(key)
    return !sightings[position].isKnown
  }
}

extension Finding {
  /// What a campaign with a seed has found, ready to be minimized.
  package init?(_ bug: Campaign.NewBug, seed: UInt64) {
    self.init(stating: bug.program)
    (sighting, self.seed, execution) = (bug.sighting, seed, bug.execution)
  }

  /// The violation a program expects whose whole identity it states; the cause is believed.
  package init?(stating program: Program) {
    guard case .violation(let pattern) = program.expectation, let identity = Identity(pattern),
      let violation = program.violations.first(where: { identity.hasSignature(of: $0) })
    else { return nil }
    self.init(violation, identity, program)
    self.program.expectation = .unstated
  }

  /// The program with what it shows as its expectation.
  package var statement: Program {
    var copy = program
    copy.expectation = .violation(Pattern(identity))
    return copy
  }
}

// MARK: In one process

extension Campaign {
  /// Runs and merges an epoch here, and returns what it shows that nobody knew.
  package mutating func advance(within limit: Int = .max) -> [Finding] {
    var results = shards(within: limit).map { run($0) }
    guard let bugs = try? merge(&results) else {
      preconditionFailure("results of another campaign")
    }
    return bugs.compactMap { Finding($0, seed: options.seed) }
  }

  /// The smallest program found that shows the same bug; nil where that turns out to be known.
  package mutating func minimize(_ finding: Finding) -> Finding? {
    let minimized = finding.minimizedAlone()
    return settle(Resolution(minimized)) ? minimized : nil
  }
}
