// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// Makes a violating program as small as it gets, knowing nothing but the identity to keep.
///
/// Every change must make the ``Cost`` less, so it ends; it goes on until no change is left, so
/// reducing twice is reducing once.  What it yields states nothing but the program.
package struct Reducer: Sendable {
  /// Smallest so far.
  var program: Program
  let target: Identity
  /// Programs it may try.
  private let limit: Int
  /// Different programs tried to get here.
  package private(set) var runs = 0
  /// Executions of the engine for them: one a program, and those that looked for the cause of what
  /// had the right signature.
  package private(set) var executions = 0
  /// Those of them tried before the first pass over the calls was done.
  package private(set) var callRuns = 0
  /// Programs that do not show it: none is tried twice.
  private var rejected: Set<Genome> = []
  /// Nothing is left to try; false where the limit of runs came first.
  package private(set) var isConverged = false

  /// A reducer of a program that shows an identity.
  package init(
    _ program: Program, showing target: Identity, limit: Int = SearchLimits.reductionRuns
  ) {
    self.target = target
    self.limit = limit
    self.program = program
    self.program.introduction = []
    self.program.lines = program.instructions.map { Line($0) }
    self.program.expectation = .unstated
    (self.program.protocolComment, self.program.bootComment) = (nil, nil)
    self.program.expectationComment = nil
    self.program = self.program.repairingHandles()
  }

  /// The smallest program that still shows it.
  package mutating func reduce() -> Program {
    precondition(Self.witness(of: target, in: program) != nil, "nothing to keep")
    repeat {
      let before = program
      dropWhatFollows()
      dropUnrelated()
      dropOneByOne()
      dropWithOneChange()
      substituteElsewhere()
      isConverged = program == before && runs < limit
    } while !isConverged && runs < limit
    return program
  }

  /// Everything that takes one change, or few, until nothing is left of it.
  private mutating func dropOneByOne() {
    var before: Program
    repeat {
      before = program
      for pass in Self.passes where runs < limit { pass(&self) }
    } while program != before && runs < limit
  }

  /// What is tried, in order, until nothing helps any more.
  private static let passes: [@Sendable (inout Reducer) -> Void] = [
    {
      $0.dropCalls()
      if $0.callRuns == 0 { $0.callRuns = $0.runs }
    },
    { $0.separateHandles() }, { $0.dropLines() }, { $0.dropPreemptions() }, { $0.dropWithHelp() },
    { $0.useOneStop() }, { $0.simplify() }, { $0.substitute() }, { $0.normalize() },
    { $0.exchangeRoles() }, { $0.advanceStops() }, { $0.nameInOrder() }, { $0.renumber() },
  ]

  /// A violation of a program that is the same bug, with its identity there.
  ///
  /// Where no repair explains it, the same bug is what has the signature and no such cause.
  package static func witness(
    of target: Identity, in program: Program
  ) -> (violation: Violation, identity: Identity)? {
    var executions = 0
    return witness(of: target, in: program, counting: &executions)
  }

  private static func witness(
    of target: Identity, in program: Program, counting executions: inout Int
  ) -> (violation: Violation, identity: Identity)? {
    executions += 1
    for violation in program.violations where target.hasSignature(of: violation) {
      let found = identity(of: violation, in: program, counting: &executions)
      if found == target { return (violation, found) }
      if case .rules = target.cause { continue }
      if case .rules = found.cause { continue }
      return (violation, found)
    }
    return nil
  }

  /// Takes a smaller program if it shows the same.
  @discardableResult
  mutating func accept(_ candidate: Program) -> Bool {
    let candidate = candidate.repairingHandles()
    return Cost(candidate) < Cost(program) && acceptEqual(candidate)
  }

  /// Takes a program that costs the same if it shows the same.
  @discardableResult
  mutating func acceptEqual(_ candidate: Program) -> Bool {
    guard candidate != program, runs < limit else { return false }
    let genome = Genome(candidate)
    guard !rejected.contains(genome) else { return false }
    runs += 1
    guard Self.witness(of: target, in: candidate, counting: &executions) != nil else {
      rejected.insert(genome)
      return false
    }
    program = candidate
    return true
  }

  /// What decides how a program runs.
  private struct Genome: Hashable {
    let repaired: RuleSet
    let broken: RuleSet
    let boot: Boot
    let instructions: [Instruction]

    init(_ program: Program) {
      (repaired, broken) = (program.variant.repaired, program.variant.broken)
      (boot, instructions) = (program.boot, program.instructions)
    }
  }
}

/// What is smaller: fewer calls first, then preemptions, lines and rules named, then operands.
package struct Cost: Comparable, Sendable {
  private var parts: [Int]

  /// The cost of a program.
  package init(_ program: Program) {
    let instructions = program.instructions
    let cpus = instructions.reduce(into: Bits<CPUID>()) { $0.insert($1.cpu) }.count
    let boot = program.boot
    let bootSize =
      Int(boot.files) + Int(boot.filePages) + Int(boot.devicePages) + Int(boot.devices)
      + Int(boot.tableEntries) - Int(Boot().tableEntries) + Int(boot.reflink) + Int(boot.races)
    parts = [
      program.callCount, program.preemptionCount, instructions.count,
      program.variant.repaired.members.count + program.variant.broken.members.count, cpus,
      boot == Boot() ? 0 : 1 + bootSize,
      instructions.reduce(0) { $0 + ($1.call?.operation.plainness ?? 0) },
      instructions.reduce(0) { $0 + ($1.call?.weight ?? 0) },
      instructions.reduce(0) { $0 + Int($1.until?.visit ?? 0) },
    ]
  }

  package static func < (left: Self, right: Self) -> Bool {
    left.parts.lexicographicallyPrecedes(right.parts)
  }
}

extension Call {
  /// How far its operands are from the simplest ones.
  fileprivate var weight: Int {
    (Vocabulary.signature(operation)?.parameters ?? []).reduce(0) { $0 + weight(of: $1) }
  }

  private func weight(of parameter: Parameter) -> Int {
    switch parameter {
    case .mm: mm.position
    // A page earlier counts for more than a page less.
    case .address where address.isFilePage: address.file.position + 2 * address.page.position
    case .address: 2 * Limits.filePages + address.mapping.position + 2 * address.page.position
    case .file: file.position
    case .filePage: file.position + page.position
    case .sourcePage: address.file.position + address.page.position
    case .mapping: mapping.position
    case .handle, .cpu: 0
    case .pfn: pfn.position
    case .pagemap: pagemap.position
    case .value: value == 1 ? 0 : 256 + Int(value)
    case .size: Int(value)
    case .pages(let standard): pages == standard ? 0 : Limits.filePages + Int(pages)
    case .times, .entries: Int(times) - 1
    case .iova: slot + entry
    case .flags: flags.rawValue.nonzeroBitCount
    }
  }
}

// MARK: Lines

extension Reducer {
  /// What comes after the violation cannot matter to it.
  private mutating func dropWhatFollows() {
    var run = Run(program.machine())
    for (line, instruction) in program.instructions.enumerated() {
      run.execute(instruction, tag: -1)
      guard run.machine.verdict.all.contains(where: target.hasSignature) else { continue }
      var candidate = program
      candidate.lines.removeSubrange((line + 1)...)
      accept(candidate)
      return
    }
  }

  /// Everything that cannot have to do with it goes at once.
  private mutating func dropUnrelated() {
    guard let (violation, _) = Self.witness(of: target, in: program),
      let unrelated = Relevance.unrelatedLines(of: program, to: violation), !unrelated.isEmpty
    else { return }
    accept(program.without(unrelated.flatMap { linesOfCall(at: $0) }))
  }

  /// Drops calls with what resumes them, the last ones first: in chunks that grow where they can be
  /// left out, and shrink where they cannot.
  private mutating func dropCalls() {
    var size = max(1, program.callCount / 4)
    var end = program.callCount
    while end > 0 {
      let calls = program.instructions.indices.filter { program.instructions[$0].call != nil }
      end = min(end, calls.count)
      let start = max(0, end - size)
      let chunk = calls[start..<end].flatMap { linesOfCall(at: $0) }
      if accept(program.without(chunk)) {
        size *= 2
        end = start
      } else if size == 1 {
        end = start
      } else {
        size = max(1, size / 4)
      }
    }
  }

  /// Drops single lines, then pairs of them.
  private mutating func dropLines() {
    for line in program.lines.indices.reversed() where line < program.lines.count {
      accept(program.without([line]))
    }
    dropPairs()
  }

  private mutating func dropPairs() {
    guard program.lines.count <= SearchLimits.pairedLines else { return }
    var second = program.lines.count - 1
    while second > 0 {
      for first in 0..<second where second < program.lines.count {
        accept(program.without([first, second]))
      }
      second = min(second, program.lines.count) - 1
    }
  }

  func linesOfCall(at start: Int) -> [Int] { program.linesOfCall(at: start) }
}

// MARK: Preemptions

extension Reducer {
  /// Lets each call run on where it stopped, or begin only where it went on.
  private mutating func dropPreemptions() {
    var line = program.lines.count
    while line > 0 {
      line -= 1
      guard line < program.lines.count, var instruction = program.lines[line].instruction,
        instruction.until != nil
      else { continue }
      let next = nextResume(after: line)
      var candidate = program
      let stop = instruction.until
      instruction.until = next.flatMap { program.lines[$0].instruction?.until }
      candidate.lines[line].instruction = instruction
      if accept(next.map { candidate.without([$0]) } ?? candidate) { continue }
      instruction.until = nil
      candidate = program
      candidate.lines[line].instruction = instruction
      if accept(candidate) { continue }
      if let next {
        if accept(delaying(line, to: next)) { continue }
      } else if delayUnstopped(line) {
        continue
      }
      instruction.until = stop
      lowerVisit(of: instruction, at: line)
    }
  }

  /// The program with a stopped line moved to where the call goes on.
  private func delaying(_ line: Int, to next: Int) -> Program {
    var candidate = program
    candidate.lines[next].instruction?.call = program.lines[line].instruction?.call
    candidate.lines.remove(at: line)
    return candidate
  }

  /// Moves a stopped line, which only the staged end resumes, behind some later one, not stopped.
  private mutating func delayUnstopped(_ line: Int) -> Bool {
    for place in program.lines.indices.dropFirst(line + 1).reversed() {
      var candidate = program
      var moved = candidate.lines.remove(at: line)
      moved.instruction?.until = nil
      candidate.lines.insert(moved, at: place)
      if accept(candidate) { return true }
      // What it did for the others they may do themselves.
      let writing = candidate.mappingCalls { call in
        var call = call
        if call.allows(.write) { call.flags.insert(.write) }
        return call
      }
      if accept(writing) { return true }
    }
    return false
  }

  private mutating func lowerVisit(of instruction: Instruction, at line: Int) {
    guard var stop = instruction.until, stop.visit > 1 else { return }
    for visit in [1, stop.visit / 2, stop.visit - 1] where visit >= 1 {
      stop.visit = visit
      var candidate = program
      candidate.lines[line].instruction?.until = stop
      if accept(candidate) { return }
    }
  }

  private func nextResume(after line: Int) -> Int? {
    guard let cpu = program.lines[line].instruction?.cpu else { return nil }
    let next = program.lines.indices.dropFirst(line + 1)
      .first { program.lines[$0].instruction?.cpu == cpu }
    return next.flatMap { program.lines[$0].instruction?.call == nil ? $0 : nil }
  }
}

extension Program {
  /// The program with some lines left out.
  func without(_ lines: [Int]) -> Program {
    var copy = self
    for line in lines.sorted(by: >) { copy.lines.remove(at: line) }
    return copy
  }
}
