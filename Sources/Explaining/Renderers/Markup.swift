// SPDX-License-Identifier: MIT

/// XML by hand: elements, attributes and text that cannot break out of them.
enum Markup {
  /// Text with what XML reads as markup replaced.
  static func escape(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      // Control characters may not be in XML at all.
      case "\0"..<"\t", "\u{b}"..<" ": result += "?"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// An element with what is in it, markup already.
  static func element(
    _ name: String, _ attributes: [(String, String)] = [], _ content: String? = nil
  ) -> String {
    let words = attributes.map { " \($0.0)=\"\(escape($0.1))\"" }.joined()
    return content.map { "<\(name)\(words)>\($0)</\(name)>" } ?? "<\(name)\(words)/>"
  }
}
