// SPDX-License-Identifier: MIT

import Testing

@testable import Fuzzing

@Suite("Two searches compared")
struct ComparisonTests {
  /// Runs by the steps they took; nil for one that was given up after so many.
  private static func trials(_ steps: [Int?], limit: Int = 1_000_000) -> [Trial] {
    steps.map { Trial(steps: $0 ?? limit, isFound: $0 != nil) }
  }

  private static func comparison(_ first: [Int?], _ second: [Int?]) -> Comparison {
    Comparison(trials(first), trials(second))
  }

  @Test("The same costs are no difference")
  func same() {
    let comparison = Self.comparison([3, 1, nil, 2], [1, 2, 3, nil])
    #expect(comparison.effect == 0.5)
    #expect(comparison.chance > 0.9)
    #expect(comparison.interval.contains(0.5))
    #expect(comparison.ratio == .init(value: 1, bound: .exact))
  }

  @Test("What always needs less is told from luck")
  func less() {
    let comparison = Self.comparison((101...130).map { $0 }, (1...30).map { $0 })
    #expect(comparison.effect == 1)
    #expect(comparison.chance < 0.000_1)
    let few = Self.comparison([4, 5], [1, 2])
    #expect(few.effect == 1)
    #expect(few.chance > 0.05, "two seeds show nothing")
    #expect(few.interval.lowerBound < 0.5)
  }

  @Test("A run that found nothing costs more than any that did")
  func censored() {
    let comparison = Self.comparison([1_000_000, 2, 3], [nil, nil, 1])
    #expect(comparison.effect == 3.0 / 9)
    #expect(Survival(comparison.second).median == nil)
  }

  @Test("Given up at different times, a pair of which nobody knows who needs less is a tie")
  func unknown() {
    let early = Trial(steps: 10, isFound: false)
    let found = [Trial(steps: 5, isFound: true), Trial(steps: 20, isFound: true)]
    #expect(Comparison([early], found).effect == 0.75, "5 is less than it, 20 may be")
    #expect(Comparison(found, [early]).effect == 0.25)
    // Where nothing can be told, nothing is no surprise.
    let late = Array(repeating: Trial(steps: 20, isFound: true), count: 9)
    let unknown = Comparison(Array(repeating: early, count: 9), late)
    #expect(unknown.effect == 0.5 && unknown.chance == 1)
  }

  @Test("U of a published example: 6 and 6 animals, U = 11 against 25, p about 0.29 in all tables")
  func published() {
    // Tortoises are overtaken: T H H H H H T T T T T H.
    let comparison = Self.comparison([1, 7, 8, 9, 10, 11], [2, 3, 4, 5, 6, 12])
    #expect(comparison.effect == 25.0 / 36)
    #expect(abs(comparison.chance - 0.298) < 0.01)
  }

  @Test("The interval is where Newcombe's equation holds, and the same from the other side")
  func interval() {
    // By hand, with 30 runs each and none that overlap: u = 0.067 solves
    // u^2 = 1.96^2 u (1 - u) (1 + 29 u / (1 + u) + 29 (1 - u) / (2 - u)) / 900.
    let all = Self.comparison((101...130).map { $0 }, (1...30).map { $0 }).interval
    #expect(abs(all.lowerBound - 0.933) < 0.001 && all.upperBound == 1)
    let none = Self.comparison((1...30).map { $0 }, (101...130).map { $0 }).interval
    #expect(none.lowerBound == 0 && abs(none.upperBound - 0.067) < 0.001)
    let some = Self.comparison([1, 7, 8, 9, 10, 11], [2, 3, 4, 5, 6, 12])
    let mirrored = Comparison(some.second, some.first).interval
    #expect(abs(some.interval.lowerBound + mirrored.upperBound - 1) < 1e-9)
    #expect(some.interval.contains(some.effect) && some.interval.contains(0.5))
  }

  @Test("In 95 of 100 experiments without a difference the interval holds 0.5, or nearly")
  func coverage() {
    var random = Random(seed: 1)
    var holding = 0
    for _ in 0..<400 {
      let costs = (0..<40).map { _ in Int?(random.below(1 << 40)) }
      let comparison = Self.comparison(Array(costs[..<20]), Array(costs[20...]))
      if comparison.interval.contains(0.5) { holding += 1 }
    }
    #expect((372...394).contains(holding), "\(holding) of 400")
  }

  @Test(
    "Holm's correction by hand: the smallest of four counts four times, and none falls below it")
  func holm() {
    let corrected = Comparison.corrected([0.01, 0.04, 0.03, 0.005, 0.9])
    for (value, expected) in zip(corrected, [0.04, 0.09, 0.09, 0.025, 0.9]) {
      #expect(abs(value - expected) < 1e-12)
    }
    #expect(Comparison.corrected([0.6, 0.7]) == [1, 1])
    #expect(Comparison.corrected([]) == [])
  }

  @Test("The geometric mean of 1/4, 2 and 2 is 1; extreme numbers do not leave the range")
  func mean() throws {
    #expect(abs(try #require(Comparison.geometricMean([0.25, 2, 2])) - 1) < 1e-12)
    #expect(abs(try #require(Comparison.geometricMean([8])) - 8) < 1e-12)
    let many = [Double](repeating: 1e-9, count: 600) + [Double](repeating: 1e-7, count: 600)
    #expect(abs(try #require(Comparison.geometricMean(many)) - 1e-8) < 1e-16)
    #expect(Comparison.geometricMean([]) == nil)
  }

  @Test("Where a median is not known the ratio is a bound, and where none is there is no ratio")
  func ratio() {
    let (soon, never) = ([200, 300, 400] as [Int?], [nil, nil, 7] as [Int?])
    #expect(Self.comparison(soon, [30, 30, 30]).ratio == .init(value: 0.1, bound: .exact))
    let bound = Self.comparison(soon, never).ratio
    #expect(bound?.bound == .atLeast && bound?.value == 1_000_000.0 / 300)
    let other = Self.comparison(never, soon).ratio
    #expect(other?.bound == .atMost && other?.value == 300 / 1_000_000.0)
    #expect(Self.comparison(never, never).ratio == nil)
    let (deep, shallow) = (Self.comparison(never, soon), Self.comparison(soon, never))
    #expect(deep.isDeep(beyond: 100_000) && !shallow.isDeep(beyond: 100_000))
  }

  @Test("What a bug costs is all steps for each run that found it, given up or not")
  func cost() {
    let (soon, never) = ([200, 300, 400] as [Int?], [nil, nil, nil] as [Int?])
    #expect(Self.comparison(soon, [30, 30, 30]).costRatio == .init(value: 0.1, bound: .exact))
    let rare = Self.comparison(soon, [nil, nil, 700]).costRatio
    #expect(rare == .init(value: 2_000_700.0 / 300, bound: .exact), "its median is only a bound")
    let bound = Self.comparison(never, soon).costRatio
    #expect(bound == .init(value: 300 / 3_000_000.0, bound: .atMost))
    #expect(Self.comparison(soon, never).costRatio?.bound == .atLeast)
    #expect(Self.comparison(never, never).costRatio == nil)
  }

  @Test("A run tells what one with fewer steps would have done, and nothing about more")
  func limited() {
    let found = Trial(steps: 50, isFound: true)
    #expect(found.limited(to: 50) == found)
    #expect(found.limited(to: 49) == Trial(steps: 49, isFound: false))
    let lost = Trial(steps: 50, isFound: false)
    #expect(lost.limited(to: 50) == lost && lost.limited(to: 51) == nil)
  }
}

@Suite("Kaplan and Meier's estimate")
struct SurvivalTests {
  @Test("A published example: 21 patients under 6-mercaptopurine (Freireich and others, 1963)")
  func published() {
    let found = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    let givenUp = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    let survival = Survival(
      givenUp.map { Trial(steps: $0, isFound: false) }
        + found.map { Trial(steps: $0, isFound: true) })
    #expect(survival.drops.map(\.steps) == [6, 7, 10, 13, 16, 22, 23])
    let expected = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    for (drop, share) in zip(survival.drops, expected) { #expect(abs(drop.share - share) < 0.0006) }
    #expect(survival.median == 23)
    #expect(survival.givenUp == givenUp && survival.end == 35)
  }

  @Test("Where nothing was given up it is the share of the runs; half of them is the median")
  func plain() {
    let trials = [40, 10, 30, 20].map { Trial(steps: $0, isFound: true) }
    #expect(Survival(trials).drops.map(\.share) == [0.75, 0.5, 0.25, 0])
    #expect(Survival(trials).median == 20)
    let thirty = (1...30).map { Trial(steps: $0, isFound: true) }
    #expect(Survival(thirty).median == 15)
    #expect(Survival([]).median == nil)
  }
}
