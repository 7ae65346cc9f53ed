// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

// Mutations of calls and their operands.
extension Mutation {
  /// A call more, which the state it starts in makes useful.
  static func insertCall(_ program: Program, _ mutator: inout Mutator) -> Program? {
    let place = mutator.random.below(program.lines.count + 1)
    guard var run = mutator.run(program, before: place) else { return nil }
    var cpu = CPUID(mutator.random.below(mutator.generator.cpus))
    // An idle CPU begins at once; a call that has to queue is seldom wanted.
    for _ in 0..<3 where run.machine.cpus[cpu].isActive {
      cpu = CPUID(mutator.random.below(mutator.generator.cpus))
    }
    let call = mutator.generator.call(for: &run.machine, on: cpu, &mutator.random)
    var copy = program
    copy.lines.insert(Line(Instruction(cpu, call)), at: place)
    return copy
  }

  /// A call less, with what resumes it.
  static func deleteCall(_ program: Program, _ mutator: inout Mutator) -> Program? {
    guard program.callCount > 1, let line = mutator.drawCall(of: program) else { return nil }
    return program.without(program.linesOfCall(at: line))
  }

  /// A call once more, later, on any CPU.
  static func duplicateCall(_ program: Program, _ mutator: inout Mutator) -> Program? {
    guard let line = mutator.drawCall(of: program) else { return nil }
    let place = line + 1 + mutator.random.below(program.lines.count - line)
    let cpu = CPUID(mutator.random.below(mutator.generator.cpus))
    var copy = program
    copy.lines.insert(Line(Instruction(cpu, program.lines[line].instruction?.call)), at: place)
    return copy
  }

  /// Another call in the place of one.
  static func replaceCall(_ program: Program, _ mutator: inout Mutator) -> Program? {
    guard let line = mutator.drawCall(of: program),
      var run = mutator.run(program, before: line),
      var instruction = program.lines[line].instruction
    else { return nil }
    instruction.call = mutator.generator.call(
      for: &run.machine, on: instruction.cpu, &mutator.random)
    var copy = program
    copy.lines[line].instruction = instruction
    return copy
  }

  /// Another operand of one call.
  static func changeArgument(_ program: Program, _ mutator: inout Mutator) -> Program? {
    guard let line = mutator.drawCall(of: program),
      var run = mutator.run(program, before: line),
      var instruction = program.lines[line].instruction, let call = instruction.call
    else { return nil }
    instruction.call = mutator.generator.redrawing(
      call, for: &run.machine, on: instruction.cpu, &mutator.random)
    var copy = program
    copy.lines[line].instruction = instruction
    return copy
  }

  /// A call, with what resumes it, on another CPU.
  static func moveCPU(_ program: Program, _ mutator: inout Mutator) -> Program? {
    guard let line = mutator.drawCall(of: program) else { return nil }
    let cpu = CPUID(mutator.random.below(mutator.generator.cpus))
    var copy = program
    for line in program.linesOfCall(at: line) { copy.lines[line].instruction?.cpu = cpu }
    return copy
  }

  /// A line somewhere else.
  static func moveLine(_ program: Program, _ mutator: inout Mutator) -> Program? {
    guard program.lines.count > 1 else { return nil }
    var copy = program
    let line = copy.lines.remove(at: mutator.random.below(program.lines.count))
    copy.lines.insert(line, at: mutator.random.below(program.lines.count))
    return copy
  }
}

extension Generator {
  /// A call with one of its operands drawn again.
  func redrawing(
    _ call: Call, for machine: inout Machine, on cpu: CPUID, _ random: inout Random
  ) -> Call {
    let parameters = Vocabulary.signature(call.operation)?.parameters ?? []
    guard !parameters.isEmpty else { return call }
    var copy = call
    fill(parameters[random.below(parameters.count)], of: &copy, &machine, cpu, &random)
    return copy
  }
}
