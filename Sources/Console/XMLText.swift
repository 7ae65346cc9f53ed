// SPDX-License-Identifier: MIT

/// Text that XML and HTML read as text.
package enum XMLText {
  /// What they would read as markup, replaced; characters they forbid become U+FFFD.
  package static func escaped(_ text: String, inAttribute: Bool = false) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result.append(contentsOf: "&amp;".unicodeScalars)
      case "<": result.append(contentsOf: "&lt;".unicodeScalars)
      case ">": result.append(contentsOf: "&gt;".unicodeScalars)
      case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
      case "\n", "\t":
        let reference = inAttribute ? "&#\(scalar.value);" : String(scalar)
        result.append(contentsOf: reference.unicodeScalars)
      case " "..."\u{d7ff}", "\u{e000}"..."\u{fffd}", "\u{10000}"..."\u{10ffff}":
        result.append(scalar)
      default: result.append("\u{fffd}")
      }
    }
    return String(result)
  }
}
