// SPDX-License-Identifier: MIT

import Foundation

extension FileSystem {
  /// Makes a file appear whole and durably, or leaves what was there untouched.
  ///
  /// The bytes go to a temporary file beside it, which is synchronized, renamed, and its
  /// directory synchronized too.  After an error the name holds the old content or the new one,
  /// never a part; a temporary that could not be removed says so by its name (``Temporary``).
  package func writeAtomically(_ bytes: [UInt8], to path: String) throws(StorageError) {
    let (descriptor, temporary) = try createTemporary(for: path)
    do throws(StorageError) {
      try fill(descriptor, temporary, with: bytes, for: path)
      do throws(SystemFault) { try rename(temporary, to: path) } catch {
        throw StorageError(.cannotCreate, path: path, operation: "rename", fault: error)
      }
    } catch {
      try? remove(temporary)
      throw error
    }
    try syncDirectory(of: path)
  }

  private func createTemporary(
    for path: String
  ) throws(StorageError) -> (descriptor: Int32, path: String) {
    let directory = Path.directory(of: path)
    var number = 0
    while true {
      let name = Temporary(target: Path.name(of: path), process: getpid(), number: number).name
      let temporary = Path.join(directory, name)
      do throws(SystemFault) {
        return (try create(temporary), temporary)
      } catch {
        // A temporary of an earlier process with our number: take the next name.
        number += 1
        guard error.errno == EEXIST, number < 1000 else {
          throw StorageError(.cannotCreate, path: path, operation: "create", fault: error)
        }
      }
    }
  }

  private func fill(
    _ descriptor: Int32, _ temporary: String, with bytes: [UInt8], for path: String
  ) throws(StorageError) {
    do throws(SystemFault) {
      do throws(SystemFault) {
        try write(bytes, to: descriptor, temporary)
        try sync(descriptor, temporary)
      } catch {
        try? close(descriptor, temporary)
        throw error
      }
      try close(descriptor, temporary)
    } catch {
      throw StorageError(.inputOutput, path: path, operation: "write", fault: error)
    }
  }

  /// Makes the names in the directory of a file durable.
  func syncDirectory(of path: String) throws(StorageError) {
    let directory = Path.directory(of: path)
    do throws(SystemFault) {
      let descriptor = try openForReading(directory)
      do throws(SystemFault) { try sync(descriptor, directory) } catch {
        try? close(descriptor, directory)
        // Some file systems cannot synchronize directories; there is nothing more to do there.
        guard error.errno == EINVAL || error.errno == ENOTSUP else { throw error }
        return
      }
      try close(descriptor, directory)
    } catch {
      throw StorageError(.inputOutput, path: directory, operation: "synchronize", fault: error)
    }
  }
}

/// The name of a file that is being written: hidden, and it says who writes it.
package struct Temporary: Equatable, Sendable {
  /// The name the file will have.
  package var target: String
  /// The machine that writes it: several may share a directory.
  package var host: String
  /// The process that writes it.
  package var process: Int32
  /// Tells temporaries of one process apart.
  package var number: Int

  private static let suffix = "tmp"

  /// A temporary of its parts, of this machine unless told otherwise.
  package init(target: String, host: String = Self.ownHost, process: Int32, number: Int) {
    (self.target, self.host) = (target, host)
    (self.process, self.number) = (process, number)
  }

  /// Reads a name as ``name`` writes it; nil where it is something else.
  package init?(name: String) {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count >= 6, parts[0].isEmpty, parts[parts.count - 1] == Self.suffix,
      let process = Int32(parts[parts.count - 3]), let number = Int(parts[parts.count - 2])
    else { return nil }
    target = parts[1..<parts.count - 4].joined(separator: ".")
    host = String(parts[parts.count - 4])
    (self.process, self.number) = (process, number)
  }

  /// The name in the directory.
  package var name: String { ".\(target).\(host).\(process).\(number).\(Self.suffix)" }

  /// Whether the process that writes it is gone, so that nobody will finish it; of another machine
  /// we cannot know.
  package var isAbandoned: Bool {
    host == Self.ownHost && process != getpid() && kill(process, 0) != 0 && errno == ESRCH
  }

  /// What this machine is called, as far as a part of a name can say it.
  package static let ownHost: String = {
    var bytes = [CChar](repeating: 0, count: 256)
    guard gethostname(&bytes, bytes.count - 1) == 0 else { return "localhost" }
    let letters = bytes.prefix { $0 != 0 }.prefix(24)
      .map { Character(Unicode.Scalar(UInt8(bitPattern: $0))) }
    let safe = letters.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
    return safe.isEmpty ? "localhost" : String(safe)
  }()
}
