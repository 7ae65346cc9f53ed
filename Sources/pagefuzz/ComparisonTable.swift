// SPDX-License-Identifier: MIT

import Console
import Fuzzing

/// What `compare` prints: the first search against each of the others, specimen by specimen.
struct ComparisonTable {
  /// All runs about one specimen.
  struct Row {
    var specimen: String
    /// One list a search, one run a seed.
    var trials: [[Trial]]
  }

  /// What runs are measured in.
  struct Unit {
    /// Its name, in the plural.
    var name: String
    /// What the first search must need in the median before a specimen counts for the mean.
    var deep: Int

    /// As a key of JSON has it: `firstSteps`.
    fileprivate var title: String { name.prefix(1).uppercased() + name.dropFirst() }

    /// Of comparisons of our searches: what is found at once is no measure of them.
    static let steps = Unit(name: "steps", deep: 100_000)
  }

  let searches: [String]
  let unit: Unit
  let rows: [Row]
  private let contests: [Contest]

  init(searches: [String], unit: Unit = .steps, rows: [Row]) {
    (self.searches, self.unit, self.rows) = (searches, unit, rows)
    contests = searches.indices.dropFirst().map { place in
      Contest((searches[0], searches[place]), unit, rows, place)
    }
  }

  var text: [String] { contests.flatMap(\.text) }
  var json: [JSONText] { contests.flatMap { $0.lines.map(\.json) + [$0.json] } }
  var markdown: [String] { contests.flatMap(\.markdown) }
}

/// Two of the searches.
private struct Contest {
  /// A specimen of it.
  struct Line {
    let names: (String, String)
    let unit: ComparisonTable.Unit
    let specimen: String
    let comparison: Comparison
    /// The chance of such a difference by luck, after Holm.
    let corrected: Double
  }

  let names: (String, String)
  let unit: ComparisonTable.Unit
  let lines: [Line]

  init(
    _ names: (String, String), _ unit: ComparisonTable.Unit, _ rows: [ComparisonTable.Row],
    _ place: Int
  ) {
    let comparisons = rows.map { Comparison($0.trials[0], $0.trials[place]) }
    let corrected = Comparison.corrected(comparisons.map(\.chance))
    (self.names, self.unit) = (names, unit)
    lines = rows.indices.map { row in
      Line(
        names: names, unit: unit, specimen: rows[row].specimen, comparison: comparisons[row],
        corrected: corrected[row])
    }
  }

  var text: [String] { lines.map(\.text) + summary }

  var markdown: [String] {
    let head =
      "| specimen | \(names.0), median | found | \(names.1), median | found "
      + "| ratio | cost | A12 | 95 % | p, Holm |"
    return [head, "|---|---|---|---|---|---|---|---|---|---|"] + lines.map(\.markdown) + [""]
      + summary + [""]
  }

  private var sooner: [Line] { lines.filter { $0.isSure && $0.comparison.effect > 0.5 } }
  private var later: [Line] { lines.filter { $0.isSure && $0.comparison.effect < 0.5 } }
  /// What costs more than half as much again, and not by luck.
  private var muchLater: [Line] {
    later.filter { line in line.comparison.ratio.map { $0.value > 1.5 } ?? false }
  }

  private var deep: [Line] { lines.filter { $0.comparison.isDeep(beyond: unit.deep) } }
  private var ratios: Mean { Mean(deep.map(\.comparison.ratio)) }
  private var costs: Mean { Mean(deep.map(\.comparison.costRatio)) }

  private var summary: [String] {
    let (first, second) = names
    let worse = muchLater.map(\.specimen).joined(separator: ", ")
    var lines = [
      "\(second) against \(first): sooner on \(sooner.count) and later on \(later.count) of "
        + "\(self.lines.count) specimens, at 5 % after Holm; later by more than half: "
        + (worse.isEmpty ? "none" : worse)
    ]
    let condition =
      unit.deep > 0 ? " where \(first) needs more than \(unit.deep) \(unit.name)" : ""
    let what = [("ratios", "a median", ratios), ("costs", "a cost", costs)]
    for (name, bounded, mean) in what {
      lines.append(mean.words("of the \(name)\(condition)", bounded))
    }
    return lines
  }

  var json: JSONText {
    [
      "first": .string(names.0), "second": .string(names.1), "specimens": .count(lines.count),
      "sooner": .count(sooner.count), "later": .count(later.count),
      "laterByHalf": .strings(muchLater.map(\.specimen)), "deep": .count(deep.count),
      "deepWithRatio": .count(ratios.known.count), "deepWithBound": .count(ratios.bounds),
      "geometricMean": ratios.value.map { .fraction($0) } ?? .null,
      "geometricMeanOfCosts": costs.value.map { .fraction($0) } ?? .null,
    ]
  }
}

/// The geometric mean of ratios, of which some are bounds, or not known.
private struct Mean {
  let known: [Comparison.Ratio]
  private let unknown: Int

  init(_ ratios: [Comparison.Ratio?]) {
    known = ratios.compactMap { $0 }
    unknown = ratios.count - known.count
  }

  var value: Double? { Comparison.geometricMean(known.map { max($0.value, 1e-9) }) }
  var bounds: Int { known.count { $0.bound != .exact } }

  /// What bounds on one side only say of it.
  private var bound: String {
    let kinds = Set(known.map(\.bound)).subtracting([.exact])
    return kinds == [.atLeast] ? "at least " : (kinds == [.atMost] ? "at most " : "")
  }

  func words(_ subject: String, _ bounded: String) -> String {
    guard let value else { return "no mean \(subject): no such specimen was found" }
    return "geometric mean \(subject): \(bound)\(Decimals.two(value)), of \(known.count) specimens"
      + (bounds > 0 ? ", \(bounds) of them with a bound for \(bounded)" : "")
      + (unknown > 0 ? "; \(unknown) more found by neither" : "")
  }
}

extension Contest.Line {
  /// The difference is no luck, at 5 %.
  var isSure: Bool { corrected < 0.05 }

  private var sides: [(name: String, survival: Survival, trials: [Trial])] {
    [(names.0, comparison.first), (names.1, comparison.second)].map { name, trials in
      (name, Survival(trials), trials)
    }
  }

  private static func median(_ survival: Survival) -> String {
    survival.median.map(String.init) ?? "> \(survival.end)"
  }

  private static func found(_ trials: [Trial]) -> String {
    "\(trials.count(where: \.isFound)) of \(trials.count)"
  }

  private static func words(_ ratio: Comparison.Ratio?) -> String {
    guard let ratio else { return "unknown" }
    let sign = [.exact: "", .atMost: "at most ", .atLeast: "at least "][ratio.bound] ?? ""
    return sign + (ratio.value < 0.05 ? Decimals.three : Decimals.two)(ratio.value)
  }

  private var interval: String {
    let interval = comparison.interval
    return "\(Decimals.two(interval.lowerBound)) to \(Decimals.two(interval.upperBound))"
  }

  var text: String {
    let sides = sides.map { side in
      "\(side.name) \(Self.median(side.survival)) \(unit.name) (\(Self.found(side.trials)))"
    }
    let (ratio, cost) = (Self.words(comparison.ratio), Self.words(comparison.costRatio))
    return "\(specimen)  \(sides.joined(separator: ", "))  ratio \(ratio), cost \(cost), "
      + "A12 \(Decimals.two(comparison.effect)) (\(interval)), "
      + "p \(Decimals.three(comparison.chance)), Holm \(Decimals.three(corrected))"
  }

  var markdown: String {
    let sides = sides.map { "\(Self.median($0.survival)) | \(Self.found($0.trials))" }
    let ratios = [comparison.ratio, comparison.costRatio].map(Self.words)
    let strength = isSure ? "**" : ""
    let effect = strength + Decimals.two(comparison.effect) + strength
    let cells = [specimen] + sides + ratios + [effect, interval, Decimals.three(corrected)]
    return "| \(cells.joined(separator: " | ")) |"
  }

  var json: JSONText {
    func costs(_ trials: [Trial]) -> JSONText {
      .array(trials.map { $0.isFound ? .count($0.steps) : .null })
    }
    let medians = sides.map { $0.survival.median.map(JSONText.count) ?? .null }
    let interval = comparison.interval
    return [
      "specimen": .string(specimen), "first": .string(names.0), "second": .string(names.1),
      "first\(unit.title)": costs(comparison.first),
      "second\(unit.title)": costs(comparison.second),
      "firstMedian": medians[0], "secondMedian": medians[1],
      "ratio": comparison.ratio.map { .fraction($0.value) } ?? .null,
      "ratioIs": .text(comparison.ratio.map { "\($0.bound)" }),
      "cost": comparison.costRatio.map { .fraction($0.value) } ?? .null,
      "costIs": .text(comparison.costRatio.map { "\($0.bound)" }),
      "effect": .fraction(comparison.effect), "effectLow": .fraction(interval.lowerBound),
      "effectHigh": .fraction(interval.upperBound), "chance": .fraction(comparison.chance),
      "corrected": .fraction(corrected), "deep": .boolean(comparison.isDeep(beyond: unit.deep)),
    ]
  }
}
