// SPDX-License-Identifier: MIT

import Foundation

/// What a process says on standard error, which outlives it.
///
/// A file without a name that the process inherits.  Failures are silent: then nothing was said.
package struct ErrorLog: Sendable {
  /// The open file.
  package let descriptor: Int32

  /// Bytes of it that are looked at: reports begin with what matters.
  private static let mostBytes = 1 << 18

  /// A new one.
  package init() {
    descriptor = NamelessFile.create()
    _ = fcntl(descriptor, F_SETFL, O_APPEND)
  }

  /// What was said so far; what is no text is replaced.
  package var text: String {
    var bytes = [UInt8](repeating: 0, count: Self.mostBytes)
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
  }

  /// Gives it up.
  package func close() { _ = Foundation.close(descriptor) }
}
