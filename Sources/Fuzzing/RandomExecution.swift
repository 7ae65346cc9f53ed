// SPDX-License-Identifier: MIT

package import PageLifecycle
import Programs

/// Executes a random program while drawing it, so that each call sees the state it runs in.
package struct RandomExecution: Sendable {
  private var recorder: Recorder
  /// What all programs so far have reached.
  package internal(set) var coverage = Coverage()
  /// Calls each CPU may still start: no schedule gives all calls to one of them.
  private var quotas: [Int] = []

  package init(on machine: Machine) { recorder = Recorder(on: machine) }

  /// The program that was executed.
  package var instructions: [Instruction] { recorder.instructions }
  package var run: Run { _read { yield recorder.run } }

  /// What a program begins with.
  package enum Start: Sendable {
    case boot(Machine)
    /// A checkpoint, as it stands.
    case after(Checkpoint)
    /// The calls of a checkpoint on their CPUs, interleaved in another way.
    case rescheduling(Checkpoint, Machine)
  }

  /// Lines that reached something new so far, and features.
  private var news = (features: 0, lines: 0)
  /// Calls that are not drawn but given, the last first.
  private var script: [Instruction] = []
  /// Called before each line with the lines so far and that one, which has no stop yet.
  var watcher: (@Sendable ([Instruction], Instruction) -> Void)?
  /// Steps of the checkpoint the program at hand went on from.
  private(set) var resumed = 0
  /// How many lines the program had after one of those that reached something new, each as likely
  /// as any; nil where none did, or where an invariant was violated there.
  private(set) var novelty: Int?

  /// Draws and executes one program with at most `calls` calls of its own, and its staged end.
  package mutating func execute(
    _ start: Start, calls: Int, _ generator: Generator, _ scheduler: inout some Scheduler,
    _ callStream: inout Random, _ scheduleStream: inout Random
  ) {
    coverage.begin()
    (novelty, news, resumed) = (nil, (0, 0), 0)
    script.removeAll(keepingCapacity: true)
    drawQuotas(calls, cpus: generator.cpus, &scheduleStream)
    switch start {
    case .boot(let machine): recorder.reset(to: machine)
    case .after(let checkpoint):
      recorder.reset(to: checkpoint.run, after: checkpoint.instructions)
      resumed = recorder.run.steps
    case .rescheduling(let checkpoint, let machine):
      recorder.reset(to: machine)
      script = checkpoint.instructions.reversed().filter { $0.call != nil }
      for line in script { quotas[line.cpu.position] += 1 }
    }
    scheduler.begin(calls: quotas)
    draw(calls: calls + script.count, generator, &scheduler, &callStream, &scheduleStream)
    coverage.add(&recorder.run.machine)
    recorder.finish()
  }

  private mutating func draw(
    calls: Int, _ generator: Generator, _ scheduler: inout some Scheduler,
    _ callStream: inout Random, _ scheduleStream: inout Random
  ) {
    for _ in 0..<calls * Self.turnsPerCall {
      guard !recorder.run.machine.verdict.isStopped else { break }
      let candidates = candidates(cpus: generator.cpus)
      guard !candidates.isEmpty else { break }
      let (cpu, burst) = scheduler.choose(among: candidates, &scheduleStream)
      var call: Call?
      if !recorder.run.machine.cpus[cpu].isActive {
        quotas[cpu.position] -= 1
        call = scripted(cpu) ?? generator.call(for: &recorder.run.machine, on: cpu, &callStream)
      }
      watcher?(recorder.instructions, Instruction(cpu, call))
      let before = recorder.run.steps
      recorder.burst(Instruction(cpu, call), steps: burst, noting: &coverage)
      scheduler.note(executed: recorder.run.steps - before)
      if coverage.news.count > news.features {
        news = (coverage.news.count, news.lines + 1)
        if scheduleStream.oneIn(news.lines) {
          let isClean = recorder.run.machine.verdict.count == 0
          novelty = isClean ? recorder.instructions.count : nil
        }
      }
    }
  }

  /// The next call the script has for a CPU; none that needs a handle nobody was asked to fill.
  private mutating func scripted(_ cpu: CPUID) -> Call? {
    guard let place = script.lastIndex(where: { $0.cpu == cpu }),
      let call = script.remove(at: place).call
    else { return nil }
    let isUnfilled = recorder.run.machine.handles[call.handle].state == .unused
    return call.usesHandle && isUnfilled ? nil : call
  }

  /// Choices of the scheduler a program may use per call, so that single steps still end.
  private static let turnsPerCall = 64

  private mutating func drawQuotas(_ calls: Int, cpus: Int, _ random: inout Random) {
    quotas.removeAll(keepingCapacity: true)
    for _ in 0..<cpus { quotas.append(0) }
    for _ in 0..<calls { quotas[random.below(cpus)] += 1 }
  }

  private mutating func candidates(cpus: Int) -> Bits<CPUID> {
    var candidates = Bits<CPUID>()
    for position in 0..<cpus {
      let cpu = CPUID(position)
      let isActive = recorder.run.machine.cpus[cpu].isActive
      if isActive ? recorder.run.machine.canRun(cpu) : quotas[position] > 0 {
        candidates.insert(cpu)
      }
    }
    return candidates
  }
}
