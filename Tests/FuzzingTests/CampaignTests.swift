// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@testable import Fuzzing

/// A campaign that was driven to its end, with what it found.
struct Driven {
  var campaign: Campaign
  var findings: [Finding] = []

  init(_ options: Campaign.Options, executions: Int) {
    campaign = Campaign(options)
    while campaign.executions < executions {
      for finding in campaign.advance(within: executions) {
        if let minimized = campaign.minimize(finding) { findings.append(minimized) }
      }
    }
  }

  init(_ variant: Variant, executions: Int) {
    self.init(Campaign.Options([variant]), executions: executions)
  }

  var texts: [String] { findings.map { $0.text(file: "found.prog") } }

  /// The released v6.1, as far as its first bugs.
  static let released = {
    var options = Campaign.Options([Variant(Protocol.all[0])])
    options.seed = 7
    return Driven(options, executions: 1000)
  }()
}

@Suite("A campaign")
struct CampaignTests {
  @Test("It finds known bugs of v6.1 in a few calls, the first of them for sure")
  func findsKnownBugs() throws {
    let found = Driven.released.findings.filter { !$0.knownBugs.isEmpty }
    #expect(Set(found.flatMap { $0.knownBugs.map(\.rule) }).count >= 3)
    #expect(found.allSatisfy { $0.program.callCount <= 6 && $0.isMinimized })
    let first = found.filter { $0.identity.cause == .rules([.scansUnmappedFiles]) }
    #expect(first.contains { $0.identity.invariant == .I27 })
  }

  @Test("A finding that each of three bugs would do for is saved as the first of them")
  func oneBug() throws {
    let text = """
      # pagefuzz program 1
      protocol v6.1
      boot files=1 filePages=1 devicePages=1
      cpu0  h1 = gup(mm0, file0:0, write)
      cpu0  munmap(mm0, file0:0)
      cpu0  close(file0)
      cpu0  memunmap_pages(pmem0)

      """
    let program = try ProgramParser.parse(text)
    let finding = try #require(Finding(meantBy: program))
    #expect(program.rulesToRepair.count == 3)
    #expect(finding.minimized().identity == finding.identity, "the reducer keeps what it was given")
    let alone = finding.minimizedAlone()
    #expect(alone.identity.cause == .rules([.scansUnmappedFiles]))
    #expect(alone.identity.hasSignature(of: finding.violation))
    #expect(Finding(meantBy: alone.statement)?.identity == alone.identity)
  }

  @Test("A third of its first programs are even, and the others a swarm; later ones are either")
  func beginning() {
    func counts(_ search: Search, from first: Int) -> [Plan.Draws: Int] {
      var random = Random(seed: 3)
      return (first..<first + 1000).reduce(into: [:]) {
        $0[search.draws($1, &random), default: 0] += 1
      }
    }
    let first = counts(.full, from: 0)
    #expect((280...390).contains(first[.evenly] ?? 0) && first[.either] == nil)
    #expect(counts(.full, from: SearchLimits.firstPrograms) == [.either: 1000])
    #expect(counts(.random, from: 0) == [.either: 1000])
    #expect(counts(.even, from: 5000) == [.evenly: 1000])
  }

  @Test("Every finding is a file that replays to what it expects")
  func replays() throws {
    try #require(Driven.released.findings.count >= 5)
    for text in Driven.released.texts {
      let program = try ProgramParser.parse(Array(text.utf8), file: "found.prog")
      let report = Execution.run(program)
      #expect(report.isAsExpected(), "\(text)\(report.identities())")
      #expect(program.description == text, "a finding is canonical")
    }
  }

  @Test("With its cause repaired, the program of a finding no longer shows it")
  func repaired() throws {
    for finding in Driven.released.findings {
      guard case .rules(let rules) = finding.identity.cause else { continue }
      var program = finding.program
      program.variant = program.variant.obeying(RuleSet(rules))
      #expect(!program.violations.contains { finding.identity.hasSignature(of: $0) })
    }
  }

  @Test("A finding without any one of its lines still replays")
  func everyLineMayGo() throws {
    for finding in Driven.released.findings {
      for line in finding.program.lines.indices {
        var program = finding.program
        program.lines.remove(at: line)
        let text = program.repairingHandles().description
        let parsed = try ProgramParser.parse(Array(text.utf8), file: "less.prog")
        _ = Execution.run(parsed)
        // Nothing can be left out: that is what minimized means.
        #expect(Reducer.witness(of: finding.identity, in: parsed) == nil, "\(text)")
      }
    }
  }

  @Test("The same seed finds the same, to the byte; another seed something else")
  func deterministic() {
    var options = Campaign.Options([Variant(Protocol.all[2]), Variant(Protocol.all[1])])
    let first = Driven(options, executions: 700)
    let second = Driven(options, executions: 700)
    #expect(first.texts == second.texts)
    #expect(!first.texts.isEmpty)
    #expect(first.campaign.steps == second.campaign.steps)
    #expect(first.campaign.coverage.states == second.campaign.coverage.states)
    #expect(first.campaign.coverage.features == second.campaign.coverage.features)
    options.seed = 2
    #expect(Driven(options, executions: 700).campaign.steps != first.campaign.steps)
  }

  @Test("What is known is counted and not reported")
  func known() {
    let released = Driven.released
    var options = released.campaign.options
    options.known = released.findings.map {
      .init(Pattern($0.identity), on: options.variants[0].base)
    }
    let again = Driven(options, executions: released.campaign.executions)
    #expect(again.findings.isEmpty)
    #expect(again.campaign.violating == released.campaign.violating)
    #expect(again.campaign.sightings.allSatisfy { $0.isKnown })
    #expect(again.campaign.sightings.count == released.campaign.sightings.count)
  }

  @Test("A protocol with its known bugs repaired is clean", arguments: Protocol.all)
  func clean(base: Protocol) {
    let driven = Driven(Variant(base, isRepaired: true), executions: 400)
    #expect(driven.campaign.violating == 0, "\(driven.texts)")
    #expect(driven.campaign.steps > (base.isOfKernel ? 20_000 : 5_000))
  }

  @Test(
    "A seeded bug is found by the invariant it declares",
    arguments: ["M-TRUNCGUP@v6.1", "M-LTFSDAX@v6.18", "M-PGMAPLEAK@v6.12", "M-NOREFMAP@v6.18"])
  func canary(name: String) throws {
    let specimen = try #require(Specimen.all.first { $0.name == name })
    let driven = Driven(specimen.variant, executions: 400)
    let found = driven.findings.filter { $0.identity.cause == .rules([specimen.rule]) }
    #expect(found.contains { specimen.breaks.contains($0.identity.invariant) })
  }

  @Test("Repairs take turns: some programs run on the protocol as it is, some on none of its bugs")
  func targets() {
    let bugs = Protocol.all[0].knownBugs.map(\.rule)
    let target = Target(Variant(Protocol.all[0], repaired: RuleSet(Array(bugs.dropFirst(3)))))
    var random = Random(seed: 1)
    let drawn = (0..<300).map { _ in target.variant(&random) }
    #expect(Set(drawn.map { $0.name }).count == 8)
    let asGiven = RuleSet.all.subtracting(RuleSet(Array(bugs[..<3])))
    #expect((80...200).contains(drawn.count { $0.rules.obeyed == asGiven }))
    #expect((80...200).contains(drawn.count { $0.rules.obeyed == RuleSet.all }))
    let repaired = Variant(Protocol.all[0], isRepaired: true)
    let always = Set((0..<20).map { _ in Target(repaired).variant(&random).name })
    #expect(always == [repaired.name])
  }
}
