// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

// Mutations of where calls stop and go on.
extension Mutation {
  /// A line stops at some step, and its call goes on at some later line, or in the staged end.
  static func insertPreemption(_ program: Program, _ mutator: inout Mutator) -> Program? {
    let line = mutator.drawLine(of: program) { $0.until == nil }
    guard let line, let stop = mutator.drawStop(of: program, line) else { return nil }
    var copy = program
    copy.lines[line].instruction?.until = stop
    let cpu = program.instructions[line].cpu
    guard !mutator.random.oneIn(4) else { return copy }
    let place = line + 1 + mutator.random.below(program.lines.count - line)
    copy.lines.insert(Line(Instruction(cpu, nil)), at: place)
    return copy
  }

  /// A line that stops does so elsewhere, or its call goes on elsewhere.
  static func movePreemption(_ program: Program, _ mutator: inout Mutator) -> Program? {
    guard let line = mutator.drawLine(of: program, where: { $0.until != nil }) else { return nil }
    var copy = program
    let resume = program.resume(after: line)
    if let resume, mutator.random.oneIn(2) {
      let moved = copy.lines.remove(at: resume)
      let place = line + 1 + mutator.random.below(copy.lines.count - line)
      copy.lines.insert(moved, at: place)
      return copy
    }
    copy.lines[line].instruction?.until = nil
    guard let stop = mutator.drawStop(of: copy, line) else { return nil }
    copy.lines[line].instruction?.until = stop
    return copy
  }

  /// A line that stops runs on, and what resumed it goes.
  static func removePreemption(_ program: Program, _ mutator: inout Mutator) -> Program? {
    guard let line = mutator.drawLine(of: program, where: { $0.until != nil }) else { return nil }
    var copy = program
    let resume = program.resume(after: line)
    copy.lines[line].instruction?.until =
      resume.flatMap { program.lines[$0].instruction?.until }
    return resume.map { copy.without([$0]) } ?? copy
  }
}

extension Mutator {
  /// A step of a line, which is not stopped, as a place to stop before it; each is as likely.
  fileprivate mutating func drawStop(of program: Program, _ line: Int) -> StopPoint? {
    guard var run = run(program, before: line) else { return nil }
    let instruction = program.instructions[line]
    run.start(instruction, tag: -1)
    var trail: [StopPoint] = []
    var isOver = !run.machine.cpus[instruction.cpu].isActive
    while !isOver {
      let (before, frame) = (run.steps, run.machine.cpus[instruction.cpu].frame)
      isOver = !run.advance()
      if run.steps > before { trail.append(StopPoint(frame.procedure, frame.step)) }
    }
    guard trail.count > 1 else { return nil }
    let place = 1 + random.below(trail.count - 1)
    var stop = trail[place]
    stop.visit = UInt16(trail[...place].count { $0 == stop })
    return stop
  }
}

extension Program {
  /// The line that resumes what another one leaves.
  fileprivate func resume(after line: Int) -> Int? {
    let instructions = instructions
    let next = instructions.indices.dropFirst(line + 1)
      .first { instructions[$0].cpu == instructions[line].cpu }
    return next.flatMap { instructions[$0].call == nil ? $0 : nil }
  }
}
