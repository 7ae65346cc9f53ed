// SPDX-License-Identifier: MIT

import Explaining
import Foundation
import PageLifecycle
import Programs
import Testing

@Suite("A program is exported")
struct ExporterTests {
  /// Programs that between them use every operation.
  static func all() throws -> [(name: String, program: Program)] {
    try Samples.programs(in: "crashes") + Samples.programs(in: "corpus/operations")
  }

  /// Every story, and every fourth crash: enough for a grammar.
  static func some() throws -> [(name: String, program: Program)] {
    let crashes = try Samples.programs(in: "crashes")
    return try Samples.programs(in: "corpus/operations")
      + stride(from: 0, to: crashes.count, by: 4).map { crashes[$0] }
  }

  @Test(
    "Every operation has a counterpart in every language, or a reason why not",
    arguments: Exporter.allCases)
  func operations(exporter: Exporter) {
    for operation in Procedure.operations {
      #expect(exporter.knows(operation), "\(operation.name)")
      if let reason = exporter.reason(against: operation) {
        #expect(reason.count > 10, "\(operation.name)")
      }
    }
    let reasons = Procedure.operations.compactMap(exporter.reason)
    #expect(reasons.count < Procedure.operations.count / 2)
  }

  @Test("Every line is there, with its call or the reason why it has none")
  func lines() throws {
    for exporter in [Exporter.c, .syz] {
      for (name, program) in exporter == .c ? try Self.all() : try Self.some() {
        let text = exporter.text(of: program, name: name)
        for (index, line) in program.lines.enumerated() {
          let words = ProgramPrinter.text(of: line).replacing("*/", with: "* /")
          guard !words.isEmpty else { continue }
          let number = program.textLine(of: index)
          #expect(text.contains("line \(number): \(words)"), "\(name) \(exporter): \(words)")
        }
      }
    }
  }

  @Test("What syzkaller reads follows its grammar")
  func syz() throws {
    var calls: Set<String> = []
    for (name, program) in try Self.some() {
      let check = SyzGrammar(Exporter.syz.text(of: program, name: name))
      #expect(check.complaint == nil, "\(name)")
      calls.formUnion(check.calls)
    }
    #expect(calls.isSuperset(of: ["vmsplice", "fallocate", "madvise", "ioctl", "mmap", "read"]))
    for wrong in [
      "read(r0, 0x0)", "r0 = ", "open('x)", "a(&(0x1)=nil) (sync)", "a(0x1, )", "a(\"abc\")",
      "a(1)",
    ] {
      #expect(SyzGrammar(wrong).complaint != nil, "\(wrong)")
    }
  }

  @Test("What spin reads follows the grammar of Promela, with a statement for each step")
  func promela() throws {
    for (name, program) in try Self.some() {
      let check = PromelaGrammar(Exporter.promela.text(of: program, name: name))
      #expect(check.complaint == nil, "\(name)")
      #expect(check.statements > 0, "\(name)")
    }
    let text = Exporter.promela.text(of: try Samples.program(Samples.unbind), name: "a")
    let check = PromelaGrammar(text)
    #expect(check.statements == 40 && check.processes == ["cpu0", "cpu1"])
    #expect(text.contains("assert(held[0] == 0)"))
    for wrong in [
      text.replacing("int held[64];", with: ""), text.replacing("-> turn", with: "; turn"),
      text.replacing("run cpu1", with: "run cpu2"),
      text.replacing("held[64]", with: "held[1]").replacing("held[0]", with: "held[1]"),
    ] {
      #expect(PromelaGrammar(wrong).complaint != nil)
    }
  }

  @Test("Programs in C compile without a warning")
  func compiles() throws {
    let places = ["/usr/bin/cc", "/usr/bin/clang", "/usr/bin/gcc"]
    guard let compiler = places.first(where: FileManager.default.isExecutableFile) else { return }
    let crashes = try Samples.programs(in: "crashes")
    var called: Set<Procedure> = []
    // Each operation once, for the functions it needs; crashes have the preemptions, too.
    let chosen =
      (try Samples.programs(in: "corpus/operations") + crashes).filter { _, program in
        let operations = program.instructions.compactMap(\.call?.operation)
        defer { called.formUnion(operations) }
        return !called.isSuperset(of: operations)
      } + stride(from: 0, to: crashes.count, by: 120).map { crashes[$0] }
    #expect(called.isSuperset(of: Procedure.operations.filter(Exporter.c.knows)))
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("pagefuzz-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    for (name, program) in chosen {
      let source = directory.appendingPathComponent("test.c")
      try Exporter.c.text(of: program, name: name).write(
        to: source, atomically: false, encoding: .utf8)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: compiler)
      process.arguments = ["-Wall", "-Werror", "-fsyntax-only", "-pthread", source.path]
      try process.run()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0, "\(name)")
    }
  }

  @Test("C compares what a kernel returns with what a correct one does")
  func comparison() throws {
    let text = Exporter.c.text(of: try Samples.program(Samples.unmapped), name: "a */ b")
    // Punching the hole has to sleep while the pin is held, and does not.
    #expect(text.contains("{ 0, 0, 0, 1, SLEEPS, 0, line_5,"))
    #expect(text.contains("a correct kernel: sleeps"))
    #expect(text.contains("KSFT_SKIP") && text.contains("a * / b"))
    #expect(text.contains("pin_pages(1, at(0, 0), 1, 1)"))
    let preempted = Exporter.c.text(of: try Samples.program(Samples.unbind), name: "a")
    #expect(preempted.contains("preemption point"))
    #expect(preempted.contains("before zapRange.removeRmap, visit 1"))
    let story = try Self.all().first { $0.name == "obtaining-v6.18.prog" }
    let refused = Exporter.c.text(of: try #require(story).program, name: "a")
    #expect(refused.contains("not expressible: the handle is still in use"))
  }
}
