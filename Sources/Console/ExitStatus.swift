// SPDX-License-Identifier: MIT

/// What the process tells its caller; the numbers from 64 on are those of `sysexits.h`.
package enum ExitStatus: Int32, CaseIterable, Comparable, Sendable {
  /// Nothing new was found; everything is as expected.
  case success = 0
  /// Something new was saved, or an expectation was not met.
  case found = 1
  /// The command line is wrong.
  case usage = 64
  /// An input is no valid program.
  case invalidInput = 65
  /// An input does not exist or cannot be read.
  case missingInput = 66
  /// The engine trapped.
  case engineTrap = 70
  /// An output cannot be created.
  case cannotCreate = 73
  /// Reading or writing failed half-way.
  case inputOutput = 74
  /// Ended by SIGINT, with everything saved.
  case interrupted = 130
  /// Ended by SIGTERM, with everything saved.
  case terminated = 143

  /// The worse of two outcomes: of several, a command ends with the highest.
  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// One line for `--help`.
  package var meaning: String {
    switch self {
    case .success: "nothing new was found; everything is as expected"
    case .found: "something new was saved, or an expectation was not met"
    case .usage: "the command line is wrong"
    case .invalidInput: "an input is no valid program"
    case .missingInput: "an input does not exist or cannot be read"
    case .engineTrap: "the engine trapped"
    case .cannotCreate: "an output cannot be created"
    case .inputOutput: "reading or writing failed half-way"
    case .interrupted: "ended by SIGINT, with everything saved"
    case .terminated: "ended by SIGTERM, with everything saved"
    }
  }
}

/// A command cannot go on, and the user is told why.
package struct CommandFailure: Error, Equatable, Sendable {
  /// What the command ends with.
  package var status: ExitStatus
  /// What is wrong, where, and what to do about it; one or more lines.
  package var message: String
  /// A status and the reason for it.
  package init(_ status: ExitStatus, _ message: String) {
    (self.status, self.message) = (status, message)
  }
}
