// SPDX-License-Identifier: MIT

/// Fractions in texts for people.
enum Decimals {
  /// Two decimals, without the help of a locale.
  static func two(_ value: Double) -> String { text(value, places: 2) }

  /// Three decimals; of less the first digit that is not 0.
  static func three(_ value: Double) -> String {
    guard value > 0, value < 0.0005 else { return text(value, places: 3) }
    var (digit, power) = (value, 0)
    while digit < 0.95 { (digit, power) = (digit * 10, power + 1) }
    return power > 15 ? "0.000" : "\(Int(digit.rounded()))e-\(power)"
  }

  private static func text(_ value: Double, places: Int) -> String {
    let unit = (0..<places).reduce(1) { unit, _ in unit * 10 }
    let parts = Int((value * Double(unit)).rounded())
    let fraction = String(parts % unit)
    return "\(parts / unit)." + String(repeating: "0", count: places - fraction.count) + fraction
  }
}
