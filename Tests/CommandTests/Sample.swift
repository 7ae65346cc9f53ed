// SPDX-License-Identifier: MIT

import Console

/// A small program, to test the command line without the real one.
let sample = ProgramDescription(
  name: "sample", version: "sample 1", summary: "show a command line",
  commands: [Campaign.self, Corpus.self], examples: [Example("sample campaign", "run it")])

enum Campaign: Command {
  static let seed = Option("seed", .number(1...100), "where randomness begins")
  static let time = Option("time", .duration, "how long")
  static let rule = Option("rule", .text("RULE", offers: ["one"]), "a rule", isRepeated: true)
  static let state = Option("state", .directory, "where it's kept [by default nowhere]")
  static let resume = Option("resume", "go on")
  static let name = "campaign"
  static let summary = "search"
  static let options = [seed, time, rule, state, resume, .format]
  static let operands = [Operand(.path, "programs", isOptional: true, isRepeated: true)]
  static let examples = [Example("sample campaign --seed 7", "from seed 7")]
  static func run(_ arguments: ParsedArguments) throws -> ExitStatus { .success }
}

enum Corpus: Command {
  static let name = "corpus"
  static let summary = "tend a corpus"
  static let examples: [Example] = []
  static let subcommands: [any Command.Type] = [Distil.self]
  static func run(_ arguments: ParsedArguments) throws -> ExitStatus { .success }
}

enum Distil: Command {
  static let name = "distil"
  static let summary = "the smallest covering set"
  static let operands = [
    Operand(.directory, "what to distil"), Operand(.choice(["small", "large"]), "the size"),
  ]
  static let examples = [Example("sample corpus distil corpus small", "do it")]
  static func run(_ arguments: ParsedArguments) throws -> ExitStatus { .success }
}
