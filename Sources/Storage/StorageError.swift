// SPDX-License-Identifier: MIT

import Foundation

/// A file or directory that could not be used: where, what was tried, why, and what to do.
package struct StorageError: Error, Equatable, Sendable {
  /// What the caller of the command line is told by the exit status (`sysexits.h`).
  package enum Kind: Int32, Sendable {
    /// The content is not what it should be.
    case invalid = 65
    /// An input does not exist or cannot be read.
    case missing = 66
    /// An output cannot be created.
    case cannotCreate = 73
    /// Reading or writing failed half-way.
    case inputOutput = 74
  }

  /// Whose fault it is.
  package var kind: Kind
  /// The place, as the user wrote it.
  package var path: String
  /// What was tried: `read`, `create`, `write`, `rename`...
  package var operation: String
  /// The system's error number; 0 where the refusal is ours.
  package var errno: Int32
  /// Why it failed, in words.
  package var reason: String
  /// What the user can do about it.
  package var remedy: String

  /// One line for standard error.
  package var message: String {
    "\(path): cannot \(operation): \(reason)" + (remedy.isEmpty ? "" : "; \(remedy)")
  }

  /// A refusal of our own.
  package init(
    _ kind: Kind, path: String, operation: String, reason: String, remedy: String = ""
  ) {
    (self.kind, self.path, self.operation) = (kind, path, operation)
    (self.errno, self.reason, self.remedy) = (0, reason, remedy)
  }

  /// What the system refused.
  package init(_ kind: Kind, path: String, operation: String, fault: SystemFault) {
    (self.kind, self.path, self.operation) = (kind, path, operation)
    self.errno = fault.errno
    self.reason = String(cString: strerror(fault.errno))
    self.remedy = Self.remedy(for: fault.errno, kind: kind)
  }

  /// A failure to read: absence and missing permission are the user's, the rest the disk's.
  init(reading path: String, operation: String = "read", fault: SystemFault) {
    let kind: Kind =
      switch fault.errno {
      case ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG, EISDIR: .missing
      default: .inputOutput
      }
    self.init(kind, path: path, operation: operation, fault: fault)
  }

  private static func remedy(for errno: Int32, kind: Kind) -> String {
    let isInput = kind == .missing
    return switch errno {
    case ENOENT: isInput ? "check the name" : "create its directory first"
    case ELOOP: "its links lead to each other"
    case EEXIST: "a file has this name; choose another"
    case ENOTDIR: "a part of the path is a file"
    case EACCES, EPERM:
      isInput ? "make it readable for this user" : "make the directory writable for this user"
    case EROFS: "choose a directory on a writable file system"
    case ENOSPC, EDQUOT: "free some space and run it again"
    case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
    case ENAMETOOLONG: "choose a shorter name"
    default: ""
    }
  }
}
