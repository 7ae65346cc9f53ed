// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import PageLifecycle
import Programs
import Spelling

/// `explore`: every reachable state within bounds, and the shortest program to each violation.
enum ExploreCommand: Command {
  static let `protocol` = VariantOption.option("the protocol to explore [v6.18+repaired]")
  static let pages = Option(
    "pages", .number(1...UInt64(Limits.filePages)), "pages of a file, blocks of the device [1]")
  static let files = Option("files", .number(1...UInt64(Limits.files)), "files [1]")
  static let devices = Option(
    "devices", .number(0...UInt64(PagemapID.bootDevices)), "devices with pages of their own [0]")
  static let cpus = Option("cpus", .number(1...UInt64(Limits.cpus)), "CPUs [2]")
  static let calls = Option("calls", .number(0...255), "calls, on all CPUs together [2]")
  static let operation = Option(
    "operation", .text("NAME", offers: Procedure.operations.map(\.name)),
    "an operation to call [all of them]", isRepeated: true)
  static let states = Option(
    "states", .number(1...UInt64(Int32.max)), "give up after this many states [4000000]")

  static let name = "explore"
  static let summary = "visit every state that calls within small bounds can reach"
  static let discussion = """
    Tries every call of every operation in every state, and every interleaving, fewest calls first
    and then fewest steps.  Each invariant that is violated is shown once, by a program with the
    fewest calls, and among those the fewest steps.

    'complete' means that every state reachable within the bounds was visited and judged, the
    staged end of every quiet state included.  Calls that can do nothing where they start are left
    out, and operands that only rename others: one value to write, one place to map a file at.
    """
  static let options = [
    `protocol`, pages, files, devices, cpus, calls, operation, states, Option.format, Option.quiet,
  ]
  static let examples = [
    Example("pagefuzz explore", "two calls on two CPUs, one page"),
    Example("pagefuzz explore --protocol v6.1 --cpus 1 --calls 3", "its shortest bugs"),
    Example(
      "pagefuzz explore --pages 2 --operation gup_fast --operation punch_hole --calls 3",
      "one race, in depth"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    var exploration = try Exploration(arguments)
    Interruption.listen()
    let clock = Stopwatch()
    var progress = Progress(isQuiet: arguments.has(.quiet))
    var nextLook = 0.0
    let outcome = exploration.explorer.search { outcome in
      if Interruption.status != nil { return false }
      guard clock.wallSeconds >= nextLook else { return true }
      nextLook = clock.wallSeconds + FuzzReport.interval
      progress.show("\(outcome.states) states, \(outcome.witnesses.count) violations")
      return true
    }
    progress.clear()
    try exploration.report(outcome, clock.cpuSeconds, isJSON: arguments.isJSON)
    if let status = Interruption.status { return status }
    return outcome.witnesses.isEmpty ? .success : .found
  }
}

/// What is explored, and how the result is said.
struct Exploration {
  let variant: Variant
  let boot: Boot
  let bounds: Explorer.Bounds
  var explorer: Explorer

  init(_ arguments: ParsedArguments) throws(UsageError) {
    variant = try VariantOption.parse(arguments[ExploreCommand.protocol] ?? "v6.18+repaired")
    let pages = arguments.count(ExploreCommand.pages) ?? 1
    let files = arguments.count(ExploreCommand.files) ?? 1
    boot = Boot(
      files: UInt8(files), filePages: UInt8(pages), devicePages: UInt8(pages),
      devices: UInt8(arguments.count(ExploreCommand.devices) ?? 0))
    var bounds = Explorer.Bounds()
    if let cpus = arguments.count(ExploreCommand.cpus) { bounds.cpus = cpus }
    if let calls = arguments.count(ExploreCommand.calls) { bounds.calls = calls }
    if let states = arguments.count(ExploreCommand.states) { bounds.states = states }
    self.bounds = bounds
    let alphabet = Alphabet(
      pages: pages, files: files,
      operations: try Self.operations(arguments.all(ExploreCommand.operation)))
    explorer = Explorer(from: Machine(variant.rules, boot), within: bounds) { machine, _, _ in
      alphabet.calls(in: machine)
    }
  }

  static func operations(_ names: [String]) throws(UsageError) -> [Procedure] {
    guard !names.isEmpty else { return Procedure.operations }
    var operations: [Procedure] = []
    for name in names {
      guard let operation = Procedure.operations.first(where: { $0.name == name }) else {
        let near = Suggestion.phrase(for: name, among: Procedure.operations.map(\.name))
        throw UsageError("--operation '\(name)' is no operation\(near)")
      }
      operations.append(operation)
    }
    return operations
  }

  // MARK: Forms

  func report(_ outcome: Explorer.Outcome, _ cpuSeconds: Double, isJSON: Bool) throws {
    guard !isJSON else { return try Output.line(summary(outcome, cpuSeconds)) }
    for witness in outcome.witnesses {
      let invariant = witness.violation.invariant
      try Output.line("\(invariant.name)  \(invariant.statement)")
      for line in ProgramPrinter.text(of: program(witness)).split(separator: "\n") {
        try Output.line("    \(line)")
      }
      try Output.line("")
    }
    let end = outcome.isComplete ? "complete" : "incomplete: gave up"
    try Output.line(
      "\(variant.name): \(outcome.states) states, \(outcome.transitions) transitions, "
        + "diameter \(outcome.diameter), \(end)")
    try Output.line(
      "\(outcome.witnesses.count) invariants violated; \(Decimals.two(cpuSeconds)) s of CPU")
  }

  /// The program of a witness, which expects what it shows.
  private func program(_ witness: Explorer.Witness) -> Program {
    var program = Program(variant, boot: boot, instructions: witness.instructions)
    let identity = identity(of: witness.violation, in: program)
    program.expectation = .violation(Pattern(identity))
    return program
  }

  private func summary(_ outcome: Explorer.Outcome, _ cpuSeconds: Double) -> JSONText {
    [
      "protocol": .string(variant.name), "pages": .count(Int(boot.filePages)),
      "files": .count(Int(boot.files)), "cpus": .count(bounds.cpus),
      "calls": .count(bounds.calls), "states": .count(outcome.states),
      "transitions": .count(outcome.transitions), "diameter": .count(outcome.diameter),
      "complete": .boolean(outcome.isComplete),
      "violations": .array(
        outcome.witnesses.map { witness in
          let program = program(witness)
          return [
            "id": .string("\(Programs.identity(of: witness.violation, in: program))"),
            "invariant": .string(witness.violation.invariant.name),
            "calls": .count(program.callCount), "lines": .count(program.lines.count),
            "program": .string(ProgramPrinter.text(of: program)),
          ]
        }),
      "cpuSeconds": .seconds(cpuSeconds),
    ]
  }
}
