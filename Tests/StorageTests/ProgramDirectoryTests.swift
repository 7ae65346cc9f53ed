// SPDX-License-Identifier: MIT

import Foundation
import Storage
import Testing

/// A crash directory after a bad night: whole programs, and everything else that may lie there.
@Suite("A directory of programs")
struct ProgramDirectoryTests {
  static let whole = "# pagefuzz program 1\nprotocol v6.1\nexpect none\n"

  /// Two programs, and one of each kind of file that is none.
  static func afterABadNight() throws -> Workspace {
    let workspace = try Workspace()
    try workspace.write(whole.utf8, to: "b.prog")
    try workspace.write(whole.utf8, to: "a.prog")
    try workspace.write([], to: "empty.prog")
    try workspace.write(whole.utf8.dropLast(), to: "torn.prog")
    try workspace.write(Array(repeating: 0, count: 99) + [10], to: "zeros.prog")
    try workspace.write([0xff, 0xfe, 10], to: "junk.prog")
    try workspace.write(whole.utf8, to: "README.md")
    try workspace.write(whole.utf8, to: halfWritten.name)
    try workspace.write(repeatElement(35, count: ProgramFiles.limitBytes + 1), to: "huge.prog")
    try workspace.write(whole.utf8, to: "directory.prog/inner.prog")
    let files = FileManager.default
    try files.createSymbolicLink(
      atPath: workspace.path("dangling.prog"), withDestinationPath: "nowhere")
    try files.createSymbolicLink(
      atPath: workspace.path("loop.prog"), withDestinationPath: "loop.prog")
    #expect(mkfifo(workspace.path("pipe.prog"), 0o600) == 0)
    return workspace
  }

  /// What a process that was killed leaves.
  private static let halfWritten = Temporary(target: "c.prog", process: .max, number: 0)

  @Test("What cannot be used is skipped and reported; the rest comes in order")
  func read() throws {
    let workspace = try Self.afterABadNight()
    let contents = try ProgramDirectory(workspace.path).read()
    #expect(contents.files.map(\.name) == ["a.prog", "b.prog"])
    #expect(contents.files.allSatisfy { $0.text == Self.whole })
    let reasons = Dictionary(uniqueKeysWithValues: contents.skipped.map { ($0.name, $0) })
    for torn in ["empty.prog", "torn.prog", "zeros.prog", "junk.prog"] {
      #expect(reasons[torn]?.reason == .torn, "\(torn)")
    }
    #expect(reasons["README.md"]?.reason == .foreign)
    #expect(reasons[Self.halfWritten.name]?.reason == .unfinished)
    for name in ["huge.prog", "directory.prog", "dangling.prog", "loop.prog", "pipe.prog"] {
      let place = workspace.path(name)
      #expect(reasons[name]?.explanation.hasPrefix("\(place): cannot read: ") == true, "\(name)")
    }
    #expect(contents.skipped.count == 11)
  }

  @Test("No fault while reading loses a file without a word", arguments: [false, true])
  func readUnderFaults(isFinal: Bool) throws {
    let workspace = try Self.afterABadNight()
    let everything = try ProgramDirectory(workspace.path).read()
    let names = Set(everything.files.map(\.name) + everything.skipped.map(\.name))
    let total = try effects { _ = try ProgramDirectory(workspace.path, in: $0).read() }
    for ordinal in 1...total {
      let disk = FileSystem.failing(at: ordinal, with: EIO, isFinal: isFinal)
      do throws(StorageError) {
        let contents = try ProgramDirectory(workspace.path, in: disk).read()
        #expect(Set(contents.files.map(\.name) + contents.skipped.map(\.name)) == names)
        #expect(contents.files.allSatisfy { $0.text == Self.whole })
      } catch {
        #expect(ordinal == 1, "only the listing itself may fail")
        #expect(error.kind == .inputOutput)
      }
    }
  }

  @Test("A save under any fault leaves the file whole or absent, and the others alone")
  func saveUnderFaults() throws {
    let total = try effects { fileSystem in
      let workspace = try Workspace()
      try ProgramDirectory(workspace.path("crashes"), in: fileSystem)
        .save(Self.whole, as: "new.prog")
    }
    for ordinal in 1...total {
      for isFinal in [false, true] {
        let workspace = try Workspace()
        let disk = FileSystem.failing(at: ordinal, with: ENOSPC, isFinal: isFinal)
        let place = workspace.path("crashes")
        let wasSaved =
          (try? ProgramDirectory(place, in: disk).save(Self.whole, as: "new.prog")) != nil
        let directory = ProgramDirectory(place)
        let files = try directory.read().files.map(\.text)
        #expect(files.isEmpty || files == [Self.whole])
        if wasSaved { #expect(files == [Self.whole]) }
        // The next attempt, on a disk that works, succeeds.
        try directory.save(Self.whole, as: "new.prog")
        #expect(try directory.read().files.map(\.text) == [Self.whole])
      }
    }
  }

  @Test("Preparing removes what killed writers left, and only that")
  func prepare() throws {
    let workspace = try Workspace()
    let abandoned = Temporary(target: "a.prog", process: .max, number: 3).name
    let ours = Temporary(target: "a.prog", process: getpid(), number: 3).name
    for name in [abandoned, ours, "README.md", "a.prog"] { try workspace.write([10], to: name) }
    try ProgramDirectory(workspace.path).prepare()
    #expect(try workspace.names() == [ours, "README.md", "a.prog"].sorted())
  }

  @Test("A directory that does not exist is empty; a file is none")
  func missing() throws {
    let workspace = try Workspace()
    let missing = ProgramDirectory(workspace.path("none"))
    #expect(try missing.read() == ProgramDirectory.Contents())
    #expect(try missing.programNames().isEmpty)
    try missing.remove("a.prog")
    try workspace.write([10], to: "file")
    let error = #expect(throws: StorageError.self) {
      try ProgramDirectory(workspace.path("file")).read()
    }
    #expect(error?.kind == .missing)
  }

  @Test("Names hold nothing a file name should not")
  func names() throws {
    #expect(
      ProgramDirectory.name(["v6.1", "I27"], hash: 0x1234_5678_00c0_ffee)
        == "v6.1-I27-00c0ffee.prog")
    #expect(
      ProgramDirectory.name(["../etc", "a b\u{e9}\n"], hash: 1) == "_._etc-a_b__-00000001.prog")
    let workspace = try Workspace()
    let directory = ProgramDirectory(workspace.path)
    for name in ["", "a", ".a.prog", "../a.prog", "a/b.prog", "a\nb.prog", "a\0.prog"] {
      let error = #expect(throws: StorageError.self) { try directory.save("", as: name) }
      #expect(error?.kind == .cannotCreate)
    }
    #expect(try workspace.names().isEmpty)
  }
}
