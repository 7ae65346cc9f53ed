// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs
import Storage

/// What a campaign is about, as the text in its state directory that workers are given too.
struct CampaignText {
  /// The options of the search.
  var options: Campaign.Options
  /// Programs it is to execute in all; nil where only time ends it.
  var executions: Int?

  /// A build with other steps, rules or limits numbers everything differently.
  static let build: String = {
    let steps = Vocabulary.procedures.map { "\($0.name) \($0.stepNames)" }
    let protocols = Protocol.all.map(\.name) + Rule.allCases.map(\.name)
    let limits = (Limits.all + ProgramLimits.all + SearchLimits.all).map {
      "\($0.name)=\($0.value)"
    }
    let words = (steps + protocols + limits).joined(separator: "\n")
    return String(CrashDirectory.hash(words), radix: 16)
  }()

  private static let firstLine = "# pagefuzz campaign 2"

  /// Why a text is none of ours.
  struct Mismatch: Error {
    var reason: String
  }

  init(_ options: Campaign.Options, executions: Int?) {
    (self.options, self.executions) = (options, executions)
  }

  /// One line a fact.
  var text: String {
    var lines = [
      Self.firstLine, "build \(Self.build)", "seed \(options.seed)",
      "search \(options.search.name)", "cpus \(options.cpus)",
      "corpus \(options.keepsCorpus ? "kept" : "none")",
    ]
    if let executions { lines.append("executions \(executions)") }
    lines += options.variants.map { "protocol \($0.name)" }
    lines += options.known.map { "known \($0.base) \($0.pattern)" }
    return lines.map { $0 + "\n" }.joined()
  }

  /// Reads a text as ``text`` writes it.
  init(_ text: String) throws(Mismatch) {
    let lines = text.split(separator: "\n").map(String.init)
    guard lines.first == Self.firstLine else {
      throw Mismatch(reason: "it is not the state of a campaign of this version")
    }
    var options = Campaign.Options([])
    for line in lines.dropFirst() {
      let words = line.split(separator: " ", maxSplits: 1).map(String.init)
      guard words.count == 2 else { throw Mismatch(reason: "'\(line)' says nothing") }
      try Self.read(words[0], words[1], into: &options, &executions)
    }
    guard !options.variants.isEmpty else { throw Mismatch(reason: "it names no protocol") }
    self.options = options
  }

  private static func read(
    _ name: String, _ value: String, into options: inout Campaign.Options,
    _ executions: inout Int?
  ) throws(Mismatch) {
    let wrong = Mismatch(reason: "'\(name) \(value)' is not understood")
    switch name {
    case "build":
      guard value == build else {
        throw Mismatch(reason: "it was begun by another build, which numbers steps differently")
      }
    case "seed":
      guard let seed = UInt64(value) else { throw wrong }
      options.seed = seed
    case "search":
      guard let search = Search(named: value) else { throw wrong }
      options.search = search
    case "cpus":
      guard let cpus = Int(value) else { throw wrong }
      options.cpus = cpus
    case "corpus": options.keepsCorpus = value == "kept"
    case "executions":
      guard let count = Int(value) else { throw wrong }
      executions = count
    case "protocol":
      guard let variant = try? Variant.parse(value.split(separator: " ")) else { throw wrong }
      options.variants.append(variant)
    case "known":
      let parts = value.split(separator: " ", maxSplits: 1).map(String.init)
      guard parts.count == 2, let base = Protocol.all.first(where: { $0.name == parts[0] }),
        let pattern = try? Pattern(parsing: parts[1])
      else { throw wrong }
      options.known.append(Campaign.Known(pattern, on: base))
    default: throw wrong
    }
  }
}

extension CampaignText {
  /// The campaign as it was after its last whole epoch.
  func campaign(
    _ contents: StateDirectory.Contents, _ path: String
  ) throws(StorageError) -> Campaign {
    do throws(Unpackable) {
      var campaign = Campaign(options)
      if let state = contents.state { campaign = try Campaign(options, state: state) }
      for block in contents.journal {
        let record = try EpochRecord(block)
        // Who was killed while the journal was replaced left what the state has.
        if record.epoch >= campaign.epoch { try campaign.replay(record) }
      }
      return campaign
    } catch {
      throw StateDirectory.damaged(path, "its content does not belong together")
    }
  }
}
