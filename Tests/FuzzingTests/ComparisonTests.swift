// SPDX-License-Identifier: MIT

import Testing

@testable import Fuzzing

@Suite("Two searches compared")
struct ComparisonTests {
  private static func comparison(_ first: [Int?], _ second: [Int?]) -> Comparison {
    var comparison = Comparison()
    (comparison.first, comparison.second) = (first, second)
    return comparison
  }

  @Test("The same costs are no difference")
  func same() {
    let comparison = Self.comparison([3, 1, nil, 2], [1, 2, 3, nil])
    #expect(comparison.effect == 0.5)
    #expect(comparison.chance > 0.9)
    #expect(Comparison.median(of: comparison.first) == 3)
  }

  @Test("What always needs less is told from luck")
  func less() {
    let comparison = Self.comparison((101...130).map { $0 }, (1...30).map { $0 })
    #expect(comparison.effect == 1)
    #expect(comparison.chance < 0.000_1)
    let few = Self.comparison([4, 5], [1, 2])
    #expect(few.effect == 1)
    #expect(few.chance > 0.05, "two seeds show nothing")
  }

  @Test("A run that found nothing costs more than any that did")
  func censored() {
    let comparison = Self.comparison([1_000_000, 2, 3], [nil, nil, 1])
    #expect(comparison.effect == 3.0 / 9)
    #expect(Comparison.median(of: comparison.second) == nil)
  }

  @Test("U of a published example: 6 and 6 animals, U = 11 against 25, p about 0.29 in all tables")
  func published() {
    // Tortoises are overtaken: T H H H H H T T T T T H.
    let comparison = Self.comparison([1, 7, 8, 9, 10, 11], [2, 3, 4, 5, 6, 12])
    #expect(comparison.effect == 25.0 / 36)
    #expect(abs(comparison.chance - 0.298) < 0.01)
  }
}
