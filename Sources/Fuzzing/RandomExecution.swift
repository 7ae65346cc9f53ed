// SPDX-License-Identifier: MIT

package import PageLifecycle
import Programs

/// Executes a random program while drawing it, so that each call sees the state it runs in.
package struct RandomExecution: Sendable {
  /// The program that was executed.
  package private(set) var instructions: [Instruction] = []
  package private(set) var run: Run
  /// What all programs so far have reached.
  package internal(set) var coverage = Coverage()
  /// Calls each CPU may still start: no schedule gives all calls to one of them.
  private var quotas: [Int] = []
  /// Those that may start one, a bit each.
  private var startable: UInt64 = 0

  /// Nothing was executed yet.
  package init() { run = Run(Machine(Variant(Protocol.all[0]).rules)) }

  /// What a program begins with.
  package enum Start: Sendable {
    case boot(Rules, Boot)
    /// A checkpoint, as it stands.
    case after(Checkpoint.Stop)
    /// The calls of a checkpoint on their CPUs, interleaved in another way.
    case rescheduling(Checkpoint.Stop)
  }

  /// New features so far.
  private var news = 0
  /// Calls that are not drawn but given, the last first.
  private var script: [Instruction] = []
  /// Called before each line with the lines so far and that one, which has no stop yet.
  var watcher: (@Sendable ([Instruction], Instruction) -> Void)?
  /// Steps of the checkpoint the program at hand went on from.
  private(set) var resumed = 0
  /// How many lines the program had when it reached something new at the place that has the fewest
  /// features; nil where it did not before an invariant was violated.
  private(set) var novelty: Int?
  /// The number of that place.
  private(set) var origin = 0
  /// The run at that line.
  private(set) var noveltyRun = Run(Machine(Variant(Protocol.all[0]).rules))

  /// Draws and executes one program with at most `calls` calls of its own, and its staged end.
  package mutating func execute(
    _ start: Start, calls: Int, _ generator: Generator, _ scheduler: inout some Scheduler,
    _ callStream: inout Random, _ scheduleStream: inout Random
  ) {
    coverage.footprint.begin()
    (novelty, news, resumed) = (nil, 0, 0)
    script.removeAll(keepingCapacity: true)
    drawQuotas(calls, cpus: generator.cpus, &scheduleStream)
    switch start {
    case .boot(let rules, let boot): begin(rules, boot)
    case .after(let stop):
      run = stop.run
      instructions = stop.instructions
      resumed = run.steps
    case .rescheduling(let stop):
      begin(stop.variant.rules, stop.boot)
      script = stop.instructions.reversed().filter { $0.call != nil }
      for line in script { quotas[line.cpu.position] += 1 }
    }
    startable = quotas.indices.reduce(0) { $0 | (quotas[$1] > 0 ? 1 << UInt64($1) : 0) }
    let standing = run.machine.readiness(ofFirst: generator.cpus).active
    scheduler.begin(calls: quotas, standing: standing)
    draw(calls: calls + script.count, generator, &scheduler, &callStream, &scheduleStream)
    coverage.add(&run.machine)
    if !run.machine.verdict.isStopped { run.finish() }
  }

  /// Draws and executes one program, interleaved as a schedule says.
  mutating func execute(
    _ start: Start, calls: Int, _ generator: Generator, _ schedule: Schedule,
    _ callStream: inout Random, _ scheduleStream: inout Random
  ) {
    switch schedule {
    case .sequential:
      var scheduler = Sequential()
      execute(start, calls: calls, generator, &scheduler, &callStream, &scheduleStream)
    case .stalling:
      var scheduler = Stalling()
      execute(start, calls: calls, generator, &scheduler, &callStream, &scheduleStream)
    case .walk(let burst, let sharedCost):
      var scheduler = RandomWalk(burst: burst, sharedCost: sharedCost)
      execute(start, calls: calls, generator, &scheduler, &callStream, &scheduleStream)
    case .priorities(let depth):
      var scheduler = PCT(
        depth: depth, length: calls * Self.stepsPerCall, cpus: generator.cpus, &scheduleStream)
      execute(start, calls: calls, generator, &scheduler, &callStream, &scheduleStream)
    case .uniform:
      var scheduler = UniformWalk(stepsPerCall: Self.stepsPerCall)
      execute(start, calls: calls, generator, &scheduler, &callStream, &scheduleStream)
    }
  }

  /// About what `bench` measures; only the density of changes of priority depends on it.
  private static let stepsPerCall = 16

  private mutating func begin(_ rules: Rules, _ boot: Boot) {
    run.reset(rules, boot)
    instructions.removeAll(keepingCapacity: true)
  }

  private mutating func draw(
    calls: Int, _ generator: Generator, _ scheduler: inout some Scheduler,
    _ callStream: inout Random, _ scheduleStream: inout Random
  ) {
    var turns = calls * Self.turnsPerCall
    var next: (cpu: CPUID, pace: Pace)?
    while !run.machine.verdict.isStopped {
      guard
        let (cpu, pace) = next
          ?? Self.choose(
            &run.machine, generator.cpus, startable, &scheduler, &turns, &scheduleStream)
      else { break }
      next = nil
      var call: Call?
      if !run.machine.isActive(cpu) {
        spendQuota(of: cpu)
        call =
          scripted(cpu)
          ?? generator.call(
            for: &run.machine, on: cpu, meeting: other(cpu, scheduler, &callStream), &callStream)
      }
      watcher?(instructions, Instruction(cpu, call))
      var noted = run.steps
      let (cpus, startable) = (generator.cpus, startable)
      let line = run.burst(call, on: cpu, pace, noting: &coverage.footprint) { run in
        scheduler.note(executed: run.steps - noted)
        noted = run.steps
        next = Self.choose(
          &run.machine, cpus, startable, &scheduler, &turns, &scheduleStream)
        guard let more = next, more.cpu == cpu else { return nil }
        next = nil
        return more.pace
      }
      scheduler.note(executed: run.steps - noted)
      instructions.append(line)
      noteNews()
    }
  }

  /// Keeps the run at the line at hand where that is the rarest news so far.
  private mutating func noteNews() {
    let before = news
    news = coverage.news.count
    guard news > before, run.machine.verdict.count == 0 else { return }
    let rarest = coverage.footprint.rarest(after: before)
    let isRarer =
      coverage.footprint.features(at: rarest) < coverage.footprint.features(at: origin)
    guard novelty == nil || isRarer else { return }
    (origin, novelty) = (rarest, instructions.count)
    noveltyRun = run
  }

  /// The call that the next one of a CPU should meet; nil where it need not.
  private mutating func other(
    _ cpu: CPUID, _ scheduler: some Scheduler, _ random: inout Random
  ) -> Call? {
    guard let standing = scheduler.standing, standing != cpu, run.machine.isActive(standing),
      random.oneIn(2)
    else { return nil }
    return run.machine.cpus[standing].call
  }

  /// Who runs next, and how far; nil where nobody can, or the turns are over.
  private static func choose(
    _ machine: inout Machine, _ cpus: Int, _ startable: UInt64, _ scheduler: inout some Scheduler,
    _ turns: inout Int, _ random: inout Random
  ) -> (cpu: CPUID, pace: Pace)? {
    let (active, idle) = machine.readiness(ofFirst: cpus)
    let candidates = Bits<CPUID>(rawValue: active.rawValue | idle.rawValue & startable)
    guard turns > 0, !candidates.isEmpty else { return nil }
    turns -= 1
    return scheduler.choose(among: candidates, &random)
  }

  /// The next call the script has for a CPU; none that needs a handle nobody was asked to fill.
  private mutating func scripted(_ cpu: CPUID) -> Call? {
    guard let place = script.lastIndex(where: { $0.cpu == cpu }),
      let call = script.remove(at: place).call
    else { return nil }
    let isUnfilled = run.machine.handles[call.handle].state == .unused
    return call.usesHandle && isUnfilled ? nil : call
  }

  /// Choices of the scheduler a program may use per call, so that single steps still end.
  private static let turnsPerCall = 64

  private mutating func drawQuotas(_ calls: Int, cpus: Int, _ random: inout Random) {
    quotas.removeAll(keepingCapacity: true)
    for _ in 0..<cpus { quotas.append(0) }
    for _ in 0..<calls { quotas[random.below(cpus)] += 1 }
  }

  private mutating func spendQuota(of cpu: CPUID) {
    quotas[cpu.position] -= 1
    if quotas[cpu.position] == 0 { startable &= ~(1 << UInt64(cpu.rawValue)) }
  }
}
