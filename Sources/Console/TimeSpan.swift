// SPDX-License-Identifier: MIT

/// A length of time as the command line writes it: `90`, `60s`, `5m`, `8h`, `1h30m`.
package struct TimeSpan: Equatable, Hashable, Sendable {
  /// The length.
  package var seconds: UInt64
  /// A length in seconds.
  package init(seconds: UInt64) { self.seconds = seconds }

  /// Reads a text; nil where it is no length of time above zero and below a hundred years.
  package init?(_ text: String) {
    var total: UInt64 = 0
    var digits: UInt64?
    var lastUnit = UInt64.max
    for character in text.utf8 {
      if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) {
        let value = (digits ?? 0) * 10 + UInt64(character - UInt8(ascii: "0"))
        guard value <= Self.limitSeconds else { return nil }
        digits = value
      } else {
        guard let count = digits, let unit = Self.units[character], unit < lastUnit else {
          return nil
        }
        (total, digits, lastUnit) = (total + count * unit, nil, unit)
      }
    }
    if let count = digits {
      // Bare seconds: only where no unit was written before.
      guard lastUnit == .max else { return nil }
      total = count
    }
    guard total > 0, total <= Self.limitSeconds else { return nil }
    seconds = total
  }

  private static let limitSeconds: UInt64 = 100 * 366 * 86_400
  private static let units: [UInt8: UInt64] = [
    UInt8(ascii: "s"): 1, UInt8(ascii: "m"): 60, UInt8(ascii: "h"): 3600,
    UInt8(ascii: "d"): 86_400,
  ]
}

extension TimeSpan: CustomStringConvertible {
  /// The shortest text that reads back as the same length.
  package var description: String {
    var (rest, text) = (seconds, "")
    for (name, unit) in [("d", UInt64(86_400)), ("h", 3600), ("m", 60), ("s", 1)] {
      if rest >= unit { text += "\(rest / unit)\(name)" }
      rest %= unit
    }
    return text.isEmpty ? "0s" : text
  }
}
