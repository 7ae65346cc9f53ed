// SPDX-License-Identifier: MIT

/// How much two searches cost until each found the same thing, over the same seeds.
///
/// A run that found nothing costs more than any that did (it is censored).
package struct Comparison: Sendable {
  /// Atomic steps of the lines a run executed until it found it; nil where its budget ended first.
  package typealias Cost = Int?

  /// One cost a seed.
  package var first: [Cost] = []
  package var second: [Cost] = []

  /// No runs yet.
  package init() {}

  /// The cost half of the runs stay below; nil where more than half found nothing.
  package static func median(of costs: [Cost]) -> Cost {
    let sorted = costs.map { $0 ?? .max }.sorted()
    guard !sorted.isEmpty, sorted[sorted.count / 2] < .max else { return nil }
    return sorted[sorted.count / 2]
  }

  /// The chance that the second needs less than the first, ties counted half: Vargha and Delaney's
  /// A12 (2000); 0.5 is no difference.
  package var effect: Double {
    let (wins, ties) = pairs
    return (Double(wins) + Double(ties) / 2) / Double(max(1, first.count * second.count))
  }

  private var pairs: (wins: Int, ties: Int) {
    var (wins, ties) = (0, 0)
    for left in first.map({ $0 ?? .max }) {
      for right in second.map({ $0 ?? .max }) {
        if right < left { wins += 1 }
        if right == left { ties += 1 }
      }
    }
    return (wins, ties)
  }

  /// How likely a difference as large is where there is none, two-sided: Mann and Whitney's U by
  /// its normal approximation, corrected for ties.
  package var chance: Double {
    let (n, m) = (Double(first.count), Double(second.count))
    let all = (first + second).map { $0 ?? .max }.sorted()
    var tied = 0.0
    var start = 0
    for position in all.indices.dropFirst() where all[position] != all[start] {
      tied += Self.cubed(position - start)
      start = position
    }
    tied += Self.cubed(all.count - start)
    let total = n + m
    guard total > 1 else { return 1 }
    let variance = n * m / 12 * (total + 1 - tied / (total * (total - 1)))
    guard variance > 0 else { return 1 }
    let distance = max(0, abs(effect * n * m - n * m / 2) - 0.5)
    return Self.tail(distance / variance.squareRoot())
  }

  private static func cubed(_ count: Int) -> Double {
    Double(count) * (Double(count) * Double(count) - 1)
  }

  /// Both tails of the normal distribution beyond a distance (Abramowitz and Stegun 26.2.19).
  private static func tail(_ z: Double) -> Double {
    let factors = [
      0.049_867_347_0, 0.021_141_006_1, 0.003_277_626_3, 0.000_038_003_6, 0.000_048_890_6,
      0.000_005_383_0,
    ]
    var power = 1.0
    let sum = factors.reduce(1.0) { sum, factor in
      power *= z
      return sum + factor * power
    }
    var result = 1.0
    for _ in 0..<16 { result /= sum }
    return min(1, result)
  }
}
