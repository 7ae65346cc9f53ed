// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import PageLifecycle
import Programs
import Storage

/// `fuzz`: a campaign, and every new bug of it in a file of its own.
enum FuzzCommand: Command {
  static let `protocol` = VariantOption.option(
    "a protocol to fuzz [all of them]", isRepeated: true)
  static let time = Option("time", .duration, "how long [60s, without --executions]")
  static let executions = Option("executions", .number(1...UInt64.max), "how many programs")
  static let seed = Option("seed", .number(), "where all randomness begins [1]")
  static let search = Option(
    "search", .text("NAME", offers: Search.names),
    "how to search: full, random, a scheduler, or without one mechanism [full]")
  static let crashes = Option("crashes", .directory, "where findings are kept [crashes]")
  static let corpus = Option(
    "corpus", .directory, "where to keep the fewest programs that reach all it reached")
  static let failOn = Option(
    "fail-on", .choice(["new", "any"]), "which violations end it with status 1 [new]")

  static let name = "fuzz"
  static let summary = "search for programs that break a promise of a protocol"
  static let discussion = """
    Draws calls and interleavings, runs them, and judges every step.  A violation that no file of
    the crashes directory expects is saved at once, then again as the smallest program that shows
    the same bug.  Protocols take turns; a third of the programs run on the protocol as released,
    the others with all or some of its known bugs repaired, so that these hide nothing.

    The same seed and number of executions find the same: only times differ.
    """
  static let options = [
    `protocol`, time, executions, seed, search, corpus, crashes, failOn, Option.format,
    Option.quiet,
  ]
  static let examples = [
    Example("pagefuzz fuzz", "every protocol, 60 seconds"),
    Example("pagefuzz fuzz --protocol v6.1 --time 8h --crashes night", "a night"),
    Example("pagefuzz fuzz --protocol v6.18+repaired --executions 100000 --seed 7", "the same"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    var options = Campaign.Options(try arguments.all(`protocol`).map(VariantOption.parse))
    if options.variants.isEmpty { options.variants = Protocol.all.map { Variant($0) } }
    if let number = arguments.number(seed) { options.seed = number }
    if let name = arguments[search] {
      guard let search = Search(named: name) else {
        let near = Suggestion.phrase(for: name, among: Search.names)
        throw CommandFailure(.usage, "fuzz: no search '\(name)'\(near)")
      }
      options.search = search
    }
    let directory = try CrashDirectory(arguments[crashes] ?? "crashes")
    options.known = directory.known.map(\.known)
    let kept = try arguments[corpus].map { try CorpusDirectory($0) }
    options.keepsCorpus = kept != nil
    let limit = arguments.count(executions)
    let span = arguments.duration(time) ?? (limit == nil ? TimeSpan(seconds: 60) : nil)
    var session = FuzzSession(
      Campaign(options), directory, kept,
      FuzzReport(isJSON: arguments.isJSON, isQuiet: arguments.has(.quiet)))
    Interruption.listen()
    try session.run(executions: limit ?? .max, seconds: span.map { Double($0.seconds) })
    if let status = Interruption.status { return status }
    return session.status(failsOnAny: arguments[failOn] == "any")
  }
}

/// A campaign with a clock, a disk and somebody who watches.
private struct FuzzSession {
  private var campaign: Campaign
  private let directory: CrashDirectory
  private let corpus: CorpusDirectory?
  private var report: FuzzReport
  private let clock = Stopwatch()

  init(
    _ campaign: Campaign, _ directory: CrashDirectory, _ corpus: CorpusDirectory?,
    _ report: FuzzReport
  ) {
    (self.campaign, self.directory, self.corpus) = (campaign, directory, corpus)
    self.report = report
  }

  mutating func run(executions limit: Int, seconds: Double?) throws {
    try report.begin(campaign, directory)
    // What an earlier campaign was killed over is not searched for again: it is minimized now.
    for (finding, name) in directory.unfinished {
      let minimized = finding.minimized()
      let newName = try directory.save(minimized)
      if newName != name { try directory.remove(name) }
    }
    var nextLook = 0.0
    while campaign.executions < limit, Interruption.status == nil {
      let now = clock.wallSeconds
      if let seconds, now >= seconds { break }
      if now >= nextLook {
        report.show(campaign, clock)
        nextLook = now + FuzzReport.interval
      }
      EngineTrap.blame(seed: campaign.options.seed, execution: campaign.executions + 1)
      for finding in campaign.advance() { try save(finding) }
    }
    EngineTrap.blame(nil)
    if let corpus {
      let chosen = campaign.corpus.distilled(limit: SearchLimits.corpusPrograms)
      try corpus.save(chosen.map(\.program))
      report.corpusPrograms = chosen.count
    }
    try report.end(campaign, directory, clock)
  }

  /// Saves a finding as it is, then as small as it gets, under the name of what it shows.
  private mutating func save(_ finding: Finding) throws {
    let raw = try directory.save(finding)
    report.cpuSeconds[finding.sighting] = clock.cpuSeconds
    guard let minimized = campaign.minimize(finding) else {
      try directory.remove(raw)
      return
    }
    let name = try directory.save(minimized)
    if name != raw { try directory.remove(raw) }
    try report.tell(minimized, directory.path(of: name), campaign)
  }

  func status(failsOnAny: Bool) -> ExitStatus {
    let isFound = failsOnAny ? campaign.violating > 0 : report.hasNews
    return isFound ? .found : .success
  }
}

/// How long a campaign has run, for the person who waits and for the processor.
struct Stopwatch {
  private let start = Self.read(CLOCK_MONOTONIC)
  private let startCPU = Self.read(CLOCK_PROCESS_CPUTIME_ID)

  var wallSeconds: Double { Self.read(CLOCK_MONOTONIC) - start }
  var cpuSeconds: Double { Self.read(CLOCK_PROCESS_CPUTIME_ID) - startCPU }

  private static func read(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
