// SPDX-License-Identifier: MIT

import Foundation
import Storage
import Testing

/// A file is replaced while every single system call fails in turn, once alone and once with
/// all that follow, as when the machine goes down.
@Suite("A file appears whole or not at all")
struct AtomicWriteTests {
  static let faults = [ENOSPC, EIO, EROFS, EACCES, EDQUOT]
  /// Longer than one write, so that it could tear.
  static let content = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 / 7) }

  @Test("No fault leaves a torn file", arguments: faults, [false, true])
  func replace(errno: Int32, isFinal: Bool) throws {
    for old in [nil, Array("old\n".utf8)] {
      let total = try effects { fileSystem in
        let workspace = try Workspace()
        try fileSystem.writeAtomically(Self.content, to: workspace.path("a.prog"))
      }
      #expect(total > 6, "create, write, sync, close, rename and sync of the directory")
      for ordinal in 1...total {
        let workspace = try Workspace()
        if let old { try workspace.write(old, to: "a.prog") }
        let disk = FileSystem.failing(at: ordinal, with: errno, isFinal: isFinal)
        #expect(throws: StorageError.self) {
          try disk.writeAtomically(Self.content, to: workspace.path("a.prog"))
        }
        let found = workspace.content(of: "a.prog")
        #expect(found == old || found == Self.content, "effect \(ordinal) tore the file")
        let others = try workspace.names().filter { $0 != "a.prog" }
        #expect(others.allSatisfy { Temporary(name: $0)?.target == "a.prog" })
        if !isFinal { #expect(others.isEmpty, "effect \(ordinal) left a temporary") }
      }
    }
  }

  @Test("A write that was cut short leaves no torn file either", arguments: [false, true])
  func shortWrite(isFinal: Bool) throws {
    for chunkBytes in [1, 499] {
      let content = Array(Self.content.prefix(chunkBytes * 40 + chunkBytes / 2))
      let total = 5 + (content.count + chunkBytes - 1) / chunkBytes
      for ordinal in 1...total {
        let workspace = try Workspace()
        let disk = FileSystem.failing(
          at: ordinal, with: ENOSPC, isFinal: isFinal, chunkBytes: chunkBytes)
        #expect(throws: StorageError.self) {
          try disk.writeAtomically(content, to: workspace.path("a.prog"))
        }
        let found = workspace.content(of: "a.prog")
        #expect(found == nil || found == content, "effect \(ordinal) tore the file")
      }
    }
  }

  @Test("Errors say place, reason and status")
  func errors() throws {
    let workspace = try Workspace()
    let missing = workspace.path("none/a.prog")
    let error = #expect(throws: StorageError.self) {
      try FileSystem.real.writeAtomically([1], to: missing)
    }
    #expect(error?.kind == .cannotCreate)
    #expect(error?.path == missing)
    #expect(error?.errno == ENOENT)
    #expect(error?.message.hasPrefix("\(missing): cannot create: ") == true)

    let full = FileSystem { effect, _ throws(SystemFault) in
      if effect == .write { throw SystemFault(errno: ENOSPC) }
    }
    let noSpace = #expect(throws: StorageError.self) {
      try full.writeAtomically([1], to: workspace.path("a.prog"))
    }
    #expect(noSpace?.kind == .inputOutput)
    #expect(noSpace?.message.contains("free some space") == true)
  }

  @Test("A temporary of a killed process with our number is no obstacle")
  func temporaryExists() throws {
    let workspace = try Workspace()
    let name = Temporary(target: "a.prog", process: getpid(), number: 0).name
    try workspace.write([], to: name)
    try FileSystem.real.writeAtomically(Self.content, to: workspace.path("a.prog"))
    #expect(workspace.content(of: "a.prog") == Self.content)
  }

  @Test("The name of a temporary reads back", arguments: ["a.prog", "v6.1-I27-00c0ffee.prog", "x"])
  func temporaryName(target: String) {
    let temporary = Temporary(target: target, process: 42, number: 7)
    #expect(Temporary(name: temporary.name) == temporary)
    #expect(Temporary(name: target) == nil)
    #expect(Temporary(name: ".\(target).swp") == nil)
  }

  @Test("What another machine is writing is left alone")
  func otherMachine() {
    let abandoned = Temporary(target: "a.prog", process: .max, number: 0)
    #expect(abandoned.isAbandoned && abandoned.host == Temporary.ownHost)
    #expect(!Temporary(target: "a.prog", host: "elsewhere", process: .max, number: 0).isAbandoned)
  }

  @Test("Directories are made with those above them, and those that exist are left alone")
  func makeDirectory() throws {
    let workspace = try Workspace()
    let total = try effects { fileSystem in
      try fileSystem.makeDirectory(workspace.path("a/b/c"))
      try fileSystem.makeDirectory(workspace.path("a/b/c"))
    }
    for ordinal in 1...total {
      let other = try Workspace()
      let disk = FileSystem.failing(at: ordinal, with: EACCES)
      try? disk.makeDirectory(other.path("a/b/c"))
      try FileSystem.real.makeDirectory(other.path("a/b/c"))
      #expect(try FileSystem.real.status(other.path("a/b/c")).kind == .directory)
    }
    try workspace.write([1], to: "file")
    let error = #expect(throws: StorageError.self) {
      try FileSystem.real.makeDirectory(workspace.path("file"))
    }
    #expect(error?.kind == .cannotCreate)
  }
}
