// SPDX-License-Identifier: MIT

import Foundation

/// A few bytes that outlive the process that wrote them: what a worker is at.
///
/// A file without a name, which a supervisor opens and its worker inherits.  Every failure is
/// silent: then a death has no program, which is no reason to stop.
package struct Announcement: Sendable {
  /// The open file.
  package let descriptor: Int32
  /// Its first bytes in memory: what is worked on changes too often for a system call each.
  private let start: Mapped?

  private struct Mapped: @unchecked Sendable {
    let number: UnsafeMutablePointer<UInt64>

    init?(_ descriptor: Int32) {
      // A mapped page that the file does not reach could not be written.
      var status = stat()
      guard fstat(descriptor, &status) == 0, status.st_size >= Self.size else { return nil }
      let bytes = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
      guard let bytes, bytes != MAP_FAILED else { return nil }
      number = bytes.assumingMemoryBound(to: UInt64.self)
    }

    func unmap() { munmap(number, Self.size) }

    static let size = 4096
  }

  /// Where the worker finds it.
  package static let inherited = Announcement(descriptor: inheritedDescriptor)
  package static let inheritedDescriptor: Int32 = 3

  private init(descriptor: Int32) {
    self.descriptor = descriptor
    start = Mapped(descriptor)
  }

  /// A new one.
  package init() {
    descriptor = NamelessFile.create()
    // A mapped page that finds no room when it is written ends the process.
    let hasRoom = posix_fallocate(descriptor, 0, off_t(Mapped.size)) == 0
    start = hasRoom ? Mapped(descriptor) : nil
  }

  private static let textStart = 16

  /// Says what is worked on; 0 is nothing.
  package func note(_ number: Int) {
    start?.number.pointee = UInt64(number)
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
    Int(clamping: start?.number.pointee ?? 0)
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
  package func close() {
    start?.unmap()
    _ = Foundation.close(descriptor)
  }
}
