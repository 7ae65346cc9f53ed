// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import PageLifecycle

/// Which specimen was caught by which invariant, and which correct protocol stayed clean.
struct KillMatrix {
  /// What is fuzzed.
  enum Subject: Sendable {
    /// It must show what it declares.
    case specimen(Specimen)
    /// It obeys every rule, and must show nothing.
    case repaired(Protocol)

    var name: String {
      switch self {
      case .specimen(let specimen): specimen.name
      case .repaired(let base): Variant(base, isRepaired: true).name
      }
    }

    var specimen: Specimen? {
      if case .specimen(let specimen) = self { specimen } else { nil }
    }
  }

  /// What became of a subject, from one seed.
  struct Kill {
    let subject: Subject
    let seed: UInt64
    let record: KillFile.Record

    init(_ subject: Subject, _ seed: UInt64, _ record: KillFile.Record) {
      (self.subject, self.seed, self.record) = (subject, seed, record)
    }

    /// It is a specimen, and was caught.
    var isFound: Bool { record.invariant != nil }

    /// It is a correct protocol, and showed nothing.
    var isClean: Bool { record.shown.isEmpty }

    var text: String {
      let cost = "\(record.executions) programs, \(record.steps) steps, seed \(seed)"
      guard let specimen = subject.specimen else {
        return "\(subject.name): \(isClean ? "clean" : "shows \(names(record.shown))"), \(cost)"
      }
      guard let invariant = record.invariant else {
        return "MISSED  \(specimen.name)  declares \(names(specimen.breaks)); \(cost)"
      }
      let others = record.shown.filter { !specimen.breaks.contains($0) }
      let beside = others.isEmpty ? "" : "; undeclared \(names(others))"
      return "found   \(specimen.name)  \(invariant.name), \(cost)\(beside)"
    }

    private func names(_ invariants: [Invariant]) -> String {
      invariants.map(\.name).joined(separator: ", ")
    }

    var json: JSONText {
      guard let specimen = subject.specimen else {
        return [
          "protocol": .string(subject.name), "seed": .unsigned(seed), "clean": .boolean(isClean),
          "invariants": .strings(record.shown.map(\.name)),
          "executions": .count(record.executions), "steps": .count(record.steps),
          "cpuSeconds": .seconds(record.cpuSeconds),
        ]
      }
      return [
        "specimen": .string(specimen.name), "seed": .unsigned(seed), "found": .boolean(isFound),
        "invariant": .text(record.invariant?.name),
        "declared": .strings(specimen.breaks.map(\.name)),
        "shown": .strings(record.shown.map(\.name)),
        "executions": .count(record.executions), "steps": .count(record.steps),
        "cpuSeconds": .seconds(record.cpuSeconds),
      ]
    }
  }

  private(set) var specimens: [Kill] = []
  private(set) var repaired: [Kill] = []

  /// One more.
  mutating func add(_ kill: Kill) {
    if kill.subject.specimen == nil { repaired.append(kill) } else { specimens.append(kill) }
  }

  /// Everything was found, and nothing in what is correct.
  var holds: Bool { specimens.allSatisfy(\.isFound) && repaired.allSatisfy(\.isClean) }

  /// A line for each rule: how many runs found it, over protocols and seeds, by what, how soon.
  var markdown: [String] {
    [
      "| bug | rule broken | found | by | programs, median | most | CPU-s, median | most |",
      "|---|---|---|---|---|---|---|---|",
    ] + Rule.allCases.compactMap(line)
  }

  private func line(_ rule: Rule) -> String? {
    let all = specimens.filter { $0.subject.specimen?.rule == rule }
    guard !all.isEmpty else { return nil }
    let found = all.filter(\.isFound)
    let invariants = Invariant.allCases.filter { invariant in
      found.contains { $0.record.invariant == invariant }
    }
    let programs = Spread(found.map(\.record.executions))
    let seconds = Spread(found.map(\.record.cpuSeconds))
    var cells = [rule.info.bug, "`\(rule.name)`", "\(found.count) of \(all.count)"]
    cells.append(invariants.map(\.name).joined(separator: ", "))
    cells += [programs.median, programs.most].map { $0.map(String.init) ?? "" }
    cells += [seconds.median, seconds.most].map { $0.map(Decimals.two) ?? "" }
    return "| \(cells.joined(separator: " | ")) |"
  }

  /// The last lines: how many were found, and what nobody needed.
  var summary: [String] {
    guard !specimens.isEmpty else { return [] }
    let found = specimens.filter(\.isFound)
    let steps = Spread(found.map(\.record.steps))
    let seconds = Spread(found.map(\.record.cpuSeconds))
    let used = found.compactMap(\.record.invariant)
    let idle = Invariant.allCases.filter { !used.contains($0) }.map(\.name)
    let subjects = Set(specimens.map(\.subject.name)).count
    let runs = subjects == specimens.count ? "specimens" : "runs of \(subjects) specimens"
    var lines = [
      "\(found.count) of \(specimens.count) \(runs) found, after \(steps.median ?? 0) steps "
        + "and \(Decimals.two(seconds.median ?? 0)) CPU-seconds in the median, "
        + "\(Decimals.two(seconds.most ?? 0)) at most"
    ]
    if !repaired.isEmpty {
      let programs = repaired.reduce(0) { $0 + $1.record.executions }
      lines.append(
        "\(repaired.count(where: \.isClean)) of \(repaired.count) correct protocols clean, "
          + "in \(programs) programs together")
    }
    return lines + ["no specimen was found by \(idle.joined(separator: ", "))"]
  }
}

/// The middle and the end of some numbers; nil of none.
private struct Spread<Value: Comparable> {
  let median: Value?
  let most: Value?

  init(_ values: [Value]) {
    let sorted = values.sorted()
    (median, most) = (sorted.isEmpty ? nil : sorted[sorted.count / 2], sorted.last)
  }
}
