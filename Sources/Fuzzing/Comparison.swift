// SPDX-License-Identifier: MIT

/// What one search did about one specimen, from one seed.
package struct Trial: Equatable, Sendable {
  /// Atomic steps of its lines, or whatever else it is measured in, until it found the bug; those
  /// it was given, where it did not.
  package var steps: Int
  /// False where it was given up: how long it would have taken is not known (it is censored).
  package var isFound: Bool

  /// A run that found the bug after so many steps, or was given up.
  package init(steps: Int, isFound: Bool) { (self.steps, self.isFound) = (steps, isFound) }

  /// What the run would have been with fewer steps; nil where it was given too few itself.
  package func limited(to limit: Int) -> Trial? {
    if isFound && steps <= limit { return self }
    return steps >= limit ? Trial(steps: limit, isFound: false) : nil
  }

  /// Whether it surely needs less than another: one that was given up needs more than it had.
  fileprivate func isSooner(than other: Trial) -> Bool {
    isFound && (other.isFound ? steps < other.steps : steps <= other.steps)
  }

  /// Of how many others it is known that they need more, less of how many that they need less.
  fileprivate func lead(over others: [Trial]) -> Int {
    others.reduce(0) { $0 + (isSooner(than: $1) ? 1 : ($1.isSooner(than: self) ? -1 : 0)) }
  }
}

/// How much two searches cost until each found the same bug, over some seeds.
package struct Comparison: Sendable {
  /// One run a seed.
  package var first: [Trial]
  package var second: [Trial]

  /// The runs of two searches.
  package init(_ first: [Trial], _ second: [Trial]) { (self.first, self.second) = (first, second) }

  /// The chance that the second needs less than the first, ties counted half: Vargha and Delaney's
  /// A12 (2000); 0.5 is no difference.
  ///
  /// Where one was given up too soon to tell, that is a tie, too (Gehan, 1965).
  package var effect: Double {
    let pairs = first.count * second.count
    let lead = second.reduce(0) { $0 + $1.lead(over: first) }
    return Double(pairs + lead) / 2 / Double(max(1, pairs))
  }

  /// The effects that would make the one seen no surprise, 95 of 100 times: Newcombe's method 5
  /// (2006).
  ///
  /// A bootstrap would call an effect of 1 certain, from however few runs.
  package var interval: ClosedRange<Double> {
    let (seen, pairs) = (effect, Double(max(1, first.count * second.count)))
    let others = max(0, Double(first.count + second.count) / 2 - 1)
    func isNoSurprise(_ effect: Double) -> Bool {
      let spread =
        1 + others * (1 - effect) / (2 - effect) + others * effect / (1 + effect)
      let variance = effect * (1 - effect) / pairs * spread
      return (seen - effect) * (seen - effect) <= Self.quantile * Self.quantile * variance
    }
    func edge(towards end: Double) -> Double {
      guard abs(end - seen) > 0 else { return end }
      var (inside, outside) = (seen, end)
      // At the very ends nothing varies: what lies between is looked at.
      if seen == 1 - end { inside = seen + (end - seen) * 1e-9 }
      for _ in 0..<64 {
        let middle = (inside + outside) / 2
        if isNoSurprise(middle) { inside = middle } else { outside = middle }
      }
      return inside
    }
    return edge(towards: 0)...edge(towards: 1)
  }

  /// 97.5 % of the normal distribution lie below.
  private static let quantile = 1.959_963_984_540_054

  /// How likely a difference as large is where there is none, two-sided: Mann and Whitney's U by
  /// its normal approximation, with the variance that all divisions of these runs have.
  package var chance: Double {
    let (n, m) = (Double(first.count), Double(second.count))
    let all = first + second
    guard all.count > 1 else { return 1 }
    let squares = all.reduce(0) { sum, trial in
      let lead = trial.lead(over: all)
      return sum + lead * lead
    }
    let variance = n * m / 4 * Double(squares) / Double(all.count * (all.count - 1))
    guard variance > 0 else { return 1 }
    let distance = max(0, abs(effect * n * m - n * m / 2) - 0.5)
    return Self.tail(distance / variance.squareRoot())
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

// MARK: Many specimens

extension Comparison {
  /// How many times as many steps the second needs.
  package struct Ratio: Equatable, Sendable {
    /// What is known where one side is not, but for what it is more than.
    package enum Bound: Sendable { case exact, atMost, atLeast }
    package var value: Double
    package var bound: Bound

    init(value: Double, bound: Bound) { (self.value, self.bound) = (value, bound) }

    fileprivate init?(first: Int, isKnown: Bool, second: Int, isKnown isOtherKnown: Bool) {
      guard isKnown || isOtherKnown else { return nil }
      self.init(
        value: Double(second) / Double(max(1, first)),
        bound: isKnown ? isOtherKnown ? .exact : .atLeast : .atMost)
    }
  }

  /// The ratio of the medians; nil where neither is known.
  package var ratio: Ratio? {
    let (one, other) = (Survival(first), Survival(second))
    return Ratio(
      first: one.median ?? one.end, isKnown: one.median != nil,
      second: other.median ?? other.end, isKnown: other.median != nil)
  }

  /// The ratio of what a bug costs: all steps of all runs for each run that found it, which is what
  /// it takes in the mean if one that is given up is begun anew with another seed (the expected
  /// running time; Auger and Hansen, CEC 2005).  Nil where neither found it.
  package var costRatio: Ratio? {
    func found(_ trials: [Trial]) -> Int { trials.count(where: \.isFound) }
    func cost(_ trials: [Trial]) -> Int {
      trials.reduce(0) { $0 + $1.steps } / max(1, found(trials))
    }
    return Ratio(
      first: cost(first), isKnown: found(first) > 0,
      second: cost(second), isKnown: found(second) > 0)
  }

  /// The first search needs more than this in the median.
  package func isDeep(beyond limit: Int) -> Bool {
    let survival = Survival(first)
    return (survival.median ?? survival.end) > limit
  }

  /// Holm's correction (1979): the chances of several comparisons, as large as they have to be so
  /// that the smallest of them is no luck of who compares often.
  package static func corrected(_ chances: [Double]) -> [Double] {
    let order = chances.indices.sorted { (chances[$0], $0) < (chances[$1], $1) }
    var corrected = chances
    var least = 0.0
    for (rank, position) in order.enumerated() {
      least = max(least, min(1, Double(order.count - rank) * chances[position]))
      corrected[position] = least
    }
    return corrected
  }

  /// The geometric mean of positive numbers; nil of none.
  package static func geometricMean(_ values: [Double]) -> Double? {
    guard var low = values.min(), var high = values.max() else { return nil }
    // The number whose ratios with all of them multiply to 1.
    for _ in 0..<128 {
      let middle = (low + high) / 2
      if isProductAboveOne(values.map { $0 / middle }) { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// Without leaving the range of numbers on the way.
  private static func isProductAboveOne(_ factors: [Double]) -> Bool {
    var (significand, exponent) = (1.0, 0)
    for factor in factors {
      significand *= factor
      exponent += Int(significand.exponent)
      significand = significand.significand
    }
    return exponent > 0 || (exponent == 0 && significand > 1)
  }
}
