// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@testable import Fuzzing

@Suite("Whether exploring finds a shorter program")
struct ShortnessTests {
  private func finding(_ lines: String, on variant: String) throws -> Finding {
    let text = "# pagefuzz program 1\nprotocol \(variant)\n\(lines)"
    let program = try ProgramParser.parse(text, file: "t.prog")
    return try #require(Finding(meantBy: program))
  }
  /// A file is unbound while it is mapped.
  private static let mapped = """
    boot files=1 filePages=1 devicePages=1 devices=0
    cpu0  dax_fault(mm0, file0:0, write)
    cpu0  memunmap_pages(pmem0)
    """

  @Test("A program of which nothing can be left out is the shortest")
  func shortest() throws {
    let finding = try finding(Self.mapped, on: "v6.18")
    guard case .shortest = Shortness(of: finding, states: 100_000) else {
      Issue.record("no shorter program should be found, and the search should end")
      return
    }
  }

  @Test("A shorter program is told, and shows the same identity")
  func longer() throws {
    let fat = Self.mapped.replacing("cpu0  memunmap", with: "cpu0  open(file0)\ncpu0  memunmap")
    let finding = try finding(fat, on: "v6.18")
    guard case .longer(let shorter) = Shortness(of: finding, states: 1_000_000) else {
      Issue.record("the call in the middle can be left out")
      return
    }
    #expect(shorter.callCount == 2)
    #expect(Reducer.witness(of: finding.identity, in: shorter) != nil)
  }

  @Test("Where a shorter program shows the same by another bug, only its own rules are broken")
  func otherBug() throws {
    // A count can be raised from zero in one call; this takes the second.
    let finding = try finding(
      "boot files=0 filePages=1 devicePages=1 devices=1\n"
        + "cpu0  h1 = driver_alloc(d0)\ncpu0  memunmap_pages(d0)\n",
      on: "v5.18")
    #expect("\(finding.identity)" == "I19 private cause=waitsForPagesInUse")
    guard case .shortest = Shortness(of: finding, states: 100_000) else {
      Issue.record("one call does not show it")
      return
    }
  }

  @Test("With few states nothing is decided")
  func undecided() throws {
    let fat = Self.mapped.replacing("cpu0  memunmap", with: "cpu0  open(file0)\ncpu0  memunmap")
    let finding = try finding(fat, on: "v6.18")
    guard case .undecided = Shortness(of: finding, states: 10) else {
      Issue.record("ten states are too few")
      return
    }
  }
}
