// SPDX-License-Identifier: MIT

import Spelling

/// What a command line asks for.
package enum Invocation {
  /// Print this and succeed.
  case print(String)
  case run(any Command.Type, ParsedArguments)

  /// Reads all words after the name of the program.
  package static func resolve(
    _ words: [String], in program: ProgramDescription
  ) throws(UsageError) -> Invocation {
    switch words.first {
    case "--version": return .print(program.version)
    case "help":
      let path = try commands(named: words.dropFirst(), in: program)
      return .print(program.help(for: path))
    default: break
    }
    var rest = words[...]
    var path: [any Command.Type] = []
    var choices = program.commands
    while !choices.isEmpty {
      guard let word = rest.popFirst() else {
        let names = choices.map { $0.name }.joined(separator: ", ")
        throw UsageError("a command is missing: one of \(names)", below: path.map { $0.name })
      }
      if isHelp(word) { return .print(program.help(for: path)) }
      let command = try find(word, among: choices, below: path)
      path.append(command)
      choices = command.subcommands
    }
    if rest.prefix(while: { $0 != "--" }).contains(where: isHelp) {
      return .print(program.help(for: path))
    }
    let command = path[path.count - 1]
    let arguments = try ParsedArguments.parse(
      Array(rest), for: command, below: path.map { $0.name })
    return .run(command, arguments)
  }

  private static func isHelp(_ word: String) -> Bool { word == "--help" || word == "-h" }

  /// The commands that words name, one below the other.
  private static func commands(
    named words: ArraySlice<String>, in program: ProgramDescription
  ) throws(UsageError) -> [any Command.Type] {
    var path: [any Command.Type] = []
    var choices = program.commands
    for word in words where !isHelp(word) {
      let command = try find(word, among: choices, below: path)
      path.append(command)
      choices = command.subcommands
    }
    return path
  }

  private static func find(
    _ word: String, among choices: [any Command.Type], below path: [any Command.Type]
  ) throws(UsageError) -> any Command.Type {
    if let command = choices.first(where: { $0.name == word }) { return command }
    let kind = word.hasPrefix("-") ? "option" : "command"
    let others = path.isEmpty ? ["--help", "--version", "help"] : ["--help"]
    let names = choices.map { $0.name } + others
    throw UsageError(
      "unknown \(kind) '\(word)'\(Suggestion.phrase(for: word, among: names))",
      below: path.map { $0.name })
  }
}

/// The program: its name and its commands.
package struct ProgramDescription: Sendable {
  /// What it is called by.
  package var name: String
  /// What `--version` prints.
  package var version: String
  /// What it is for, in one line.
  package var summary: String
  /// Its commands, in the order help shows them.
  package var commands: [any Command.Type]
  /// What its own help shows.
  package var examples: [Example]

  /// A program of commands.
  package init(
    name: String, version: String, summary: String, commands: [any Command.Type],
    examples: [Example]
  ) {
    (self.name, self.version, self.summary) = (name, version, summary)
    (self.commands, self.examples) = (commands, examples)
  }
}
