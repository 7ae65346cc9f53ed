// SPDX-License-Identifier: MIT

import Foundation
import Testing

@Suite("pagefuzz conform")
struct ConformCommandTests {
  /// A file is opened, mapped and loaded from: the zero page; then both processes are done.
  private static let recording =
    #"{"id":"hole","kernel":"6.1","family":"fsdax","page_kinds":{},"events":["#
    + #"{"op":"open","args":{"file":"f0"},"result":"0","pages":{}},"#
    + #"{"op":"ftruncate","args":{"file":"f0","size":4},"result":"0","#
    + #""async":{"task":1,"state":"done"},"pages":{}},"#
    + #"{"op":"mmap","args":{"mapping":"m0","file":"f0","offset":0,"len":4,"flags":"shared"},"#
    + #""result":"0","pages":{}},"#
    + #"{"op":"load","args":{"process":"p0","mapping":"m0","page":1},"result":"0","data":[0],"#
    + #""zero_page":["m0:1"],"pages":{}}]}"#

  @Test("Agreement is counted and ends with 0")
  func agrees() throws {
    let scratch = try Scratch()
    let path = try scratch.write(Self.recording + "\n", to: "kernel.jsonl")
    let invoked = try Invoked.pagefuzz(["conform", path, "--protocol", "v6.1"])
    #expect(invoked.status == 0)
    #expect(invoked.output.contains("1 sequences: 1 agree with v6.1"))
  }

  @Test("The first difference says event, expected and found, and ends with 1")
  func differs() throws {
    let scratch = try Scratch()
    let falsified = Self.recording.replacing(#""data":[0]"#, with: #""data":[7]"#)
    let path = try scratch.write(falsified, to: "kernel.jsonl")
    let invoked = try Invoked.pagefuzz(["conform", path, "--protocol=v6.18", "--format", "json"])
    #expect(invoked.status == 1)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(invoked.output.utf8)) as? [String: Any])
    #expect(object["file"] as? String == path)
    #expect(object["id"] as? String == "hole")
    #expect(object["events"] as? Int == 4)
    #expect(object["ok"] as? Bool == false)
    let difference = try #require(object["firstDifference"] as? [String: Any])
    #expect(difference["event"] as? Int == 3)
    #expect(difference["expected"] as? String == "[7]")
    #expect(difference["found"] as? String == "[0]")
  }

  @Test("--to-program writes programs that replay as expected")
  func toProgram() throws {
    let scratch = try Scratch()
    try scratch.write(Self.recording, to: "kernel.jsonl")
    let directory = scratch.path("programs")
    let written = try Invoked.pagefuzz([
      "conform", scratch.path("kernel.jsonl"), "--protocol", "v6.1", "--to-program", directory,
    ])
    #expect(written.status == 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["v6.1-hole.prog"])
    #expect(try Invoked.pagefuzz(["replay", directory]).status == 0)
  }

  @Test(
    "What cannot be compared is refused with place and remedy",
    arguments: [
      (["--protocol", "v6.1", "missing.jsonl"], 66, "missing.jsonl"),
      (["--protocol", "v6.1", "empty.jsonl"], 65, "empty.jsonl:1: no recorded sequence"),
      (["--protocol", "v6.1", "junk.jsonl"], 65, "junk.jsonl:2: "),
      (["kernel.jsonl"], 64, "--protocol is missing"),
      (["--protocol", "v9", "kernel.jsonl"], 64, "one of v6.1"),
      (["--protocol", "v6.1"], 64, "PATH"),
    ] as [([String], Int32, String)])
  func refused(words: [String], status: Int32, message: String) throws {
    let scratch = try Scratch()
    try scratch.write("", to: "empty.jsonl")
    try scratch.write(Self.recording + "\n\u{1}\u{2}", to: "junk.jsonl")
    try scratch.write(Self.recording, to: "kernel.jsonl")
    let arguments = words.map { $0.hasSuffix(".jsonl") ? scratch.path($0) : $0 }
    let invoked = try Invoked.pagefuzz(["conform"] + arguments)
    #expect(invoked.status == status)
    #expect(invoked.errors.contains(message), "\(invoked.errors)")
  }
}
