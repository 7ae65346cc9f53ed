// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import PageLifecycle
import Programs
import Spelling
import Storage

/// `selftest`: every seeded bug must be found, by an invariant it declares, from nothing.
enum SelfTestCommand: Command {
  static let specimen = Option(
    "specimen", .text("NAME", offers: Specimen.all.map(\.name)),
    "a seeded bug; @v6.18: all of a protocol, M-SKIP: one in all of them [all]",
    isRepeated: true)
  static let executions = Option(
    "executions", .number(1...UInt64(Int.max)), "how many programs a run may take [200000]")
  static let time = Option("time", .duration, "how much CPU time a run may take [no limit]")
  static let seed = Option("seed", .number(), "where all randomness begins [1]")
  static let seeds = Option(
    "seeds", .number(1...10_000), "how many seeds each is run from, that one and those after it [1]"
  )
  static let csv = Option("csv", .file, "keep every run there, and go on with what it has")
  static let markdown = Option("markdown", "print the kill matrix as a Markdown table")

  static let name = "selftest"
  static let summary = "find every seeded bug from nothing, and none in what is correct"
  static let discussion = """
    A specimen is a protocol with one rule broken, and the invariants that must show it.  Each is
    fuzzed on its own, without corpus and without known findings, until a declared invariant breaks
    or the run is used up.  Each protocol with all known bugs repaired is fuzzed for as long, and
    must stay clean.  At the end come the invariants that no specimen needed.

    With --csv every run is kept when it is over: whoever interrupts the command and gives it again
    goes on there, also to more seeds, specimens or programs.
    """
  static let options = [
    specimen, executions, time, seed, seeds, CompareCommand.workers, csv, markdown, Option.format,
    Option.quiet,
  ]
  static let examples = [
    Example("pagefuzz selftest", "everything"),
    Example("pagefuzz selftest --specimen M-MAPPED@v6.1 --seed 7", "one bug, another seed"),
    Example(
      "pagefuzz selftest --seeds 5 --time 1m --executions 9000000 --csv kills.csv --markdown",
      "the kill matrix; may be interrupted"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let first = arguments.number(seed) ?? 1
    let (last, isOver) = first.addingReportingOverflow((arguments.number(seeds) ?? 1) - 1)
    guard !isOver else {
      throw CommandFailure(.usage, "selftest: there are no seeds behind --seed \(first)")
    }
    var runs = SelfTestRuns(try specimens(of: arguments), seeds: first...last)
    if arguments.all(specimen).isEmpty { runs.addRepaired() }
    runs.executions = arguments.count(executions) ?? 200_000
    runs.seconds = arguments.duration(time).map { Double($0.seconds) } ?? .infinity
    var file =
      try arguments[csv].map { path throws(StorageError) in try KillFile(path) } ?? KillFile()
    defer { file.close() }
    let workers = arguments.count(CompareCommand.workers)
    Interruption.listen()
    var matrix = KillMatrix()
    try runs.make(
      in: &file, on: workers ?? ProcessInfo.processInfo.activeProcessorCount,
      isQuiet: arguments.has(.quiet)
    ) { kill, finding in
      matrix.add(kill)
      let isCorrect = kill.subject.specimen == nil
      if arguments.isJSON { return try Output.line(kill.json) }
      if arguments.has(markdown) && (!isCorrect || kill.isClean) { return }
      try Output.line(kill.text)
      if isCorrect, let finding = finding?.minimized() {
        try Output.write(finding.text(file: "found.prog"))
      }
    }
    if let status = Interruption.status { return status }
    if arguments.has(markdown) { for line in matrix.markdown { try Output.line(line) } }
    if !arguments.isJSON { for line in matrix.summary { try Output.line(line) } }
    return matrix.holds ? .success : .found
  }

  /// The specimens the command line names, or all.
  static func specimens(of arguments: ParsedArguments) throws -> [Specimen] {
    let words = arguments.all(specimen)
    func names(_ word: String, _ specimen: Specimen) -> Bool {
      let base = "@" + specimen.variant.base.name
      return [specimen.name, base, specimen.rule.info.bug].contains(word)
    }
    if let unknown = words.first(where: { word in !Specimen.all.contains { names(word, $0) } }) {
      let near = Suggestion.phrase(for: unknown, among: Specimen.all.map(\.name))
      throw CommandFailure(.usage, "no specimen '\(unknown)'\(near); see 'list specimens'")
    }
    return Specimen.all.filter { specimen in
      words.isEmpty || words.contains { names($0, specimen) }
    }
  }
}

/// What a self-test consists of: subject by subject, seed by seed.
private struct SelfTestRuns {
  private struct Run: Sendable {
    var subject: KillMatrix.Subject
    var seed: UInt64
    var key: KillFile.Key { KillFile.Key(subject: subject.name, seed: seed) }
    var test: SelfTest {
      switch subject {
      case .specimen(let specimen): SelfTest(of: specimen, seed: seed)
      case .repaired(let base): SelfTest(ofRepaired: base, seed: seed)
      }
    }
  }

  private struct Made: Sendable {
    var record: KillFile.Record
    var undeclared: Finding?
  }

  private var all: [Run]
  private let seeds: ClosedRange<UInt64>
  var executions = Int.max
  var seconds = Double.infinity

  init(_ specimens: [Specimen], seeds: ClosedRange<UInt64>) {
    self.seeds = seeds
    all = specimens.flatMap { specimen in
      seeds.map { Run(subject: .specimen(specimen), seed: $0) }
    }
  }

  /// Every protocol obeying every rule comes behind the specimens.
  mutating func addRepaired() {
    all += Protocol.all.flatMap { base in seeds.map { Run(subject: .repaired(base), seed: $0) } }
  }

  /// Makes the runs that a file lacks, and tells of all in order, until somebody asks to end.
  func make(
    in file: inout KillFile, on workers: Int, isQuiet: Bool,
    tell: (KillMatrix.Kill, Finding?) throws -> Void
  ) throws {
    let (all, executions, seconds) = (all, executions, seconds)
    let kept = all.map { run -> KillFile.Record? in
      guard let record = file.records[run.key] else { return nil }
      let (left, leftSeconds) = (executions - record.executions, seconds - record.cpuSeconds)
      let isDone =
        record.invariant != nil ? left >= 0 && leftSeconds >= 0 : left <= 0 || leftSeconds <= 0
      return isDone ? record : nil
    }
    var progress = Progress(isQuiet: isQuiet)
    defer { progress.clear() }
    try Threads.run(all.count, on: min(workers, all.count)) { position -> Made? in
      if let record = kept[position] { return Made(record: record, undeclared: nil) }
      let clock = Stopwatch(ofThread: true)
      var test = all[position].test
      let outcome = test.run(executions: executions) {
        Interruption.status == nil && clock.cpuSeconds < seconds
      }
      guard Interruption.status == nil else { return nil }
      return Made(
        record: KillFile.Record(outcome, cpuSeconds: clock.cpuSeconds),
        undeclared: outcome.undeclared)
    } deliver: { position, made in
      guard let made else { return false }
      let run = all[position]
      // What is wrong with a correct protocol is to be seen each time.
      let isWrong = run.subject.specimen == nil && made.undeclared != nil
      if kept[position] == nil, !isWrong { try file.add(made.record, run.key) }
      progress.clear()
      try tell(KillMatrix.Kill(run.subject, run.seed, made.record), made.undeclared)
      progress.show("\(position + 1) of \(all.count) runs")
      return true
    }
  }
}
