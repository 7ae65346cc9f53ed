// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import Programs
import Storage

/// A file that shows a violation: what `minimize` and `explain` work on.
struct ViolatingProgram {
  let path: String
  /// The violation its expectation means, or else the first one.
  let finding: Finding

  /// Reads a file; one that shows no violation, or not the one it expects, is refused.
  init(_ path: String) throws {
    self.path = path
    let bytes: [UInt8]
    do throws(StorageError) { bytes = try ProgramFiles.read(path) } catch {
      throw CommandFailure(ExitStatus(error), error.message)
    }
    let program: Program
    do throws(ProgramError) { program = try ProgramParser.parse(bytes, file: path) } catch {
      throw CommandFailure(.invalidInput, error.description)
    }
    EngineTrap.blame(path)
    guard let finding = Finding(meantBy: program) else {
      let isClean = Execution.run(program).verdict.count == 0
      let reason = isClean ? "it violates no invariant" : "it does not show what it expects"
      throw CommandFailure(
        .invalidInput, "\(path): \(reason) under \(program.variant.name); see 'pagefuzz replay'")
    }
    self.finding = finding
  }
}
