// SPDX-License-Identifier: MIT

/// The share of runs that still search after so many steps, where some were given up: Kaplan and
/// Meier's estimate (1958).
package struct Survival: Equatable, Sendable {
  /// From so many steps on, only this share still searches.
  package struct Drop: Equatable, Sendable {
    package var steps: Int
    package var share: Double
  }

  /// Where the share drops, in ascending order; it is 1 before the first.
  package private(set) var drops: [Drop] = []
  /// Steps after which runs were given up, in ascending order.
  package private(set) var givenUp: [Int] = []
  /// The steps of the longest run.
  package private(set) var end = 0

  /// The estimate from some runs; one that was given up when another found it still searched then.
  package init(_ trials: [Trial]) {
    givenUp = trials.filter { !$0.isFound }.map(\.steps).sorted()
    end = trials.map(\.steps).max() ?? 0
    let found = trials.filter(\.isFound).map(\.steps).sorted()
    var share = 1.0
    var next = 0
    while next < found.count {
      let steps = found[next]
      let same = found[next...].prefix { $0 == steps }.count
      let searching = found.count - next + givenUp.count { $0 >= steps }
      share *= 1 - Double(same) / Double(searching)
      drops.append(Drop(steps: steps, share: share))
      next += same
    }
  }

  /// The steps after which half of the runs, or more, have found it; nil where that is not known.
  package var median: Int? { drops.first { $0.share <= 0.5 + 1e-9 }?.steps }
}
