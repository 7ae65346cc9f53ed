// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Executes a random program while drawing it, so that each call sees the state it runs in.
///
/// What it did is kept as instructions that replay to the same states: preemptions become the
/// step they stopped before.
package struct RandomExecution: Sendable {
  /// The program so far.
  package private(set) var instructions: [Instruction] = []
  package private(set) var run: Run
  private var trail: [UInt16] = []

  package init(on machine: Machine) {
    run = Run(machine)
  }

  /// Draws and executes one program of at most `calls` calls, and its staged end.
  package mutating func execute(
    on machine: Machine, calls: Int, _ generator: Generator, _ scheduler: inout some Scheduler,
    _ callStream: inout Random, _ scheduleStream: inout Random
  ) {
    run.reset(to: machine, calls: 0)
    instructions.removeAll(keepingCapacity: true)
    var remaining = calls
    var turns = 0
    while !run.isStopped, turns < calls * 64 {
      turns += 1
      let candidates = candidates(mayStart: remaining > 0, cpus: generator.options.cpus)
      guard !candidates.isEmpty else { break }
      let (cpu, burst) = scheduler.choose(among: candidates, &scheduleStream)
      var call: Call?
      if !run.machine.cpus[cpu].isActive {
        guard remaining > 0 else { break }
        remaining -= 1
        call = generator.call(for: run.machine, on: cpu, &callStream)
      }
      runBurst(Instruction(cpu, call), burst)
    }
    if !run.isStopped { run.finish() }
  }

  private func candidates(mayStart: Bool, cpus: Int) -> Bits<CPUID> {
    var candidates = Bits<CPUID>()
    for position in 0..<cpus {
      let cpu = CPUID(position)
      let mayRun =
        run.machine.cpus[cpu].isActive ? run.machine.isRunnable(cpu) : mayStart
      if mayRun { candidates.insert(cpu) }
    }
    return candidates
  }

  private mutating func runBurst(_ instruction: Instruction, _ burst: Int) {
    let cpu = instruction.cpu
    trail.removeAll(keepingCapacity: true)
    run.start(instruction, tag: -1)
    var isOver = false
    while trail.count < burst {
      let frame = run.machine.cpus[cpu].frame
      trail.append(UInt16(frame.procedure.rawValue) << 8 | UInt16(frame.step))
      guard run.advance() else {
        isOver = true
        break
      }
    }
    var line = instruction
    if !isOver, run.machine.cpus[cpu].isActive {
      let frame = run.machine.cpus[cpu].frame
      let place = UInt16(frame.procedure.rawValue) << 8 | UInt16(frame.step)
      let visits = trail.reduce(1) { $0 + ($1 == place ? 1 : 0) }
      line.until = StopPoint(frame.procedure, frame.step, visit: UInt16(visits))
    }
    instructions.append(line)
  }
}
