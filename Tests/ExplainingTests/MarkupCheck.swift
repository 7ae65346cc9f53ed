// SPDX-License-Identifier: MIT

/// Whether a text is well-formed XML, as far as the project's own pictures and pages go: elements
/// nest and end, attributes are quoted and unique, `&` begins an entity, `<` a tag.
struct MarkupCheck {
  private var rest: Substring
  private var open: [String] = []
  private var hasRoot = false
  /// What is wrong; nil where nothing is.
  private(set) var complaint: String?
  /// Names of elements, and every attribute's value.
  private(set) var elements: [String] = []
  private(set) var values: [String] = []

  init(_ text: String) {
    rest = text[...]
    while complaint == nil, !rest.isEmpty { readNext() }
    if complaint == nil, let name = open.last { complaint = "<\(name)> does not end" }
    if complaint == nil, !hasRoot { complaint = "no element" }
  }

  private mutating func fail(_ message: String) { complaint = "\(message) at: \(rest.prefix(60))" }

  private mutating func readNext() {
    if rest.hasPrefix("<!DOCTYPE"), !hasRoot, let end = rest.firstIndex(of: ">") {
      rest = rest[end...].dropFirst()
    } else if rest.hasPrefix("</") {
      let name = rest.dropFirst(2).prefix { $0 != ">" }
      guard open.last == String(name) else { return fail("</\(name)> ends nothing") }
      open.removeLast()
      rest = rest[name.endIndex...].dropFirst()
    } else if rest.first == "<" {
      readTag()
    } else {
      let text = rest.prefix { $0 != "<" }
      let isBlank = text.allSatisfy(\.isWhitespace)
      guard isBlank || !open.isEmpty else { return fail("text outside the root") }
      checkEntities(text)
      rest = rest[text.endIndex...]
    }
  }

  private mutating func readTag() {
    guard !open.isEmpty || !hasRoot else { return fail("a second root") }
    rest = rest.dropFirst()
    let name = rest.prefix { $0.isLetter || $0.isNumber }
    guard !name.isEmpty else { return fail("a tag without name") }
    elements.append(String(name))
    hasRoot = true
    rest = rest[name.endIndex...]
    var names: Set<Substring> = []
    while complaint == nil {
      rest = rest.drop(while: \.isWhitespace)
      if rest.hasPrefix("/>") { return rest = rest.dropFirst(2) }
      if rest.first == ">" {
        open.append(String(name))
        return rest = rest.dropFirst()
      }
      let key = rest.prefix { $0.isLetter || $0.isNumber || $0 == "-" }
      guard !key.isEmpty, names.insert(key).inserted else { return fail("a bad attribute") }
      rest = rest[key.endIndex...]
      guard rest.hasPrefix("=\"") else { return fail("an attribute without value") }
      rest = rest.dropFirst(2)
      let value = rest.prefix { $0 != "\"" && $0 != "<" }
      guard rest[value.endIndex...].first == "\"" else { return fail("an open quotation") }
      checkEntities(value)
      values.append(String(value))
      rest = rest[value.endIndex...].dropFirst()
    }
  }

  private mutating func checkEntities(_ text: Substring) {
    for part in text.split(separator: "&", omittingEmptySubsequences: false).dropFirst() {
      let isKnown = ["amp;", "lt;", "gt;", "quot;"].contains { part.hasPrefix($0) }
      guard isKnown else { return fail("a bare ampersand") }
    }
  }
}
