// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

/// Every kind of bad input: the place, and the words that say what is wrong there.
@Suite("Bad input gets a clear error")
struct ErrorTests {
  struct Case: CustomTestStringConvertible {
    var line: String
    var column: Int
    var words: String
    var testDescription: String { line }
    init(_ line: String, _ column: Int, _ words: String) {
      (self.line, self.column, self.words) = (line, column, words)
    }
  }

  static let lines = [
    // Operations and operands
    Case("cpu0  punch_hol(file0:0)", 7, "did you mean 'punch_hole'?"),
    Case("cpu0  frobnicate(file0:0)", 7, "there is no operation 'frobnicate'"),
    Case("cpu0  resum", 7, "did you mean 'resume'?"),
    Case("cpu0", 5, "the line ends too early (expected an operation or 'resume')"),
    Case("cpu0  punch_hole", 17, "expected '('"),
    Case("cpu0  punch_hole()", 18, "needs another operand (expected a page of a file"),
    Case("cpu0  store(mm0, file0:1)", 25, "needs another operand (expected a byte, 0 to 255)"),
    Case("cpu0  load(mm0, file0:1, 3)", 26, "load takes no '3' here"),
    Case("cpu0  punch_hole(file0:0", 25, "the line ends inside the call"),
    Case("cpu0  punch_hole(file0:0 pages=2)", 26, "operands are separated by commas"),
    Case("cpu0  punch_hole(file0:0) now", 27, "'now' is not expected here"),
    Case("cpu0  punch_hole(file0:0, write)", 27, "punch_hole takes no 'write' here"),
    Case("cpu0  gup(mm0, file0:0, write, write)", 32, "'write' is given twice"),
    Case("cpu0  h1 = close(file0)", 7, "close obtains no pages to name"),
    // Ranges
    Case("cpu8  fork()", 1, "there is no cpu8 (expected cpu0 to cpu7)"),
    Case("cpu   fork()", 1, "'cpu' names no CPU"),
    Case("cpu0  exit(mm2)", 12, "there is no mm2 (expected mm0 to mm1)"),
    Case("cpu0  close(file2)", 13, "there is no file2"),
    Case("cpu0  close(home)", 13, "'home' names no file"),
    Case("cpu0  punch_hole(file0:8)", 24, "there is no page 8 (expected a page from 0 to 7)"),
    Case("cpu0  punch_hole(file0)", 18, "'file0' names no page"),
    Case("cpu0  load(mm0, m4:0)", 17, "there is no m4"),
    Case("cpu0  mremap(mm0, m9)", 19, "there is no m9"),
    Case("cpu0  memory_failure(p64)", 22, "there is no p64 (expected p0 to p63)"),
    Case("cpu0  signal(cpu9)", 14, "there is no cpu9"),
    Case("cpu0  store(mm0, file0:0, 256)", 27, "256 is out of range (expected 0 to 255)"),
    Case("cpu0  ftruncate(file0, 9)", 24, "9 is out of range (expected 0 to 8)"),
    Case("cpu0  punch_hole(file0:0, pages=9)", 33, "9 is out of range (expected 1 to 8)"),
    Case("cpu0  gup(mm0, file0:0, times=4096)", 31, "4096 is out of range"),
    Case("cpu0  gup(mm0, file0:0, times=many)", 31, "'many' is no number"),
    Case("cpu0  h16 = gup(mm0, file0:0)", 7, "there is no h16"),
    Case("cpu0  put_page(h1)", 16, "no earlier line assigns h1"),
    // Results and stops
    Case("cpu0  fork() = -EAGIN", 16, "'-EAGIN' is no result; did you mean '-EAGAIN'?"),
    Case("cpu0  fork() until paint", 20, "there is no step 'paint'"),
    Case("cpu0  fork() until fork.paint", 25, "fork has no step 'paint'"),
    Case("cpu0  fork() until fokr.lockMM", 20, "did you mean 'fork'?"),
    Case("cpu0  resume until lockMM", 20, "several procedures have a step 'lockMM'"),
    Case("cpu0  fork() until lockMM#0", 27, "'0' is no visit (expected 1 to 65535)"),
    Case("cpu0  resume = 0", 14, "'=' is not expected here (expected 'until' or the end"),
    // Assertions
    Case("assert", 7, "the line ends too early"),
    Case("assert file0:0", 15, "expected ref=, map=, pins="),
    Case("assert file0:0 refs=1", 16, "file0:0 has no 'refs'"),
    Case("assert file0:0 ref=one", 20, "'one' is no value of 'ref' (expected a number)"),
    Case("assert file0:0 mapping=file7", 24, "expected none, file0, file1, anon"),
    Case("assert p3 block=p3", 11, "p3 has no 'block'"),
    Case("assert p99 ref=1", 8, "there is no p99"),
    Case("assert mm0.m1:9 pte=none", 15, "there is no page 9"),
    Case("assert sky blue=1", 8, "'sky' is nothing to assert about"),
    Case("assert cpu1 dancing", 13, "'dancing' is no state of a CPU"),
    Case("assert cpu1 blocked brake_layouts", 21, "did you mean 'break_layouts'?"),
    // Lines
    Case("asert p0 ref=1", 1, "did you mean 'assert'?"),
    Case("protocol v6.18", 1, "a second protocol"),
    Case("cpu0  fork() ; fork()", 14, "this character has no meaning here"),
    Case("boot files=3", 12, "3 is out of range (expected 0 to 2)"),
    Case("boot pages=3", 6, "'pages' is nothing to boot with"),
    Case("expect I999", 8, "there is no invariant 'I999'"),
    Case("expect I27 sideways", 12, "'sideways' is not expected here"),
    Case("expect I27 cause=mistakes", 18, "'mistakes' is no cause"),
    Case("expect I27 ... fsdax", 16, "'fsdax' is not expected here"),
    Case("expect none\nexpect none", 1, "a second expectation"),
    Case("expect none\ncpu0  fork()", 1, "nothing may follow 'expect'"),
    Case("cpu0  fork()\nboot files=1", 1, "'boot' comes too late"),
    Case("cpu0  fork()  # \u{7}", 17, "this is a control byte, number 7"),
  ]

  @Test("In a line", arguments: lines)
  func inALine(_ bad: Case) {
    let line = 3 + bad.line.count { $0 == "\n" }
    let error = #expect(throws: ProgramError.self) { _ = try program(bad.line) }
    #expect(error?.file == "t.prog")
    #expect(error?.line == line)
    #expect(error?.column == bad.column)
    #expect(error?.description.contains(bad.words) == true, "\(error?.description ?? "")")
  }

  @Test(
    "In a whole text",
    arguments: [
      ("", 1, 1, "the file is empty"),
      ("\n", 1, 1, "this is not a pagefuzz program"),
      ("fork()\n", 1, 1, "expected '# pagefuzz program 1' as first line"),
      (
        "# pagefuzz program 99\nprotocol v6.1\n", 1, 20,
        "'99' of the program text is not understood"
      ),
      ("# pagefuzz program 1\n", 2, 1, "the text ends without a protocol"),
      ("# pagefuzz program 1\ncpu0  fork()\n", 2, 1, "the protocol is missing"),
      ("# pagefuzz program 1\nprotocol\n", 2, 9, "the protocol has no name"),
      ("# pagefuzz program 1\nprotocol v6.2\n", 2, 10, "'v6.2' is unknown; did you mean 'v6.1'?"),
      (
        "# pagefuzz program 1\nprotocol v6.1 -scansUnmapedFiles\n", 2, 15,
        "did you mean 'scansUnmappedFiles'?"
      ),
    ])
  func inAText(_ text: String, line: Int, column: Int, words: String) {
    let error = #expect(throws: ProgramError.self) {
      _ = try ProgramParser.parse(text, file: "dir/x.prog")
    }
    #expect(error?.description.hasPrefix("dir/x.prog:\(line):\(column): ") == true)
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }

  @Test("In bytes that are no text")
  func binary() {
    let start = Array("# pagefuzz program 1\n# \u{e4}".utf8)
    let error = #expect(throws: ProgramError.self) {
      _ = try ProgramParser.parse(start + [0xC3, 0x28], file: "junk")
    }
    #expect(error?.description == "junk:2:5: this byte is not UTF-8 (expected text)")
  }

  @Test("In too much of it")
  func size() {
    let lines = String(repeating: "cpu0  resume\n", count: ProgramLimits.lines)
    let tooMany = #expect(throws: ProgramError.self) { _ = try program(lines) }
    #expect(tooMany?.line == ProgramLimits.lines + 1)
    let bytes = [UInt8](repeating: UInt8(ascii: "#"), count: ProgramLimits.bytes + 1)
    let tooLong = #expect(throws: ProgramError.self) {
      _ = try ProgramParser.parse(bytes, file: "big")
    }
    #expect(tooLong?.message == "the text has 1048577 bytes")
  }

  @Test("Random edits of a good text are refused or understood, never a trap")
  func noise() {
    var draws = Draws(state: 7)
    let story = Array(TextTests.story.utf8)
    for _ in 0..<500 {
      var bytes = story
      for _ in 0...draws.below(3) {
        let place = draws.below(bytes.count)
        switch draws.below(3) {
        case 0: bytes[place] = UInt8(truncatingIfNeeded: draws.next())
        case 1: bytes.remove(at: place)
        default: bytes.insert(story[draws.below(story.count)], at: place)
        }
      }
      guard let program = try? ProgramParser.parse(bytes, file: "noise") else { continue }
      _ = Execution.run(program)
    }
  }
}
