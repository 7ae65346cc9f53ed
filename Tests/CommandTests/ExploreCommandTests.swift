// SPDX-License-Identifier: MIT

import Foundation
import Testing

@Suite("pagefuzz explore")
struct ExploreCommandTests {
  /// The shortest way to the bug of the unmapped file, and nothing else.
  static let small = [
    "explore", "--cpus", "1", "--calls", "3", "--operation", "gup", "--operation", "munmap",
    "--operation", "punch_hole",
  ]

  private func summary(_ arguments: [String]) throws -> (Int32, [String: Any]) {
    let result = try Invoked.pagefuzz(arguments + ["--format", "json"])
    let last = try #require(result.output.split(separator: "\n").last)
    let object = try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any]
    return (result.status, try #require(object))
  }

  @Test("v6.1 loses a page that a pipe holds, in three calls")
  func knownBug() throws {
    let (status, found) = try summary(Self.small + ["--protocol", "v6.1"])
    #expect(status == 1)
    #expect(found["complete"] as? Bool == true)
    let violations = try #require(found["violations"] as? [[String: Any]])
    #expect(violations.map { $0["invariant"] as? String } == ["I27"])
    #expect(violations.first?["id"] as? String == "I27 fsdax foreign-get cause=scansUnmappedFiles")
    #expect(violations.first?["calls"] as? Int == 3)
    // What it prints is a program that shows what it expects.
    let scratch = try Scratch()
    let program = try #require(violations.first?["program"] as? String)
    let file = try scratch.write(program, to: "found.prog")
    #expect(try Invoked.pagefuzz(["replay", file]).status == 0)
  }

  @Test(
    "A repaired protocol is complete and clean",
    arguments: ["v6.1+repaired", "v6.12+repaired", "v6.18+repaired"])
  func clean(name: String) throws {
    let (status, found) = try summary(["explore", "--protocol", name, "--calls", "1"])
    #expect(status == 0)
    #expect(found["protocol"] as? String == name)
    #expect(found["complete"] as? Bool == true)
    #expect((found["violations"] as? [Any])?.isEmpty == true)
    for key in ["states", "transitions", "diameter"] {
      #expect(found[key] as? Int ?? 0 > 50, "\(key)")
    }
    let bounds = ["pages", "cpus", "calls"].map { found[$0] as? Int }
    #expect(bounds == [1, 2, 1])
    #expect(found["cpuSeconds"] != nil)
  }

  @Test("Two calls that meet are found by two CPUs and not by one")
  func interleavings() throws {
    let race = [
      "explore", "--protocol", "v6.18+repaired -flushesBeforePut", "--calls", "3",
      "--operation", "dax_fault", "--operation", "madvise_dontneed", "--operation", "punch_hole",
    ]
    #expect(try summary(race + ["--cpus", "1"]).0 == 0)
    let (status, found) = try summary(race + ["--cpus", "2"])
    #expect(status == 1)
    let violations = try #require(found["violations"] as? [[String: Any]])
    #expect(violations.first?["invariant"] as? String == "I27")
  }

  @Test("A limit that is reached makes it incomplete, which is no violation")
  func limit() throws {
    let (status, found) = try summary(["explore", "--states", "100"])
    #expect(status == 0)
    #expect(found["complete"] as? Bool == false)
  }

  @Test("The same bounds give the same bytes, but for seconds")
  func determinism() throws {
    let runs = try (0..<2).map { _ in
      try Invoked.pagefuzz(Self.small + ["--protocol", "v6.1", "--format", "json"]).output
    }
    let lines = runs.map { $0.split(separator: "\"cpuSeconds\"").first }
    #expect(lines[0] == lines[1])
    let text = try Invoked.pagefuzz(Self.small + ["--protocol", "v6.1"])
    #expect(text.status == 1)
    #expect(text.output.contains("    expect I27 fsdax foreign-get cause=scansUnmappedFiles\n"))
    #expect(text.output.contains("v6.1: "))
    #expect(text.errors.isEmpty)
  }

  @Test(
    "Wrong bounds and names exit 64 and say what was expected",
    arguments: [
      (["--pages", "0"], "1"), (["--pages", "9"], "8"), (["--cpus", "0"], "1"),
      (["--cpus", "99"], "8"), (["--calls", "-1"], "number"), (["--calls", "many"], "number"),
      (["--protocol", "v6.2"], "did you mean"), (["--protocol", "v6.1 +nothing"], "RULE"),
      (["--operation", "gupfast"], "did you mean 'gup_fast'?"), (["corpus"], "argument"),
    ])
  func usage(words: [String], message: String) throws {
    let result = try Invoked.pagefuzz(["explore"] + words)
    #expect(result.status == 64)
    #expect(result.output.isEmpty)
    #expect(result.errors.contains(message), "\(result.errors)")
  }
}
