// SPDX-License-Identifier: MIT

import Foundation
import Testing

@Suite("pagefuzz minimize, and explain")
struct MinimizeCommandTests {
  /// The bug of the unmapped file, with calls around it that it does without.
  static let fat = """
    # pagefuzz program 1
    protocol v6.1
    boot files=2 filePages=8 devicePages=16
    cpu2  pwrite(file0:1, 9)
    cpu1  dax_fault(mm0, file1:5, write)
    cpu2  h7 = vmsplice(mm0, file1:5) until gupFastWalk.tryGrab
    cpu3  store(mm0, file0:6, 77)
    cpu2  resume
    cpu0  munmap(mm0, file1:0, pages=8)
    cpu3  punch_hole(file1:5, pages=3)
    cpu0  open(file0)
    expect I27 fsdax foreign-get cause=scansUnmappedFiles

    """

  private func object(_ text: String) throws -> [String: Any] {
    let last = try #require(text.split(separator: "\n").last)
    return try #require(try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
  }

  @Test("The smallest program shows the same, and minimizing it again changes nothing")
  func minimize() throws {
    let scratch = try Scratch()
    let file = try scratch.write(Self.fat, to: "fat.prog")
    let small = scratch.path("small.prog")
    #expect(try Invoked.pagefuzz(["minimize", file, "--output", small]).status == 0)
    #expect(try Invoked.pagefuzz(["replay", small]).status == 0)
    let text = scratch.text(of: "small.prog")
    #expect(text.contains("expect I27 fsdax foreign-get cause=scansUnmappedFiles"))
    #expect(text.contains("# - without line 1: clean"))
    #expect(!text.contains("file1"))
    let again = try Invoked.pagefuzz(["minimize", small])
    let program = { (text: String) in text.split(separator: "\n").filter { !$0.hasPrefix("#") } }
    #expect(program(again.output) == program(text))
  }

  @Test("What it did is one object")
  func json() throws {
    let scratch = try Scratch()
    let file = try scratch.write(Self.fat, to: "fat.prog")
    let found = try object(try Invoked.pagefuzz(["minimize", file, "--format", "json"]).output)
    #expect(found["id"] as? String == "I27 fsdax foreign-get cause=scansUnmappedFiles")
    #expect(found["callsBefore"] as? Int == 7)
    #expect(found["callsAfter"] as? Int == 3)
    #expect(found["preemptionsBefore"] as? Int == 1)
    #expect(found["preemptionsAfter"] as? Int == 0)
    #expect(found["executions"] as? Int ?? 0 > 5)
    let certificate = found["certificate"] as? [[String: Any]]
    #expect(certificate?.count ?? 0 >= 3)
    #expect(found["cpuSeconds"] is Double)
  }

  /// The smallest program of the same bug.
  static let small = """
    # pagefuzz program 1
    protocol v6.1
    cpu0  h1 = gup(mm0, file0:0, write)
    cpu0  munmap(mm0, file0:0)
    cpu0  punch_hole(file0:0)

    """

  @Test("It is told in words: the invariant, the rule to blame, who held what, every step")
  func explain() throws {
    let scratch = try Scratch()
    let file = try scratch.write(Self.small, to: "small.prog")
    let text = try Invoked.pagefuzz(["explain", file]).output
    for words in [
      "A block that is freed has no holder", "'scansUnmappedFiles' (M-MAPPED)",
      "The same program under v6.1 +scansUnmappedFiles is clean.", "still there: may not be here",
      "violated I27", "Race window", "Under other protocols",
    ] {
      #expect(text.contains(words), "\(words)")
    }
    let found = try object(try Invoked.pagefuzz(["explain", file, "--format", "json"]).output)
    #expect(found["cause"] as? String == "scansUnmappedFiles")
    let (held, steps) = (found["ledger"] as? [[String: Any]], found["trace"] as? [[String: Any]])
    #expect(held?.isEmpty == false)
    #expect(steps?.last?["name"] as? String == "punch_hole.changeBlocks")
    #expect(try Invoked.pagefuzz(["explain", file, "--svg"]).output.hasPrefix("<svg"))
    let twice = try Invoked.pagefuzz(["explain", file, "--svg", "--format", "json"])
    #expect(twice.status == 64 && twice.errors.contains("one format at a time"))
  }

  @Test("It is exported, to standard output or to a file; a language has to be named")
  func export() throws {
    let scratch = try Scratch()
    let file = try scratch.write(Self.fat, to: "fat.prog")
    let shown = try Invoked.pagefuzz(["export", file, "--to", "c"])
    #expect(shown.status == 0 && shown.output.contains("int main(void)"))
    let saved = try Invoked.pagefuzz(
      ["export", file, "--to", "c", "--output", scratch.path("test.c")])
    #expect(saved.status == 0 && saved.output.isEmpty)
    #expect(scratch.text(of: "test.c") == shown.output)
    #expect(try Invoked.pagefuzz(["export", file]).errors.contains("--to is missing"))
    #expect(try Invoked.pagefuzz(["export", file, "--to", "cc"]).status == 64)
    #expect(try Invoked.pagefuzz(["export", scratch.path("none.prog"), "--to", "c"]).status == 66)
  }

  @Test(
    "A file that shows no violation is refused, with the reason",
    arguments: ["minimize", "explain"])
  func clean(command: String) throws {
    let scratch = try Scratch()
    let clean = Self.fat.replacing("protocol v6.1\n", with: "protocol v6.1+repaired\n")
    let file = try scratch.write(clean, to: "clean.prog")
    let result = try Invoked.pagefuzz([command, file])
    #expect(result.status == 65)
    #expect(result.errors.contains("violates no invariant under v6.1+repaired"))
    let other = Self.fat.replacing(
      "expect I27 fsdax foreign-get", with: "expect I27 fsdax extra-get")
    let otherFile = try scratch.write(other, to: "other.prog")
    #expect(try Invoked.pagefuzz([command, otherFile]).errors.contains("does not show what it"))
    #expect(try Invoked.pagefuzz([command, scratch.path("none.prog")]).status == 66)
    #expect(try Invoked.pagefuzz([command]).status == 64)
  }
}

@Suite("pagefuzz corpus")
struct CorpusCommandTests {
  @Test("What a campaign kept reaches as much when distilled, and replays")
  func distil() throws {
    let scratch = try Scratch()
    let (kept, chosen) = (scratch.path("kept"), scratch.path("chosen"))
    _ = try Invoked.pagefuzz([
      "fuzz", "--executions", "150", "--crashes", scratch.path("crashes"), "--corpus", kept,
    ])
    let files = try FileManager.default.contentsOfDirectory(atPath: kept)
    #expect(files.count > 20)
    let distilled = try Invoked.pagefuzz(["corpus", "distil", kept, "--output", chosen])
    #expect(distilled.status == 0)
    #expect(try Invoked.pagefuzz(["replay", "--quiet", chosen]).status == 0)
    let features = try [kept, chosen].map { directory in
      let text = try Invoked.pagefuzz(["corpus", "stats", directory, "--format", "json"]).output
      let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
      return object?["features"] as? Int ?? 0
    }
    #expect(features[0] > 400)
    #expect(features[0] == features[1])
    let few = scratch.path("few")
    _ = try Invoked.pagefuzz(["corpus", "distil", kept, "--output", few, "--limit", "3"])
    let names = try FileManager.default.contentsOfDirectory(atPath: few)
    #expect(names.count == 3)
  }

  @Test("Without a directory to write to, or with nothing to read, it says so")
  func badInput() throws {
    let scratch = try Scratch()
    let nothing = ["corpus", "distil", scratch.path("x"), "--output", scratch.path("y")]
    #expect(try Invoked.pagefuzz(nothing).status == 66)
    let file = try scratch.write(MinimizeCommandTests.fat, to: "fat.prog")
    #expect(try Invoked.pagefuzz(["corpus", "distil", file]).status == 64)
    let junk = try scratch.write("junk\n", to: "junk.prog")
    #expect(try Invoked.pagefuzz(["corpus", "stats", file, junk]).status == 65)
  }
}
