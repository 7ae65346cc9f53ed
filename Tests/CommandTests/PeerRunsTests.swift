// SPDX-License-Identifier: MIT

import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("pagefuzz compare --from: fuzzers of others beside ours")
struct PeerRunsTests {
  private static let head = "specimen,way,seed,found,executions,steps,executed,cpuSeconds\n"

  /// Two specimens, one of them the control; libFuzzer ran out of time once, and what it had by
  /// then is less than our campaign took.
  private static let table =
    head
      + """
      M-A@v6.18,campaign,1,yes,10,100,150,0.1
      M-A@v6.18,libfuzzer-bytes,1,yes,1000,3000,9000,1.0
      M-A@v6.18,campaign,2,yes,30,300,400,0.1
      M-A@v6.18,libfuzzer-bytes,2,yes,4000,9000,20000,2.0
      M-A@v6.18,campaign,3,yes,20,200,300,0.1
      M-A@v6.18,libfuzzer-bytes,3,no,15,50,90,10
      clean@v6.18,campaign,1,no,5000,40000,60000,0.02
      clean@v6.18,libfuzzer-bytes,1,no,5000,40000,59910,10

      """

  private static func compare(_ table: String, _ more: [String] = []) throws -> Invoked {
    let scratch = try Scratch()
    let path = try scratch.write(table, to: "peers.csv")
    return try Invoked.pagefuzz(
      ["compare", "--from", path, "campaign", "libfuzzer-bytes"] + more)
  }

  private static func lines(_ result: Invoked) throws -> [[String: Any]] {
    try result.output.split(separator: "\n").map { line in
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
    }
  }

  @Test("Medians are executions, and a run given up too soon to tell is a tie")
  func executions() throws {
    let result = try Self.compare(Self.table, ["--format", "json"])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let lines = try Self.lines(result)
    let row = try #require(lines.first { $0["specimen"] as? String == "M-A@v6.18" })
    #expect(row["firstExecutions"] as? [Int] == [10, 30, 20])
    // Of the three runs one was given up before half of the others had found it.
    #expect(row["firstMedian"] as? Int == 20 && row["secondMedian"] as? Int == 1000)
    #expect(row["ratio"] as? Double == 50)
    // Of nine pairs six are later for sure, and one more than 10; two are not known.
    #expect(abs(try #require(row["effect"] as? Double) - 1.0 / 9) < 1e-3)
    let control = try #require(lines.first { $0["specimen"] as? String == "clean@v6.18" })
    #expect(control["effect"] as? Double == 0.5 && control["ratio"] is NSNull)
    let sum = try #require(lines.first { $0["geometricMean"] != nil })
    #expect(abs(try #require(sum["geometricMean"] as? Double) - 50) < 1e-3)
  }

  @Test("Steps may be compared instead")
  func steps() throws {
    let lines = try Self.lines(try Self.compare(Self.table, ["--unit=steps", "--format=json"]))
    let row = try #require(lines.first { $0["specimen"] as? String == "M-A@v6.18" })
    #expect(row["firstMedian"] as? Int == 200 && row["secondMedian"] as? Int == 3000)
  }

  @Test("Speed is that of runs that had their whole length")
  func speed() throws {
    let result = try Self.compare(Self.table, ["--format", "json"])
    let speeds = try Self.lines(result).compactMap { $0["stepsPerCPUSecond"] as? Int }
    #expect(speeds == [3_000_000, 3_000])
    let text = try Self.compare(Self.table).output
    #expect(text.contains("campaign: 3.000 million steps a CPU-second"), "\(text)")
    #expect(text.contains("M-A@v6.18  campaign 20 executions (3 of 3), "), "\(text)")
  }

  @Test("Curves are drawn by executions, and the last of two runs with one key counts")
  func plot() throws {
    let scratch = try Scratch()
    let again = Self.table + "M-A@v6.18,campaign,1,yes,20,100,150,0.1\nM-A@v6.18,camp"
    let result = try Self.compare(
      again, ["--svg", scratch.path("peers.svg"), "--format", "json"])
    let document = try XMLDocument(data: Data(scratch.text(of: "peers.svg").utf8))
    #expect(try document.nodes(forXPath: "//*[local-name()='g']").count == 2)
    #expect(scratch.text(of: "peers.svg").contains("still search, by executions"))
    let row = try #require(try Self.lines(result).first { $0["specimen"] != nil })
    #expect(row["firstExecutions"] as? [Int] == [20, 30, 20])
  }

  @Test(
    "A damaged line is named with its place",
    arguments: [
      "M-A@v6.18,campaign,1,yes,10,100,150", "M-A@v6.18,campaign,1,maybe,10,100,150,0.1",
      "M-A@v6.18,campaign,1,yes,-10,100,150,0.1", "M-A@v6.18,,1,yes,10,100,150,0.1",
      "M-A@v6.18,campaign,1,yes,10,100,150,nan", "M-A@v6.18,campaign,x,yes,10,100,150,0.1",
    ])
  func damaged(line: String) throws {
    let result = try Self.compare(Self.table + line + "\n")
    #expect(result.status == 65 && result.errors.contains("peers.csv:10"), "\(result.errors)")
    #expect(result.output.isEmpty)
  }

  @Test("Other tables, ways without runs, and options about runs of ours are refused")
  func refused() throws {
    let foreign = try Self.compare("specimen,search,seed,build,steps,found\n")
    #expect(foreign.status == 65 && foreign.errors.contains("peers.csv:1"), "\(foreign.errors)")
    let unknown = try Self.compare(Self.table, ["afl-bytes"])
    #expect(unknown.status == 64 && unknown.errors.contains("no run of 'afl-bytes'"))
    let limited = try Self.compare(Self.table, ["--steps", "5"])
    #expect(limited.status == 64 && limited.errors.contains("--steps is about runs of ours"))
    let missing = try Invoked.pagefuzz(["compare", "--from", "/none.csv", "campaign", "uniform"])
    #expect(missing.status == 66, "\(missing.errors)")
  }
}
