// SPDX-License-Identifier: MIT

import Console
import Foundation
import Storage

/// Standard output: results, and nothing else.
enum Output {
  /// Prints one line.
  static func line(_ text: String) throws(StorageError) { try write(text + "\n") }

  /// Prints one object on one line.
  static func line(_ value: JSONText) throws(StorageError) { try line(value.line) }

  /// Prints text as it is; a full disk or a closed file is an error like any other.
  static func write(_ text: String) throws(StorageError) {
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes {
        Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw StorageError(
          .inputOutput, path: "standard output", operation: "write",
          fault: SystemFault(errno: errno))
      }
      written += count
    }
  }
}

/// Standard error: what went wrong, and progress.
enum Diagnostics {
  /// Prints a message under the name of the program.
  static func report(_ message: String) { print("\(Main.program.name): \(message)") }

  /// Prints lines; where standard error is gone there is nobody left to tell.
  static func print(_ text: String) { write(text + "\n") }

  fileprivate static func write(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { Foundation.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}

/// Lines on standard error that are written over, while somebody watches.
struct Progress {
  /// Standard error is a terminal that can move its cursor, and nobody asked for silence.
  let isShown: Bool
  private var shown: [String] = []

  init(isQuiet: Bool) {
    let terminal = ProcessInfo.processInfo.environment["TERM"] ?? "dumb"
    isShown = !isQuiet && isatty(STDERR_FILENO) != 0 && terminal != "dumb"
  }

  /// Replaces the line.
  mutating func show(_ text: String) { show([text]) }

  /// Replaces the lines by as much of others as the terminal has room for now.
  mutating func show(_ lines: [String]) {
    guard isShown else { return }
    let (columns, rows) = Self.size
    let erasure = erasure(columns)
    shown = lines.prefix(max(1, rows - 1)).map { String($0.prefix(columns - 1)) }
    Diagnostics.write(erasure + shown.joined(separator: "\n"))
  }

  /// Removes the lines, before anything else is printed.
  mutating func clear() {
    guard isShown, !shown.isEmpty else { return }
    Diagnostics.write(erasure(Self.size.columns))
    shown = []
  }

  /// A terminal that became narrower has wrapped what was shown.
  private func erasure(_ columns: Int) -> String {
    let rows = shown.reduce(0) { $0 + max(1, ($1.count + columns - 1) / columns) }
    return "\r" + (rows > 1 ? "\u{1b}[\(rows - 1)A" : "") + "\u{1b}[J"
  }

  private static var size: (columns: Int, rows: Int) {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1, size.ws_row > 1
    else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }
}

/// Colours of standard output: only on a terminal, never with `NO_COLOR`.
enum Style {
  static let isColored: Bool = {
    let environment = ProcessInfo.processInfo.environment
    guard environment["NO_COLOR", default: ""].isEmpty else { return false }
    return isatty(STDOUT_FILENO) != 0 && environment["TERM", default: "dumb"] != "dumb"
  }()

  static func red(_ text: String) -> String { isColored ? "\u{1b}[31m\(text)\u{1b}[0m" : text }
  static func green(_ text: String) -> String { isColored ? "\u{1b}[32m\(text)\u{1b}[0m" : text }
}
