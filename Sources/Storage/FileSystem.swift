// SPDX-License-Identifier: MIT

import Foundation
import Synchronization

/// The error number of a system call that failed.
package struct SystemFault: Error, Equatable, Sendable {
  /// The number.
  package var errno: Int32
  /// A failure with a number.
  package init(errno: Int32) { self.errno = errno }
}

/// What a path names.
package struct FileStatus: Equatable, Sendable {
  /// What kinds are told apart.
  package enum Kind: Sendable { case file, directory, link, other }
  /// What it is.
  package var kind: Kind
  /// Its length.
  package var bytes: Int
}

/// Every effect this project has on a disk, and the one seam to interpose before each.
///
/// Nothing else in the package opens, writes or renames a file that has a name.
package struct FileSystem: Sendable {
  /// What can happen to a disk.
  package enum Effect: Sendable, CaseIterable {
    case open, read, write, sync, close, rename, remove, makeDirectory, list, status
    case truncate, lock
  }

  /// Called before each effect; what it throws, the effect throws instead of happening.
  private let interpose: @Sendable (Effect, String) throws(SystemFault) -> Void
  /// The most bytes one effect writes; longer content is several effects, so it can tear.
  private let chunkBytes: Int

  /// A disk with something before each effect, which writes so many bytes at a time at most.
  package init(
    chunkBytes: Int = 4096,
    interpose: @escaping @Sendable (Effect, String) throws(SystemFault) -> Void
  ) {
    (self.chunkBytes, self.interpose) = (chunkBytes, interpose)
  }

  /// The disk as it is.
  package static let real = FileSystem { _, _ throws(SystemFault) in }

  /// A disk on which one effect fails, counted from 1; with `isFinal` every later one too, as
  /// after a power failure.  Where few bytes are written at a time, what fails was written in part.
  package static func failing(
    at ordinal: Int, with errno: Int32, isFinal: Bool = false, chunkBytes: Int = 4096
  ) -> FileSystem {
    let counter = Counter()
    return FileSystem(chunkBytes: chunkBytes) { _, _ throws(SystemFault) in
      let number = counter.next()
      guard number == ordinal || (isFinal && number > ordinal) else { return }
      throw SystemFault(errno: errno)
    }
  }

  /// A disk on which some effects fail, counted from 1, as when it is full for a while.
  package static func failing(in ordinals: ClosedRange<Int>, with errno: Int32) -> FileSystem {
    let counter = Counter()
    return FileSystem { _, _ throws(SystemFault) in
      if ordinals.contains(counter.next()) { throw SystemFault(errno: errno) }
    }
  }

  private final class Counter: Sendable {
    private let value = Atomic(0)
    func next() -> Int { value.add(1, ordering: .relaxed).newValue }
  }
}

// MARK: Files

extension FileSystem {
  /// Creates a file that must not exist yet and opens it for writing.
  func create(_ path: String) throws(SystemFault) -> Int32 {
    try interpose(.open, path)
    return try checked { open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644) }
  }

  /// Opens a file or directory for reading; never waits for a writer of a pipe.
  func openForReading(_ path: String) throws(SystemFault) -> Int32 {
    try interpose(.open, path)
    return try checked { open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) }
  }

  /// Opens a file that must exist for writing at its end.
  func openForAppending(_ path: String) throws(SystemFault) -> Int32 {
    try interpose(.open, path)
    return try checked { open(path, O_WRONLY | O_APPEND | O_CLOEXEC) }
  }

  /// Opens a file, creates it where it does not exist, and locks it until it is closed or the
  /// process ends; nil where another process has locked it.
  func lock(_ path: String) throws(SystemFault) -> Int32? {
    try interpose(.lock, path)
    let descriptor = try checked { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644) }
    do throws(SystemFault) {
      _ = try checked { flock(descriptor, LOCK_EX | LOCK_NB) }
      return descriptor
    } catch {
      _ = Foundation.close(descriptor)
      guard error.errno == EWOULDBLOCK else { throw error }
      return nil
    }
  }

  /// Cuts a file off.
  func truncate(_ descriptor: Int32, _ path: String, bytes: Int) throws(SystemFault) {
    try interpose(.truncate, path)
    _ = try checked { ftruncate(descriptor, off_t(bytes)) }
  }

  /// Reads at most `limit` bytes from where the file stands.
  func read(_ descriptor: Int32, _ path: String, limit: Int) throws(SystemFault) -> [UInt8] {
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: min(limit, 1 << 16))
    while content.count < limit {
      try interpose(.read, path)
      let wanted = min(chunk.count, limit - content.count)
      let count = try checked { Foundation.read(descriptor, &chunk, wanted) }
      guard count > 0 else { break }
      content += chunk[..<count]
    }
    return content
  }

  /// Writes everything.
  func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws(SystemFault) {
    var written = 0
    while written < bytes.count {
      try interpose(.write, path)
      let end = min(written + chunkBytes, bytes.count)
      written += try checked {
        bytes[written..<end].withUnsafeBytes {
          Foundation.write(descriptor, $0.baseAddress, $0.count)
        }
      }
    }
  }

  /// Waits until a file, or the names in a directory, are on the disk.
  func sync(_ descriptor: Int32, _ path: String) throws(SystemFault) {
    try interpose(.sync, path)
    _ = try checked { fsync(descriptor) }
  }

  /// Closes a file; a failure is reported after the descriptor is gone.
  func close(_ descriptor: Int32, _ path: String) throws(SystemFault) {
    let closed = Foundation.close(descriptor)
    let number = errno
    try interpose(.close, path)
    guard closed == 0 || number == EINTR else { throw SystemFault(errno: number) }
  }

  /// Gives a file its name, replacing what had it.
  func rename(_ path: String, to target: String) throws(SystemFault) {
    try interpose(.rename, target)
    _ = try checked { Foundation.rename(path, target) }
  }

  /// Removes a file.
  func remove(_ path: String) throws(SystemFault) {
    try interpose(.remove, path)
    _ = try checked { unlink(path) }
  }

  /// What a path names; the target of a link unless told otherwise.
  package func status(
    _ path: String, followsLinks: Bool = true
  ) throws(SystemFault) -> FileStatus {
    try interpose(.status, path)
    var info = stat()
    _ = try checked { followsLinks ? stat(path, &info) : lstat(path, &info) }
    return FileStatus(info)
  }

  /// What an open file is.
  func status(of descriptor: Int32, _ path: String) throws(SystemFault) -> FileStatus {
    try interpose(.status, path)
    var info = stat()
    _ = try checked { fstat(descriptor, &info) }
    return FileStatus(info)
  }

  private func checked<Count: SignedInteger>(
    _ call: () -> Count
  ) throws(SystemFault) -> Count {
    while true {
      let result = call()
      if result >= 0 { return result }
      guard errno == EINTR else { throw SystemFault(errno: errno) }
    }
  }
}

extension FileStatus {
  init(_ info: stat) {
    kind =
      switch info.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .directory
      case S_IFLNK: .link
      default: .other
      }
    bytes = Int(info.st_size)
  }
}

// MARK: Directories

extension FileSystem {
  /// The names in a directory, sorted by their bytes; those that are no UTF-8 come repaired.
  func list(_ path: String) throws(SystemFault) -> [String] {
    try interpose(.list, path)
    guard let stream = opendir(path) else { throw SystemFault(errno: errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw SystemFault(errno: errno) }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Creates a directory and those above it; one that exists is left alone.
  package func makeDirectory(_ path: String) throws(StorageError) {
    if isDirectory(path) { return }
    let parent = Path.directory(of: path)
    if parent != path, !isDirectory(parent) { try makeDirectory(parent) }
    do throws(SystemFault) {
      try interpose(.makeDirectory, path)
      _ = try checked { mkdir(path, 0o755) }
    } catch {
      // Somebody else may have created it meanwhile.
      if error.errno == EEXIST, isDirectory(path) { return }
      throw StorageError(.cannotCreate, path: path, operation: "create", fault: error)
    }
    try syncDirectory(of: path)
  }

  private func isDirectory(_ path: String) -> Bool {
    (try? status(path))?.kind == .directory
  }
}

/// Names of files, as text.
package enum Path {
  /// A name inside a directory.
  package static func join(_ directory: String, _ name: String) -> String {
    if directory.isEmpty { return name }
    return directory.hasSuffix("/") ? directory + name : directory + "/" + name
  }

  /// What stands before the last name; `.` where nothing does.
  package static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The last name.
  package static func name(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return path }
    return String(path[path.index(after: slash)...])
  }
}
