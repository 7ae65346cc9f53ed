// SPDX-License-Identifier: MIT

import Conformance
import Foundation
import PageLifecycle
import Programs
import Testing

@Suite("Recorded sequences against the model")
struct ConformerTests {
  private func compare(
    _ text: String, with words: String = "v6.1"
  ) throws -> Comparison {
    let variant = try Variant.parse(words.split(separator: " "))
    return Conformer(try Recorded.parse(text), with: variant).compare()
  }

  @Test(
    "A kernel agrees with the protocol of its era",
    arguments: Recorded.allCases)
  func agrees(recorded: Recorded) throws {
    for era in recorded.eras {
      #expect(try compare(recorded.text, with: era).firstDifference == nil)
    }
  }

  @Test("A kernel differs from another era's protocol where counting first shows")
  func differs() throws {
    let difference = try #require(
      try compare(Recorded.blockReuse.text, with: "v6.18").firstDifference)
    #expect(difference.event == 3)
    #expect(difference.operation == "store")
    #expect(difference.subject == "page A")
    #expect(difference.expected == "ref=1 map=0 mapping=set mapped at m0:0")
    #expect(difference.found == "ref=1 map=1 mapping=set mapped at m0:0")
    #expect(difference.ledger.contains { $0.contains("map") && $0.contains("+1") })
  }

  @Test("A repaired kernel bug shows where the recorded kernel had it")
  func repaired() throws {
    let difference = try #require(
      try compare(Recorded.blockReuse.text, with: "v6.1+repaired").firstDifference)
    #expect(difference.event == 7)
    #expect(difference.expected == "0")
    #expect(difference.found == "pending")
  }

  /// One falsified field, and what must be named.
  static let falsifications: [(from: String, to: String, subject: String)] = [
    (#""ref":1025"#, #""ref":1024"#, "page A"),
    (#""map":1"#, #""map":2"#, "page A"),
    (#""mapping":true"#, #""mapping":false"#, "page A"),
    (#""mapped_at":["m0:0"]"#, #""mapped_at":["m0:1"]"#, "m0:1"),
    (#""mapped_at":["m0:0"]"#, #""mapped_at":["m0:0","m0:1"]"#, "m0:1"),
    (#""mapped_at":["m0:0"]"#, #""mapped_at":[]"#, "m0:0"),
    (#""result":"1""#, #""result":"-EFAULT""#, "result"),
    (#""4":"page_idle""#, #""4":"inode_lock""#, "task 4"),
    (#""result":"pending""#, #""result":"0""#, "result"),
    (#""blocked":{"#, #""was_blocked":{"#, "task"),
    (#""completed":["#, #""was_completed":["#, "task"),
    (#""mapped_at":["m0:0"]}"#, #""mapped_at":["m0:0"],"hwpoison":true}"#, "page A"),
  ]

  @Test("Every field of a recording is compared", arguments: falsifications.indices)
  func compares(index: Int) throws {
    let (from, to, subject) = Self.falsifications[index]
    var falsified = Recorded.eviction.text
    let place = try #require(falsified.firstRange(of: from))
    falsified.replaceSubrange(place, with: to)
    let difference = try #require(try compare(falsified, with: "v6.18").firstDifference)
    #expect(difference.subject.contains(subject), "\(difference)")
  }

  @Test("Bytes that were read are compared")
  func data() throws {
    let falsified = Recorded.punch.text.replacing(#""data":[65]"#, with: #""data":[66]"#)
    let difference = try #require(try compare(falsified, with: "v6.18").firstDifference)
    #expect(difference.subject == "data")
    #expect((difference.expected, difference.found) == ("[66]", "[65]"))
  }

  @Test("Which free block an allocation returns is taken from the recording")
  func allocator() throws {
    // The second file gets a block nobody had before, not the one that was freed.
    let fresh = Recorded.blockReuse.text.replacing(
      #""mapped_at":["m1:0"]}"#,
      with: #""mapped_at":[]},"B":{"ref":1,"map":0,"mapping":true,"mapped_at":["m1:0"]}"#
    ).replacing(
      #""A":{"ref":1025,"map":0,"mapping":true,"mapped_at":[]},"B""#,
      with: #""A":{"ref":1025,"map":0,"mapping":false,"mapped_at":[]},"B""#)
    let recording = try Recorded.parse(fresh)
    var until = recording
    until.events = Array(recording.events.prefix(12))
    until.pageKinds["B"] = "fsdax"
    let comparison = Conformer(until, with: try Variant.parse(["v6.1"])).compare()
    #expect(comparison.firstDifference == nil)
    #expect(comparison.program.instructions.contains { $0.call?.operation == .nextBlock })
  }

  @Test(
    "A recording retold as a program asserts its states",
    arguments: Recorded.allCases)
  func program(recorded: Recorded) throws {
    let program = try compare(recorded.text, with: recorded.era).programWithExpectation
    let text = ProgramPrinter.text(of: program)
    let parsed = try ProgramParser.parse(text, file: "retold.prog")
    #expect(ProgramPrinter.text(of: parsed) == text)
    #expect(Execution.run(parsed).isAsExpected())
    #expect(text.contains("assert p0 ref="))
    // The same story under the other era's rules is another one.
    let other = recorded.era == "v6.1" ? "v6.18" : "v6.1"
    var elsewhere = parsed
    elsewhere.variant = try Variant.parse([Substring(other)])
    #expect(!Execution.run(elsewhere).isAsExpected())
  }

  @Test("The repository keeps what is retold", arguments: Recorded.allCases)
  func isKept(recorded: Recorded) throws {
    let recording = try Recorded.parse(recorded.text)
    let text = ProgramPrinter.text(
      of: try compare(recorded.text, with: recorded.eras.last ?? recorded.era)
        .programWithExpectation)
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let path = "/\(root)/corpus/kernel/\(recording.id).prog"
    let programs = try ProgramParser.parseAll(
      Array(try Data(contentsOf: URL(fileURLWithPath: path))), file: path)
    #expect(programs.contains { ProgramPrinter.text(of: $0.program) == text }, "\(text)")
  }

  @Test("A forgotten holder is what a retold eviction of 6.1 is expected to show")
  func expectation() throws {
    let program = try compare(Recorded.blockReuse.text).programWithExpectation
    guard case .violation(let pattern) = program.expectation else {
      Issue.record("nothing is expected")
      return
    }
    #expect(pattern.invariant == .I27)
    #expect(pattern.cause == .rules([.scansUnmappedFiles, .waitsAtEviction]))
  }
}

@Suite("What is no recording")
struct RecordingErrorTests {
  @Test(
    "is refused with its place",
    arguments: [
      ("", 1, "no recorded sequence"), ("\n\n", 1, "no recorded sequence"),
      ("nonsense", 1, "no JSON"), ("\n[]", 2, "is no"),
      (#"{"id":"a"}"#, 1, "no '"),
      (
        #"{"id":"a","kernel":"k","family":"f","page_kinds":{},"events":[{"op":1}]}"#, 1, "events[0]"
      ),
    ])
  func refused(text: String, line: Int, reason: String) {
    #expect {
      try Recording.parse(Array(text.utf8), file: "x.jsonl")
    } throws: { error in
      guard let error = error as? RecordingError else { return false }
      return error.file == "x.jsonl" && error.line == line && error.reason.contains(reason)
        && error.description.hasPrefix("x.jsonl:\(line): ")
    }
  }

  @Test("An operation the model does not have is the first difference")
  func unknownOperation() throws {
    let text = Recorded.punch.text.replacing(#""op":"load""#, with: #""op":"swapoff""#)
    let comparison = Conformer(try Recorded.parse(text), with: try Variant.parse(["v6.18"]))
      .compare()
    #expect(comparison.firstDifference?.operation == "swapoff")
  }
}
