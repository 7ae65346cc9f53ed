// SPDX-License-Identifier: MIT

import Foundation
import Instruments
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Campaigns that somebody disturbs: they end with the same bytes as those that nobody did.
@Suite("pagefuzz fuzz, disturbed", .serialized)
struct CampaignCommandTests {
  /// What a campaign leaves: its summary without times, and every file of its findings.
  struct Left: Equatable {
    var summary: String
    var files: [String: String]
  }

  private static func fuzz(
    _ scratch: Scratch, _ more: [String], _ environment: [String: String] = [:],
    output: String? = nil
  ) throws -> Invoked {
    try Invoked.pagefuzz(
      words + ["--crashes", scratch.path("crashes")] + more, environment: environment,
      output: output)
  }

  /// So many that it finds a few bugs, and is not over before somebody has killed it.
  private static let executions = 400
  private static let words = [
    "fuzz", "--protocol", "v6.1", "--executions", "\(executions)", "--format", "json",
  ]

  private static func left(_ scratch: Scratch, _ result: Invoked) throws -> Left {
    let directory = scratch.path("crashes")
    let names = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    let files = names.map { ($0, scratch.text(of: "crashes/\($0)")) }
    let summary = String(result.output.split(separator: "\n").last ?? "")
      .replacing(/"[a-zA-Z]*Seconds":([0-9.]+|null)/, with: "SECONDS")
      .replacing(directory, with: "crashes")
    return Left(summary: summary, files: Dictionary(uniqueKeysWithValues: files))
  }

  /// What is left where nobody disturbs.
  private static let calm: Result<Left, any Error> = Result {
    let scratch = try Scratch()
    return try left(scratch, try fuzz(scratch, ["--workers", "1"]))
  }

  @Test("Any number of workers finds the same")
  func workers() throws {
    let calm = try Self.calm.get()
    #expect(calm.files.count >= 3)
    for workers in ["2", "4"] {
      let scratch = try Scratch()
      let result = try Self.fuzz(scratch, ["--workers", workers])
      #expect(result.status == 1 && result.errors.isEmpty, "\(result.errors)")
      #expect(try Self.left(scratch, result) == calm)
    }
  }

  @Test("Killed twenty times, and its workers, and resumed by any number of them it finds the same")
  func killed() throws {
    let scratch = try Scratch()
    let kept = ["--resume", "--state", scratch.path("state")]
    var (kills, deaths) = (0, 0)
    for round in 0..<20 {
      if round % 4 == 0 {
        // Begun anew, so that there always is something to be killed over.
        for name in ["state", "crashes"] {
          try? FileManager.default.removeItem(atPath: scratch.path(name))
        }
      }
      let campaign = try Invoked.start(
        Self.words + ["--crashes", scratch.path("crashes"), "--workers", "\([1, 2, 4][round % 3])"]
          + kept)
      Thread.sleep(forTimeInterval: 0.1 + 0.01 * Double(round % 10))
      if let worker = Invoked.children(of: campaign.processIdentifier).last {
        if kill(worker, SIGKILL) == 0 { deaths += 1 }
      }
      Thread.sleep(forTimeInterval: 0.05 + 0.02 * Double(round % 7))
      kill(campaign.processIdentifier, SIGKILL)
      campaign.waitUntilExit()
      if campaign.terminationReason == .uncaughtSignal { kills += 1 }
    }
    #expect(kills > 5 && deaths > 5, "\(kills) and \(deaths)")
    let result = try Self.fuzz(scratch, kept)
    #expect(result.status == 1, "\(result.errors)")
    #expect(try Self.left(scratch, result) == Self.calm.get())
  }

  @Test("A campaign goes on where it was, to a larger number too, and says what it will not do")
  func resumes() throws {
    let scratch = try Scratch()
    let state = ["--state", scratch.path("state")]
    let first = try Self.fuzz(scratch, state + ["--resume"])
    #expect(first.errors.contains("beginning one"))
    let again = try Self.fuzz(scratch, state + ["--resume"])
    #expect(again.errors.isEmpty)
    #expect(try Self.left(scratch, again) == Self.left(scratch, first))
    let refused = try Self.fuzz(scratch, state)
    #expect(refused.status == 64)
    #expect(refused.errors.contains("--resume") && refused.output.isEmpty)
    let other = try Self.fuzz(scratch, state + ["--resume", "--seed", "9"])
    #expect(other.status == 64)
    #expect(other.errors.contains("--seed 1"), "\(other.errors)")
    for name in ["fuzzer_stats", "plot_data", "campaign"] {
      #expect(!scratch.text(of: "state/\(name)").isEmpty, "\(name)")
    }
    let statistics = scratch.text(of: "state/fuzzer_stats")
    #expect(statistics.contains("execs_done        : \(Self.executions)\n"))
    try scratch.write("nonsense\n", to: "state/campaign")
    #expect(try Self.fuzz(scratch, state + ["--resume"]).status == 65)
  }

  @Test("The page about a campaign names what it found, with the programs, and needs nothing else")
  func report() throws {
    let scratch = try Scratch()
    _ = try Self.fuzz(scratch, ["--state", scratch.path("state")])
    let crashes = ["--crashes", scratch.path("crashes")]
    let result = try Invoked.pagefuzz(["report", scratch.path("state")] + crashes)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let page = result.output
    #expect(page.hasPrefix("<!doctype html>") && page.hasSuffix("</html>\n"))
    #expect(page.contains("<td>\(Self.executions)</td>"))
    #expect(page.contains("<pre># pagefuzz program 1"))
    #expect(!page.contains("http") && !page.contains("src="))
    for name in try Self.calm.get().files.keys {
      #expect(page.contains("pagefuzz replay --trace \(name)"), "\(name)")
    }
    let nothing = try Invoked.pagefuzz(["report", scratch.path("nowhere")])
    #expect(nothing.status == 66 && nothing.errors.contains("--state"))
  }

  @Test("A build server sees a case for each invariant of each protocol, and new findings fail")
  func reportToBuildServer() throws {
    let scratch = try Scratch()
    _ = try Self.fuzz(scratch, ["--state", scratch.path("state"), "--protocol", "foll-pin"])
    let words = ["report", scratch.path("state"), "--crashes", scratch.path("crashes")]
    let result = try Invoked.pagefuzz(words + ["--format", "junit"])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let document = try XMLDocument(data: Data(result.output.utf8))
    func names(_ path: String) throws -> [String] {
      try document.nodes(forXPath: path).compactMap(\.stringValue)
    }
    #expect(Set(try names("//testcase/@classname")) == ["v6.1", "foll-pin"])
    let cases = try names("//testcase[@classname='v6.1']/@name")
    #expect(cases.count > 50 && Set(cases).count == cases.count)
    let programs = try names("//failure")
    let files = try FileManager.default.contentsOfDirectory(atPath: scratch.path("crashes"))
    #expect(!files.isEmpty)
    for file in files {
      let text = scratch.text(of: "crashes/\(file)")
      #expect(programs.contains { $0.contains(text) }, "\(file)")
    }
    #expect(try names("//testsuite/@failures") == ["\(programs.count)"])
    // What is known to the next campaign fails nothing.
    let again = try Self.fuzz(
      scratch, ["--state", scratch.path("again"), "--protocol", "foll-pin"])
    #expect(again.status == 0)
    let calm = try Invoked.pagefuzz(
      ["report", scratch.path("again"), "--crashes", scratch.path("crashes"), "--format=junit"])
    #expect(calm.output.contains("failures=\"0\""), "\(calm.output.prefix(300))")
    let plot = try Invoked.pagefuzz(words + ["--format", "plot"])
    #expect(plot.output.hasPrefix("# relative_time, cycles_done"))
  }

  @Test("Two campaigns cannot share a state")
  func lock() throws {
    let scratch = try Scratch()
    let state = ["--state", scratch.path("state"), "--time", "20s", "--executions", "100000000"]
    let crashes = ["--protocol", "v6.18+repaired", "--crashes", scratch.path("crashes")]
    let first = try Invoked.start(["fuzz"] + state + crashes)
    defer { first.terminate() }
    while scratch.text(of: "state/campaign").isEmpty { Thread.sleep(forTimeInterval: 0.02) }
    let second = try Invoked.pagefuzz(["fuzz"] + state + ["--resume"] + crashes)
    #expect(second.status == 73)
    #expect(second.errors.contains("another campaign"), "\(second.errors)")
  }

  @Test("A worker that dies of a program costs nothing but that: saved, as small as it gets")
  func trap() throws {
    let scratch = try Scratch()
    let result = try Self.fuzz(
      scratch, ["--workers", "2"], ["PAGEFUZZ_FAULT": "trap:memory_failure"])
    #expect(result.status == 1)
    #expect(result.output.contains("\"engine\":\"trap\""))
    #expect(result.output.contains("\"executions\":\(Self.executions)"))
    let left = try Self.left(scratch, result)
    let traps = left.files.filter { $0.key.hasPrefix("v6.1-trap-") }
    #expect(traps.count == 1)
    let lines = traps.values.flatMap { $0.split(separator: "\n") }.filter { $0.hasPrefix("cpu") }
    #expect(lines.count == 1 && lines[0].contains("memory_failure("), "\(traps)")
    #expect(left.files.count >= 3, "what the others found is there too")
  }

  @Test("Workers that die of every other program end nothing, and what killed them is kept")
  func manyTraps() throws {
    let scratch = try Scratch()
    let result = try Self.fuzz(scratch, [], ["PAGEFUZZ_FAULT": "trap:munmap"])
    #expect(result.status == 1, "\(result.errors)")
    #expect(result.output.contains("\"executions\":\(Self.executions)"))
    let traps = try Self.left(scratch, result).files.filter { $0.key.contains("-trap-") }
    #expect(traps.count == 1 && traps.values.allSatisfy { $0.contains("no line can be left out") })
    #expect(result.output.contains("\"engineDeaths\":[\"\(scratch.path("crashes"))/v6.1-trap-"))
    // A reduction that somebody interrupted is made up for, and told.
    let (name, text) = try #require(traps.first)
    let unfinished = text.replacing(/, in [0-9]+ lines?; no line can be left out/) { _ in
      "; as it was found"
    }
    try scratch.write(unfinished, to: "crashes/\(name)")
    let again = try Self.fuzz(scratch, [], ["PAGEFUZZ_FAULT": "trap:munmap"])
    #expect(again.output.contains("\"engine\":\"trap\""))
    #expect(scratch.text(of: "crashes/\(name)").contains("no line can be left out"))
    let third = try Self.fuzz(scratch, [], ["PAGEFUZZ_FAULT": "trap:munmap"])
    #expect(third.status == 0, "all of it is known")
  }

  @Test("What another campaign left half-done is finished, not taken away")
  func halfDone() throws {
    let scratch = try Scratch()
    func fuzz(_ executions: String, _ more: [String] = []) throws {
      let places = ["--state", scratch.path("state"), "--crashes", scratch.path("crashes")]
      let words = ["fuzz", "--protocol", "v6.1", "--executions", executions]
      #expect(try Invoked.pagefuzz(words + places + more).status == 1)
    }
    try fuzz("200")
    let raw = """
      # pagefuzz program 1
      # Found with seed 1 in execution 300; not minimized.
      protocol v6.12
      cpu0  h1 = gup(mm0, file0:0, write)
      cpu0  h2 = gup(mm0, file0:0)
      cpu0  munmap(mm0, file0:0)
      cpu0  punch_hole(file0:0)
      expect I27 fsdax foreign-get cause=scansUnmappedFiles

      """
    try scratch.write(raw, to: "crashes/raw.prog")
    for (executions, isThere) in [("250", true), ("400", false)] {
      try fuzz(executions, ["--resume"])
      #expect((scratch.text(of: "crashes/raw.prog") == raw) == isThere, "\(executions)")
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("crashes"))
    let finished = names.filter { $0.hasPrefix("v6.12-I27-") }
    #expect(finished.count == 1)
    let text = scratch.text(of: "crashes/\(finished.first ?? "")")
    #expect(text.split(separator: "\n").count { $0.hasPrefix("cpu0") } == 3, "\(text)")
  }

  @Test("What a sanitizer reports of a worker is named, and kept with the program")
  func sanitizerReport() throws {
    let scratch = try Scratch()
    let result = try Self.fuzz(
      scratch, ["--workers", "2"], ["PAGEFUZZ_FAULT": "report:memory_failure"])
    #expect(result.status == 1)
    #expect(result.output.contains("\"engine\":\"use-after-poison\""))
    let left = try Self.left(scratch, result)
    let reports = left.files.filter { $0.key.hasPrefix("v6.1-use-after-poison-") }
    #expect(reports.count == 1)
    let text = try #require(reports.values.first)
    #expect(text.contains("# A sanitizer reported use-after-poison in this program"))
    #expect(text.contains("no line can be left out"))
    #expect(text.contains("#     #0 in main.step() -> () Sources/PageLifecycle/Run.swift:7:1\n"))
    #expect(!text.contains("Shard.swift") && !text.contains("0x"))
    #expect(text.split(separator: "\n").count { $0.hasPrefix("cpu") } == 1, "\(text)")
    #expect(!result.errors.contains("AddressSanitizer"), "it is in the file")
  }

  /// How a worker is to die, and what that is called; a sanitizer's build has no bounds.
  private static let deaths = [("hang", "hang"), ("kill", "kill"), ("memory", "trap")]

  @Test(
    "An execution without end, one that the system kills, and one without bounds are saved",
    arguments: instruments_report_faults() ? Array(deaths.dropLast()) : deaths)
  func hang(fault: String, kind: String) throws {
    let scratch = try Scratch()
    let result = try Self.fuzz(scratch, ["--workers", "2"], ["PAGEFUZZ_FAULT": "\(fault)@100"])
    #expect(result.output.contains("\"engine\":\"\(kind)\",\"execution\":100"), "\(result.errors)")
    let left = try Self.left(scratch, result)
    #expect(left.files.keys.contains { $0.hasPrefix("v6.1-\(kind)-") })
    #expect(left.summary.contains("\"executions\":\(Self.executions)"))
    let alone = try Scratch()
    let same = try Self.fuzz(alone, ["--workers", "1"], ["PAGEFUZZ_FAULT": "\(fault)@100"])
    #expect(try Self.left(alone, same) == left)
  }

  @Test(
    "A disk that is full for a while costs nothing",
    arguments: [(50, 60), (60, 75), (90, 91)])
  func fullDisk(first: Int, last: Int) throws {
    let scratch = try Scratch()
    let result = try Self.fuzz(
      scratch, ["--state", scratch.path("state")], ["PAGEFUZZ_DISK": "28@\(first)-\(last)"])
    #expect(result.status == 1, "\(result.errors)")
    var left = try Self.left(scratch, result)
    // Where not even the removal of a file that was not finished worked, it stays.
    left.files = left.files.filter { !$0.key.hasSuffix(".tmp") }
    #expect(try left == Self.calm.get())
    let again = try Self.fuzz(scratch, ["--state", scratch.path("state"), "--resume"])
    var late = try Self.left(scratch, again)
    late.files = late.files.filter { !$0.key.hasSuffix(".tmp") }
    #expect(try late == Self.calm.get())
  }

  @Test("A disk that stays full ends it with its status; what was found is printed")
  func fullForEver() throws {
    let scratch = try Scratch()
    let result = try Self.fuzz(scratch, [], ["PAGEFUZZ_DISK": "28@20-100000000"])
    #expect(result.status == 74)
    #expect(result.errors.contains("going on") && result.errors.contains("could not be saved"))
    #expect(result.errors.contains("expect I"), "programs")
    #expect(result.output.contains("\"executions\":\(Self.executions)"))
    // Where standard output is on that disk, what was found is still told.
    let mute = try Self.fuzz(
      try Scratch(), [], ["PAGEFUZZ_DISK": "28@20-100000000"], output: "/dev/full")
    #expect(mute.status == 74 && mute.errors.contains("expect I"), "\(mute.errors)")
  }
}
