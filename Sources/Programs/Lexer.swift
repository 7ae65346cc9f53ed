// SPDX-License-Identifier: MIT

/// A word, or one of `( ) , =`, and where it stands.
struct Token: Equatable {
  var text: String
  /// Counted from 1.
  var column: Int
  var isWord: Bool
}

/// The tokens of one line, read from left to right.
struct Cursor {
  let file: String
  let line: Int
  private let tokens: [Token]
  let comment: String?
  /// Just behind the last token.
  let endColumn: Int
  private var position = 0

  /// Splits one line, without its newline, into tokens and comment.
  init(_ bytes: ArraySlice<UInt8>, file: String, line: Int) throws(ProgramError) {
    (self.file, self.line) = (file, line)
    var tokens: [Token] = []
    var comment: String?
    var index = bytes.startIndex
    while index < bytes.endIndex {
      let byte = bytes[index]
      let column = index - bytes.startIndex + 1
      if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") {
        index += 1
      } else if byte == UInt8(ascii: "#") {
        comment = Self.trimmed(bytes[(index + 1)...])
        break
      } else if "(),=".utf8.contains(byte) {
        tokens.append(Token(text: Self.string(bytes[index...index]), column: column, isWord: false))
        index += 1
      } else {
        let start = index
        while index < bytes.endIndex, Self.continuesWord(bytes, index) { index += 1 }
        guard index > start else {
          throw ProgramError(
            file: file, line: line, column: column, "this character has no meaning here",
            expected: "letters, digits, ( ) , = or a comment after #")
        }
        tokens.append(
          Token(text: Self.string(bytes[start..<index]), column: column, isWord: true))
      }
    }
    self.tokens = tokens
    self.comment = comment
    endColumn = (tokens.last.map { $0.column + $0.text.utf8.count }) ?? 1
  }

  /// `#` belongs to a word only between a letter and a digit: `step#2`.
  private static func continuesWord(_ bytes: ArraySlice<UInt8>, _ index: Int) -> Bool {
    switch bytes[index] {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      return true
    case UInt8(ascii: "#"):
      let next = index + 1
      guard next < bytes.endIndex else { return false }
      return (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[next])
    default: return "_.:+-/".utf8.contains(bytes[index])
    }
  }

  private static func string(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes, as: UTF8.self)
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
    let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    let rest = bytes.drop(while: isBlank)
    let end = rest.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? rest.startIndex
    return string(rest[rest.startIndex..<end])
  }

  // MARK: Reading

  var isAtEnd: Bool { position == tokens.count }
  var isBlank: Bool { tokens.isEmpty }
  var next: Token? { position < tokens.count ? tokens[position] : nil }
  /// The token after the next one.
  var second: Token? { position + 1 < tokens.count ? tokens[position + 1] : nil }
  /// Where the next token stands, or the line ends.
  var column: Int { next?.column ?? endColumn }

  func error(_ message: String, at column: Int? = nil, expected: String? = nil) -> ProgramError {
    ProgramError(
      file: file, line: line, column: column ?? self.column, message, expected: expected)
  }

  /// Takes the next token if it is this one.
  mutating func take(_ text: String) -> Bool {
    guard next?.text == text else { return false }
    position += 1
    return true
  }

  /// Takes one of `( ) , =`.
  mutating func require(_ symbol: String) throws(ProgramError) {
    guard take(symbol) else {
      throw error(
        next.map { "'\($0.text)' is not expected here" } ?? "the line ends too early",
        expected: "'\(symbol)'")
    }
  }

  /// Takes the next word, whatever it is.
  mutating func word(expected: String) throws(ProgramError) -> Token {
    guard let token = next, token.isWord else {
      throw error(
        next.map { "'\($0.text)' is not expected here" } ?? "the line ends too early",
        expected: expected)
    }
    position += 1
    return token
  }

  func requireEnd(expected: String = "the end of the line") throws(ProgramError) {
    if let next { throw error("'\(next.text)' is not expected here", expected: expected) }
  }
}
