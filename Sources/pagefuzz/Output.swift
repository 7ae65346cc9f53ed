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

/// One line on standard error that is written over, while somebody watches.
struct Progress {
  /// Standard error is a terminal that can move its cursor, and nobody asked for silence.
  private let isShown: Bool
  private var width = 0

  init(isQuiet: Bool) {
    let terminal = ProcessInfo.processInfo.environment["TERM"] ?? "dumb"
    isShown = !isQuiet && isatty(STDERR_FILENO) != 0 && terminal != "dumb"
  }

  /// Replaces the line.
  mutating func show(_ text: String) {
    guard isShown else { return }
    let padding = String(repeating: " ", count: max(0, width - text.count))
    Diagnostics.write("\r\(text)\(padding)")
    width = text.count
  }

  /// Removes the line, before anything else is printed.
  mutating func clear() {
    guard isShown, width > 0 else { return }
    Diagnostics.write("\r" + String(repeating: " ", count: width) + "\r")
    width = 0
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
