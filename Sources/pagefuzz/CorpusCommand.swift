// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import PageLifecycle
import Programs
import Storage

/// `corpus`: what programs reach together, and the fewest that reach it.
enum CorpusCommand: Command {
  static let name = "corpus"
  static let summary = "the fewest programs that reach the same; statistics; files of other fuzzers"
  static let discussion = """
    What a program reaches: steps that touch pages in some state, steps of two CPUs that meet at a
    page or file, calls that wait or end with an errno, and where others stand when a line ends.
    """
  static let examples = [
    Example("pagefuzz corpus stats corpus", "what the regressions reach"),
    Example("pagefuzz corpus distil night --output corpus/distilled", "keep what matters"),
  ]
  static let subcommands: [any Command.Type] = [
    CorpusDistilCommand.self, CorpusStatsCommand.self, CorpusImportCommand.self,
    CorpusExportCommand.self,
  ]
  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    throw CommandFailure(.usage, "corpus: say distil, stats, import or export")
  }

  /// Reads all programs below some paths; what is none is reported, and makes the status worse.
  fileprivate static func corpus(_ paths: [String]) throws -> (Corpus, ExitStatus) {
    let (programs, status) = try programs(paths)
    var corpus = Corpus()
    for program in programs { corpus.add(.init(program)) }
    return (corpus, status)
  }

  /// The same, without what they reach.
  static func programs(_ paths: [String]) throws -> ([Program], ExitStatus) {
    var programs: [Program] = []
    var status = ExitStatus.success
    for found in ProgramFiles.expand(paths) {
      do { programs += try read(found) } catch let failure as CommandFailure {
        Diagnostics.report(failure.message)
        status = max(status, failure.status)
      }
    }
    return (programs, status)
  }

  private static func read(_ found: ProgramFiles.Found) throws -> [Program] {
    let path: String
    do throws(StorageError) { path = try found.get() } catch {
      throw CommandFailure(ExitStatus(error), error.message)
    }
    return try parse(try CorpusExchange.bytes(of: path), path)
  }

  /// The programs of a text.
  static func parse(_ bytes: [UInt8], _ path: String) throws -> [Program] {
    EngineTrap.blame(path)
    do throws(ProgramError) {
      return try ProgramParser.parseAll(bytes, file: path).map(\.program)
    } catch {
      throw CommandFailure(.invalidInput, error.description)
    }
  }
}

/// `corpus distil`: programs that together reach all that some programs reach.
enum CorpusDistilCommand: Command {
  static let output = Option("output", .directory, "where the chosen programs are written")
  static let limit = Option(
    "limit", .number(1...UInt64(SearchLimits.corpusCandidates)),
    "how many programs may be chosen [\(SearchLimits.corpusPrograms)]")

  static let beyond = Option(
    "beyond", .text("PATH"), "programs whose reach does not count, because they are kept anyway",
    isRepeated: true)

  static let name = "distil"
  static let summary = "choose the fewest programs that reach the same"
  static let discussion = """
    Each time the program that adds most is chosen, of equals the shortest.  It is written with the
    identity it shows now as what it expects.
    """
  static let options = [output, limit, beyond, Option.format]
  static let operands = [
    Operand(.path, "programs, and directories of programs", isRepeated: true)
  ]
  static let examples = [
    Example("pagefuzz corpus distil night --output corpus/distilled", "keep what matters"),
    Example(
      "pagefuzz corpus distil night --beyond corpus --output new", "only what corpus does not reach"
    ),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    guard let path = arguments[output] else {
      throw CommandFailure(.usage, "corpus distil: name a directory with --output")
    }
    let (corpus, status) = try CorpusCommand.corpus(arguments.operands)
    guard !corpus.entries.isEmpty else { return status }
    let others = try CorpusCommand.corpus(arguments.all(beyond)).0
    let chosen = corpus.distilled(
      limit: arguments.count(limit) ?? SearchLimits.corpusPrograms, beyond: others)
    try CorpusDirectory(path).save(chosen.map(\.program))
    var kept = Corpus()
    for entry in chosen { kept.add(entry) }
    let line: JSONText = [
      "programs": .count(corpus.entries.count), "features": .count(corpus.features),
      "chosen": .count(chosen.count), "chosenFeatures": .count(kept.features),
    ]
    try Output.line(
      arguments.isJSON
        ? line.line
        : "\(chosen.count) of \(corpus.entries.count) programs reach \(kept.features) of "
          + "\(corpus.features) features; written to \(path)")
    return status
  }
}

/// `corpus stats`: what programs reach together.
enum CorpusStatsCommand: Command {
  static let name = "stats"
  static let summary = "count what programs reach, and name what they do not"
  static let options = [Option.format]
  static let operands = [
    Operand(.path, "programs, and directories of programs", isRepeated: true)
  ]
  static let examples = [Example("pagefuzz corpus stats corpus", "the regressions")]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let (corpus, status) = try CorpusCommand.corpus(arguments.operands)
    guard !corpus.entries.isEmpty else { return status }
    let calls = corpus.entries.flatMap { $0.program.instructions.compactMap(\.call?.operation) }
    let missing = Procedure.operations.filter { !calls.contains($0) }.map(\.name)
    let bases = Protocol.all.map { base in
      (base.name, corpus.entries.count { $0.program.variant.base == base })
    }
    let footprint = corpus.footprint
    let kinds = Array(zip(Footprint.Kind.allCases, footprint.counts))
    let line: JSONText = [
      "programs": .count(corpus.entries.count), "calls": .count(calls.count),
      "features": .count(footprint.count),
      "featuresByKind": .object(kinds.map { .init($0.0.name, .count($0.1)) }),
      "operationsMissing": .strings(missing),
      "protocols": .object(bases.map { .init($0.0, .count($0.1)) }),
    ]
    guard !arguments.isJSON else {
      try Output.line(line)
      return status
    }
    let shares = bases.filter { $0.1 > 0 }.map { "\($0.1) of \($0.0)" }.joined(separator: ", ")
    try Output.line("\(corpus.entries.count) programs (\(shares)), \(calls.count) calls")
    let parts = kinds.map { kind, count in "\(kind.name) \(count) of \(kind.capacity)" }
    try Output.line("\(footprint.count) features: \(parts.joined(separator: ", "))")
    try Output.line(
      missing.isEmpty
        ? "every operation is called" : "never called: \(missing.joined(separator: ", "))")
    return status
  }
}

/// A directory of programs that are kept for what they reach.
struct CorpusDirectory {
  private let directory: ProgramDirectory

  init(_ path: String, in fileSystem: FileSystem = .real) throws(StorageError) {
    directory = ProgramDirectory(path, in: fileSystem)
    try directory.prepare()
    try directory.probe()
  }

  /// Saves programs, each with the identity it shows now as what it expects.
  func save(_ programs: [Program]) throws(StorageError) {
    for program in programs {
      var program = program
      let found = Execution.run(program).identities().first
      program.introduction = []
      program.expectation = found.map { .violation(Pattern($0)) } ?? .none
      let text = ProgramPrinter.text(of: program)
      let name = ProgramDirectory.name([program.variant.base.name], hash: CrashDirectory.hash(text))
      try directory.save(text, as: name)
    }
  }
}
