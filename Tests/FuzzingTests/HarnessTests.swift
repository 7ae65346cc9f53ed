// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs
import Testing

@Suite("A program at a time for other fuzzing engines")
struct HarnessTests {
  static let story = """
    # pagefuzz program 1
    protocol v6.1
    cpu0  dax_fault(mm0, file0:0, write)
    cpu0  h1 = vmsplice(mm0, file0:0)
    cpu0  munmap(mm0, file0:0)
    cpu1  punch_hole(file0:0)

    """

  /// What a harness finds in bytes.
  static func found(
    _ bytes: [UInt8], find: [String] = [], ignore: [String] = [], variant: String? = nil,
    isExact: Bool = false
  ) throws -> Finding? {
    var options = Harness.Options()
    options.isExact = isExact
    options.wanted = try find.map { try #require(Harness.Quarry(parsing: $0)) }
    options.ignored = try ignore.map { try #require(Harness.Quarry(parsing: $0)) }
    options.variant = try variant.map { try Variant.parse($0.split(separator: " ")) }
    var harness = Harness(options)
    let program = try harness.program(of: bytes)
    return harness.finding(harness.execute(program) { _ in }, in: program)
  }

  @Test("Text and binary form show the same")
  func forms() throws {
    let text = Array(Self.story.utf8)
    let binary = ProgramBytes.encode(try ProgramParser.parse(Self.story))
    let finding = try #require(try Self.found(text))
    #expect("\(finding.identity)" == "I27 fsdax foreign-get cause=scansUnmappedFiles")
    #expect(try Self.found(binary)?.identity == finding.identity)
    #expect(finding.alarm.contains("ASSERTION FAILED: v6.1 \(finding.identity)\n"))
    #expect(finding.alarm.contains("cpu1  punch_hole(file0:0)\n"))
  }

  @Test(
    "Only what is looked for counts",
    arguments: [
      ("M-MAPPED", true), ("M-MAPPED@v6.1", true), ("scansUnmappedFiles", true), ("I27", true),
      ("I27 fsdax foreign-get cause=scansUnmappedFiles", true), ("known", true),
      ("M-EVICT", false), ("I18", false), ("I27 fsdax foreign-pin ...", false),
    ])
  func quarry(words: String, isFound: Bool) throws {
    let text = Array(Self.story.utf8)
    #expect(try (Self.found(text, find: [words]) != nil) == isFound)
    #expect(try (Self.found(text, ignore: [words]) == nil) == isFound)
  }

  @Test("A protocol given replaces the one a program names, but for repairs of known bugs")
  func protocols() throws {
    let text = Array(Self.story.utf8)
    #expect(try Self.found(text, variant: "v6.18") == nil)
    #expect(try Self.found(text, variant: "v6.1 +scansUnmappedFiles") == nil)
    let repaired = Array(Self.story.replacing("v6.1\n", with: "v6.1 +waitsAtEviction\n").utf8)
    let finding = try #require(try Self.found(repaired, variant: "v6.1"))
    #expect(finding.program.variant.name == "v6.1 +waitsAtEviction")
    #expect(Harness.Quarry(parsing: "M-NOBODY") == nil)
  }

  @Test("A bug that another one hides is found with that repaired, unless only the program counts")
  func hidden() throws {
    let story = """
      # pagefuzz program 1
      protocol v6.1
      cpu0  h1 = gup(mm0, file0:0, write)
      cpu0  munmap(mm0, file0:0)
      cpu0  close(file0)
      cpu0  unlink(file0)

      """
    let text = Array(story.utf8)
    let both = "I27 fsdax foreign-get cause=scansUnmappedFiles+waitsAtEviction"
    for bug in ["M-MAPPED", "M-EVICT"] {
      let alone = try #require(try Self.found(text, find: [bug]))
      #expect("\(alone.identity)" != both)
      #expect(try Self.found(text, find: [bug], isExact: true) == nil)
    }
    let whole = try #require(try Self.found(text, find: [both], isExact: true))
    #expect("\(whole.identity)" == both)
  }

  @Test("Features are those of the program at hand, whatever ran before")
  func features() throws {
    var harness = Harness(Harness.Options())
    let programs = Drawn.programs(Variant(.v6_1), count: 30).map(\.program)
    func features(_ program: Program) -> [Int] {
      var features: [Int] = []
      _ = harness.execute(program) { features.append($0) }
      return features
    }
    let first = programs.map(features)
    #expect(first.allSatisfy { !$0.isEmpty && Set($0).count == $0.count })
    #expect(programs.map(features) == first)
  }

  @Test("A known bug is found from nothing by mutations alone")
  func search() throws {
    var options = Harness.Options()
    options.variant = Variant(.v6_1)
    options.wanted = [.rule(.scansUnmappedFiles)]
    var harness = Harness(options)
    var mutator = Mutator(of: Variant(.v6_1))
    var program = Program(Variant(.v6_1))
    for seed in 0..<20_000 {
      program = mutator.mutate(program, seed: UInt64(seed))
      let verdict = harness.execute(program) { _ in }
      if harness.finding(verdict, in: program) != nil { return }
      if verdict.count > 0 { program = Program(Variant(.v6_1)) }
    }
    Issue.record("not found")
  }
}
