// SPDX-License-Identifier: MIT

/// Fractions in texts for people.
enum Decimals {
  /// Two decimals, without the help of a locale.
  static func two(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
  }
}
