// SPDX-License-Identifier: MIT

import Console
import Spelling
import Testing

@Suite("The words of a command line")
struct ArgumentsTests {
  /// What a line asks for, in words.
  private func outcome(_ line: String) -> String {
    let words = line.split(separator: " ").map(String.init)
    do throws(UsageError) {
      switch try Invocation.resolve(words, in: sample) {
      case .print(let text): return text
      case .run(let command, _): return command.name
      }
    } catch {
      return error.text(program: sample.name)
    }
  }

  @Test("Options and operands may stand in any order, with or without '='")
  func options() throws {
    let words = [
      "a", "--seed=7", "--rule", "x", "--time", "1h30m", "--rule=y=z", "-", "--resume", "--",
      "--seed",
    ]
    let parsed = try ParsedArguments.parse(words, for: Campaign.self)
    #expect(parsed.operands == ["a", "-", "--seed"])
    #expect(parsed.number(Campaign.seed) == 7)
    #expect(parsed.duration(Campaign.time)?.seconds == 5400)
    #expect(parsed.all(Campaign.rule) == ["x", "y=z"])
    #expect(parsed.has(Campaign.resume))
    #expect(!parsed.has(Campaign.state))
    #expect(parsed[Campaign.state] == nil)
    #expect(!parsed.isJSON)
  }

  @Test(
    "What does not fit is named, with what was expected",
    arguments: [
      ("campaign --sede 7", "unknown option '--sede'; did you mean '--seed'?"),
      ("campaign --seed", "--seed needs a value: --seed N"),
      ("campaign --seed --resume", "--seed needs a value: --seed N"),
      ("campaign --seed=", "--seed needs a value: --seed N"),
      ("campaign --seed x", "--seed x: a whole number is expected"),
      ("campaign --seed -1", "--seed -1: a whole number is expected"),
      ("campaign --seed 0", "--seed 0: a number from 1 to 100 is expected"),
      ("campaign --seed 99999999999999999999", "--seed 99999999999999999999: a whole number"),
      ("campaign --seed 1 --seed 2", "--seed is given twice"),
      ("campaign --resume=yes", "--resume takes no value"),
      ("campaign --time 5x", "--time 5x: a length of time is expected, like 60s, 5m or 8h"),
      ("campaign --format jsn", "one of text, json is expected; did you mean 'json'?"),
      ("campaign -x", "unknown option '-x'"),
      ("corpus", "a command is missing: one of distil"),
      ("corpus distill", "unknown command 'distill'; did you mean 'distil'?"),
      ("corpus distil", "DIR is missing: what to distil"),
      ("corpus distil d", "small|large is missing: the size: small, large"),
      ("corpus distil d tiny", "'tiny': one of small, large is expected"),
      ("corpus distil d small e", "'e' is one argument too many"),
      ("camapign", "unknown command 'camapign'; did you mean 'campaign'?"),
      ("--verison", "unknown option '--verison'; did you mean '--version'?"),
      ("", "a command is missing: one of campaign, corpus"),
    ])
  func mistakes(line: String, message: String) {
    let text = outcome(line)
    #expect(text.hasPrefix("sample: "), "\(text)")
    #expect(text.contains(message), "\(text)")
    #expect(text.contains("\nTry 'sample"))
  }

  @Test("A mistake points to the help of its own command")
  func remedy() {
    #expect(outcome("corpus distil").hasSuffix("\nTry 'sample corpus distil --help'."))
    #expect(outcome("campaign --x").hasSuffix("\nTry 'sample campaign --help'."))
    #expect(outcome("nothing").hasSuffix("\nTry 'sample --help'."))
  }

  @Test("Help is on every level, names every option and shows examples")
  func help() {
    #expect(outcome("--version") == "sample 1")
    for line in ["--help", "-h", "help"] {
      for word in ["campaign", "corpus", "--version", "143", "Examples:"] {
        #expect(outcome(line).contains(word), "\(line)")
      }
    }
    for line in ["campaign --help", "help campaign", "campaign --seed x --help", "campaign -h"] {
      for option in Campaign.options { #expect(outcome(line).contains("--\(option.name)")) }
      #expect(outcome(line).contains("sample campaign --seed 7"))
    }
    #expect(outcome("corpus --help").contains("distil"))
    #expect(outcome("corpus distil --help").contains("Usage: sample corpus distil DIR small|large"))
    #expect(outcome("help corpus distil") == outcome("corpus distil --help"))
    #expect(outcome("campaign -- --help") == "campaign", "after '--' it is an operand")
  }

  @Test("No line of help is wider than a terminal")
  func width() {
    for line in ["--help", "campaign --help", "corpus distil --help"] {
      for text in outcome(line).split(separator: "\n") { #expect(text.count <= 100) }
    }
  }

  @Test(
    "Lengths of time",
    arguments: [
      ("60s", 60), ("5m", 300), ("8h", 28_800), ("90", 90), ("1h30m", 5400), ("1d", 86_400),
    ])
  func durations(text: String, seconds: UInt64) {
    #expect(TimeSpan(text)?.seconds == seconds)
    #expect(TimeSpan(TimeSpan(seconds: seconds).description)?.seconds == seconds)
  }

  @Test(
    "What is no length of time",
    arguments: [
      "", "s", "0", "0s", "-5s", "5 m", "5x", "5m5m", "5m1h", "5m5", "1.5h", "\u{663}s",
      "99999999999999999999999s", "40000d",
    ])
  func noDurations(text: String) { #expect(TimeSpan(text) == nil) }

  @Test("The nearest word is suggested, and only if it is near")
  func suggestions() {
    let words = ["fuzz", "replay", "conform", "list"]
    #expect(Suggestion.nearest(to: "fuz", among: words) == "fuzz")
    #expect(Suggestion.nearest(to: "rpelay", among: words) == "replay")
    #expect(Suggestion.nearest(to: "REPLAY", among: words) == "replay")
    #expect(Suggestion.nearest(to: "conf", among: words) == "conform")
    #expect(Suggestion.nearest(to: "bench", among: words) == nil)
    #expect(Suggestion.distance(Array("kitten".utf8), Array("sitting".utf8)) == 3)
    #expect(Suggestion.distance(Array("ab".utf8), Array("ba".utf8)) == 1)
    #expect(Suggestion.distance([], Array("abc".utf8)) == 3)
  }
}
