// SPDX-License-Identifier: MIT

/// One word of the command line, and everything help, completion and parser know about it.
package protocol Command: SendableMetatype {
  /// The word.
  static var name: String { get }
  /// One line for the list of commands.
  static var summary: String { get }
  /// What `--help` says below the usage; empty where the summary says it all.
  static var discussion: String { get }
  /// What it takes by name.
  static var options: [Option] { get }
  /// What it takes by place.
  static var operands: [Operand] { get }
  /// Command lines that work; help shows them.
  static var examples: [Example] { get }
  /// Commands below this one; a command that has any is never run itself.
  static var subcommands: [any Command.Type] { get }
  /// Does the work; errors are reported by whoever calls it.
  static func run(_ arguments: ParsedArguments) throws -> ExitStatus
}

extension Command {
  /// Nothing more to say.
  package static var discussion: String { "" }
  /// No options.
  package static var options: [Option] { [] }
  /// No operands.
  package static var operands: [Operand] { [] }
  /// No commands below it.
  package static var subcommands: [any Command.Type] { [] }
}

/// A command line that works, and what it does.
package struct Example: Sendable {
  /// The command line.
  package var line: String
  /// What it does.
  package var purpose: String
  /// A command line and what it does.
  package init(_ line: String, _ purpose: String) { (self.line, self.purpose) = (line, purpose) }
}

/// What a value on the command line is.
package enum ValueKind: Equatable, Sendable {
  /// Any text; the words are offered by completion and not insisted on.
  case text(String, offers: [String] = [])
  /// A whole number, decimal or `0x` hexadecimal.
  case number(ClosedRange<UInt64> = 0...UInt64.max)
  /// `60s`, `5m`, `8h`.
  case duration
  case file
  case directory
  /// A file or a directory.
  case path
  /// One of these words.
  case choice([String])

  /// How help writes it.
  package var placeholder: String {
    switch self {
    case .text(let name, _): name
    case .number: "N"
    case .duration: "DURATION"
    case .file: "FILE"
    case .directory: "DIR"
    case .path: "PATH"
    case .choice(let words): words.joined(separator: "|")
    }
  }

  /// What completion offers.
  package var offers: [String] {
    switch self {
    case .text(_, let offers): offers
    case .choice(let words): words
    default: []
    }
  }
}

/// An option of a command; `nil` as its kind makes it a switch.
package struct Option: Equatable, Sendable {
  /// The name without its dashes.
  package var name: String
  /// What its value is; nil for a switch.
  package var kind: ValueKind?
  /// One line for help.
  package var summary: String
  /// It may be given more than once.
  package var isRepeated: Bool

  /// An option that takes a value.
  package init(
    _ name: String, _ kind: ValueKind, _ summary: String, isRepeated: Bool = false
  ) {
    (self.name, self.kind, self.summary, self.isRepeated) = (name, kind, summary, isRepeated)
  }

  /// A switch.
  package init(_ name: String, _ summary: String) {
    (kind, isRepeated) = (nil, false)
    (self.name, self.summary) = (name, summary)
  }

  /// `--name VALUE`.
  package var usage: String {
    "--\(name)" + (kind.map { " \($0.placeholder)" } ?? "") + (isRepeated ? "..." : "")
  }
}

/// A word of the command line that is no option.
package struct Operand: Equatable, Sendable {
  /// What it is.
  package var kind: ValueKind
  /// How help writes it.
  package var name: String
  /// One line for help.
  package var summary: String
  /// It may be left out.
  package var isOptional: Bool
  /// It takes all words that are left.
  package var isRepeated: Bool

  /// A word, under the placeholder of its kind where it is not named.
  package init(
    _ kind: ValueKind, named name: String? = nil, _ summary: String, isOptional: Bool = false,
    isRepeated: Bool = false
  ) {
    (self.kind, self.name, self.summary) = (kind, name ?? kind.placeholder, summary)
    (self.isOptional, self.isRepeated) = (isOptional, isRepeated)
  }

  /// The summary, and the words it may be.
  package var explanation: String {
    guard case .choice(let words) = kind else { return summary }
    return "\(summary): \(words.joined(separator: ", "))"
  }

  /// `PATH...`, in brackets where it may be left out.
  package var usage: String {
    let word = name + (isRepeated ? "..." : "")
    return isOptional ? "[\(word)]" : word
  }
}

/// Options that several commands share.
extension Option {
  /// `--format text|json`.
  package static let format = Option(
    "format", .choice(["text", "json"]), "how results are printed; JSON is one object a line")
  /// `--quiet`.
  package static let quiet = Option("quiet", "no progress on standard error")
  /// `--help`, which every command has.
  package static let help = Option("help", "show this help")
}
