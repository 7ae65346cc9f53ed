// SPDX-License-Identifier: MIT

import Foundation

/// A few bytes that outlive the process that wrote them: what a worker is at.
///
/// A file without a name, which a supervisor opens and its worker inherits.  Every failure is
/// silent: then a death has no program, which is no reason to stop.
package struct Announcement: Sendable {
  /// The open file.
  package let descriptor: Int32

  /// Where the worker finds it.
  package static let inherited = Announcement(descriptor: 3)

  private init(descriptor: Int32) { self.descriptor = descriptor }

  /// A new one.
  package init() {
    let pattern = NSTemporaryDirectory() + "pagefuzz.XXXXXX"
    var name = Array(pattern.utf8CString)
    descriptor = mkstemp(&name)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(name)
  }

  private static let textStart = 16

  /// Says what is worked on; 0 is nothing.
  package func note(_ number: Int) {
    var word = UInt64(number)
    pwrite(descriptor, &word, 8, 0)
  }

  /// Says more about it.
  package func note(_ text: String) {
    let bytes = Array(text.utf8)
    var count = UInt64(bytes.count)
    _ = bytes.withUnsafeBytes {
      pwrite(descriptor, $0.baseAddress, $0.count, off_t(Self.textStart))
    }
    pwrite(descriptor, &count, 8, 8)
  }

  /// What was worked on last.
  package var number: Int {
    var word: UInt64 = 0
    return pread(descriptor, &word, 8, 0) == 8 ? Int(clamping: word) : 0
  }

  /// What was said about it; empty where nothing was.
  package var text: String {
    var count: UInt64 = 0
    guard pread(descriptor, &count, 8, 8) == 8, count < 1 << 20 else { return "" }
    var bytes = [UInt8](repeating: 0, count: Int(count))
    let got = bytes.withUnsafeMutableBytes {
      pread(descriptor, $0.baseAddress, $0.count, off_t(Self.textStart))
    }
    return got == bytes.count ? String(validating: bytes, as: UTF8.self) ?? "" : ""
  }

  /// Gives it up.
  package func close() { _ = Foundation.close(descriptor) }
}
