// SPDX-License-Identifier: MIT

import Foundation
import Storage
import Testing

/// Paths as users give them: files, directories, and things that are neither.
@Suite("Files named on the command line")
struct ProgramFilesTests {
  @Test("Directories become the programs below them, in order; files stay")
  func expand() throws {
    let workspace = try Workspace()
    for name in ["d/b.prog", "d/a/z.prog", "d/a.prog", "d/notes.txt", "d/.hidden.prog", "x.txt"] {
      try workspace.write([10], to: name)
    }
    // A link back up would never end.
    try FileManager.default.createSymbolicLink(
      atPath: workspace.path("d/up"), withDestinationPath: "..")
    let found = ProgramFiles.expand([workspace.path("x.txt"), workspace.path("d")])
    let names = ["x.txt", "d/a/z.prog", "d/a.prog", "d/b.prog"]
    #expect(found == names.map { .success(workspace.path($0)) })
  }

  @Test("What is missing, empty or too deep is an error with its place")
  func problems() throws {
    let workspace = try Workspace()
    try FileManager.default.createDirectory(
      atPath: workspace.path("empty"), withIntermediateDirectories: true)
    let deep = repeatElement("d", count: 40).joined(separator: "/")
    try workspace.write([10], to: "\(deep)/a.prog")
    let kinds = ProgramFiles.expand(["none", "empty", "d"].map { workspace.path($0) }).map {
      if case .failure(let error) = $0 { error.kind } else { nil as StorageError.Kind? }
    }
    #expect(kinds == [.missing, .missing, .invalid])
  }

  @Test("Only regular files of a sensible size are read")
  func read() throws {
    let workspace = try Workspace()
    try workspace.write([1, 2, 3], to: "ok")
    #expect(try ProgramFiles.read(workspace.path("ok")) == [1, 2, 3])
    #expect(try ProgramFiles.read(workspace.path("ok"), limitBytes: 3) == [1, 2, 3])
    // A gigabyte that takes no space.
    try workspace.write([1], to: "huge")
    #expect(truncate(workspace.path("huge"), 1 << 30) == 0)
    #expect(mkfifo(workspace.path("pipe"), 0o600) == 0)
    let expected: [(String, StorageError.Kind)] = [
      ("none", .missing), ("ok/none", .missing), (".", .missing), ("huge", .invalid),
      ("pipe", .missing),
    ]
    for (name, kind) in expected {
      let error = #expect(throws: StorageError.self) {
        try ProgramFiles.read(workspace.path(name))
      }
      #expect(error?.kind == kind, "\(name)")
      #expect(error?.path == workspace.path(name))
    }
    let tooLarge = #expect(throws: StorageError.self) {
      try ProgramFiles.read(workspace.path("ok"), limitBytes: 2)
    }
    #expect(tooLarge?.kind == .invalid)
  }

  @Test("A file nobody may read is a missing input", .enabled(if: geteuid() != 0))
  func unreadable() throws {
    let workspace = try Workspace()
    try workspace.write([1], to: "secret")
    #expect(chmod(workspace.path("secret"), 0) == 0)
    let error = #expect(throws: StorageError.self) {
      try ProgramFiles.read(workspace.path("secret"))
    }
    #expect(error?.kind == .missing)
  }

  @Test("Every fault while reading is an error with the place, never a part of a file")
  func faults() throws {
    let workspace = try Workspace()
    let content = [UInt8](repeating: 35, count: 200_000)
    try workspace.write(content, to: "a.prog")
    let path = workspace.path("a.prog")
    let total = try effects { _ = try ProgramFiles.read(path, in: $0) }
    #expect(total > 5)
    for ordinal in 1...total {
      let disk = FileSystem.failing(at: ordinal, with: EIO)
      do throws(StorageError) {
        #expect(try ProgramFiles.read(path, in: disk) == content)
        #expect(ordinal == total, "only a failed close may be forgotten")
      } catch {
        #expect(error.kind == .inputOutput)
        #expect(error.path == path)
      }
    }
  }
}
