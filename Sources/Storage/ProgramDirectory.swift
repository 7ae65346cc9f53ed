// SPDX-License-Identifier: MIT

import Foundation

/// A directory of programs, one a file: `corpus/` or `crashes/`.
///
/// What cannot be used is skipped and reported, never touched, and never the end of anything.
package struct ProgramDirectory: Sendable {
  /// Where it is.
  package let path: String
  private let fileSystem: FileSystem

  /// The directory at a path, which need not exist.
  package init(_ path: String, in fileSystem: FileSystem = .real) {
    (self.path, self.fileSystem) = (path, fileSystem)
  }

  /// A file that was read whole.
  package struct File: Equatable, Sendable {
    /// Its name in the directory.
    package var name: String
    /// All of it.
    package var text: String
  }

  /// A file that was left alone.
  package struct Skipped: Equatable, Sendable {
    /// What is wrong with it.
    package enum Reason: Equatable, Sendable {
      /// The name does not end in `.prog`.
      case foreign
      /// Not text, or its last line has no end.
      case torn
      /// A temporary of a writer that was killed, or is at work.
      case unfinished
      /// It cannot be read, or is too large.
      case unreadable(StorageError)
    }
    /// Its name in the directory.
    package var name: String
    /// Why it was left alone.
    package var reason: Reason

    /// Why, in words.
    package var explanation: String {
      switch reason {
      case .foreign: "its name does not end in \(ProgramFiles.suffix)"
      case .torn: "it is empty, not text, or ends in the middle of a line"
      case .unfinished: "its writer did not finish it"
      case .unreadable(let error): error.message
      }
    }
  }

  /// Everything in a directory, in order of the names.
  package struct Contents: Equatable, Sendable {
    /// What was read.
    package var files: [File] = []
    /// What was not.
    package var skipped: [Skipped] = []
    /// An empty directory.
    package init() {}
  }

  /// Reads every program; a directory that does not exist yet is empty.
  package func read() throws(StorageError) -> Contents {
    var contents = Contents()
    for name in try names() {
      if Temporary(name: name) != nil {
        contents.skipped.append(Skipped(name: name, reason: .unfinished))
        continue
      }
      guard !name.hasPrefix(".") else { continue }
      guard name.hasSuffix(ProgramFiles.suffix) else {
        contents.skipped.append(Skipped(name: name, reason: .foreign))
        continue
      }
      do throws(StorageError) {
        let bytes = try ProgramFiles.read(Path.join(path, name), in: fileSystem)
        if let text = Self.wholeText(bytes) {
          contents.files.append(File(name: name, text: text))
        } else {
          contents.skipped.append(Skipped(name: name, reason: .torn))
        }
      } catch {
        contents.skipped.append(Skipped(name: name, reason: .unreadable(error)))
      }
    }
    return contents
  }

  /// The names of the programs that are there, unread, in order.
  package func programNames() throws(StorageError) -> [String] {
    try names().filter { $0.hasSuffix(ProgramFiles.suffix) && !$0.hasPrefix(".") }
  }

  /// Creates the directory and removes what killed writers left in it.
  package func prepare() throws(StorageError) {
    try fileSystem.makeDirectory(path)
    for name in try names() {
      guard let temporary = Temporary(name: name), temporary.isAbandoned else { continue }
      try? fileSystem.remove(Path.join(path, name))
    }
  }

  /// Writes and removes a file, to learn now whether a finding could be saved later.
  package func probe() throws(StorageError) {
    let target = Path.join(path, Self.probeName)
    try fileSystem.writeAtomically([], to: target)
    try remove(Self.probeName)
  }

  private static let probeName = ".probe"

  /// Saves a program under a name: whole, durable, replacing what had the name.
  package func save(_ text: String, as name: String) throws(StorageError) {
    guard Self.isProgramName(name) else {
      throw StorageError(
        .cannotCreate, path: Path.join(path, name), operation: "create",
        reason: "it is no name of a program",
        remedy: "use letters, digits, dots, dashes, and the ending \(ProgramFiles.suffix)")
    }
    let target = Path.join(path, name)
    try fileSystem.makeDirectory(path)
    try fileSystem.writeAtomically(Array(text.utf8), to: target)
  }

  /// Removes a program, when its minimized form has another name; one that is gone is no error.
  package func remove(_ name: String) throws(StorageError) {
    let target = Path.join(path, name)
    do throws(SystemFault) { try fileSystem.remove(target) } catch {
      guard error.errno != ENOENT else { return }
      throw StorageError(.inputOutput, path: target, operation: "remove", fault: error)
    }
  }

  private func names() throws(StorageError) -> [String] {
    do throws(SystemFault) { return try fileSystem.list(path) } catch {
      if error.errno == ENOENT { return [] }
      throw StorageError(reading: path, operation: "list", fault: error)
    }
  }

  /// The text of a file that is all there: its last line has an end.
  private static func wholeText(_ bytes: [UInt8]) -> String? {
    guard bytes.last == UInt8(ascii: "\n"), !bytes.contains(0) else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }
}

// MARK: Names

extension ProgramDirectory {
  /// `<part>-<part>-<hash8>.prog`, with `_` for what a file name should not hold.
  ///
  /// A crash is named after its protocol and invariant, and a hash of its whole identity.
  package static func name(_ parts: [String], hash: UInt64) -> String {
    let hex = String(UInt32(truncatingIfNeeded: hash), radix: 16)
    let hash8 = String(repeating: "0", count: 8 - hex.count) + hex
    let words = parts.map { part in
      String(part.prefix(64).map { isSafe($0) ? $0 : "_" })
    }
    let stem = (words + [hash8]).joined(separator: "-")
    return (stem.hasPrefix(".") ? "_" + stem.dropFirst() : stem) + ProgramFiles.suffix
  }

  private static func isProgramName(_ name: String) -> Bool {
    name.hasSuffix(ProgramFiles.suffix) && !name.hasPrefix(".") && name.utf8.count <= 200
      && name.allSatisfy(isSafe)
  }

  private static func isSafe(_ character: Character) -> Bool {
    guard character.isASCII else { return false }
    return character.isLetter || character.isNumber || "._-+@".contains(character)
  }
}
