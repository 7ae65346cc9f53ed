// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Executes a random program while drawing it, so that each call sees the state it runs in.
package struct RandomExecution: Sendable {
  private var recorder: Recorder

  package init(on machine: Machine) { recorder = Recorder(on: machine) }

  /// The program that was executed.
  package var instructions: [Instruction] { recorder.instructions }
  package var run: Run { _read { yield recorder.run } }

  /// Draws and executes one program of at most `calls` calls, and its staged end.
  package mutating func execute(
    on machine: Machine, calls: Int, _ generator: Generator, _ scheduler: inout some Scheduler,
    _ callStream: inout Random, _ scheduleStream: inout Random
  ) {
    recorder.reset(to: machine)
    var remaining = calls
    for _ in 0..<calls * Self.turnsPerCall {
      guard !recorder.run.isStopped else { break }
      let candidates = candidates(mayStart: remaining > 0, cpus: generator.cpus)
      guard !candidates.isEmpty else { break }
      let (cpu, burst) = scheduler.choose(among: candidates, &scheduleStream)
      var call: Call?
      if !recorder.run.machine.cpus[cpu].isActive {
        remaining -= 1
        call = generator.call(for: recorder.run.machine, on: cpu, &callStream)
      }
      recorder.burst(Instruction(cpu, call), steps: burst)
    }
    recorder.finish()
  }

  /// Choices of the scheduler a program may use per call, so that single steps still end.
  private static let turnsPerCall = 64

  private func candidates(mayStart: Bool, cpus: Int) -> Bits<CPUID> {
    var candidates = Bits<CPUID>()
    for position in 0..<cpus {
      let cpu = CPUID(position)
      let isActive = recorder.run.machine.cpus[cpu].isActive
      if isActive ? recorder.run.machine.isRunnable(cpu) : mayStart { candidates.insert(cpu) }
    }
    return candidates
  }
}
