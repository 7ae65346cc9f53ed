// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Executes bursts of steps and keeps them as instructions that replay to the same states.
///
/// Where a burst ends inside a call, the line says before which step it stopped.
package struct Recorder: Sendable {
  package private(set) var instructions: [Instruction] = []
  package internal(set) var run: Run
  /// The steps of the last burst, by number, in order.
  private var trail: [Int] = []

  package init(on machine: Machine) { run = Run(machine) }

  /// Starts over on another machine.
  package mutating func reset(to machine: Machine) {
    run.reset(to: machine, calls: 0)
    instructions.removeAll(keepingCapacity: true)
  }

  /// Goes on where another recording stopped.
  mutating func reset(to other: Run, after instructions: [Instruction]) {
    run = other
    self.instructions = instructions
  }

  /// Starts a call, or resumes one, executes at most `steps` steps of it, and notes them.
  package mutating func burst(
    _ instruction: Instruction, steps: Int, noting coverage: inout Coverage
  ) {
    let cpu = instruction.cpu
    trail.removeAll(keepingCapacity: true)
    run.start(instruction, tag: -1)
    var isOver = false
    var frame = run.machine.cpus[cpu].frame
    while trail.count < steps && !isOver {
      frame = run.machine.cpus[cpu].frame
      trail.append(Coverage.number(of: frame))
      isOver = !run.advance()
      coverage.add(trail[trail.count - 1], by: cpu, on: &run.machine)
    }
    coverage.addEnd(trail[trail.count - 1], frame, by: cpu, on: &run.machine)
    var line = instruction
    if !isOver, run.machine.cpus[cpu].isActive {
      let frame = run.machine.cpus[cpu].frame
      let step = Coverage.number(of: frame)
      let visits = trail.reduce(1) { $0 + ($1 == step ? 1 : 0) }
      line.until = StopPoint(frame.procedure, frame.step, visit: UInt16(visits))
    }
    instructions.append(line)
  }

  /// Executes a line as it is written, and notes its steps.
  mutating func execute(_ instruction: Instruction, noting coverage: inout Coverage) {
    let cpu = instruction.cpu
    run.start(instruction, tag: -1)
    let first = run.steps
    var frame = run.machine.cpus[cpu].frame
    var isOver = false
    while !isOver {
      let (before, current) = (run.steps, run.machine.cpus[cpu].frame)
      isOver = !run.advance()
      guard run.steps > before else { break }
      frame = current
      coverage.add(Coverage.number(of: frame), by: cpu, on: &run.machine)
    }
    if run.steps > first {
      coverage.addEnd(Coverage.number(of: frame), frame, by: cpu, on: &run.machine)
    }
    instructions.append(instruction)
  }

  /// Executes the staged end.
  package mutating func finish() {
    if !run.machine.verdict.isStopped { run.finish() }
  }
}
