// SPDX-License-Identifier: MIT

import Foundation
import Storage
import Testing

@Suite("The directory of a campaign")
struct StateDirectoryTests {
  private static let blocks = (0..<6).map { number in
    [UInt8](repeating: UInt8(number), count: 1500 * number)
  }

  /// What is in a directory, for somebody who comes after a kill.
  private func read(_ workspace: Workspace) throws -> StateDirectory.Contents? {
    var directory = try StateDirectory(workspace.path("state"))
    defer { directory.close() }
    return try directory.read()
  }

  @Test("What was appended is read again, after what was stated")
  func roundTrip() throws {
    let workspace = try Workspace()
    #expect(try read(workspace) == nil)
    var directory = try StateDirectory(workspace.path("state"))
    try directory.begin(about: "a campaign\n")
    for block in Self.blocks { try directory.append(block) }
    directory.close()
    var contents = try #require(try read(workspace))
    #expect(contents.about == "a campaign\n" && contents.state == nil && contents.tornBytes == 0)
    #expect(contents.journal == Self.blocks)
    directory = try StateDirectory(workspace.path("state"))
    try directory.resume()
    try directory.restate([1, 2, 3])
    try directory.append([4])
    directory.close()
    contents = try #require(try read(workspace))
    #expect(contents.state == [1, 2, 3] && contents.journal == [[4]])
  }

  @Test("One process at a time has it")
  func lock() throws {
    let workspace = try Workspace()
    var first = try StateDirectory(workspace.path("state"))
    let error = #expect(throws: StorageError.self) {
      try StateDirectory(workspace.path("state"))
    }
    #expect(error?.kind == .cannotCreate)
    #expect(error?.message.contains("another campaign") == true)
    first.close()
    var second = try StateDirectory(workspace.path("state"))
    second.close()
  }

  @Test("Cut off or changed anywhere, the journal gives its whole beginning, and goes on there")
  func torn() throws {
    let workspace = try Workspace()
    var directory = try StateDirectory(workspace.path("state"))
    try directory.begin(about: "a\n")
    for block in Self.blocks { try directory.append(block) }
    directory.close()
    let whole = try #require(workspace.content(of: "state/journal"))
    for cut in stride(from: 0, to: whole.count, by: 701) {
      try workspace.write(whole.prefix(cut), to: "state/journal")
      let torn = try #require(try read(workspace))
      let rest = whole[(cut - torn.tornBytes)..<cut]
      #expect(torn.journal == Array(Self.blocks.prefix(torn.journal.count)))
      directory = try StateDirectory(workspace.path("state"))
      try directory.resume()
      try directory.append([9])
      directory.close()
      let after = try #require(try read(workspace))
      #expect(after.journal == torn.journal + [[9]] && after.tornBytes == 0)
      if !rest.isEmpty {
        #expect(workspace.content(of: "state/\(StateDirectory.tornName)") == Array(rest))
      }
    }
    var changed = whole
    changed[whole.count - 1] ^= 1
    try workspace.write(changed, to: "state/journal")
    #expect(try read(workspace)?.journal == Array(Self.blocks.dropLast()))
  }

  @Test("A state whose checksum is wrong is refused, with a remedy")
  func damaged() throws {
    let workspace = try Workspace()
    var directory = try StateDirectory(workspace.path("state"))
    try directory.begin(about: "a\n")
    try directory.restate([1, 2, 3])
    directory.close()
    var bytes = try #require(workspace.content(of: "state/state"))
    bytes[bytes.count - 1] ^= 1
    try workspace.write(bytes, to: "state/state")
    let error = #expect(throws: StorageError.self) { try self.read(workspace) }
    #expect(error?.kind == .invalid && error?.message.contains("--state") == true)
  }

  @Test(
    "Every effect may fail: what is read is a beginning of what happened",
    arguments: [(ENOSPC, 4096), (EIO, 4096), (EROFS, 4096), (ENOSPC, 1700)])
  func faults(errno: Int32, chunkBytes: Int) throws {
    let total = try effects(chunkBytes: chunkBytes) {
      try self.work(in: $0, Workspace(), stated: &self.ignored)
    }
    #expect(total > 40)
    for ordinal in 1...total {
      for isFinal in [false, true] {
        let workspace = try Workspace()
        var stated = 0
        let disk = FileSystem.failing(
          at: ordinal, with: errno, isFinal: isFinal, chunkBytes: chunkBytes)
        try? work(in: disk, workspace, stated: &stated)
        guard let contents = try read(workspace) else { continue }
        let base = contents.state.map { Int($0[0]) } ?? 0
        // Entries older than the state are what a kill in between leaves.
        let numbers = contents.journal.map { Int($0[0]) }
        let next = numbers.filter { $0 >= base }
        #expect(next == Array(base..<base + next.count), "effect \(ordinal)")
        if !isFinal { #expect(base + next.count >= stated, "effect \(ordinal) lost something") }
      }
    }
  }

  private var ignored: Int {
    get { 0 }
    nonmutating set { _ = newValue }
  }

  /// Twenty epochs as a campaign notes them; `stated` is how many are durable.
  private func work(
    in disk: FileSystem, _ workspace: Workspace, stated: inout Int
  ) throws {
    var directory = try StateDirectory(workspace.path("state"), in: disk)
    defer { directory.close() }
    try directory.begin(about: "a\n")
    for number in 0..<20 {
      do throws(StorageError) {
        if directory.isBehind || number % 8 == 7 {
          try directory.restate([UInt8(number + 1)])
        } else {
          try directory.append([UInt8](repeating: UInt8(number), count: 5000))
        }
        stated = number + 1
      } catch { continue }
    }
  }
}
