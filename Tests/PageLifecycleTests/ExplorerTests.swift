// SPDX-License-Identifier: MIT

import PageLifecycle
import Testing

@testable import Fuzzing

@Suite("The explorer")
struct ExplorerTests {
  static let variant = Variant(Protocol.all[0])

  private func search(
    _ variant: Variant = Self.variant, cpus: Int = 1, calls: Int, states: Int = 100_000,
    _ operations: [Procedure]
  ) -> Explorer.Outcome {
    let machine = Machine(variant.rules, Boot(files: 1, filePages: 1, devicePages: 1))
    let alphabet = Alphabet(pages: 1, files: 1, operations: operations)
    var bounds = Explorer.Bounds()
    (bounds.cpus, bounds.calls, bounds.states) = (cpus, calls, states)
    var explorer = Explorer(from: machine, within: bounds) { machine, _, _ in
      alphabet.calls(in: machine)
    }
    return explorer.search()
  }

  @Test("Without calls there is one state")
  func nothing() {
    let outcome = search(calls: 0, Procedure.operations)
    #expect(outcome.states == 1)
    #expect(outcome.transitions == 0)
    #expect(outcome.isComplete)
    #expect(outcome.finalStates.count == 1)
  }

  @Test("One call on one CPU is a chain of states")
  func chain() {
    let outcome = search(calls: 1, [.fork])
    #expect(outcome.states == outcome.transitions + 1)
    #expect(outcome.diameter == outcome.transitions)
  }

  @Test("More calls, and more CPUs, reach more")
  func growth() {
    let operations: [Procedure] = [.daxFault, .madviseDontneed]
    let one = search(calls: 1, operations)
    let two = search(calls: 2, operations)
    let both = search(cpus: 2, calls: 2, operations)
    #expect(one.states < two.states)
    #expect(two.states < both.states)
    #expect(two.finalStates.isSubset(of: both.finalStates))
  }

  @Test("A second idle CPU adds nothing while one is enough")
  func symmetry() {
    #expect(search(calls: 1, [.load]).states == search(cpus: 3, calls: 1, [.load]).states)
  }

  @Test("A witness has the fewest calls there are")
  func shortest() throws {
    let operations: [Procedure] = [.gup, .munmap, .punchHole, .load]
    #expect(search(calls: 2, operations).witnesses.isEmpty)
    let witness = try #require(search(calls: 4, operations).witnesses.first)
    #expect(witness.violation.invariant == .I27)
    #expect(witness.instructions.compactMap(\.call?.operation) == [.gup, .munmap, .punchHole])
  }

  @Test("It stops where it is told to, and says so", arguments: [1, 50, 500])
  func limits(states: Int) {
    let outcome = search(cpus: 2, calls: 2, states: states, Procedure.operations)
    #expect(!outcome.isComplete)
    #expect(outcome.states > states && outcome.states < states + 100)
  }

  @Test("It stops when nobody waits for it any more")
  func interruption() {
    let machine = Machine(Self.variant.rules)
    let alphabet = Alphabet(pages: 1, files: 1)
    var explorer = Explorer(from: machine, within: Explorer.Bounds()) { machine, _, _ in
      alphabet.calls(in: machine)
    }
    #expect(!explorer.search { $0.states < 10 }.isComplete)
  }

  @Test("A packed machine is the machine")
  func packing() {
    let start = Machine(Self.variant.rules)
    var random = Random(seed: 5)
    var generator = Generator(Generator.Options())
    generator.reswarm(&random)
    var schedule = Random(seed: 6)
    var walk = StepwiseWalk(from: start)
    var steps = 0
    while let cpu = walk.next(generator, calls: 12, &random, &schedule) {
      _ = walk.machine.step(cpu)
      let again = PackedMachine(walk.machine, against: start).unpacked(against: start)
      #expect(again.stateHash == walk.machine.stateHash)
      #expect(again.verdict.stepsJudged == walk.machine.verdict.stepsJudged)
      #expect(again.waiting == walk.machine.waiting)
      steps += 1
    }
    #expect(steps > 100)
  }
}
