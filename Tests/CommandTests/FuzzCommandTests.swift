// SPDX-License-Identifier: MIT

import Foundation
import Testing

/// Campaigns as users run them: small, interrupted, killed, and nowhere to write to.
@Suite("pagefuzz fuzz")
struct FuzzCommandTests {
  /// Enough executions for a first finding or two.
  static let small = ["fuzz", "--protocol", "v6.1", "--executions", "300"]

  @Test("What it finds is saved, told, summarized, and known the next time")
  func findsOnce() throws {
    let scratch = try Scratch()
    let first = try Invoked.pagefuzz(Self.small + ["--crashes", scratch.path("new/crashes")])
    #expect(first.status == 1, "\(first.errors)")
    #expect(first.errors.isEmpty)
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("new/crashes"))
    #expect(!names.isEmpty)
    for name in names {
      #expect(name.wholeMatch(of: /v6\.1-I\d+-[0-9a-f]{8}\.prog/) != nil, "\(name)")
      let text = scratch.text(of: "new/crashes/\(name)")
      #expect(text.hasPrefix("# pagefuzz program 1\n# I"))
      #expect(first.output.contains("new \(scratch.path("new/crashes"))/\(name)\n"))
    }
    #expect(try Invoked.pagefuzz(["replay", scratch.path("new/crashes")]).status == 0)
    let second = try Invoked.pagefuzz(Self.small + ["--crashes", scratch.path("new/crashes")])
    #expect(second.status == 0, "\(second.output)")
    #expect(second.output.contains("known"))
    let any = try Invoked.pagefuzz(
      Self.small + ["--fail-on", "any", "--crashes", scratch.path("new/crashes")])
    #expect(any.status == 1)
    let after = try FileManager.default.contentsOfDirectory(atPath: scratch.path("new/crashes"))
    #expect(after.sorted() == names.sorted())
  }

  @Test("A finding that nobody minimized before the campaign was killed is minimized by the next")
  func unfinished() throws {
    let scratch = try Scratch()
    let raw = """
      # pagefuzz program 1
      # Found with seed 7 in execution 99; not minimized.
      protocol v6.1
      cpu1  pwrite(file1:0, 3)
      cpu0  h1 = gup(mm0, file0:0, write)
      cpu0  munmap(mm0, file0:0)
      cpu1  punch_hole(file0:0)
      expect I27 fsdax foreign-get cause=scansUnmappedFiles

      """
    try FileManager.default.createDirectory(
      atPath: scratch.path("crashes"), withIntermediateDirectories: true)
    try scratch.write(raw, to: "crashes/v6.1-I27-00000000.prog")
    let arguments = ["fuzz", "--protocol", "v6.1", "--executions", "1"]
    _ = try Invoked.pagefuzz(arguments + ["--crashes", scratch.path("crashes")])
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("crashes"))
    let texts = names.map { scratch.text(of: "crashes/\($0)") }
    let minimized = try #require(texts.first { $0.contains("seed 7 in execution 99, in 4 calls") })
    #expect(!minimized.contains("pwrite"))
    #expect(!texts.contains { $0.contains("not minimized") })
  }

  @Test("The same seed and executions print and save the same but for seconds")
  func deterministic() throws {
    let scratch = try Scratch()
    var outputs: [String] = []
    var files: [[String]] = []
    for _ in 0..<2 {
      let directory = scratch.path("crashes")
      try? FileManager.default.removeItem(atPath: directory)
      let result = try Invoked.pagefuzz(
        Self.small + ["--format", "json", "--seed", "3", "--crashes", directory])
      #expect(result.status == 1, "\(result.errors)")
      outputs.append(result.output.replacing(/"[a-zA-Z]*Seconds":[0-9.]+/, with: "SECONDS"))
      let names = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
      files.append(names + names.map { scratch.text(of: "crashes/\($0)") })
    }
    #expect(outputs[0] == outputs[1])
    #expect(outputs[0].contains("SECONDS"))
    #expect(files[0] == files[1])
  }

  @Test("The last line of JSON is the summary, with the names that are promised")
  func json() throws {
    let scratch = try Scratch()
    let result = try Invoked.pagefuzz(
      Self.small + ["--format", "json", "--crashes", scratch.path("crashes")])
    let objects = try result.output.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    let summary = try #require(objects.last)
    let names = [
      "protocol", "seed", "executions", "steps", "cpuSeconds", "wallSeconds", "states",
      "features", "corpus", "violations",
    ]
    #expect(names.allSatisfy { summary[$0] != nil }, "\(summary.keys)")
    #expect(summary["executions"] as? Int == 300)
    #expect(summary["seed"] as? Int == 1)
    let violations = try #require(summary["violations"] as? [[String: Any]])
    let fields = [
      "id", "protocol", "invariant", "cause", "operation", "step", "known", "firstExecution",
      "firstStep", "cpuSeconds", "program", "minimized",
    ]
    for violation in violations {
      #expect(fields.allSatisfy { violation[$0] != nil }, "\(violation.keys)")
      let path = try #require(violation["program"] as? String)
      #expect(FileManager.default.fileExists(atPath: path))
      #expect(violation["minimized"] as? Bool == true)
    }
    #expect(violations.count == objects.count - 1)
  }

  @Test(
    "What cannot be obeyed is refused before anything happens",
    arguments: [
      (["--protocol", "v6.2"], "v6.1"), (["--protocol", "v6.1 +scansUnmapedFiles"], "list rules"),
      (["--time", "soon"], "60s"), (["--executions", "0"], "at least 1"),
      (["--fail-on", "never"], "new, any"), (["--exections", "5"], "--executions"),
    ])
  func usage(arguments: [String], remedy: String) throws {
    let scratch = try Scratch()
    let result = try Invoked.pagefuzz(
      ["fuzz", "--crashes", scratch.path("crashes")] + arguments)
    #expect(result.status == 64)
    #expect(result.errors.contains(remedy), "\(result.errors)")
    #expect(result.output.isEmpty)
    #expect(!FileManager.default.fileExists(atPath: scratch.path("crashes")))
  }

  @Test("A directory that cannot be written to is refused before the campaign starts")
  func unwritable() throws {
    let scratch = try Scratch()
    let file = try scratch.write("no directory\n", to: "file")
    for path in [file, file + "/below"] {
      let result = try Invoked.pagefuzz(Self.small + ["--crashes", path])
      #expect(result.status == 73, "\(result.errors)")
      #expect(result.errors.hasPrefix("pagefuzz: \(file)"), "\(result.errors)")
      #expect(result.errors.contains("; "), "a remedy: \(result.errors)")
      #expect(result.output.isEmpty)
    }
    #expect(scratch.text(of: "file") == "no directory\n")
  }

  @Test("A directory this user may not write to is refused", .enabled(if: geteuid() != 0))
  func readOnly() throws {
    let scratch = try Scratch()
    let path = scratch.path("crashes")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    #expect(chmod(path, 0o555) == 0)
    let result = try Invoked.pagefuzz(Self.small + ["--crashes", path])
    #expect(result.status == 73)
    #expect(result.errors.contains("make the directory writable"), "\(result.errors)")
  }

  @Test("Files it cannot use are named, skipped and left alone")
  func foreignFiles() throws {
    let scratch = try Scratch()
    let directory = scratch.path("crashes")
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let contents = [
      "torn.prog": "# pagefuzz program 1\nprotocol v6", "notes.txt": "hello\n",
      "wrong.prog": "# pagefuzz program 1\nprotocol v9\n",
    ]
    for (name, text) in contents { try scratch.write(text, to: "crashes/\(name)") }
    let result = try Invoked.pagefuzz(
      ["fuzz", "--protocol", "v6.1", "--executions", "20", "--crashes", directory])
    #expect(result.status <= 1)
    for (name, text) in contents {
      #expect(result.errors.contains(name), "\(result.errors)")
      #expect(scratch.text(of: "crashes/\(name)") == text)
    }
  }

  @Test("A signal ends it with whole files and a summary", arguments: [SIGINT, SIGTERM])
  func signals(number: Int32) throws {
    let scratch = try Scratch()
    let result = try Invoked.pagefuzz(
      ["fuzz", "--time", "60s", "--crashes", scratch.path("crashes")], signal: (number, after: 1))
    #expect(result.status == 128 + number)
    #expect(result.errors.isEmpty)
    #expect(result.output.contains("million steps a CPU-second"), "\(result.output)")
    try expectWholeFiles(scratch)
  }

  @Test("Killed at any moment it leaves whole files", arguments: [0.4, 0.7, 1.0])
  func killed(after seconds: Double) throws {
    let scratch = try Scratch()
    let result = try Invoked.pagefuzz(
      ["fuzz", "--time", "60s", "--crashes", scratch.path("crashes")],
      signal: (SIGKILL, after: seconds))
    #expect(result.status == 128 + SIGKILL)
    try expectWholeFiles(scratch)
  }

  /// Every file replays to what it says; a temporary has a name that says what it is.
  private func expectWholeFiles(_ scratch: Scratch) throws {
    let path = scratch.path("crashes")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    for name in names where !name.hasSuffix(".prog") {
      #expect(name.hasPrefix(".") && name.hasSuffix(".tmp"), "\(name)")
    }
    let programs = names.filter { $0.hasSuffix(".prog") && !$0.hasPrefix(".") }
    guard !programs.isEmpty else { return }
    let replay = try Invoked.pagefuzz(["replay"] + programs.map { "\(path)/\($0)" })
    #expect(replay.status == 0, "\(replay.output)\(replay.errors)")
  }
}
