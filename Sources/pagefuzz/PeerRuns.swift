// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import Storage

/// Runs that `scripts/bench peers` made: fuzzers of others beside ours, a run a line.
struct PeerRuns {
  /// What a run is measured in.
  enum Unit: String, CaseIterable {
    case executions, steps
  }

  /// How fast a way executes.
  struct Speed {
    var way: String
    /// Atomic steps, with those of staged ends.
    var executed: Int
    var cpuSeconds: Double

    private var rate: Double { Double(executed) / max(cpuSeconds, 0.01) }

    var text: String {
      "\(way): \(Decimals.three(rate / 1e6)) million steps a CPU-second, where nothing was found"
    }

    var json: JSONText {
      ["way": .string(way), "stepsPerCPUSecond": .count(Int(rate.rounded()))]
    }
  }

  private struct Key: Hashable {
    var specimen: String
    var way: String
    var seed: UInt64
  }

  private struct Run {
    var key: Key
    var isFound: Bool
    var executions: Int
    var steps: Int
    var executed: Int
    var cpuSeconds: Double

    init?(_ words: [String]) {
      guard words.count == columns.count, !words[0].isEmpty, !words[1].isEmpty,
        let seed = UInt64(words[2]), let isFound = ["yes": true, "no": false][words[3]],
        let executions = Int(words[4]), let steps = Int(words[5]), let executed = Int(words[6]),
        let cpuSeconds = Double(words[7]), min(executions, steps, executed) >= 0,
        cpuSeconds >= 0, cpuSeconds.isFinite
      else { return nil }
      key = Key(specimen: words[0], way: words[1], seed: seed)
      (self.isFound, self.executions, self.steps) = (isFound, executions, steps)
      (self.executed, self.cpuSeconds) = (executed, cpuSeconds)
    }

    func trial(in unit: Unit) -> Trial {
      Trial(steps: unit == .steps ? steps : executions, isFound: isFound)
    }
  }

  static let columns = [
    "specimen", "way", "seed", "found", "executions", "steps", "executed", "cpuSeconds",
  ]
  private static let limitBytes = 1 << 28

  /// In the order of the file; of several with one key the last.
  private var runs: [Run] = []

  /// Reads a file; a torn last line is left out.
  init(_ path: String) throws(StorageError) {
    let content = try ProgramFiles.read(path, limitBytes: Self.limitBytes)
    let lines = String(decoding: content, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    var places: [Key: Int] = [:]
    for (position, line) in lines.enumerated() {
      let words = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      guard position > 0 else {
        guard words == Self.columns else {
          throw Self.damaged(path, 1, "the columns of 'scripts/bench peers' are expected")
        }
        continue
      }
      guard let run = Run(words) else {
        throw Self.damaged(path, position + 1, "a run is expected")
      }
      if let place = places[run.key] {
        runs[place] = run
      } else {
        places[run.key] = runs.count
        runs.append(run)
      }
    }
  }

  private static func damaged(_ path: String, _ line: Int, _ reason: String) -> StorageError {
    StorageError(
      .invalid, path: "\(path):\(line)", operation: "compare the runs", reason: reason,
      remedy: "remove the line, or run the bench into another directory")
  }

  /// The ways that have runs, in the order of the file.
  var ways: [String] { Self.distinct(runs.map(\.key.way)) }

  /// The most that any run took or was given.
  func longest(in unit: Unit) -> Int { runs.map { $0.trial(in: unit).steps }.max() ?? 0 }

  /// The specimens that every one of some ways has runs about, in the order of their names.
  func rows(of ways: [String], in unit: Unit) -> [ComparisonTable.Row] {
    Self.distinct(runs.map(\.key.specimen)).sorted().compactMap { specimen in
      let trials = ways.map { way in
        runs.filter { $0.key.specimen == specimen && $0.key.way == way }
          .sorted { $0.key.seed < $1.key.seed }.map { $0.trial(in: unit) }
      }
      guard trials.allSatisfy({ !$0.isEmpty }) else { return nil }
      return ComparisonTable.Row(specimen: specimen, trials: trials)
    }
  }

  /// Over the runs that had their whole length, so that starting a process counts little; nil where
  /// a way has none.
  func speed(of way: String) -> Speed? {
    let whole = runs.filter { $0.key.way == way && !$0.isFound && $0.executed > 0 }
    guard !whole.isEmpty else { return nil }
    return Speed(
      way: way, executed: whole.reduce(0) { $0 + $1.executed },
      cpuSeconds: whole.reduce(0) { $0 + $1.cpuSeconds })
  }

  private static func distinct(_ words: [String]) -> [String] {
    var seen: Set<String> = []
    return words.filter { seen.insert($0).inserted }
  }
}
