// SPDX-License-Identifier: MIT

import Foundation
import Testing

@Suite("Files of other fuzzers")
struct CorpusExchangeTests {
  static let story = """
    # pagefuzz program 1
    # Comments have no binary form.
    protocol v6.1
    cpu0  dax_fault(mm0, file0:0, write)
    cpu0  h1 = vmsplice(mm0, file0:0)
    cpu0  munmap(mm0, file0:0)
    cpu1  punch_hole(file0:0)
    expect I27 ...

    """
  static let clean = "# pagefuzz program 1\nprotocol v6.18\ncpu0  fork()\nexpect none\n"

  static func names(_ scratch: Scratch, _ directory: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: scratch.path(directory))) ?? []).sorted()
  }

  @Test("Exported and imported again, programs are what they were, and say what they show")
  func bothWays() throws {
    let scratch = try Scratch()
    try scratch.write(Self.story + Self.clean, to: "all.prog")
    let out = try Invoked.pagefuzz([
      "corpus", "export", scratch.path("all.prog"), scratch.path("binary"),
    ])
    #expect(out.status == 0)
    #expect(out.output == "exported 2 programs to \(scratch.path("binary"))\n")
    #expect(Self.names(scratch, "binary").count == 2)
    let back = try Invoked.pagefuzz([
      "corpus", "import", "--format", "json", scratch.path("binary"), scratch.path("text"),
    ])
    #expect(back.status == 0)
    #expect(back.output.contains("\"imported\":2"))
    let texts = Self.names(scratch, "text").map { scratch.text(of: "text/\($0)") }
    #expect(texts.contains(Self.clean))
    let found = try #require(texts.first { $0.contains("v6.1\n") })
    #expect(found.hasSuffix("expect I27 fsdax foreign-get cause=scansUnmappedFiles\n"))
    let lines = Self.story.split(separator: "\n").filter { $0.hasPrefix("cpu") }
    #expect(found.split(separator: "\n").filter { $0.hasPrefix("cpu") } == lines)
  }

  @Test("A seed corpus has clean programs of one protocol, where that is asked for")
  func selected() throws {
    let scratch = try Scratch()
    try scratch.write(Self.story + Self.clean, to: "all.prog")
    let file = scratch.path("all.prog")
    for (options, count) in [
      (["--clean"], 1), (["--protocol", "v6.1"], 1), (["--protocol", "v6.18", "--clean"], 1),
    ] {
      let target = scratch.path("seeds\(options.count)\(options.last ?? "")")
      let run = try Invoked.pagefuzz(["corpus", "export"] + options + [file, target])
      #expect(run.status == 0)
      #expect(try FileManager.default.contentsOfDirectory(atPath: target).count == count)
    }
    let none = try Invoked.pagefuzz([
      "corpus", "export", "--clean", "--protocol", "v6.1", file, scratch.path("none"),
    ])
    #expect(none.status == 66)
    #expect(none.errors.contains("no such program"))
  }

  @Test("A program that is too long for the binary form is left out, and said to be")
  func long() throws {
    let scratch = try Scratch()
    let lines = String(repeating: "cpu0  fork()\n", count: 2_049)
    let long = Self.clean.replacing("cpu0  fork()\n", with: lines)
    try scratch.write(long + Self.clean, to: "all.prog")
    let target = scratch.path("binary")
    let run = try Invoked.pagefuzz(["corpus", "export", scratch.path("all.prog"), target])
    #expect(run.status == 65)
    #expect(run.errors.contains("a program of 2049 lines of calls is left out"))
    #expect(run.output == "exported 1 program to \(target)\n")
    #expect(Self.names(scratch, "binary").count == 1)
  }

  @Test("What another build wrote is left out unless it is asked for; text is taken as it is")
  func foreign() throws {
    let scratch = try Scratch()
    try FileManager.default.createDirectory(
      atPath: scratch.path("in"), withIntermediateDirectories: true)
    try scratch.write([1, 2, 3, 4, 5, 6, 7, 8, 9], to: "in/crash-1")
    try scratch.write("# pagefuzz program 1\nprotocol v6.1\nnonsense\n", to: "in/id:2")
    try scratch.write(Self.clean, to: "in/id:3")
    try scratch.write("about", to: "in/README.txt")
    let (source, target) = (scratch.path("in"), scratch.path("out"))
    let run = try Invoked.pagefuzz(["corpus", "import", source, target])
    #expect(run.status == 65)
    #expect(run.errors.contains("crash-1: another build wrote it"))
    #expect(run.errors.contains("id:2:3:1:"))
    #expect(run.output == "imported 1 program to \(target)\n")
    let any = try Invoked.pagefuzz(["corpus", "import", "--foreign", source, target])
    #expect(any.output == "imported 2 programs to \(target)\n")
    let empty = try Invoked.pagefuzz(["corpus", "import", scratch.path("gone"), target])
    #expect(empty.status == 66)
  }
}
