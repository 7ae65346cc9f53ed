// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs
import Testing

/// Calls meet on several CPUs.  Every interleaving is tried, up to equality of states.
@Suite("Races")
struct RaceTests {
  static func base(_ name: String) -> Protocol? { Protocol.all.first { $0.name == name } }

  /// Each race under each protocol it is about, obeying every rule.
  static let correct: [(Race, Variant)] = Race.all.flatMap { race in
    race.protocols.compactMap { base($0).map { (race, Variant($0, isRepaired: true)) } }
  }

  /// Each race with each rule it is about, under each protocol that has the mechanism.
  static let cases: [(Race, Specimen)] = Race.all.flatMap { race in
    Specimen.all.filter { specimen in
      race.rules.contains(specimen.rule) && race.protocols.contains(specimen.variant.base.name)
    }.map { (race, $0) }
  }

  @Test("Races of v6.1 are races of v6.12")
  func shared() throws {
    let old = try #require(Protocol.all.first { $0.name == "v6.1" })
    var new = try #require(Protocol.all.first { $0.name == "v6.12" })
    let ofPools: [Rule] = [.countsBeforeListing, .putsPagemapOfRefused]
    #expect(new.knownBugs.filter { !ofPools.contains($0.rule) } == old.knownBugs)
    new.design.breaksBeyondEnd = old.design.breaksBeyondEnd
    new.design.pinsDirectIO = old.design.pinsDirectIO
    new.design.mapsPools = old.design.mapsPools
    #expect(new.design == old.design)
  }

  @Test("A kernel that obeys every rule comes out clean", arguments: correct)
  func clean(_ race: Race, _ variant: Variant) throws {
    #expect(try race.machine(variant).verdict.count == 0, "the setup")
    let outcome = try race.explore(variant)
    for witness in outcome.witnesses {
      Issue.record("\n\(ProgramPrinter.text(of: try race.program(witness, under: variant)))")
    }
    #expect(outcome.isComplete)
    #expect(outcome.finalStates.count > 0)
    #expect(outcome.transitions > outcome.states, "too few interleavings to be a race")
  }

  @Test("A rule that is broken shows as what it declares, and as nothing else", arguments: cases)
  func broken(_ race: Race, _ specimen: Specimen) throws {
    let outcome = try race.explore(specimen.variant)
    #expect(!outcome.violated.isDisjoint(with: specimen.breaks), "\(outcome.violated)")
    #expect(outcome.violated.isSubset(of: specimen.breaks), "\(outcome.violated)")
    // What was found is a program that shows it.
    for witness in outcome.witnesses {
      let program = try race.program(witness, under: specimen.variant)
      let text = ProgramPrinter.text(of: program)
      #expect(try ProgramParser.parse(text) == program)
      #expect(Execution.run(program).isAsExpected(), "\n\(text)")
    }
  }

  /// The eras with recordings, and the proposals that are no kernels, lose with every rule; of
  /// the others only what is their own is tried.
  static let whole = Protocol.all.filter { !$0.isOfKernel || ["v6.1", "v6.18"].contains($0.name) }

  @Test("Every specimen of those loses some race, and every rule loses one somewhere")
  func coverage() {
    let caught = Set(Self.cases.map(\.1.name))
    let run = Specimen.all.filter { Self.whole.contains($0.variant.base) }
    #expect(run.map(\.name).filter { !caught.contains($0) } == [])
    #expect(Set(Specimen.all.map(\.rule)) == Set(Self.cases.map(\.1.rule)))
  }

  @Test(
    "A protocol as it is, or with that bug alone, loses the races its known bugs are about",
    arguments: whole.flatMap { base in base.knownBugs.map { (base, $0.rule) } })
  func known(_ base: Protocol, _ rule: Rule) throws {
    let races = Race.all.filter {
      $0.rules.contains(rule) && rule.isMeaningful(in: base.design)
        && $0.protocols.contains(base.name)
    }
    #expect(!races.isEmpty)
    // One call may meet two bugs, and the first stops it.
    let alone = base.knownBugSet.subtracting(RuleSet([rule]))
    for race in races {
      var found = try race.explore(Variant(base)).violated
      if found.isDisjoint(with: rule.info.breaks) {
        found.formUnion(try race.explore(Variant(base, repaired: alone)).violated)
      }
      #expect(!found.isDisjoint(with: rule.info.breaks), "\(race) found \(found)")
    }
  }
}
