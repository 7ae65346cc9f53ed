// SPDX-License-Identifier: MIT

import Foundation

/// The files a user named on the command line.
///
/// Knows names and bytes; what the bytes mean is for others to say.
package enum ProgramFiles {
  /// What files of programs end in.
  package static let suffix = ".prog"
  /// A program of this size is not one.
  package static let limitBytes = 1 << 20
  /// Directories inside directories that are looked into.
  private static let limitDepth = 32

  /// A file to read, or why there is none.
  package typealias Found = Result<String, StorageError>

  /// Replaces directories by the programs below them, in order of their names.
  ///
  /// A file that is named is taken whatever its name.  Links to directories are not followed.
  package static func expand(
    _ paths: [String], in fileSystem: FileSystem = .real, suffix: String = suffix
  ) -> [Found] {
    paths.flatMap { expand($0, in: fileSystem, suffix: suffix) }
  }

  private static func expand(
    _ path: String, in fileSystem: FileSystem, suffix: String
  ) -> [Found] {
    do throws(SystemFault) {
      guard try fileSystem.status(path).kind == .directory else { return [.success(path)] }
    } catch {
      return [.failure(StorageError(reading: path, fault: error))]
    }
    let found = expand(directory: path, depth: 0, in: fileSystem, suffix: suffix)
    guard found.isEmpty else { return found }
    return [
      .failure(
        StorageError(
          .missing, path: path, operation: "find a program",
          reason: "no file below it ends in \(suffix)", remedy: "name a file or another directory"))
    ]
  }

  private static func expand(
    directory: String, depth: Int, in fileSystem: FileSystem, suffix: String
  ) -> [Found] {
    guard depth < limitDepth else {
      return [
        .failure(
          StorageError(
            .invalid, path: directory, operation: "look into it",
            reason: "directories are nested deeper than \(limitDepth)"))
      ]
    }
    let names: [String]
    do throws(SystemFault) { names = try fileSystem.list(directory) } catch {
      return [.failure(StorageError(reading: directory, operation: "list", fault: error))]
    }
    return names.flatMap { name -> [Found] in
      guard !name.hasPrefix(".") else { return [] }
      let path = Path.join(directory, name)
      let kind = (try? fileSystem.status(path, followsLinks: false))?.kind
      if kind == .directory {
        return expand(directory: path, depth: depth + 1, in: fileSystem, suffix: suffix)
      }
      return name.hasSuffix(suffix) ? [.success(path)] : []
    }
  }

  /// The bytes of one file.
  ///
  /// Only regular files are read: a pipe or a terminal could keep a night waiting.
  package static func read(
    _ path: String, in fileSystem: FileSystem = .real, limitBytes: Int = limitBytes
  ) throws(StorageError) -> [UInt8] {
    let descriptor: Int32
    do throws(SystemFault) { descriptor = try fileSystem.openForReading(path) } catch {
      throw StorageError(reading: path, fault: error)
    }
    defer { try? fileSystem.close(descriptor, path) }
    let status: FileStatus
    let content: [UInt8]
    do throws(SystemFault) {
      status = try fileSystem.status(of: descriptor, path)
      let isReadable = status.kind == .file && status.bytes <= limitBytes
      // One byte more than allowed tells a file that grew since.
      content = isReadable ? try fileSystem.read(descriptor, path, limit: limitBytes + 1) : []
    } catch {
      throw StorageError(reading: path, fault: error)
    }
    switch status.kind {
    case .file: break
    case .directory:
      throw StorageError(
        .missing, path: path, operation: "read", reason: "it is a directory",
        remedy: "name a file in it")
    case .link, .other:
      throw StorageError(
        .missing, path: path, operation: "read", reason: "it is not a regular file",
        remedy: "copy its content to a file first")
    }
    guard status.bytes <= limitBytes, content.count <= limitBytes else {
      throw StorageError(
        .invalid, path: path, operation: "read",
        reason: "it has more than \(limitBytes) bytes (\(max(status.bytes, content.count)))",
        remedy: "no program is that large")
    }
    return content
  }
}
