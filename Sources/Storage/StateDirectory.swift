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
    /// Bytes of the journal after the last whole entry, which say nothing.
    package var tornBytes: Int
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
      lock = try Self.lock(place, in: fileSystem)
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

  /// Waits a second at most: a process that was just killed, or is about to start another one,
  /// lets go of it soon.
  private static func lock(
    _ place: String, in fileSystem: FileSystem
  ) throws(SystemFault) -> Int32 {
    for _ in 0..<20 {
      if let descriptor = try fileSystem.lock(place) { return descriptor }
      usleep(50_000)
    }
    throw SystemFault(errno: EWOULDBLOCK)
  }

  /// Lets others have the directory.
  package mutating func close() {
    if let journal { try? fileSystem.close(journal, journalPath) }
    journal = nil
    try? fileSystem.close(lock, Path.join(path, "lock"))
  }

  /// What is in it; nil where no campaign has begun here.
  package func read() throws(StorageError) -> Contents? {
    try Self.contents(of: path, in: fileSystem)
  }

  /// What is in a directory that another process may have; nil where no campaign has begun.
  package static func contents(
    of path: String, in fileSystem: FileSystem = .real
  ) throws(StorageError) -> Contents? {
    let places = Places(path)
    guard let about = try content(of: places.about, in: fileSystem) else { return nil }
    guard let text = String(validating: about, as: UTF8.self) else {
      throw damaged(places.about, "it is not text")
    }
    var contents = Contents(about: text, state: nil, journal: [], tornBytes: 0)
    if let bytes = try content(of: places.state, in: fileSystem) {
      let (blocks, length) = Frames.read(bytes)
      guard blocks.count == 1, length == bytes.count else {
        throw damaged(places.state, "its checksum is wrong")
      }
      contents.state = blocks[0]
    }
    if let bytes = try content(of: places.journal, in: fileSystem) {
      let (blocks, length) = Frames.read(bytes)
      (contents.journal, contents.tornBytes) = (blocks, bytes.count - length)
    }
    return contents
  }

  /// The error of a state that cannot be gone on with.
  package static func damaged(_ path: String, _ reason: String) -> StorageError {
    StorageError(
      .invalid, path: path, operation: "read the campaign", reason: reason,
      remedy: "begin another one with another --state; what was found is safe")
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

  /// What is left of a journal that was torn, beside it.
  package static let tornName = "journal.torn"

  /// Goes on after the last whole entry of the journal; what follows is kept in ``tornName``, where
  /// there is room for it.
  package mutating func resume() throws(StorageError) {
    let content = try Self.content(of: journalPath, in: fileSystem)
    let whole = Frames.read(content ?? []).bytes
    if content == nil { try empty(journalPath) }
    if let rest = content?[whole...], !rest.isEmpty {
      try? fileSystem.writeAtomically(Array(rest), to: Path.join(path, Self.tornName))
    }
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

  /// What such a file says; empty where there is none.
  package func text(of name: String) -> String {
    let bytes = try? ProgramFiles.read(
      Path.join(path, name), in: fileSystem, limitBytes: Self.limitBytes)
    return String(decoding: bytes ?? [], as: UTF8.self)
  }

  /// Bytes of all files in it.
  package var diskBytes: Int {
    ((try? fileSystem.list(path)) ?? []).reduce(0) { sum, name in
      sum + ((try? fileSystem.status(Path.join(path, name)))?.bytes ?? 0)
    }
  }

  /// The files of a campaign.
  private struct Places {
    let about, state, journal: String
    init(_ path: String) {
      about = Path.join(path, "campaign")
      state = Path.join(path, "state")
      journal = Path.join(path, "journal")
    }
  }

  private var aboutPath: String { Places(path).about }
  private var statePath: String { Places(path).state }
  private var journalPath: String { Places(path).journal }

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

  private static func content(
    of path: String, in fileSystem: FileSystem
  ) throws(StorageError) -> [UInt8]? {
    do throws(SystemFault) { _ = try fileSystem.status(path) } catch {
      if error.errno == ENOENT { return nil }
      throw StorageError(reading: path, fault: error)
    }
    return try ProgramFiles.read(path, in: fileSystem, limitBytes: limitBytes)
  }
}
