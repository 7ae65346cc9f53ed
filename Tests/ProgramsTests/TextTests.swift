// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@Suite("The text of a program")
struct TextTests {
  static let story = """
    # pagefuzz program 1
    # A pipe keeps a page of a file that nobody maps any more.

    protocol v6.1+repaired -scansUnmappedFiles  # cee91fa13a8e
    boot files=2 filePages=4 devicePages=16
    cpu0  dax_fault(mm0, file0:0, write)
    cpu0  h1 = vmsplice(mm0, file0:0) = 1  # FOLL_GET, held by the pipe

    assert file0:0 ref=2 map=0 gets=1 mapping=file0 block=p0 entry=p0
    assert mm0.m0:0 pte=p0
    cpu2  gup(mm0, file0:0, longterm) = -EOPNOTSUPP
    cpu0  munmap(mm0, file0:0)
    #
    cpu1  punch_hole(file0:0, pages=2) until deleteEntries.deleteEntry
    assert cpu1 runnable delete_entries
    cpu1  resume
    expect I27 fsdax foreign-get cause=scansUnmappedFiles  # the block, not the page

    """

  @Test("Text, program, text is the identity on canonical text")
  func story() throws {
    let program = try ProgramParser.parse(Self.story, file: "story.prog")
    let named = Self.story.replacing("cpu2  gup", with: "cpu2  h0 = gup")
    #expect(ProgramPrinter.text(of: program) == named)
    let report = Execution.run(program)
    #expect(report.failures.map(\.diff) == [])
    #expect(report.expectationDifference() == nil)
    #expect(report.isAsExpected())
  }

  @Test("Any program survives its text", arguments: 0..<8)
  func roundTrip(seed: Int) throws {
    var draws = Draws(state: UInt64(seed))
    for _ in 0..<40 {
      let program = draws.program()
      let text = ProgramPrinter.text(of: program)
      let again = try ProgramParser.parse(text, file: "random.prog")
      #expect(again == program, "\(text)")
      #expect(ProgramPrinter.text(of: again) == text)
    }
  }

  @Test(
    "Spacing, carriage returns, operand order and comments are free on input",
    arguments: [
      "cpu0  h3 = gup(mm0, file0:1, write, pages=2)",
      "cpu0 h3=gup( mm0 ,file0:1,pages = 2,write)",
      "\tcpu0\th3 = gup(mm0, file0:1, pages=2, write, times=1)\r",
    ])
  func tolerance(_ line: String) throws {
    let printed = ProgramPrinter.text(of: try program(line).lines[0])
    #expect(printed == "cpu0  h3 = gup(mm0, file0:1, write, pages=2)")
  }

  @Test(
    "Steps may be named in several ways; one is canonical",
    arguments: [
      ("cpu0  punch_hole(file0:0) until setSize", nil),
      ("cpu0  punch_hole(file0:0) until punch_hole.setSize", "until setSize"),
      ("cpu0  punch_hole(file0:0) until setSize#1", "until setSize"),
      ("cpu0  punch_hole(file0:0) until setSize#2", nil),
      ("cpu0  punch_hole(file0:0) until zapRange.clearPTE", nil),
      ("cpu0  punch_hole(file0:0) until zap_range.clearPTE#3", "until zapRange.clearPTE#3"),
      ("cpu0  punch_hole(file0:0) until testIdle", "until breakLayouts.testIdle"),
      ("cpu0  resume until testIdle", "until breakLayouts.testIdle"),
    ] as [(String, String?)])
  func steps(_ line: String, _ ending: String?) throws {
    let printed = ProgramPrinter.text(of: try program(line).lines[0])
    #expect(ending.map { printed.hasSuffix($0) } ?? (printed == line))
  }

  @Test("A call without a name gets a handle no line names")
  func freeHandle() throws {
    let lines = try program(
      "cpu0 gup(mm0, file0:0)\ncpu0 h0 = gup(mm0, file0:1)\ncpu0 put_page(h0)")
    #expect(lines.instructions.compactMap(\.call?.handle.rawValue) == [1, 0, 0])
  }

  @Test("A line of a program knows its line of text")
  func lineNumbers() throws {
    let program = try ProgramParser.parse(Self.story, file: "story.prog")
    let lines = Self.story.split(separator: "\n", omittingEmptySubsequences: false)
    for (index, line) in program.lines.enumerated() where line.instruction?.call == nil {
      #expect(lines[program.textLine(of: index) - 1] == ProgramPrinter.text(of: line))
    }
  }

  @Test("No two operations, procedures or rules share a name")
  func uniqueNames() {
    let names = Vocabulary.procedures.map(Vocabulary.name)
    #expect(Set(names).count == names.count)
    for procedure in Vocabulary.procedures {
      #expect(Vocabulary.procedure(named: procedure.name) == procedure)
      #expect(Vocabulary.procedure(named: Vocabulary.kernelName(procedure)) == procedure)
      #expect(Set(procedure.stepNames).count == procedure.stepNames.count)
    }
  }

  @Test(
    "What 'expect' leaves out matches anything; a cause makes it complete",
    arguments: [
      ("I27", true), ("I27 ...", true), ("I27 fsdax", true), ("I27 system", false),
      ("I27 foreign-get", true), ("I27 foreign-pin ...", false), ("I24 ...", false),
      ("I27 fsdax foreign-get cause=scansUnmappedFiles", true),
      ("I27 fsdax foreign-get cause=waitsAtEviction", false),
      ("I27 fsdax cause=scansUnmappedFiles", false),
      ("I27 fsdax cause=scansUnmappedFiles ...", true),
      ("I27 cause=scansUnmappedFiles", false), ("none", false),
    ])
  func patterns(_ words: String, isMet: Bool) throws {
    let story = Self.story.split(separator: "\n").dropLast().joined(separator: "\n")
    let report = Execution.run(try ProgramParser.parse("\(story)\nexpect \(words)", file: "t.prog"))
    #expect((report.expectationDifference() == nil) == isMet)
    #expect(report.isAsExpected() == isMet)
  }
}
