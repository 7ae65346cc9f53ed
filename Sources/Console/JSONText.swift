// SPDX-License-Identifier: MIT

/// A JSON value that keeps the order of its keys, so that equal results are equal bytes.
///
/// Literals make it readable: `["file": .string(path), "steps": 12, "ok": true]`.
package enum JSONText: Equatable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int64)
  case unsigned(UInt64)
  case string(String)
  /// Seconds with three decimals.
  case seconds(Double)
  /// Any other fraction, with six decimals.
  case fraction(Double)
  case array([JSONText])
  case object([Field])

  /// One key and its value.
  package struct Field: Equatable, Sendable {
    /// The name.
    package var key: String
    /// What it has.
    package var value: JSONText
    /// A key and its value.
    package init(_ key: String, _ value: JSONText) { (self.key, self.value) = (key, value) }
  }

  /// A number of things.
  package static func count(_ value: Int) -> JSONText { .integer(Int64(value)) }
  /// A string, or null.
  package static func text(_ value: String?) -> JSONText { value.map { .string($0) } ?? .null }
  /// An array of strings.
  package static func strings(_ values: [String]) -> JSONText { .array(values.map { .string($0) }) }

  /// The value on one line, without its end.
  package var line: String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .boolean(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .unsigned(let value): text += String(value)
    case .string(let value): Self.quote(value, into: &text)
    case .seconds(let value): text += Self.decimal(value, places: 3)
    case .fraction(let value): text += Self.decimal(value, places: 6)
    case .array(let values):
      text += "["
      for (position, value) in values.enumerated() {
        if position > 0 { text += "," }
        value.write(to: &text)
      }
      text += "]"
    case .object(let fields):
      text += "{"
      for (position, field) in fields.enumerated() {
        if position > 0 { text += "," }
        Self.quote(field.key, into: &text)
        text += ":"
        field.value.write(to: &text)
      }
      text += "}"
    }
  }

  private static func quote(_ string: String, into text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\0"..<" ", "\u{7f}", "\u{2028}", "\u{2029}":
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }

  /// So many decimals, without the help of a locale; what is no number is null.
  private static func decimal(_ value: Double, places: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "null" }
    let unit = (0..<places).reduce(1) { unit, _ in unit * 10 }
    let parts = Int64((value * Double(unit)).rounded())
    let fraction = String(parts.magnitude % UInt64(unit))
    let zeros = String(repeating: "0", count: places - fraction.count)
    return (parts < 0 ? "-" : "") + "\(parts.magnitude / UInt64(unit)).\(zeros)\(fraction)"
  }
}

extension JSONText: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByStringLiteral,
  ExpressibleByNilLiteral
{
  /// An object, its keys as written.
  package init(dictionaryLiteral elements: (String, JSONText)...) {
    self = .object(elements.map { Field($0.0, $0.1) })
  }
  /// An array.
  package init(arrayLiteral elements: JSONText...) { self = .array(elements) }
  /// A number.
  package init(integerLiteral value: Int64) { self = .integer(value) }
  /// A truth value.
  package init(booleanLiteral value: Bool) { self = .boolean(value) }
  /// A string.
  package init(stringLiteral value: String) { self = .string(value) }
  /// Null.
  package init(nilLiteral: ()) { self = .null }
}
