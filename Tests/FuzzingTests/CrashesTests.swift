// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Storage
import Testing

@testable import Fuzzing

/// `crashes/` of this repository: what campaigns found, none of it written by hand.
@Suite("The saved crashes")
struct CrashesTests {
  struct Crash: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var testDescription: String { name }

    func program() throws -> Program {
      try ProgramParser.parse(Array(text.utf8), file: name)
    }

    static let all: [Crash] = {
      let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
      let contents = try? ProgramDirectory("/\(root)/crashes").read()
      return (contents?.files ?? []).map { Crash(name: $0.name, text: $0.text) }
    }()

    /// One of each invariant and cause: what several protocols share is reduced alike.
    static let distinct: [Crash] = {
      var seen = Set<Substring>()
      return all.filter { crash in
        let expectation = crash.text.split(separator: "\n").last ?? ""
        return seen.insert(expectation).inserted
      }
    }()
    /// Some of them, spread over all protocols: to try every smaller program takes its time.
    static let some = distinct.indices.filter { $0.isMultiple(of: 5) }.map { distinct[$0] }
  }

  @Test("Each shows what it expects, as the campaign wrote it", arguments: Crash.all)
  func shows(crash: Crash) throws {
    let program = try crash.program()
    #expect(Execution.run(program).isAsExpected())
    #expect(program.description == crash.text)
    guard case .violation(let pattern) = program.expectation else {
      Issue.record("a crash expects a violation")
      return
    }
    #expect(pattern.isComplete)
    #expect(crash.name.hasPrefix("\(program.variant.base.name)-\(pattern.invariant.name)-"))
  }

  @Test("With its rule repaired the same program is clean of it", arguments: Crash.all)
  func repaired(crash: Crash) throws {
    var program = try crash.program()
    guard case .violation(let pattern) = program.expectation else {
      Issue.record("a crash expects a violation")
      return
    }
    let rules: [Rule]
    if case .rules(let named) = pattern.cause {
      rules = named
    } else {
      rules = program.rulesToRepair
    }
    #expect(!rules.isEmpty, "a crash says what is broken")
    #expect(rules.allSatisfy { program.variant.base.knownBugSet.contains($0) })
    program.variant = program.variant.obeying(RuleSet(rules))
    #expect(!program.violations.contains { pattern.mayMatch($0) })
    program.variant = Variant(program.variant.base, isRepaired: true)
    program.expectation = .none
    #expect(Execution.run(program).isAsExpected(), "clean with every known bug repaired")
  }

  @Test("Nothing can be left out", arguments: Crash.some)
  func minimal(crash: Crash) throws {
    let program = try crash.program()
    guard
      let identity = Execution.run(program).identities().first(where: { identity in
        program.expectation == .violation(Pattern(identity))
      })
    else {
      Issue.record("the expected identity is not there")
      return
    }
    var reducer = Reducer(program, showing: identity)
    let small = reducer.reduce()
    #expect(small.lines.map(ProgramPrinter.text) == program.lines.map(ProgramPrinter.text))
  }

  @Test("The first bugs of v6.1 are among them, in at most six calls")
  func firstBugs() throws {
    let programs = try Crash.all.map { try $0.program() }
    for rule in [Rule.scansUnmappedFiles, .waitsAtEviction] {
      #expect(
        programs.contains { program in
          guard program.variant.base.name == "v6.1", program.callCount <= 6,
            case .violation(let pattern) = program.expectation
          else { return false }
          return pattern.invariant == .I27 && pattern.cause == .rules([rule])
        })
    }
  }
}
