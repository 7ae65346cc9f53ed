// SPDX-License-Identifier: MIT

import Foundation
import Storage
import Testing

@Suite("A file that grows line by line")
struct AppendedLinesTests {
  @Test("Lines are there for who comes next, and a torn end is dropped")
  func lines() throws {
    let workspace = try Workspace()
    let path = workspace.path("runs")
    var file = try AppendedLines(path)
    #expect(file.lines == [])
    for line in ["a", "b,1"] { try file.append(line) }
    file.close()
    let whole = try #require(workspace.content(of: "runs"))
    try workspace.write(whole + Array("torn".utf8), to: "runs")
    file = try AppendedLines(path)
    #expect(file.lines == ["a", "b,1"])
    try file.append("c")
    file.close()
    #expect(workspace.content(of: "runs") == Array("a\nb,1\nc\n".utf8))
  }

  @Test("One process at a time has it; what is no text is refused and stays")
  func refused() throws {
    let workspace = try Workspace()
    let file = try AppendedLines(workspace.path("runs"))
    let error = #expect(throws: StorageError.self) { try AppendedLines(workspace.path("runs")) }
    #expect(error?.kind == .cannotCreate)
    file.close()
    try workspace.write([0xFF, 0x00, 10], to: "binary")
    let invalid = #expect(throws: StorageError.self) { try AppendedLines(workspace.path("binary")) }
    #expect(invalid?.kind == .invalid)
    #expect(workspace.content(of: "binary") == [0xFF, 0x00, 10])
    #expect(throws: StorageError.self) { try AppendedLines(workspace.path("no/such/runs")) }
  }

  @Test("Whatever fails, there are whole lines, and those that were said to be there")
  func everyEffect() throws {
    func work(_ path: String, _ fileSystem: FileSystem, _ said: inout [String]) throws {
      var file = try AppendedLines(path, in: fileSystem)
      defer { file.close() }
      for line in ["one", String(repeating: "long", count: 3000), "three"] {
        try file.append(line)
        said.append(line)
      }
    }
    var none: [String] = []
    let space = try Workspace()
    let count = try effects { try work(space.path("runs"), $0, &none) }
    #expect(count > 10)
    for ordinal in 1...count {
      for isFinal in [false, true] {
        let workspace = try Workspace()
        var said: [String] = []
        let failing = FileSystem.failing(at: ordinal, with: ENOSPC, isFinal: isFinal)
        try? work(workspace.path("runs"), failing, &said)
        let after = try AppendedLines(workspace.path("runs"))
        #expect(after.lines.starts(with: said), "effect \(ordinal)")
        #expect(after.lines.count <= said.count + 1, "effect \(ordinal)")
        after.close()
      }
    }
  }
}
