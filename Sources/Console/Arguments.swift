// SPDX-License-Identifier: MIT

import Spelling

/// The words after a command, checked against what it takes.
package struct ParsedArguments: Equatable, Sendable {
  /// The words that are no options, in order.
  package private(set) var operands: [String] = []
  private var values: [String: [String]] = [:]

  /// Whether an option was given.
  package func has(_ option: Option) -> Bool { values[option.name] != nil }
  /// Every value an option was given, in order.
  package func all(_ option: Option) -> [String] { values[option.name] ?? [] }
  /// The value of an option.
  package subscript(_ option: Option) -> String? { values[option.name]?.last }
  /// The value of an option that takes a number.
  package func number(_ option: Option) -> UInt64? { self[option].flatMap(Self.number) }
  /// The value of an option that takes a number of things.
  package func count(_ option: Option) -> Int? { number(option).map { Int(clamping: $0) } }
  /// The value of an option that takes a length of time.
  package func duration(_ option: Option) -> TimeSpan? { self[option].flatMap(TimeSpan.init) }
  /// Whether results are to be JSON.
  package var isJSON: Bool { self[.format] == "json" }

  /// Reads the words; whatever does not fit is the user's mistake and named.
  package static func parse(
    _ words: [String], for command: any Command.Type, below path: [String] = []
  ) throws(UsageError) -> ParsedArguments {
    var parsed = ParsedArguments()
    do throws(UsageError) {
      try parsed.take(words, for: command)
    } catch {
      throw UsageError(error.message, below: path)
    }
    return parsed
  }

  private mutating func take(
    _ words: [String], for command: any Command.Type
  ) throws(UsageError) {
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" {
        operands += rest
        break
      }
      guard word.hasPrefix("-"), word != "-" else {
        operands.append(word)
        continue
      }
      try take(option: word, from: &rest, for: command)
    }
    try checkOperands(for: command)
  }

  private mutating func take(
    option word: String, from rest: inout ArraySlice<String>, for command: any Command.Type
  ) throws(UsageError) {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let given = String(parts[0])
    guard let option = command.options.first(where: { "--\($0.name)" == given }) else {
      let names = command.options.map { "--\($0.name)" } + ["--help"]
      throw UsageError(
        "unknown option '\(given)'\(Suggestion.phrase(for: given, among: names))")
    }
    guard option.isRepeated || !has(option) else {
      throw UsageError("\(given) is given twice; it takes one value")
    }
    var inline = parts.count == 2 ? String(parts[1]) : nil
    guard let kind = option.kind else {
      guard inline == nil else { throw UsageError("\(given) takes no value") }
      values[option.name] = []
      return
    }
    if inline == nil, let next = rest.first, !next.hasPrefix("--") {
      inline = next
      rest.removeFirst()
    }
    guard let value = inline, !value.isEmpty else {
      throw UsageError("\(given) needs a value: \(given) \(kind.placeholder)")
    }
    if let complaint = kind.complaint(about: value) {
      throw UsageError("\(given) \(value): \(complaint)")
    }
    values[option.name, default: []].append(value)
  }

  private func checkOperands(for command: any Command.Type) throws(UsageError) {
    let expected = command.operands
    let needed = expected.filter { !$0.isOptional }
    guard operands.count >= needed.count else {
      let missing = needed[operands.count]
      throw UsageError("\(missing.name) is missing: \(missing.explanation)")
    }
    let takesRest = expected.last?.isRepeated ?? false
    guard takesRest || operands.count <= expected.count else {
      let extra = operands[expected.count]
      throw UsageError("'\(extra)' is one argument too many")
    }
    for (position, word) in operands.enumerated() {
      let operand = expected[min(position, expected.count - 1)]
      if let complaint = operand.kind.complaint(about: word) {
        throw UsageError("'\(word)': \(complaint)")
      }
    }
  }

  fileprivate static func number(_ text: String) -> UInt64? {
    if text.hasPrefix("0x") { return UInt64(text.dropFirst(2), radix: 16) }
    return text.hasPrefix("+") ? nil : UInt64(text)
  }
}

extension ValueKind {
  /// What is wrong with a value; nil where nothing is.
  func complaint(about value: String) -> String? {
    switch self {
    case .number(let range):
      guard let number = ParsedArguments.number(value) else {
        return "a whole number is expected"
      }
      guard !range.contains(number) else { return nil }
      return range.upperBound == .max
        ? "at least \(range.lowerBound) is expected"
        : "a number from \(range.lowerBound) to \(range.upperBound) is expected"
    case .duration:
      return TimeSpan(value) == nil ? "a length of time is expected, like 60s, 5m or 8h" : nil
    case .choice(let words):
      guard !words.contains(value) else { return nil }
      return "one of \(words.joined(separator: ", ")) is expected"
        + Suggestion.phrase(for: value, among: words)
    case .file, .directory, .path:
      return value.isEmpty ? "a path is expected" : nil
    case .text: return nil
    }
  }
}

/// A command line that cannot be obeyed.
package struct UsageError: Error, Equatable, Sendable {
  /// What is wrong, in words.
  package var message: String
  /// The commands whose help explains; empty for the program's own.
  package var path: [String]

  /// A complaint about the words of a command.
  package init(_ message: String, below path: [String] = []) {
    (self.message, self.path) = (message, path)
  }

  /// What is wrong, and where the right form is told.
  package func text(program: String) -> String {
    let help = ([program] + path + ["--help"]).joined(separator: " ")
    return "\(program): \(message)\nTry '\(help)'."
  }
}
