// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs
import Testing

@Suite("Mutations of programs")
struct MutationTests {
  static let variants: [Variant] = [
    Variant(.v6_1), Variant(Protocol.all[Protocol.all.count - 1]),
  ]

  /// Programs that one mutation makes of random ones.
  static func made(
    by mutation: Mutation, of variant: Variant, count: Int = 40
  ) -> [(before: Program, after: Program)] {
    var mutator = Mutator(of: variant)
    return Drawn.programs(variant, count: count).enumerated().compactMap { seed, drawn in
      mutator.apply(mutation, to: drawn.program, seed: UInt64(seed)).map { (drawn.program, $0) }
    }
  }

  @Test("Each changes most programs", arguments: Mutation.all.map(\.name))
  func changes(name: String) throws {
    let mutation = try #require(Mutation.all.first { $0.name == name })
    let made = Self.made(by: mutation, of: Self.variants[0])
    #expect(made.count { $0.before != $0.after } > 10)
  }

  @Test("What each makes is a program: it prints, parses back, runs, and has a binary form")
  func valid() throws {
    for variant in Self.variants {
      for mutation in Mutation.all {
        for (_, program) in Self.made(by: mutation, of: variant, count: 12) {
          let parsed = try ProgramParser.parse(program.description)
          #expect(parsed == program, "\(mutation.name)")
          #expect(program.repairingHandles() == program, "\(mutation.name)")
          #expect(program.lines.count <= SearchLimits.mutatedLines, "\(mutation.name)")
          #expect(program.variant.base == variant.base, "\(mutation.name)")
          #expect(try ProgramBytes.decode(ProgramBytes.encode(program)) == program)
          #expect(Execution.run(program).failures.isEmpty)
        }
      }
    }
  }

  @Test("What a mutator makes depends on the program and the seed, not on what it did before")
  func pure() {
    var (used, fresh) = (Mutator(of: Variant(.v6_1)), Mutator(of: Variant(.v6_1)))
    let programs = Drawn.programs(Variant(.v6_1), count: 30).map(\.program)
    for (seed, program) in programs.enumerated() {
      _ = used.mutate(program, seed: UInt64(1000 + seed))
    }
    for (seed, program) in programs.enumerated() {
      let first = used.mutate(program, seed: UInt64(seed))
      #expect(first == fresh.mutate(program, seed: UInt64(seed)))
      let other = programs[(seed + 1) % programs.count]
      #expect(
        used.cross(program, other, seed: UInt64(seed))
          == fresh.cross(program, other, seed: UInt64(seed)))
    }
  }

  @Test("A preemption that is inserted is reached")
  func reachedStops() throws {
    let mutation = try #require(Mutation.all.first { $0.name == "preempt" })
    let made = Self.made(by: mutation, of: Variant(.v6_1, isRepaired: true))
    var reached = 0
    for (before, after) in made {
      let known = Set(Execution.run(before).notes)
      let notes = Execution.run(after).notes.filter { $0.contains("not reached") }
      if known.isSuperset(of: notes) { reached += 1 }
    }
    #expect(reached * 4 >= made.count * 3)
  }

  @Test("Nothing is a program to begin with, and what is too long is cut to the bytes there are")
  func limits() {
    var mutator = Mutator(of: Variant(Protocol.all[0]))
    for seed in 0..<40 {
      let made = mutator.mutate(Program(Variant(Protocol.all[0])), seed: UInt64(seed))
      #expect(made.callCount > 0)
      for limit in [0, 1, 20, 40, 80] {
        #expect(mutator.fit(made, bytes: limit).count <= limit)
      }
    }
  }
}
