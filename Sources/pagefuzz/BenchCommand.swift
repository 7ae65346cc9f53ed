// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import PageLifecycle
import Programs

/// `bench`: how fast the engine executes and judges steps.
enum BenchCommand: Command {
  static let programs = Option("programs", .number(1...1_000_000), "how many programs [10000]")

  static let migrations = Option(
    "migrations", .number(1...100_000_000), "instead, migrate pages until so many went through it")

  static let reductions = Option(
    "reductions", .number(1...100_000), "instead, minimize so many fat random programs")

  static let campaign = Option(
    "campaign", .number(1...10_000_000), "instead, how much of that a campaign of so many keeps")

  static let output = Option(
    "output", .directory, "with --reductions, where the programs and a table of them go")

  static let prove = Option(
    "prove", "with --reductions, look for shorter programs of each bug in every interleaving")

  static let name = "bench"
  static let summary = "measure how fast the engine executes and judges steps"
  static let discussion = """
    Draws fixed programs at full limits, shared among the protocols, and then executes
    them line by line with every invariant on, staged end included.  Only the execution is timed,
    in seconds of the processor.  The checksum combines the hashes of the states programs end in;
    it is the same on every machine and in every build.

    With --migrations, random programs move anonymous pages to two devices and back, with
    everything that makes that fail, until so many pages went through it.  At the end of every
    program all books must balance, and no page of a device may be lost.

    With --reductions, fat random programs of many protocols with several bugs each are minimized.
    Programs of one bug should end in one file: of all pairs of programs, precision is the share
    of those with the same file that show the same bug, and recall of those with the same bug that
    have the same file.  With --prove, every program of fewer calls is tried, too, where that takes
    less than some million states: no file should be longer than need be.  With --output, each
    program is reduced for the violation it shows first, and saved as it was, beside a table: for
    those who reduce it in another way.

    With --campaign, a whole campaign on v6.18 with every known bug repaired is timed in one
    process, and then the same programs alone, without search and feedback.
    """
  static let options = [programs, migrations, reductions, prove, output, campaign, Option.format]
  static let examples = [
    Example("pagefuzz bench", "steps per second, for each protocol"),
    Example("pagefuzz bench --migrations 1000000", "is any page ever lost on its way?"),
    Example("pagefuzz bench --reductions 300 --prove", "does one bug end in one short file?"),
    Example("pagefuzz bench --campaign 300000", "what does the search itself cost?"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    if let reductions = arguments.count(reductions), let path = arguments[output] {
      return try ReductionBench.save(reductions, to: path)
    }
    if let reductions = arguments.count(reductions) {
      return try ReductionBench.run(reductions, arguments)
    }
    if let migrations = arguments.count(migrations) {
      return try migrate(migrations, arguments)
    }
    if let programs = arguments.count(campaign) {
      return try CampaignBench.run(programs, arguments)
    }
    var total = Measurement(name: "all")
    let programs = arguments.count(programs) ?? 10_000
    let share = programs / Protocol.all.count
    for (position, base) in Protocol.all.enumerated() {
      let rest = position == 0 ? programs % Protocol.all.count : 0
      guard share + rest > 0 else { continue }
      let measured = Measurement(of: base, Workload.programs(of: base, count: share + rest))
      total.add(measured)
      try Output.line(arguments.isJSON ? measured.json.line : measured.text)
    }
    try Output.line(arguments.isJSON ? total.json.line : total.text)
    return .success
  }
}

extension BenchCommand {
  /// Migrates pages under each protocol, until its share of them went through.
  private static func migrate(_ pages: Int, _ arguments: ParsedArguments) throws -> ExitStatus {
    var isClean = true
    let bases = Protocol.all.filter(\.isOfKernel)
    for base in bases {
      var trials = Conservation(of: base)
      while trials.migrations < (pages + bases.count - 1) / bases.count {
        trials.advance()
      }
      let line: JSONText = [
        "protocol": .string(trials.variant.name), "programs": .count(trials.programs),
        "moved": .count(trials.moved), "stayed": .count(trials.stayed),
        "balanced": .boolean(trials.violating == nil),
      ]
      let balance = trials.violating == nil ? "every book balances" : "VIOLATED by"
      try Output.line(
        arguments.isJSON
          ? line.line
          : "\(trials.variant.name): \(trials.moved) pages moved and \(trials.stayed) stayed in "
            + "\(trials.programs) programs; \(balance)")
      guard let program = trials.violating else { continue }
      isClean = false
      if !arguments.isJSON { try Output.line(ProgramPrinter.text(of: program)) }
    }
    return isClean ? .success : .found
  }
}

/// What executing some programs took.
private struct Measurement {
  var name: String
  var programs = 0
  var calls = 0
  var steps = 0
  var endSteps = 0
  var blockedSteps = 0
  var violating = 0
  var checksum: UInt64 = 0
  var cpuSeconds = 0.0

  init(name: String) { self.name = name }

  init(of base: Protocol, _ programs: [Program]) {
    self.init(name: base.name)
    let lines = programs.map(\.instructions)
    let machines = programs.map { Machine($0.variant.rules, $0.boot) }
    self.programs = programs.count
    calls = programs.reduce(0) { $0 + $1.callCount }
    var run = Run(machines[0])
    for position in lines.indices {
      let start = ThreadClock.seconds
      run.reset(to: machines[position], calls: 0)
      for instruction in lines[position] { run.execute(instruction, tag: -1) }
      run.finish()
      cpuSeconds += ThreadClock.seconds - start
      steps += run.steps
      endSteps += run.endSteps
      blockedSteps += run.blockedSteps
      if run.machine.verdict.count > 0 { violating += 1 }
      checksum = Execution.combine(checksum, run.machine.stateHash)
    }
  }

  mutating func add(_ other: Measurement) {
    programs += other.programs
    calls += other.calls
    steps += other.steps
    endSteps += other.endSteps
    blockedSteps += other.blockedSteps
    violating += other.violating
    checksum = Execution.combine(checksum, other.checksum)
    cpuSeconds += other.cpuSeconds
  }

  private var rate: Double { cpuSeconds > 0 ? Double(steps + endSteps) / cpuSeconds : 0 }
  private var stepsPerCall: Double { calls > 0 ? Double(steps) / Double(calls) : 0 }
  private var blockedShare: Double {
    steps + endSteps > 0 ? Double(blockedSteps) / Double(steps + endSteps) : 0
  }
  private static let stateBytes = MemoryLayout<Machine>.size

  var text: String {
    "\(name): \(Decimals.two(rate / 1e6)) million steps a CPU-second; \(programs) programs, "
      + "\(steps) steps and \(endSteps) of staged ends, \(Decimals.two(stepsPerCall)) steps a "
      + "call, \(Decimals.two(blockedShare * 100)) % blocked; \(Self.stateBytes) bytes of state; "
      + "\(violating) violating; checksum \(String(checksum, radix: 16))"
  }

  var json: JSONText {
    [
      "protocol": .string(name), "programs": .count(programs), "calls": .count(calls),
      "steps": .count(steps), "endSteps": .count(endSteps), "blockedSteps": .count(blockedSteps),
      "stateBytes": .count(Self.stateBytes), "violating": .count(violating),
      "checksum": .string(String(checksum, radix: 16)), "cpuSeconds": .seconds(cpuSeconds),
      "stepsPerCPUSeconds": .unsigned(UInt64(rate)),
    ]
  }
}
