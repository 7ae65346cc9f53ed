// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@Suite("The corpus")
struct CorpusTests {
  @Test("Every program finds what it expects, and nothing it states is otherwise")
  func replay() throws {
    let programs = try Repository.corpusPrograms()
    #expect(programs.count > 900)
    for (file, program) in programs {
      let report = Execution.run(program)
      let differences = report.failures.flatMap(\.diff)
      #expect(report.isAsExpected(), "\(file.path)\n\(differences.joined(separator: "\n"))")
      #expect(program.expectation != .unstated, "\(file.path) expects nothing")
    }
  }

  @Test("Text, program, text is the identity")
  func canonical() throws {
    for file in Repository.corpus {
      let programs = try ProgramParser.parseAll(file.bytes, file: file.path)
      let text = programs.map { ProgramPrinter.text(of: $0.program) }.joined()
      #expect(text == file.text, "\(file.path)")
    }
  }

  @Test("There are few files, and a recorded sequence is one, whichever kernels executed it")
  func files() throws {
    #expect(Repository.corpus.count < 500)
    var kernels: [String: Int] = [:]
    for (file, program) in try Repository.corpusPrograms() {
      guard file.path.hasPrefix("corpus/kernel/") else { continue }
      kernels[program.variant.name, default: 0] += 1
    }
    #expect(kernels == ["v6.1": 247, "v6.12": 247, "v6.18": 367])
  }

  @Test("Every operation has its story, with what it returns", arguments: Procedure.operations)
  func operations(operation: Procedure) throws {
    let stories = Repository.corpus.filter {
      $0.path.hasPrefix("corpus/operations/") || $0.path.hasPrefix("corpus/counts/")
    }
    let results = try stories.flatMap { file in
      try ProgramParser.parse(file.bytes, file: file.path).lines.compactMap { line -> Outcome? in
        guard case .instruction(let instruction, let result) = line.statement else { return nil }
        return instruction.call?.operation == operation ? result : nil
      }
    }
    // Injecting a memory failure succeeds with the signal it sends.
    let isDone: (Outcome) -> Bool = { !$0.isFailure || $0.errno == .sigbus }
    #expect(results.contains(where: isDone), "\(operation.name) never succeeds")
  }

  /// Invariants that no single rule breaks, and why.
  static let unbroken: [Invariant: String] = [
    .I3: "a count needs more than two million pins of one page to get there",
    .I4: "rmap and page table change under one lock in every era; no kernel got that wrong",
    .I7: "a pin that is not given back shows as I1 or I39 at the step that forgets it",
    .I34: "entries and nrpages change under one lock in every era",
    .I37: "the bias is the refcount itself; older proposals kept pins elsewhere",
    .I44: "a reference that outlives its call shows as I1 or I20",
    .I49: "every era looks for migration entries in every process",
    .I50: "no era maps private pages for the CPU",
    .I53: "every era keeps the write bit in the migration entry",
    .I61: "every era counts an entry where it is set and where it is zapped, under one lock",
    .I59: "sleeping under a spinlock is a mistake of code, not of a protocol",
  ]

  @Test("The states a program goes through are those listed, in this build too")
  func hashes() throws {
    let listed = Repository.file("corpus/hashes").text.split(separator: "\n")
    #expect(listed.count > 20)
    for line in listed {
      let words = line.split(separator: " ")
      let path = "corpus/\(words[1])"
      let program = try ProgramParser.parse(Repository.file(path).bytes, file: path)
      #expect(Execution.run(program, hashing: true).hash == UInt64(words[0], radix: 16), "\(path)")
    }
  }

  @Test("Every invariant is broken by some rule, or it is said why not")
  func invariants() {
    let broken = Set(Rule.allCases.flatMap(\.info.breaks))
    for invariant in Invariant.allCases {
      let hasReason = Self.unbroken[invariant] != nil
      #expect(broken.contains(invariant) != hasReason, "\(invariant)")
    }
  }

  @Test("Every rule is meaningful in some protocol")
  func rules() {
    for rule in Rule.allCases {
      #expect(Protocol.all.contains { rule.isMeaningful(in: $0.design) }, "\(rule)")
      #expect(!rule.info.breaks.isEmpty)
    }
  }
}
