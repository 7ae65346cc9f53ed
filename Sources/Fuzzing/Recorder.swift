// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Executes bursts of steps and keeps them as instructions that replay to the same states.
///
/// Where a burst ends inside a call, the line says before which step it stopped.
package struct Recorder: Sendable {
  package private(set) var instructions: [Instruction] = []
  package internal(set) var run: Run
  /// The steps of the last burst, in order.
  private(set) var trail: [Place] = []

  /// One step of one procedure, in two bytes.
  typealias Place = UInt16

  package init(on machine: Machine) { run = Run(machine) }

  /// Starts over on another machine.
  package mutating func reset(to machine: Machine) {
    run.reset(to: machine, calls: 0)
    instructions.removeAll(keepingCapacity: true)
  }

  /// Starts a call, or resumes one, and executes at most `steps` steps of it.
  package mutating func burst(_ instruction: Instruction, steps: Int) {
    let cpu = instruction.cpu
    trail.removeAll(keepingCapacity: true)
    run.start(instruction, tag: -1)
    var isOver = false
    while trail.count < steps {
      trail.append(place(of: cpu))
      guard run.advance() else {
        isOver = true
        break
      }
    }
    var line = instruction
    if !isOver, run.machine.cpus[cpu].isActive {
      let place = place(of: cpu)
      let visits = trail.reduce(1) { $0 + ($1 == place ? 1 : 0) }
      let frame = run.machine.cpus[cpu].frame
      line.until = StopPoint(frame.procedure, frame.step, visit: UInt16(visits))
    }
    instructions.append(line)
  }

  /// Executes the staged end.
  package mutating func finish() {
    if !run.machine.verdict.isStopped { run.finish() }
  }

  @inline(__always)
  private func place(of cpu: CPUID) -> Place {
    let frame = run.machine.cpus[cpu].frame
    return Place(frame.procedure.rawValue) << 8 | Place(frame.step)
  }
}
