// SPDX-License-Identifier: MIT

import Foundation

/// The directory that lets a campaign go on where it was: what it is about, its state some time
/// ago, and what has happened since.
///
/// Knows bytes; what they mean is for others to say.  One process at a time has it.  After an
/// error of ``append(_:)`` the journal lacks something: ``isBehind`` until ``restate(_:)``.
package struct StateDirectory {
  /// What an earlier campaign left.
  package struct Contents: Equatable, Sendable {
    /// What it is about.
    package var about: String
    /// Its state when the journal began; nil where nothing had happened.
    package var state: [UInt8]?
    /// What happened since, in order.
    package var journal: [[UInt8]]
    /// The last entry of the journal was not whole, and is dropped.
    package var isTorn: Bool
  }

  /// Where it is.
  package let path: String
  /// Something that happened is not in it.
  package private(set) var isBehind = false
  /// Bytes of the journal.
  package private(set) var journalBytes = 0

  private let fileSystem: FileSystem
  /// Open as long as the directory is ours; the lock goes with it.
  private let lock: Int32
  private var journal: Int32?

  /// The largest file that is read.
  private static let limitBytes = 1 << 30

  /// Takes a directory, which is created where it does not exist, for this process.
  package init(_ path: String, in fileSystem: FileSystem = .real) throws(StorageError) {
    (self.path, self.fileSystem) = (path, fileSystem)
    try fileSystem.makeDirectory(path)
    let place = Path.join(path, "lock")
    do throws(SystemFault) {
      guard let descriptor = try fileSystem.lock(place) else {
        throw SystemFault(errno: EWOULDBLOCK)
      }
      lock = descriptor
    } catch {
      guard error.errno == EWOULDBLOCK else {
        throw StorageError(.cannotCreate, path: place, operation: "lock", fault: error)
      }
      throw StorageError(
        .cannotCreate, path: path, operation: "use", reason: "another campaign is using it",
        remedy: "wait for it, or choose another directory with --state")
    }
    for name in (try? fileSystem.list(path)) ?? [] {
      guard let temporary = Temporary(name: name), temporary.isAbandoned else { continue }
      try? fileSystem.remove(Path.join(path, name))
    }
  }

  /// Lets others have the directory.
  package mutating func close() {
    if let journal { try? fileSystem.close(journal, journalPath) }
    journal = nil
    try? fileSystem.close(lock, Path.join(path, "lock"))
  }

  /// What is in it; nil where no campaign has begun here.
  package func read() throws(StorageError) -> Contents? {
    guard let about = try content(of: aboutPath) else { return nil }
    guard let text = String(validating: about, as: UTF8.self) else {
      throw damaged(at: aboutPath, "it is not text")
    }
    var contents = Contents(about: text, state: nil, journal: [], isTorn: false)
    if let bytes = try content(of: statePath) {
      let (blocks, length) = Frames.read(bytes)
      guard blocks.count == 1, length == bytes.count else {
        throw damaged(at: statePath, "its checksum is wrong")
      }
      contents.state = blocks[0]
    }
    if let bytes = try content(of: journalPath) {
      let (blocks, length) = Frames.read(bytes)
      (contents.journal, contents.isTorn) = (blocks, length < bytes.count)
    }
    return contents
  }

  /// The error of a state that cannot be gone on with.
  package func damaged(at place: String? = nil, _ reason: String) -> StorageError {
    StorageError(
      .invalid, path: place ?? path, operation: "resume", reason: reason,
      remedy: "begin another campaign with another --state; what was found is safe")
  }

  /// Begins a campaign.
  package mutating func begin(about: String) throws(StorageError) {
    try empty(journalPath)
    do throws(SystemFault) { try fileSystem.remove(statePath) } catch {
      guard error.errno == ENOENT else {
        throw StorageError(.inputOutput, path: statePath, operation: "remove", fault: error)
      }
    }
    // Last, for with it the campaign exists.
    try fileSystem.writeAtomically(Array(about.utf8), to: aboutPath)
    try openJournal()
  }

  /// Goes on after the last whole entry of the journal.
  package mutating func resume() throws(StorageError) {
    let whole = Frames.read(try content(of: journalPath) ?? []).bytes
    if try content(of: journalPath) == nil { try empty(journalPath) }
    try openJournal()
    try cut(to: whole)
  }

  /// Notes that something happened: durably, or not at all.
  package mutating func append(_ block: [UInt8]) throws(StorageError) {
    guard let journal, !isBehind else {
      isBehind = true
      return
    }
    let frame = Frames.frame(block)
    do throws(SystemFault) {
      try fileSystem.write(frame, to: journal, journalPath)
      try fileSystem.sync(journal, journalPath)
      journalBytes += frame.count
    } catch {
      isBehind = true
      try? fileSystem.truncate(journal, journalPath, bytes: journalBytes)
      throw StorageError(.inputOutput, path: journalPath, operation: "write", fault: error)
    }
  }

  /// Something happened that is not to be noted yet.
  package mutating func fallBehind() { isBehind = true }

  /// Notes the whole state, after which the journal begins anew.
  ///
  /// Whoever is killed in between leaves entries that the state already has.
  package mutating func restate(_ state: [UInt8]) throws(StorageError) {
    isBehind = true
    try fileSystem.writeAtomically(Frames.frame(state), to: statePath)
    if journal == nil { try openJournal() }
    try cut(to: 0)
    isBehind = false
  }

  /// Writes a file that tells about the campaign, whole.
  package func write(_ text: String, to name: String) throws(StorageError) {
    try fileSystem.writeAtomically(Array(text.utf8), to: Path.join(path, name))
  }

  /// Bytes of all files in it.
  package var diskBytes: Int {
    ((try? fileSystem.list(path)) ?? []).reduce(0) { sum, name in
      sum + ((try? fileSystem.status(Path.join(path, name)))?.bytes ?? 0)
    }
  }

  private var aboutPath: String { Path.join(path, "campaign") }
  private var statePath: String { Path.join(path, "state") }
  private var journalPath: String { Path.join(path, "journal") }

  private mutating func openJournal() throws(StorageError) {
    do throws(SystemFault) { journal = try fileSystem.openForAppending(journalPath) } catch {
      throw StorageError(.inputOutput, path: journalPath, operation: "open", fault: error)
    }
    journalBytes = 0
  }

  private mutating func cut(to bytes: Int) throws(StorageError) {
    guard let journal else { return }
    do throws(SystemFault) {
      try fileSystem.truncate(journal, journalPath, bytes: bytes)
      try fileSystem.sync(journal, journalPath)
    } catch {
      throw StorageError(.inputOutput, path: journalPath, operation: "cut", fault: error)
    }
    journalBytes = bytes
  }

  private func empty(_ path: String) throws(StorageError) {
    try fileSystem.writeAtomically([], to: path)
  }

  private func content(of path: String) throws(StorageError) -> [UInt8]? {
    do throws(SystemFault) { _ = try fileSystem.status(path) } catch {
      if error.errno == ENOENT { return nil }
      throw StorageError(reading: path, fault: error)
    }
    return try ProgramFiles.read(path, in: fileSystem, limitBytes: Self.limitBytes)
  }
}
