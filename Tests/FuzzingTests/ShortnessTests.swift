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
  /// The same, with a call that does nothing for it.
  private static let fat =
    mapped.replacing("cpu0  memunmap", with: "cpu0  open(file0)\ncpu0  memunmap")
  /// A count can be raised from zero in one call; this takes the second.
  private static let second = """
    boot files=0 filePages=1 devicePages=1 devices=1
    cpu0  h1 = driver_alloc(d0)
    cpu0  memunmap_pages(d0)
    """

  @Test("A program of which nothing can be left out is the shortest")
  func shortest() throws {
    let finding = try finding(Self.mapped, on: "v6.18")
    #expect(Shortness(of: finding, states: 100_000).isShortest == true)
  }

  @Test("A shorter program is told, and shows the same identity")
  func longer() throws {
    let finding = try finding(Self.fat, on: "v6.18")
    guard case .longer(let shorter) = Shortness(of: finding, states: 1_000_000) else {
      Issue.record("the call in the middle can be left out")
      return
    }
    #expect(shorter.callCount == 2)
    #expect(Reducer.witness(of: finding.identity, in: shorter) != nil)
  }

  @Test("Where a shorter program shows the same by another bug, only its own rules are broken")
  func otherBug() throws {
    let finding = try finding(Self.second, on: "v5.18")
    #expect("\(finding.identity)" == "I19 private cause=waitsForPagesInUse")
    #expect(Shortness(of: finding, states: 100_000).isShortest == true)
  }

  @Test("With few states nothing is decided")
  func undecided() throws {
    let finding = try finding(Self.fat, on: "v6.18")
    #expect(Shortness(of: finding, states: 10).isShortest == nil)
  }
}

extension Shortness {
  /// Nil where nothing is decided.
  fileprivate var isShortest: Bool? {
    switch self {
    case .shortest: true
    case .longer: false
    case .undecided: nil
    }
  }
}
