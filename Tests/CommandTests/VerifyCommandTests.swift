// SPDX-License-Identifier: MIT

import Foundation
import Testing

@Suite("pagefuzz verify")
struct VerifyCommandTests {
  /// A minimized file with its certificate, and what it says of shorter programs.
  private func minimized(in scratch: Scratch, _ options: [String] = []) throws -> String {
    let fat = try scratch.write(MinimizeCommandTests.fat, to: "fat.prog")
    let small = scratch.path("small.prog")
    let invoked = try Invoked.pagefuzz(["minimize", fat, "--output", small] + options)
    #expect(invoked.status == 0)
    return small
  }

  @Test("What minimize writes holds, and is in canonical text")
  func holds() throws {
    let scratch = try Scratch()
    let small = try minimized(in: scratch)
    let verified = try Invoked.pagefuzz(["verify", small])
    #expect(verified.status == 0)
    #expect(verified.output.contains("ok    \(small)  "))
    let text = scratch.text(of: "small.prog")
    #expect(text.contains("# Certificate:\n# - without line 1: clean\n"))
    #expect(text.contains("# - line 1 as h1 = gup(mm0, file0:0): clean\n"))
  }

  @Test("A line that does not hold is named, and so is one that is missing")
  func wrong() throws {
    let scratch = try Scratch()
    _ = try minimized(in: scratch)
    let text = scratch.text(of: "small.prog")
    let line = "# - without line 2: "
    let number = try #require(
      text.split(separator: "\n").firstIndex { $0.hasPrefix(line) }.map { $0 + 1 })
    let rest = try #require(text.split(separator: "\n").first { $0.hasPrefix(line) })
    try scratch.write(text.replacing(rest, with: line + "I1"), to: "wrong.prog")
    let wrong = try Invoked.pagefuzz(["verify", scratch.path("wrong.prog")])
    #expect(wrong.status == 1)
    #expect(wrong.output.contains("wrong.prog:\(number)\n  - without line 2: I1\n  + without"))
    try scratch.write(text.replacing("\(rest)\n", with: ""), to: "short.prog")
    let short = try Invoked.pagefuzz(["verify", scratch.path("short.prog")])
    #expect(short.status == 1)
    #expect(short.output.contains("- no line about it\n  + without line 2"))
    try scratch.write(text.replacing("without line 2", with: "without line 9"), to: "other.prog")
    let other = try Invoked.pagefuzz(["verify", scratch.path("other.prog")])
    #expect(other.status == 1)
    #expect(other.output.contains("there is no such change"))
  }

  @Test("A program of which something can be left out has no certificate that holds")
  func fat() throws {
    let scratch = try Scratch()
    let small = try minimized(in: scratch)
    let text = scratch.text(of: "small.prog")
      .replacing("cpu0  punch_hole", with: "cpu0  open(file0)\ncpu0  punch_hole")
    try scratch.write(text, to: "fat.prog")
    let fat = try Invoked.pagefuzz(["verify", scratch.path("fat.prog"), small])
    #expect(fat.status == 1)
    #expect(fat.output.contains("nothing smaller shows I27 fsdax foreign-get"))
    #expect(fat.output.contains("ok    \(small)"))
  }

  @Test("Without a certificate, or a proof that is asked for, there is nothing to verify")
  func nothing() throws {
    let scratch = try Scratch()
    let file = try scratch.write(MinimizeCommandTests.fat, to: "fat.prog")
    let invoked = try Invoked.pagefuzz(["verify", file])
    #expect(invoked.status == 65)
    #expect(invoked.errors.contains("carries no certificate"))
    let small = try minimized(in: scratch)
    #expect(try Invoked.pagefuzz(["verify", "--prove", small]).status == 65)
    #expect(try Invoked.pagefuzz(["verify", scratch.path("none.prog")]).status == 66)
  }

  @Test("That no program is shorter is stated with its bounds, and can be searched for again")
  func proof() throws {
    let scratch = try Scratch()
    let fat = """
      # pagefuzz program 1
      protocol v6.18
      cpu0  dax_fault(mm0, file0:0, write)
      cpu0  open(file0)
      cpu1  memunmap_pages(pmem0)
      expect I18 fsdax foreign-map cause=drainsBeforeUnbind

      """
    let file = try scratch.write(fat, to: "fat.prog")
    let small = scratch.path("small.prog")
    #expect(try Invoked.pagefuzz(["minimize", "--prove", file, "--output", small]).status == 0)
    let text = scratch.text(of: "small.prog")
    let line = "# Shortest: no program of at most 1 calls breaks I18 within these bounds: v6.18,"
    #expect(text.contains(line))
    #expect(try Invoked.pagefuzz(["verify", "--prove", small]).status == 0)
    try scratch.write(text.replacing("cpus=2", with: "cpus=3"), to: "wrong.prog")
    let wrong = try Invoked.pagefuzz(["verify", "--prove", scratch.path("wrong.prog")])
    #expect(wrong.status == 1)
    #expect(wrong.output.contains("cpus=3"))
  }
}
