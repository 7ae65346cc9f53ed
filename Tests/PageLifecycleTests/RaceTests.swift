// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs
import Testing

/// Calls meet on several CPUs.  Every interleaving is tried, up to equality of states.
@Suite("Races")
struct RaceTests {
  /// Protocols whose machines differ in what a race does.  v6.12 is v6.1 but for a punch beyond
  /// the end of a file, which no race has; v5.18 differs in pages of drivers, and has its own test.
  static let protocols = Protocol.all.filter {
    $0.isOfKernel && $0.name != "v6.12" && $0.name != "v5.18"
  }
  static let repaired = protocols.map { Variant($0, isRepaired: true) }

  /// Each race with each rule it is about, under each protocol that has the mechanism.
  static let cases: [(Race, Specimen)] = Race.all.flatMap { race in
    Specimen.all.filter { specimen in
      race.rules.contains(specimen.rule) && protocols.contains(specimen.variant.base)
    }.map { (race, $0) }
  }

  @Test("Races of v6.1 are races of v6.12")
  func shared() throws {
    let old = try #require(Protocol.all.first { $0.name == "v6.1" })
    var new = try #require(Protocol.all.first { $0.name == "v6.12" })
    #expect(new.knownBugs == old.knownBugs)
    new.design.breaksBeyondEnd = old.design.breaksBeyondEnd
    #expect(new.design == old.design)
  }

  @Test("A kernel that obeys every rule comes out clean", arguments: Race.all, repaired)
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

  @Test("Every specimen loses some race")
  func coverage() {
    let caught = Set(Self.cases.map(\.1.name))
    let run = Specimen.all.filter { Self.protocols.contains($0.variant.base) }
    #expect(run.map(\.name).filter { !caught.contains($0) } == [])
    let ofKernels = Specimen.all.filter(\.variant.base.isOfKernel)
    #expect(Set(ofKernels.map(\.rule)) == Set(run.map(\.rule)))
  }

  @Test("v5.18 stores the count of a free page too late, and is clean when it does not")
  func lateStore() throws {
    let base = try #require(Protocol.all.first { $0.name == "v5.18" })
    let names = ["last put against driver alloc", "memunmap_pages against a late put"]
    for race in Race.all where names.contains(race.name) {
      #expect(try race.explore(Variant(base, isRepaired: true)).violated.isEmpty, "\(race)")
      let late = Variant(base, broken: RuleSet([.countsBeforeListing]), isRepaired: true)
      let found = try race.explore(late).violated
      #expect(!found.isEmpty, "\(race)")
      #expect(found.isSubset(of: Rule.countsBeforeListing.info.breaks), "\(race) found \(found)")
    }
  }

  @Test(
    "A released kernel loses the races its known bugs are about",
    arguments: protocols.flatMap { base in base.knownBugs.map { (base, $0.rule) } })
  func known(_ base: Protocol, _ rule: Rule) throws {
    let races = Race.all.filter { $0.rules.contains(rule) && rule.isMeaningful(in: base.design) }
    #expect(!races.isEmpty)
    for race in races {
      let found = try race.explore(Variant(base)).violated
      #expect(!found.isDisjoint(with: rule.info.breaks), "\(race) found \(found)")
    }
  }
}
