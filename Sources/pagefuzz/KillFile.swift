// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import PageLifecycle
import Storage

/// Runs that `selftest` has made, one a line, in a file that any tool for tables reads.
struct KillFile {
  /// What tells one run from another.
  struct Key: Hashable {
    var subject: String
    var seed: UInt64
  }

  /// What became of a run.
  struct Record {
    /// The declared invariant that broke; nil where none did until the run was used up.
    var invariant: Invariant?
    /// Every invariant that broke, in ascending order.
    var shown: [Invariant]
    /// Programs, atomic steps, and CPU-seconds of the thread.
    var executions: Int
    var steps: Int
    var cpuSeconds: Double
  }

  /// The runs of this build that are in it; of several with one key the last.
  private(set) var records: [Key: Record] = [:]
  private var file: AppendedLines?

  static let columns = [
    "subject", "seed", "build", "invariant", "shown", "executions", "steps", "cpuSeconds",
  ]

  /// Runs that are kept nowhere.
  init() {}

  /// Goes on with a file, which is begun where it does not exist.
  init(_ path: String) throws(StorageError) {
    let file = try AppendedLines(path)
    self.file = file
    do throws(StorageError) {
      for (position, line) in file.lines.enumerated() { try read(line, position + 1, of: path) }
      if file.lines.isEmpty { try self.file?.append(Self.columns.joined(separator: ",")) }
    } catch {
      file.close()
      throw error
    }
  }

  private mutating func read(_ line: String, _ number: Int, of path: String) throws(StorageError) {
    let words = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    if number == 1 && words == Self.columns { return }
    func damaged(_ reason: String) -> StorageError {
      StorageError(
        .invalid, path: "\(path):\(number)", operation: "go on with the runs", reason: reason,
        remedy: "name another file with --csv")
    }
    guard number > 1 else { throw damaged("the columns of 'selftest' are expected") }
    guard words.count == Self.columns.count, let seed = UInt64(words[1]),
      let record = Record(Array(words[3...]))
    else { throw damaged("a run is expected") }
    guard words[2] == CampaignText.build else {
      throw damaged("another build made it, whose runs cannot be compared with ours")
    }
    records[Key(subject: words[0], seed: seed)] = record
  }

  /// Keeps a run, durably.
  mutating func add(_ record: Record, _ key: Key) throws(StorageError) {
    records[key] = record
    let words = ["\(key.subject)", "\(key.seed)", CampaignText.build] + record.words
    try file?.append(words.joined(separator: ","))
  }

  /// Lets others have the file.
  func close() { file?.close() }
}

extension KillFile.Record {
  /// What a test ended with, after so much CPU time.
  init(_ outcome: SelfTest.Outcome, cpuSeconds: Double) {
    self.init(
      invariant: outcome.found?.invariant, shown: outcome.shown, executions: outcome.executions,
      steps: outcome.steps, cpuSeconds: cpuSeconds)
  }

  fileprivate init?(_ words: [String]) {
    func named(_ name: Substring) -> Invariant? {
      Invariant.allCases.first { $0.name == name }
    }
    let names = words[1].split(separator: " ")
    shown = names.compactMap(named)
    let first = named(words[0][...])
    invariant = first
    guard let executions = Int(words[2]), let steps = Int(words[3]), let seconds = Double(words[4]),
      executions >= 0, steps >= 0, seconds >= 0, shown.count == names.count,
      words[0].isEmpty == (first == nil)
    else { return nil }
    (self.executions, self.steps, cpuSeconds) = (executions, steps, seconds)
  }

  fileprivate var words: [String] {
    [
      invariant?.name ?? "", shown.map(\.name).joined(separator: " "), "\(executions)", "\(steps)",
      Decimals.three(cpuSeconds),
    ]
  }
}
