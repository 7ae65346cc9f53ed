// SPDX-License-Identifier: MIT

import Foundation

/// A text file that grows line by line, each of them durable before the next: who is killed finds
/// every whole line again.
///
/// One process at a time has it.
package struct AppendedLines {
  /// Where it is.
  package let path: String
  /// The whole lines that were there, without their ends.
  package let lines: [String]

  private let fileSystem: FileSystem
  private let lock: Int32
  private let descriptor: Int32
  private var bytes: Int

  /// The largest file that is gone on with.
  private static let limitBytes = 1 << 28

  /// Opens a file, which is created where it does not exist; a torn last line is dropped.
  package init(_ path: String, in fileSystem: FileSystem = .real) throws(StorageError) {
    (self.path, self.fileSystem) = (path, fileSystem)
    let lock: Int32?
    do throws(SystemFault) { lock = try fileSystem.lock(path) } catch {
      throw StorageError(.cannotCreate, path: path, operation: "open", fault: error)
    }
    guard let lock else {
      throw StorageError(
        .cannotCreate, path: path, operation: "use", reason: "another process is writing it",
        remedy: "wait for it, or name another file")
    }
    do throws(StorageError) {
      try fileSystem.syncDirectory(of: path)
      let content = try ProgramFiles.read(path, in: fileSystem, limitBytes: Self.limitBytes)
      guard let text = String(validating: content, as: UTF8.self), !text.contains("\0") else {
        throw StorageError(
          .invalid, path: path, operation: "go on with it", reason: "it is not text",
          remedy: "name another file")
      }
      let whole = content.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
      (lines, bytes) = (text.utf8.prefix(whole).lines, whole)
      descriptor = try Self.open(path, at: whole, in: fileSystem)
      self.lock = lock
    } catch {
      try? fileSystem.close(lock, path)
      throw error
    }
  }

  private static func open(
    _ path: String, at bytes: Int, in fileSystem: FileSystem
  ) throws(StorageError) -> Int32 {
    do throws(SystemFault) {
      let descriptor = try fileSystem.openForAppending(path)
      do throws(SystemFault) { try fileSystem.truncate(descriptor, path, bytes: bytes) } catch {
        try? fileSystem.close(descriptor, path)
        throw error
      }
      return descriptor
    } catch {
      throw StorageError(.inputOutput, path: path, operation: "open", fault: error)
    }
  }

  /// Adds a line: durably and whole, or not at all.
  package mutating func append(_ line: String) throws(StorageError) {
    precondition(!line.contains("\n"), "a line has one end")
    let content = Array((line + "\n").utf8)
    do throws(SystemFault) {
      try fileSystem.write(content, to: descriptor, path)
      try fileSystem.sync(descriptor, path)
      bytes += content.count
    } catch {
      try? fileSystem.truncate(descriptor, path, bytes: bytes)
      throw StorageError(.inputOutput, path: path, operation: "write", fault: error)
    }
  }

  /// Lets others have it.
  package func close() {
    try? fileSystem.close(descriptor, path)
    try? fileSystem.close(lock, path)
  }
}

extension Sequence<UInt8> {
  /// Text between ends of lines.
  fileprivate var lines: [String] {
    split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }
}
