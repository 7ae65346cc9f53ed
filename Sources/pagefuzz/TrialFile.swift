// SPDX-License-Identifier: MIT

import Fuzzing
import Storage

/// Runs that `compare` has made, one a line, in a file that any tool for tables reads.
///
/// A run with a limit tells what one with a lower limit would have done, so both may be asked for.
struct TrialFile {
  /// What tells one run from another.
  struct Key: Hashable {
    var specimen: String
    var search: String
    var seed: UInt64
  }

  /// The runs of this build that are in it; of several with one key the last.
  private(set) var trials: [Key: Trial] = [:]
  private var file: AppendedLines?

  static let columns = ["specimen", "search", "seed", "build", "steps", "found"]

  /// Runs that are kept nowhere.
  init() {}

  /// Goes on with a file, which is begun where it does not exist.
  init(_ path: String) throws(StorageError) {
    let file = try AppendedLines(path)
    self.file = file
    do throws(StorageError) {
      try read(file)
      if file.lines.isEmpty { try self.file?.append(Self.columns.joined(separator: ",")) }
    } catch {
      file.close()
      throw error
    }
  }

  private mutating func read(_ file: AppendedLines) throws(StorageError) {
    for (position, line) in file.lines.enumerated() {
      let words = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      guard position > 0 else {
        guard words == Self.columns else {
          throw Self.damaged(file.path, 1, "the columns of 'compare' are expected")
        }
        continue
      }
      guard words.count == Self.columns.count, let seed = UInt64(words[2]),
        let steps = Int(words[4]), steps >= 0, let isFound = ["yes": true, "no": false][words[5]]
      else { throw Self.damaged(file.path, position + 1, "a run is expected") }
      guard words[3] == CampaignText.build else {
        throw Self.damaged(
          file.path, position + 1, "another build made it, whose runs cannot be compared with ours")
      }
      trials[Key(specimen: words[0], search: words[1], seed: seed)] =
        Trial(steps: steps, isFound: isFound)
    }
  }

  private static func damaged(_ path: String, _ line: Int, _ reason: String) -> StorageError {
    StorageError(
      .invalid, path: "\(path):\(line)", operation: "go on with the runs", reason: reason,
      remedy: "name another file with --csv")
  }

  /// Keeps a run, durably.
  mutating func add(_ trial: Trial, _ key: Key) throws(StorageError) {
    trials[key] = trial
    try file?.append(
      "\(key.specimen),\(key.search),\(key.seed),\(CampaignText.build),\(trial.steps),"
        + (trial.isFound ? "yes" : "no"))
  }

  /// Lets others have the file.
  func close() { file?.close() }
}
