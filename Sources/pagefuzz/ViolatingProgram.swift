// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import PageLifecycle
import Programs
import Storage

/// A file that shows a violation: what `minimize` and `explain` work on.
struct ViolatingProgram {
  let path: String
  let program: Program
  /// The violation its expectation means, or else the first one.
  let violation: Violation
  let identity: Identity

  /// Reads a file; one that shows no violation, or not the one it expects, is refused.
  init(_ path: String) throws {
    self.path = path
    let bytes: [UInt8]
    do throws(StorageError) { bytes = try ProgramFiles.read(path) } catch {
      throw CommandFailure(ExitStatus(error), error.message)
    }
    do throws(ProgramError) { program = try ProgramParser.parse(bytes, file: path) } catch {
      throw CommandFailure(.invalidInput, error.description)
    }
    EngineTrap.blame(path)
    let found = Execution.run(program).verdict.all
    let program = program
    let meant = found.first { violation in
      guard case .violation(let pattern) = program.expectation else { return true }
      return pattern.mayMatch(violation)
        && pattern.matches(Programs.identity(of: violation, in: program))
    }
    guard let meant else {
      let reason =
        found.isEmpty ? "it violates no invariant" : "it does not show what it expects"
      throw CommandFailure(
        .invalidInput, "\(path): \(reason) under \(program.variant.name); see 'pagefuzz replay'")
    }
    violation = meant
    identity = Programs.identity(of: meant, in: program)
  }
}
