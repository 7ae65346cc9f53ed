// SPDX-License-Identifier: MIT

import Foundation
import Testing

@Suite("pagefuzz selftest, and diff")
struct SelfTestCommandTests {
  private func objects(_ arguments: [String]) throws -> (Int32, [[String: Any]]) {
    let result = try Invoked.pagefuzz(arguments + ["--format", "json"])
    let lines = try result.output.split(separator: "\n").map { line in
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
    }
    return (result.status, lines)
  }

  @Test(
    "A seeded bug is found by what it declares",
    arguments: ["M-MAPPED@v6.1", "M-EVICT@v6.18", "M-P2PFREE1@v6.12", "M-FINLRU@v6.18"])
  func specimen(name: String) throws {
    let (status, lines) = try objects(["selftest", "--specimen", name])
    #expect(status == 0)
    let found = try #require(lines.first)
    #expect(found["specimen"] as? String == name)
    #expect(found["found"] as? Bool == true)
    let declared = try #require(found["declared"] as? [String])
    #expect(declared.contains(found["invariant"] as? String ?? "none"))
    #expect(found["executions"] as? Int ?? 0 > 0)
    #expect(found["cpuSeconds"] is Double)
  }

  @Test("A budget too small for it is a miss, and an unknown specimen an error")
  func missed() throws {
    let (status, lines) = try objects([
      "selftest", "--specimen", "M-NORECHECK@v6.18", "--executions", "1",
    ])
    #expect(status == 1)
    #expect(lines.first?["found"] as? Bool == false)
    #expect(lines.first?["invariant"] is NSNull)
    let unknown = try Invoked.pagefuzz(["selftest", "--specimen", "M-NONE@v6.1"])
    #expect(unknown.status == 64)
    #expect(unknown.errors.contains("list specimens"))
  }

  @Test("The kill matrix is a Markdown table")
  func markdown() throws {
    let text = try Invoked.pagefuzz(["selftest", "--specimen", "M-MAPPED@v6.1", "--markdown"])
      .output
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("|") }
    #expect(rows.count == 3)
    let cells = rows.last?.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    let row = try #require(cells)
    #expect(row[0...2] == ["M-MAPPED", "`scansUnmappedFiles`", "1 of 1"])
    let specimens = try Invoked.pagefuzz(["list", "specimens", "--format", "json"]).output
    let specimen = try #require(
      specimens.split(separator: "\n").first { $0.contains("\"M-MAPPED@v6.1\"") })
    #expect(row[3].hasPrefix("I") && specimen.contains("\"\(row[3])\""), "\(row) \(specimen)")
  }

  @Test("Several seeds are several runs; what was kept is not run again, and more are added")
  func kept() throws {
    let scratch = try Scratch()
    let file = scratch.path("kills.csv")
    let command = ["selftest", "--specimen", "M-MAPPED@v6.1", "--csv", file]
    let (_, first) = try objects(command + ["--seed", "3", "--seeds", "2"])
    #expect(first.map { $0["seed"] as? Int } == [3, 4])
    let before = try String(contentsOfFile: file, encoding: .utf8)
    let (status, again) = try objects(command + ["--seed", "2", "--seeds", "3", "--workers", "2"])
    #expect(status == 0)
    #expect(again.map { $0["seed"] as? Int } == [2, 3, 4])
    let costs = again.dropFirst().map { $0["executions"] as? Int }
    #expect(costs == first.map { $0["executions"] as? Int })
    let after = try String(contentsOfFile: file, encoding: .utf8)
    #expect(after.hasPrefix(before))
    #expect(after.split(separator: "\n").count == 4)
    // With fewer programs than it took it is a miss, which a file cannot turn into a find.
    let most = again.compactMap { $0["executions"] as? Int }.max() ?? 0
    #expect(
      try objects(command + ["--seed", "2", "--seeds", "3", "--executions", "\(most - 1)"]).0 == 1)
    try "a,b\n".write(toFile: file, atomically: false, encoding: .utf8)
    let damaged = try Invoked.pagefuzz(command)
    #expect(damaged.status == 65)
    #expect(damaged.errors.contains("kills.csv:1") && damaged.errors.contains("--csv"))
  }

  @Test("v6.15 lets a punch wait for who holds an unmapped page, and counts mappings")
  func eras() throws {
    let (status, lines) = try objects([
      "diff", "v6.1", "v6.18", "--operation", "gup", "--operation", "munmap", "--operation",
      "punch_hole",
    ])
    #expect(status == 1)
    let words = lines.map { line in
      ["kind", "operation", "calls"].map { "\(line[$0] ?? "")" }.joined(separator: " ")
    }
    #expect(words.contains("blocking punch_hole 3"))
    #expect(words.contains("counts gup 1"))
    #expect(words.contains("verdict punch_hole 3"))
    let scratch = try Scratch()
    for line in lines {
      let program = try #require(line["program"] as? String)
      let file = try scratch.write(program, to: "difference.prog")
      #expect(try Invoked.pagefuzz(["replay", file]).status == 0)
    }
  }

  @Test("A protocol does not differ from itself; what is no protocol is refused")
  func same() throws {
    let (status, lines) = try objects(["diff", "v6.18", "v6.18", "--calls", "2"])
    #expect(status == 0)
    #expect(lines.isEmpty)
    #expect(try Invoked.pagefuzz(["diff", "v6.18", "v7"]).status == 64)
    #expect(try Invoked.pagefuzz(["diff", "v6.18"]).status == 64)
  }
}
