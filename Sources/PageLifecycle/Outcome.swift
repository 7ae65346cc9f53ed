// SPDX-License-Identifier: MIT

/// What a call returns: a count, a byte value, or a negative errno.
package struct Outcome: Equatable, Hashable, Sendable {
  package var rawValue: Int16
  package init(rawValue: Int16) { self.rawValue = rawValue }
  package init(_ count: Int) { rawValue = Int16(truncatingIfNeeded: count) }
  package init(_ errno: Errno) { rawValue = -errno.rawValue }

  package static let ok = Outcome(0)
  package var isFailure: Bool { rawValue < 0 }
  package var errno: Errno? { isFailure ? Errno(rawValue: -rawValue) : nil }
}

/// The error numbers a call may return, and the signals a load or store may end in.
package enum Errno: Int16, CaseIterable, Sendable {
  case noEntry = 2
  case noProcess = 3
  case interrupted = 4
  case noDevice = 6
  case badHandle = 9
  case again = 11
  case noMemory = 12
  case fault = 14
  case busy = 16
  case invalid = 22
  case noSpace = 28
  case notSupported = 95
  case remoteIO = 121
  /// The signal of an access beyond the end of a file or to a dead device.
  case sigbus = 207
  /// The signal of an access outside every mapping.
  case sigsegv = 211

  /// The name as the kernel and program texts spell it.
  package var name: String {
    switch self {
    case .noEntry: "-ENOENT"
    case .noProcess: "-ESRCH"
    case .interrupted: "-EINTR"
    case .noDevice: "-ENXIO"
    case .badHandle: "-EBADF"
    case .again: "-EAGAIN"
    case .noMemory: "-ENOMEM"
    case .fault: "-EFAULT"
    case .busy: "-EBUSY"
    case .invalid: "-EINVAL"
    case .noSpace: "-ENOSPC"
    case .notSupported: "-EOPNOTSUPP"
    case .remoteIO: "-EREMOTEIO"
    case .sigbus: "SIGBUS"
    case .sigsegv: "SIGSEGV"
    }
  }
}

extension Outcome: CustomStringConvertible {
  package var description: String {
    guard isFailure else { return String(rawValue) }
    return errno?.name ?? String(rawValue)
  }
}
