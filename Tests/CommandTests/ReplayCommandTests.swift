// SPDX-License-Identifier: MIT

import Foundation
import Instruments
import Testing

/// Programs as they should be, and everything else a user may name instead.
@Suite("pagefuzz replay")
struct ReplayCommandTests {
  static let clean = """
    # pagefuzz program 1
    protocol v6.1+repaired
    cpu0  dax_fault(mm0, file0:0, write)
    expect none

    """
  /// A count no page has.
  static let wrong = clean.replacing("expect", with: "assert file0:0 ref=77\nexpect")

  @Test("A program that does what it says passes")
  func passes() throws {
    let scratch = try Scratch()
    let path = try scratch.write(Self.clean, to: "clean.prog")
    let result = try Invoked.pagefuzz(["replay", path])
    #expect(result.status == 0, "\(result.errors)\(result.output)")
    #expect(result.errors.isEmpty)
    let quiet = try Invoked.pagefuzz(["replay", "--quiet", path])
    #expect(quiet.status == 0)
    #expect(quiet.output.isEmpty)
  }

  @Test("A statement that fails exits 1 and shows what was found, as a diff")
  func differs() throws {
    let scratch = try Scratch()
    let path = try scratch.write(Self.wrong, to: "wrong.prog")
    let result = try Invoked.pagefuzz(["replay", path])
    #expect(result.status == 1)
    #expect(result.output.contains("\n  - ref=77"), "\(result.output)")
    #expect(result.output.contains("\n  + ref="), "\(result.output)")
    #expect(result.output.contains("\(path):4"), "\(result.output)")
  }

  @Test("An expectation that is not met exits 1")
  func unexpected() throws {
    let scratch = try Scratch()
    let text = Self.clean.replacing("expect none", with: "expect I27 ...")
    let path = try scratch.write(text, to: "unexpected.prog")
    let result = try Invoked.pagefuzz(["replay", path])
    #expect(result.status == 1)
    #expect(result.output.contains("I27"))
  }

  @Test("JSON is one object a file, with the names that are promised")
  func json() throws {
    let scratch = try Scratch()
    let paths = [
      try scratch.write(Self.clean, to: "a.prog"), try scratch.write(Self.wrong, to: "b.prog"),
    ]
    let result = try Invoked.pagefuzz(["replay", "--format", "json"] + paths)
    #expect(result.status == 1)
    let objects = try result.output.split(separator: "\n").map {
      try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }
    #expect(objects.map { $0?["file"] as? String } == paths)
    #expect(objects.map { $0?["ok"] as? Bool } == [true, false])
    #expect(objects.allSatisfy { ($0?["steps"] as? Int ?? 0) > 0 })
    #expect(objects.map { $0?["expected"] as? String } == ["none", "none"])
    #expect(objects.map { $0?["found"] as? String } == ["none", "none"])
  }

  @Test("The XML for build servers appears whole, with every file in it")
  func junit() throws {
    let scratch = try Scratch()
    let paths = [
      try scratch.write(Self.clean, to: "a.prog"), try scratch.write(Self.wrong, to: "b.prog"),
      scratch.path("missing.prog"),
    ]
    let result = try Invoked.pagefuzz(["replay", "--junit", scratch.path("out.xml")] + paths)
    #expect(result.status == 66, "the worst of success, found and missing input")
    let xml = scratch.text(of: "out.xml")
    #expect(xml.contains("tests=\"3\" failures=\"1\" errors=\"1\""), "\(xml)")
    let refused = try Invoked.pagefuzz(
      ["replay", "--junit", scratch.path("none/out.xml"), paths[0]])
    #expect(refused.status == 73)
    #expect(refused.errors.contains(scratch.path("none/out.xml")))
  }

  @Test("A trace shows every step")
  func trace() throws {
    let scratch = try Scratch()
    let path = try scratch.write(Self.clean, to: "clean.prog")
    let short = try Invoked.pagefuzz(["replay", path]).output.split(separator: "\n").count
    let long = try Invoked.pagefuzz(["replay", "--trace", path]).output.split(separator: "\n")
    #expect(long.count > short + 5)
  }

  /// What may stand in a file, the status it must end with, and what the message names.
  struct Content: Sendable, CustomTestStringConvertible {
    var name: String
    var bytes: [UInt8]
    var status: Int32
    var place: String
    /// Some are megabytes.
    var testDescription: String { name }

    init(_ name: String, _ bytes: [UInt8], _ status: Int32, _ place: String) {
      (self.name, self.bytes, self.status, self.place) = (name, bytes, status, place)
    }
  }
  static let contents = [
    Content("empty.prog", [], 65, "empty.prog:1:1: "),
    Content(
      "junk.prog", (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }, 65, "junk.prog:"),
    Content("zeros.prog", [UInt8](repeating: 0, count: 512), 65, "zeros.prog:1:1: "),
    Content("huge.prog", [UInt8](repeating: 35, count: 1 << 21), 65, "huge.prog: "),
    Content("text.prog", Array("hello\n".utf8), 65, "text.prog:1:1: "),
    Content("version.prog", Array("# pagefuzz program 2\n".utf8), 65, "version.prog:1:"),
    Content(
      "unknown.prog", Array(clean.replacing("dax_fault", with: "dax_falut").utf8), 65,
      "unknown.prog:3:7: "
    ),
    Content(
      "page.prog", Array(clean.replacing("file0:0", with: "file0:9").utf8), 65, "page.prog:3:"),
    Content(
      "handle.prog",
      Array(clean.replacing("dax_fault(mm0, file0:0, write)", with: "put_page(h1)").utf8),
      65, "handle.prog:3:"
    ),
  ]

  @Test(
    "What is no program is refused with place and remedy, and the others go on",
    arguments: contents)
  func refuses(_ content: Content) throws {
    let scratch = try Scratch()
    let bad = try scratch.write(content.bytes, to: content.name)
    let good = try scratch.write(Self.clean, to: "good.prog")
    let result = try Invoked.pagefuzz(["replay", bad, good])
    #expect(result.status == content.status)
    let place = "\(scratch.path(""))/\(content.place)".replacing("//", with: "/")
    #expect(
      result.errors.hasPrefix("pagefuzz: \(place)"),
      "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    #expect(result.output.contains("good.prog"))
  }

  @Test("What is no file is a missing input, and says so")
  func missing() throws {
    let scratch = try Scratch()
    let files = FileManager.default
    try files.createDirectory(atPath: scratch.path("empty"), withIntermediateDirectories: true)
    try files.createSymbolicLink(atPath: scratch.path("loop"), withDestinationPath: "loop")
    for name in ["none.prog", "empty", "loop", "none/a.prog"] {
      let result = try Invoked.pagefuzz(["replay", scratch.path(name)])
      #expect(result.status == 66, "\(name)")
      #expect(result.errors.hasPrefix("pagefuzz: \(scratch.path(name)): "), "\(result.errors)")
      #expect(result.errors.contains("; "), "a remedy: \(result.errors)")
    }
    let nothing = try Invoked.pagefuzz(["replay"])
    #expect(nothing.status == 64)
  }

  @Test("A signal ends it between two files", arguments: [SIGINT, SIGTERM])
  func signals(number: Int32) throws {
    let scratch = try Scratch()
    let path = try scratch.write(Self.clean, to: "a.prog")
    let paths = [String](repeating: path, count: 15_000)
    let result = try Invoked.pagefuzz(
      ["replay", "--junit", scratch.path("out.xml")] + paths, signal: (number, after: 0.5))
    #expect(result.status == 128 + number)
    #expect(result.errors.isEmpty)
    #expect(result.output.isEmpty || result.output.hasSuffix("\n"))
    #expect(scratch.text(of: "out.xml").isEmpty, "a part of the results is none")
  }

  @Test("A trap of the engine has its own status and names the input")
  func trap() throws {
    let scratch = try Scratch()
    let path = try scratch.write(Self.clean, to: "a.prog")
    let paths = [String](repeating: path, count: 15_000)
    let result = try Invoked.pagefuzz(["replay"] + paths, signal: (SIGILL, after: 0.5))
    // Where there is a sanitizer, faults are its own to report.
    let isTheirs = instruments_report_faults()
    #expect((result.status != 70) == isTheirs)
    #expect(result.errors.contains(isTheirs ? "Sanitizer:DEADLYSIGNAL" : "the engine trapped"))
  }

  @Test("A file nobody may read is a missing input", .enabled(if: geteuid() != 0))
  func unreadable() throws {
    let scratch = try Scratch()
    let path = try scratch.write(Self.clean, to: "secret.prog")
    #expect(chmod(path, 0) == 0)
    let result = try Invoked.pagefuzz(["replay", path])
    #expect(result.status == 66)
    #expect(result.errors.contains("\(path): cannot read: "))
  }
}
