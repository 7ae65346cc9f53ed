// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@testable import Fuzzing

@Suite("The reducer")
struct ReducerTests {
  /// Violating programs of several protocols and bugs.
  static let violating: [(program: Program, identity: Identity)] = {
    let variants = [
      Variant(Protocol.all[0]), Variant(Protocol.all[2]),
      Variant(Protocol.all[0], broken: RuleSet([.waitsForIdlePage]), isRepaired: true),
    ]
    return variants.flatMap { variant in
      Drawn.programs(variant, count: 600, calls: 6).compactMap { drawn in
        drawn.verdict.first.map { (drawn.program, identity(of: $0, in: drawn.program)) }
      }.prefix(9)
    }
  }()

  @Test("It keeps the identity, makes nothing larger, and has nothing to do the second time")
  func keepsIdentity() throws {
    try #require(Self.violating.count >= 20)
    for (program, identity) in Self.violating {
      var reducer = Reducer(program, showing: identity)
      let small = reducer.reduce()
      #expect(reducer.isConverged)
      let witness = try #require(Reducer.witness(of: identity, in: small))
      if case .rules = identity.cause { #expect(witness.identity == identity) }
      #expect(!(Cost(program) < Cost(small)))
      let text = small.description
      let parsed = try ProgramParser.parse(Array(text.utf8), file: "small.prog")
      #expect(parsed == small, "\(text)")
      var second = Reducer(parsed, showing: witness.identity)
      #expect(second.reduce().description == text)
    }
  }

  @Test("It drops calls, preemptions and operands that do not matter")
  func example() throws {
    let text = """
      # pagefuzz program 1
      protocol v6.1
      boot files=2 filePages=8 devicePages=16
      cpu3  load(mm0, file0:3) until handleFault.enter
      cpu2  pwrite(file0:1, 9)
      cpu3  resume
      cpu1  dax_fault(mm0, file1:5, write)
      cpu2  h7 = vmsplice(mm0, file1:5)
      cpu1  store(mm0, file1:6, 77)
      cpu0  munmap(mm0, file1:0, pages=8)
      cpu3  punch_hole(file1:5, pages=3)
      cpu0  open(file0)

      """
    let name = Procedure.handleFault.stepNames[0]
    let program = try ProgramParser.parse(
      Array(text.replacing("handleFault.enter", with: "handleFault.\(name)").utf8), file: "t.prog")
    let violation = try #require(program.violations.first)
    var reducer = Reducer(program, showing: identity(of: violation, in: program))
    let small = reducer.reduce()
    #expect(small.callCount <= 4)
    #expect(small.preemptionCount == 0)
    #expect(small.boot == Boot())
    #expect(Set(small.instructions.map(\.cpu)) == [CPUID(0)])
    #expect(!small.description.contains("file1"))
  }

  @Test("Repairs a program does not need are dropped, and those it needs are kept")
  func repairs() throws {
    let base = Protocol.all[0]
    let found = try #require(
      Driven.released.findings.first { $0.identity.cause == .rules([.scansUnmappedFiles]) })
    var program = found.program
    program.variant = Variant(
      base, repaired: base.knownBugSet.subtracting(RuleSet([.scansUnmappedFiles])))
    var reducer = Reducer(program, showing: found.identity)
    #expect(reducer.reduce().variant == found.program.variant)
  }

  @Test("Calls that matter only for where others stop are left out with their stops")
  func oneStop() throws {
    let text = """
      # pagefuzz program 1
      protocol v6.1
      boot files=1 filePages=1 devicePages=1 devices=1
      cpu0  mmap_anonymous(mm0, m1)
      cpu0  migrate_to_device(d0, mm0, m1:0)
      cpu0  punch_hole(file0:0) until breakLayouts
      cpu1  dax_fault(mm0, file0:0)
      cpu0  fork()
      cpu1  dax_fault(mm0, m1:0)
      cpu0  resume
      cpu1  resume until privateFault.migrateToRAM
      cpu0  dax_fault(mm0, m1:0)

      """
    let program = try ProgramParser.parse(Array(text.utf8), file: "t.prog")
    let violation = try #require(program.violations.first { $0.invariant.name == "I45" })
    let identity = identity(of: violation, in: program)
    try #require(identity.cause == .rules([.grantsNoSlack]))
    var reducer = Reducer(program, showing: identity)
    #expect(reducer.reduce().size == "4 calls, 1 preemption")
  }
}
