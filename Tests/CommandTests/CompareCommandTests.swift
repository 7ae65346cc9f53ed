// SPDX-License-Identifier: MIT

import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("pagefuzz compare")
struct CompareCommandTests {
  /// A specimen that few programs show, and one that takes more than they are given.
  private static let words = [
    "compare", "random", "full", "--specimen", "M-MAPNOGET@v6.18", "--specimen",
    "M-ZAPTWICE@dax-gup-v2", "--seeds", "2", "--steps", "2000",
  ]

  @Test("Each search is compared with the first, over every specimen, and summed up")
  func json() throws {
    let result = try Invoked.pagefuzz([
      "compare", "random", "full", "pct", "--specimen", "M-MAPNOGET", "--seeds", "2", "--steps",
      "2000", "--format", "json",
    ])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let lines = try result.output.split(separator: "\n").map { line in
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
    }
    let rows = lines.filter { $0["specimen"] != nil }
    let names = rows.compactMap { $0["specimen"] as? String }
    #expect(names.allSatisfy { $0.hasPrefix("M-MAPNOGET@") } && Set(names).count >= 2)
    #expect(lines.count == rows.count + 2)
    for row in rows {
      #expect((row["firstSteps"] as? [Any])?.count == 2)
      let effect = try #require(row["effect"] as? Double)
      let low = try #require(row["effectLow"] as? Double)
      let high = try #require(row["effectHigh"] as? Double)
      #expect(low <= effect && effect <= high)
      let chance = try #require(row["chance"] as? Double)
      #expect(try #require(row["corrected"] as? Double) >= chance)
    }
    #expect(lines.last?["second"] as? String == "pct")
    #expect(lines.last?["specimens"] as? Int == rows.count / 2)
  }

  @Test("Two workers write the same bytes as one, and a run cut short is gone on with")
  func resumed() throws {
    let scratch = try Scratch()
    func compare(_ name: String, _ more: [String]) throws -> Invoked {
      try Invoked.pagefuzz(
        Self.words + ["--csv", scratch.path("\(name).csv"), "--svg", scratch.path("\(name).svg")]
          + more)
    }
    let one = try compare("one", ["--workers", "1"])
    let two = try compare("two", ["--workers", "2"])
    #expect(one.output == two.output && !one.output.isEmpty)
    let whole = scratch.text(of: "one.csv")
    #expect(whole == scratch.text(of: "two.csv"))
    #expect(scratch.text(of: "one.svg") == scratch.text(of: "two.svg"))
    try scratch.write(String(whole.prefix(whole.count * 2 / 3)), to: "cut.csv")
    #expect(try compare("cut", []).output == one.output)
    #expect(scratch.text(of: "cut.csv") == whole)
    // What one limit has shown tells of a lower one too: nothing is run again.
    _ = try compare("one", ["--steps=50"])
    #expect(scratch.text(of: "one.csv") == whole)
  }

  @Test("Its curves are an XML document of their own, with a panel for each specimen")
  func plot() throws {
    let scratch = try Scratch()
    let result = try Invoked.pagefuzz(
      Self.words + ["--svg", scratch.path("curves.svg"), "--markdown"])
    let document = try XMLDocument(data: Data(scratch.text(of: "curves.svg").utf8))
    let panels = try document.nodes(forXPath: "//*[local-name()='g']")
    let rows = result.output.split(separator: "\n").filter { $0.hasPrefix("| M-") }
    #expect(panels.count == rows.count && panels.count == 2)
    let curves = try document.nodes(forXPath: "//*[local-name()='g']/*[@stroke-width='1.5']")
    #expect(curves.count == 2 * panels.count)
    #expect(!scratch.text(of: "curves.svg").contains("href"))
  }

  @Test("Files that are not its own, and searches that are none, are refused and left alone")
  func refused() throws {
    let scratch = try Scratch()
    let foreign = try scratch.write("a,b\n1,2\n", to: "foreign.csv")
    #expect(try Invoked.pagefuzz(Self.words + ["--csv", foreign]).status == 65)
    #expect(scratch.text(of: "foreign.csv") == "a,b\n1,2\n")
    let head = "specimen,search,seed,build,steps,found\n"
    let other = try scratch.write(head + "M-SKIP@v6.1,full,1,0,5,yes\n", to: "other.csv")
    let result = try Invoked.pagefuzz(Self.words + ["--csv", other])
    #expect(result.status == 65 && result.errors.contains("other.csv:2"), "\(result.errors)")
    #expect(result.errors.contains("another build"))
    #expect(try Invoked.pagefuzz(["compare", "full"]).status == 64)
    #expect(try Invoked.pagefuzz(["compare", "full", "full"]).status == 64)
    #expect(try Invoked.pagefuzz(["compare", "full", "best"]).errors.contains("no search 'best'"))
  }
}
