// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// One way to make another program of a program.
///
/// A function of the program and of what the ``Mutator`` draws, nothing else; nil where the
/// program has nothing that could be changed so.  Handles, and calls of what the protocol does not
/// model, are put right afterwards.
package struct Mutation: Sendable {
  /// What it is called.
  package let name: String
  /// Its share among all.
  package let weight: Int
  let apply: @Sendable (Program, inout Mutator) -> Program?

  init(
    _ name: String, _ weight: Int,
    _ apply: @escaping @Sendable (Program, inout Mutator) -> Program?
  ) {
    (self.name, self.weight, self.apply) = (name, weight, apply)
  }

  /// Every way.  Add one here.
  package static let all: [Mutation] = [
    Mutation("draw", 20, drawAnew),
    Mutation("continue", 20, goOn),
    Mutation("reschedule", 12, reschedule),
    Mutation("insert", 12, insertCall),
    Mutation("delete", 8, deleteCall),
    Mutation("duplicate", 4, duplicateCall),
    Mutation("replace", 4, replaceCall),
    Mutation("argument", 8, changeArgument),
    Mutation("cpu", 4, moveCPU),
    Mutation("order", 4, moveLine),
    Mutation("preempt", 8, insertPreemption),
    Mutation("stop", 4, movePreemption),
    Mutation("run-on", 3, removePreemption),
    Mutation("boot", 2, changeBoot),
    Mutation("repair", 3, changeRepairs),
  ]
  static let total = all.reduce(0) { $0 + $1.weight }
}

/// Makes programs of programs, as byte-oriented fuzzers want it: what it yields depends on the
/// programs and the random numbers given, and on nothing it did before.
package struct Mutator: Sendable {
  private let target: Target
  var generator: Generator
  private var execution: RandomExecution
  /// What the program at hand draws from.
  var random = Random(seed: 0)

  /// A mutator of programs of a protocol.
  package init(of variant: Variant) {
    target = Target(variant)
    var options = Generator.Options()
    options.domains = variant.base.design.domains
    options.cpus = Self.cpus
    generator = Generator(options)
    execution = RandomExecution()
  }

  /// The protocol that programs made from nothing are about.
  package var variant: Variant { target.given }

  private static let cpus = 4

  /// Another program: one change, or a few.
  package mutating func mutate(_ program: Program, seed: UInt64) -> Program {
    random = Random(seed: seed)
    guard program.callCount > 0 else { return Mutation.drawAnew(program, &self) }
    var changed = program.bare
    repeat {
      prepare(for: changed)
      let mutation = pick()
      if let next = mutation.apply(changed, &self) { changed = valid(next) }
    } while random.oneIn(2)
      || changed == program
        && !random.oneIn(SearchLimits.mutationTries)
    return changed
  }

  /// A program that one mutation makes, for its tests; nil where that has nothing to change.
  package mutating func apply(
    _ mutation: Mutation, to program: Program, seed: UInt64
  ) -> Program? {
    random = Random(seed: seed)
    prepare(for: program)
    return mutation.apply(program.bare, &self).map { valid($0) }
  }

  /// The beginning of one program and the end of another, under the protocol of the first.
  package mutating func cross(_ first: Program, _ second: Program, seed: UInt64) -> Program {
    random = Random(seed: seed)
    var joined = first.bare
    let other = second.bare
    joined.lines.removeSubrange(random.below(joined.lines.count + 1)...)
    joined.lines += other.lines[random.below(other.lines.count + 1)...]
    joined.boot.devices = max(first.boot.devices, second.boot.devices)
    joined.boot.files = max(first.boot.files, second.boot.files)
    return valid(joined)
  }

  /// A program whose binary form has at most so many bytes: calls are left out, in random order.
  package mutating func fit(_ program: Program, bytes limit: Int) -> [UInt8] {
    var program = program
    var bytes = ProgramBytes.encode(program)
    while bytes.count > limit, !program.lines.isEmpty {
      let line = random.below(program.lines.count)
      let isCall = program.lines[line].instruction?.call != nil
      program = program.without(isCall ? program.linesOfCall(at: line) : [line]).repairingHandles()
      bytes = ProgramBytes.encode(program)
    }
    return Array(bytes.prefix(limit))
  }

  private mutating func pick() -> Mutation {
    var number = random.below(Mutation.total)
    for mutation in Mutation.all {
      if number < mutation.weight { return mutation }
      number -= mutation.weight
    }
    preconditionFailure("the weights are more than their total")
  }

  private mutating func prepare(for program: Program) {
    generator.options.boot = program.boot
    generator.options.domains = program.variant.base.design.domains
    generator.reswarm(&random)
  }

  /// A program again: its handles are assigned, its calls modelled, and it is no longer than what
  /// is worth executing.
  private func valid(_ program: Program) -> Program {
    var valid = program
    let domains = program.variant.base.design.domains
    valid.lines.removeAll { line in
      !(line.instruction?.call?.operation.isEnabled(in: domains) ?? true)
    }
    if valid.lines.count > SearchLimits.mutatedLines {
      valid.lines.removeSubrange(SearchLimits.mutatedLines...)
    }
    return valid.repairingHandles()
  }
}

// MARK: What mutations draw with

extension Mutator {
  /// A repaired form of the protocol, or the protocol itself.
  mutating func drawVariant() -> Variant { target.variant(&random) }

  /// A program drawn from some beginning, with calls of its own.
  mutating func draw(
    _ start: RandomExecution.Start, calls: Int, _ variant: Variant, _ boot: Boot
  ) -> Program {
    var callStream = Random(seed: random.next())
    var scheduleStream = Random(seed: random.next())
    let schedule = Schedule(nil, &random)
    execution.execute(start, calls: calls, generator, schedule, &callStream, &scheduleStream)
    // Nothing is remembered: the next program must not depend on this one.
    let reached = execution.coverage.news
    execution.coverage.forget(reached)
    return Program(variant, boot: boot, instructions: execution.instructions)
  }

  /// The machine before a line; nil where a violation stops the program earlier.
  func run(_ program: Program, before line: Int) -> Run? {
    var run = Run(program.machine())
    for instruction in program.instructions.prefix(line) {
      guard !run.machine.verdict.isStopped else { return nil }
      run.execute(instruction, tag: -1)
    }
    return run.machine.verdict.isStopped ? nil : run
  }

  /// A line that starts a call.
  mutating func drawCall(of program: Program) -> Int? {
    drawLine(of: program) { $0.call != nil }
  }

  /// A line of some kind; each is as likely.
  mutating func drawLine(of program: Program, where isWanted: (Instruction) -> Bool) -> Int? {
    let lines = program.lines.indices.filter { line in
      program.lines[line].instruction.map(isWanted) ?? false
    }
    return lines.isEmpty ? nil : lines[random.below(lines.count)]
  }
}

extension Program {
  /// The program without what is stated and said about it.
  package var bare: Program { Program(variant, boot: boot, instructions: instructions) }

  /// The program without one of its calls, counted from 0, and what resumes that.
  package func withoutCall(_ number: Int) -> Program {
    let program = bare
    let calls = program.lines.indices.filter { program.lines[$0].instruction?.call != nil }
    guard calls.indices.contains(number) else { return program }
    return program.without(program.linesOfCall(at: calls[number])).repairingHandles()
  }

  /// A line that starts a call, and the lines that resume it.
  func linesOfCall(at start: Int) -> [Int] {
    let instructions = instructions
    guard instructions[start].call != nil else { return [] }
    let later = instructions.indices.dropFirst(start + 1)
      .filter { instructions[$0].cpu == instructions[start].cpu }
    return [start] + later.prefix { instructions[$0].call == nil }
  }
}
