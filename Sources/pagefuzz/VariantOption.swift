// SPDX-License-Identifier: MIT

import Console
import PageLifecycle
import Spelling

/// `--protocol P`: a protocol, with rules repaired or broken as program texts write it.
enum VariantOption {
  /// The option of a command, with what it is for.
  static func option(_ summary: String, isRepeated: Bool = false) -> Option {
    let names = Protocol.all.flatMap { [$0.name, $0.name + "+repaired"] }
    return Option("protocol", .text("P", offers: names), summary, isRepeated: isRepeated)
  }

  /// Reads a value such as `v6.1+repaired -rechecksPTE`.
  static func parse(_ text: String) throws(UsageError) -> Variant {
    do throws(Variant.UnknownWord) {
      return try Variant.parse(text.split(separator: " "))
    } catch {
      let near = Suggestion.phrase(for: error.word, among: Protocol.all.map(\.name))
      throw UsageError("--protocol '\(text)': '\(error.word)' is not \(error.expected)\(near)")
    }
  }
}
