// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import PageLifecycle
import Programs
import Spelling
import Storage

/// `fuzz`: a campaign, and every new bug of it in a file of its own.
enum FuzzCommand: Command {
  static let `protocol` = VariantOption.option(
    "a protocol to fuzz [all of them]", isRepeated: true)
  static let time = Option("time", .duration, "how long [60s, without --executions]")
  static let executions = Option("executions", .number(1...UInt64.max), "how many programs")
  static let seed = Option("seed", .number(), "where all randomness begins [1]")
  static let search = Option(
    "search", .text("NAME", offers: Search.all.map(\.name)),
    "how to search: full, random, even, races, or a scheduler's name [full]")
  static let crashes = Option("crashes", .directory, "where findings are kept [crashes]")
  static let corpus = Option(
    "corpus", .directory, "where to keep the fewest programs that reach all it reached")
  static let workers = Option(
    "workers", .number(1...64), "how many processes execute programs [one a processor]")
  static let state = Option(
    "state", .directory,
    "where the campaign is kept [.pagefuzz, where it is to resume or has 1h]")
  static let resume = Option("resume", "go on with the campaign that is kept")
  static let failOn = Option(
    "fail-on", .choice(["new", "any"]), "which violations end it with status 1 [new]")

  static let name = "fuzz"
  static let summary = "search for programs that break a promise of a protocol"
  static let discussion = """
    Draws calls and interleavings, runs them, and judges every step.  A violation that no file of
    the crashes directory expects is saved at once, then again as the smallest program that shows
    the same bug.  Protocols take turns; a third of the programs run on the protocol as released,
    the others with all or some of its known bugs repaired, so that these hide nothing.

    The same seed and number of executions find the same, with any number of workers, however
    often the campaign was killed and resumed: only times differ.  A program that the engine itself
    does not survive is saved too, and left out.

    With --search races two CPUs' accesses of a page's word that nothing orders are violations too.
    """
  static let options = [
    `protocol`, time, executions, seed, search, workers, state, resume, corpus, crashes, failOn,
    Option.format, Option.quiet,
  ]
  static let examples = [
    Example("pagefuzz fuzz", "every protocol, 60 seconds"),
    Example("pagefuzz fuzz --protocol v6.1 --time 8h --crashes night", "a night"),
    Example("pagefuzz fuzz --resume --time 8h --crashes night", "and the next"),
    Example("pagefuzz fuzz --protocol v6.18+repaired --executions 100000 --seed 7", "the same"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let wish = try wish(arguments)
    let limit = arguments.count(executions)
    var store = try statePath(arguments).map { try StateDirectory($0, in: Fault.disk) }
    defer { store?.close() }
    let contents = try store?.read()
    if contents != nil, let store, !arguments.has(resume) {
      throw CommandFailure(
        .usage,
        "fuzz: \(store.path) has a campaign; go on with it by --resume, "
          + "or choose another directory with --state")
    }
    let directory = try CrashDirectory(arguments[crashes] ?? "crashes", in: Fault.disk)
    let kept = try arguments[corpus].map { try CorpusDirectory($0, in: Fault.disk) }
    var about: CampaignText
    var campaign: Campaign
    if let contents, let found = store {
      about = try agreed(contents.about, arguments, wish, found)
      campaign = try about.campaign(contents, found.path)
      try store?.resume()
      tellWhatIsMissing(contents, campaign, found, directory)
    } else {
      about = CampaignText(wish, executions: limit)
      about.options.known = directory.known.map(\.known)
      about.options.keepsCorpus = kept != nil
      campaign = Campaign(about.options)
      if arguments.has(resume), let store {
        Diagnostics.report("\(store.path) has no campaign; beginning one")
      }
      try store?.begin(about: about.text)
    }
    let most = limit ?? about.executions
    let span = arguments.duration(time) ?? (most == nil ? TimeSpan(seconds: 60) : nil)
    let crew = arguments.count(workers) ?? ProcessInfo.processInfo.activeProcessorCount
    let session = FuzzSession(
      campaign, about, isResumed: contents != nil, workers: crew, store, directory, kept,
      FuzzReport(isJSON: arguments.isJSON, isQuiet: arguments.has(.quiet)))
    Interruption.listen()
    try session.run(executions: most ?? .max, seconds: span.map { Double($0.seconds) })
    return session.status(failsOnAny: arguments[failOn] == "any")
  }
}

extension FuzzCommand {
  /// What the command line says the search is to be.
  private static func wish(_ arguments: ParsedArguments) throws -> Campaign.Options {
    var options = Campaign.Options(try arguments.all(`protocol`).map(VariantOption.parse))
    if options.variants.isEmpty { options.variants = Protocol.all.map { Variant($0) } }
    if let number = arguments.number(seed) { options.seed = number }
    if let name = arguments[search] {
      guard let search = Search(named: name) else {
        let near = Suggestion.phrase(for: name, among: Search.all.map(\.name))
        throw CommandFailure(.usage, "fuzz: no search '\(name)'\(near)")
      }
      options.search = search
    }
    return options
  }

  /// Where the campaign is kept; nil where it is not.
  private static func statePath(_ arguments: ParsedArguments) -> String? {
    let isLong = (arguments.duration(time)?.seconds ?? 0) >= 3600
    return arguments[state] ?? (isLong || arguments.has(resume) ? ".pagefuzz" : nil)
  }

  /// Says what of a campaign that goes on is not where it ought to be.
  private static func tellWhatIsMissing(
    _ contents: StateDirectory.Contents, _ campaign: Campaign, _ store: StateDirectory,
    _ directory: CrashDirectory
  ) {
    if contents.tornBytes > 0 {
      Diagnostics.report(
        "\(store.path): the journal is torn after \(campaign.executions) programs; its last "
          + "\(contents.tornBytes) bytes are dropped, and kept in \(StateDirectory.tornName)")
    }
    let missing = campaign.sightings.filter {
      $0.programs > 0 && !$0.isKnown && directory.text(of: $0) == nil
    }
    guard let first = missing.first else { return }
    Diagnostics.report(
      "\(directory.path(of: first)) is missing, and \(missing.count - 1) more files of this "
        + "campaign; was it begun with another --crashes?")
  }

  /// What a kept campaign is about; options that say something else are refused.
  private static func agreed(
    _ text: String, _ arguments: ParsedArguments, _ wish: Campaign.Options,
    _ store: StateDirectory
  ) throws -> CampaignText {
    let kept: CampaignText
    do throws(CampaignText.Mismatch) { kept = try CampaignText(text) } catch {
      throw StateDirectory.damaged(store.path, error.reason)
    }
    var differences: [String] = []
    if arguments.has(seed), wish.seed != kept.options.seed {
      differences.append("--seed \(kept.options.seed)")
    }
    if arguments.has(search), wish.search != kept.options.search {
      differences.append("--search \(kept.options.search.name)")
    }
    if arguments.has(`protocol`), wish.variants != kept.options.variants {
      differences += kept.options.variants.map { "--protocol '\($0.name)'" }
    }
    if arguments.has(corpus), !kept.options.keepsCorpus { differences.append("without --corpus") }
    guard differences.isEmpty else {
      throw CommandFailure(
        .usage,
        "fuzz: the campaign in \(store.path) was begun \(differences.joined(separator: " "))"
          + "; say the same or nothing, or choose another directory with --state")
    }
    return kept
  }
}
