// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import PageLifecycle
import Spelling
import Storage

/// `compare`: which of several searches finds seeded bugs sooner, and whether that is chance.
enum CompareCommand: Command {
  static let seeds = Option("seeds", .number(1...10_000), "how many seeds each is run from [30]")
  static let steps = Option(
    "steps", .number(1...UInt64(Int32.max)), "atomic steps a run may take [20000000]")
  static let workers = Option(
    "workers", .number(1...64), "how many threads make runs [one a processor]")
  static let csv = Option("csv", .file, "keep every run there, and go on with what it has")
  static let svg = Option("svg", .file, "draw there how many runs still search, by steps")
  static let markdown = Option("markdown", "print the result as a Markdown table")
  static let from = Option(
    "from", .file, "compare what 'scripts/bench peers' wrote there; A and B are ways of it")
  static let unit = Option(
    "unit", .choice(PeerRuns.Unit.allCases.map(\.rawValue)), "what --from counts [executions]")

  static let name = "compare"
  static let summary = "which of two searches finds seeded bugs sooner"
  static let discussion = """
    Looks for each specimen with each search, from the same seeds and from nothing.  Printed are the
    median steps and how many runs found it, the ratio of the medians, that of the costs (all steps
    for each run that found it: what it takes if a run that is given up is begun anew), the chance
    that B needs fewer steps than A (A12: 0.5 is no difference) with its 95 % interval, and how
    likely such a difference is by luck (Mann and Whitney's U), before and after Holm's correction
    for the number of specimens.  A run that is given up counts as longer than any other.  At the
    end stand the geometric means of both ratios, of those specimens that A needs more than 100000
    steps for.

    A search is full, random (each program from nothing), even (as that, drawn and interleaved
    evenly), or the name of a scheduler (as random, and no other schedules).  With --csv every run
    is kept when it is over, in the order of runs: whoever interrupts the command and gives it again
    goes on there, also to more seeds, specimens or steps.  After a change of the search begin
    another file.  The number of workers changes no result.

    With --from nothing is run: the runs are those of a table, in which fuzzers of others stand
    beside ours.  The mean is then over all specimens, and steps a CPU-second follow.
    """
  static let options = [
    SelfTestCommand.specimen, seeds, steps, workers, csv, svg, markdown, from, unit,
    Option.format, Option.quiet,
  ]
  static let operands = [
    Operand(.text("A", offers: Search.all.map(\.name)), "a search"),
    Operand(
      .text("B", offers: Search.all.map(\.name)), "what to compare it with", isRepeated: true),
  ]
  static let examples = [
    Example(
      "pagefuzz compare random full --specimen M-STALEPMD@v6.18", "whether the search pays"),
    Example(
      "pagefuzz compare pct full --specimen @v6.18 --csv runs.csv --svg runs.svg",
      "every specimen of a protocol; may be interrupted"),
    Example(
      "pagefuzz compare --from .pagefuzz/peers/peers.csv campaign libfuzzer",
      "our campaign against a fuzzer of others"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    if let path = arguments[from] { return try compare(path, arguments) }
    let searches = try searches(arguments.operands)
    let specimens = try SelfTestCommand.specimens(of: arguments)
    let seeds = arguments.number(seeds) ?? 30
    let limit = arguments.count(steps) ?? 20_000_000
    var file =
      try arguments[csv].map { path throws(StorageError) in try TrialFile(path) }
      ?? TrialFile()
    defer { file.close() }
    let workers = arguments.count(workers) ?? ProcessInfo.processInfo.activeProcessorCount
    Interruption.listen()
    let runs = ComparedRuns(specimens, searches, seeds: seeds, limit: limit)
    try runs.make(in: &file, on: workers, isQuiet: arguments.has(.quiet))
    let table = ComparisonTable(searches: searches.map(\.name), rows: runs.rows(of: file))
    try tell(table, limit, arguments)
    return Interruption.status ?? .success
  }

  private static func compare(_ path: String, _ arguments: ParsedArguments) throws -> ExitStatus {
    let others = [SelfTestCommand.specimen, seeds, steps, workers, csv]
    if let other = others.first(where: { arguments.has($0) }) {
      throw UsageError("--\(other.name) is about runs of ours; --from has its runs")
    }
    let unit = arguments[unit].flatMap(PeerRuns.Unit.init) ?? .executions
    let (runs, ways) = (try PeerRuns(path), arguments.operands)
    if let unknown = ways.first(where: { !runs.ways.contains($0) }) {
      throw UsageError(
        "no run of '\(unknown)' in \(path), but \(runs.ways.joined(separator: ", "))")
    }
    let table = ComparisonTable(
      searches: ways, unit: .init(name: unit.rawValue, deep: 0), rows: runs.rows(of: ways, in: unit)
    )
    try tell(table, runs.longest(in: unit), arguments)
    for way in ways {
      guard let speed = runs.speed(of: way) else { continue }
      try arguments.isJSON ? Output.line(speed.json) : Output.line(speed.text)
    }
    return .success
  }

  private static func tell(
    _ table: ComparisonTable, _ limit: Int, _ arguments: ParsedArguments
  ) throws {
    if let path = arguments[svg] {
      let plot = SurvivalPlot(table: table, limit: limit)
      try FileSystem.real.writeAtomically(Array(plot.text.utf8), to: path)
    }
    for line in lines(of: table, arguments) { try Output.line(line) }
  }

  private static func lines(
    of table: ComparisonTable, _ arguments: ParsedArguments
  ) -> [String] {
    if arguments.isJSON { return table.json.map(\.line) }
    return arguments.has(markdown) ? table.markdown : table.text
  }

  private static func searches(_ names: [String]) throws -> [Search] {
    if let again = names.indices.first(where: { names[..<$0].contains(names[$0]) }) {
      throw CommandFailure(.usage, "compare: '\(names[again])' is given twice")
    }
    return try names.map { name in
      if let search = Search(named: name) { return search }
      let near = Suggestion.phrase(for: name, among: Search.all.map(\.name))
      throw CommandFailure(.usage, "compare: no search '\(name)'\(near)")
    }
  }
}

/// Every run a comparison consists of: specimen by specimen, seed by seed, search by search.
private struct ComparedRuns {
  private struct Run: Sendable {
    var specimen: Specimen
    var search: Search
    var seed: UInt64
    var key: TrialFile.Key {
      TrialFile.Key(specimen: specimen.name, search: search.name, seed: seed)
    }
  }

  private let specimens: [Specimen]
  private let searches: [Search]
  private let seeds: ClosedRange<UInt64>
  private let limit: Int

  init(_ specimens: [Specimen], _ searches: [Search], seeds: UInt64, limit: Int) {
    (self.specimens, self.searches) = (specimens, searches)
    (self.seeds, self.limit) = (1...seeds, limit)
  }

  /// Makes the runs that a file lacks, until somebody asks to end.
  func make(in file: inout TrialFile, on workers: Int, isQuiet: Bool) throws {
    let all = specimens.flatMap { specimen in
      seeds.flatMap { seed in searches.map { Run(specimen: specimen, search: $0, seed: seed) } }
    }
    let (trials, limit) = (file.trials, limit)
    let missing = all.filter { trials[$0.key]?.limited(to: limit) == nil }
    var progress = Progress(isQuiet: isQuiet)
    defer { progress.clear() }
    var made = all.count - missing.count
    progress.show("\(made) of \(all.count) runs")
    try Threads.run(missing.count, on: min(workers, max(1, missing.count))) { position -> Trial? in
      let run = missing[position]
      var test = SelfTest(of: run.specimen, seed: run.seed, search: run.search)
      return test.trial(steps: limit) { Interruption.status == nil }
    } deliver: { position, trial in
      guard let trial else { return false }
      try file.add(trial, missing[position].key)
      made += 1
      progress.show("\(made) of \(all.count) runs; \(missing[position].specimen.name)")
      return true
    }
  }

  /// The runs of those specimens that were finished.
  func rows(of file: TrialFile) -> [ComparisonTable.Row] {
    specimens.compactMap { specimen in
      let trials = searches.map { search in
        seeds.compactMap { seed in
          let key = TrialFile.Key(specimen: specimen.name, search: search.name, seed: seed)
          return file.trials[key]?.limited(to: limit)
        }
      }
      guard trials.allSatisfy({ $0.count == seeds.count }) else { return nil }
      return ComparisonTable.Row(specimen: specimen.name, trials: trials)
    }
  }
}
