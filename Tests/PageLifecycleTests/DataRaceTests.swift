// SPDX-License-Identifier: MIT

import Fuzzing
import Programs
import Testing

@testable import PageLifecycle

/// Plain accesses that nothing orders are found in a program where they happen one after the other.
@Suite("Data races")
struct DataRaceTests {
  private static func accesses(_ cpus: [[Access]]) -> [DataRace] {
    var machine = Machine(Variant(.v6_1).rules)
    machine.accesses.isKept = true
    var races = DataRaces()
    return cpus.enumerated().compactMap { number, accesses in
      machine.current = CPUID(number)
      machine.executed = (.daxFaultIO, UInt8(number))
      for access in accesses { machine.note(access) }
      return races.observe(&machine)
    }
  }

  private static let write = Access.write(PFN(0), .mapping)
  private static let read = Access.read(PFN(0), .mapping)
  private static let lock = Meeting.lock(.pages(FileID(0)))

  @Test("Two writes of a word without anything between them are one, and both steps are named")
  func unordered() throws {
    let races = Self.accesses([[Self.write], [Self.write]])
    let race = try #require(races.first)
    #expect(races.count == 1)
    #expect(race.pfn == PFN(0) && race.word == .mapping && race.cpu == CPUID(0))
    #expect(race.procedure == .daxFaultIO && race.step == 0)
    #expect(race.writes == (true, true))
    #expect(race.words.contains("write of mapping") && race.words.contains("cpu0"))
  }

  @Test("A write against a read is one, whichever comes first; two reads are none")
  func reads() {
    #expect(Self.accesses([[Self.read], [Self.write]]).count == 1)
    #expect(Self.accesses([[Self.write], [Self.read]]).count == 1)
    #expect(Self.accesses([[Self.read], [Self.read]]).isEmpty)
    let others: [Access] = [.write(PFN(1), .mapping), .write(PFN(0), .zoneDeviceData)]
    for other in others { #expect(Self.accesses([[Self.write], [other]]).isEmpty) }
  }

  @Test("What one releases behind its access and another acquires before its own orders them")
  func ordered() {
    let release = Access.release(Self.lock)
    let acquire = Access.acquire(Self.lock)
    #expect(Self.accesses([[Self.write, release], [acquire, Self.write]]).isEmpty)
    #expect(Self.accesses([[Self.write, .everyone], [Self.write]]).isEmpty)
    // Over a third, too.
    let other = Meeting.page(PFN(3))
    let chain: [[Access]] = [
      [Self.write, release], [acquire, .release(other)], [.acquire(other), Self.write],
    ]
    #expect(Self.accesses(chain).isEmpty)
  }

  @Test("A release before the access, an acquire behind it, or another lock does not")
  func unrelated() {
    let (release, acquire) = (Access.release(Self.lock), Access.acquire(Self.lock))
    let other = Access.acquire(.lock(.pages(FileID(1))))
    #expect(Self.accesses([[release, Self.write], [acquire, Self.write]]).count == 1)
    #expect(Self.accesses([[Self.write, release], [Self.write, acquire]]).count == 1)
    #expect(Self.accesses([[Self.write, release], [other, Self.write]]).count == 1)
  }

  private static func report(_ variant: String, races: Int) throws -> Report {
    let text = """
      # pagefuzz program 1
      protocol \(variant)
      boot files=2 filePages=1 devicePages=1 reflink=1\(races > 0 ? " races=1" : "")
      cpu0  fork()
      cpu0  store(mm0, file0:0, 7)
      cpu0  reflink(file0:0, file1:0)
      cpu0  load(mm0, file0:0)
      cpu1  load(mm1, file1:0)
      """
    return Execution.run(try ProgramParser.parse(text + "\n", file: "test.prog"))
  }

  @Test(
    "Two files count one page's entries under different locks, which nothing but the watch shows",
    arguments: ["v6.1", "v6.12", "v6.18", "v6.19"])
  func shares(name: String) throws {
    let watched = try Self.report(name, races: 1).verdict.all
    #expect(watched.map(\.invariant) == [.I66])
    let race = try #require(watched.first?.race)
    #expect(race.word == .mapping && race.procedure == .daxFaultIO && race.cpu == CPUID(0))
    #expect(try Self.report(name, races: 0).verdict.all.isEmpty)
    #expect(try Self.report(name + " +countsSharesAtomically", races: 1).verdict.all.isEmpty)
  }

  @Test("Every protocol that obeys every rule is free of them", arguments: Protocol.all)
  func clean(base: Protocol) throws {
    var options = Campaign.Options([Variant(base, isRepaired: true)])
    options.search = .races
    var campaign = Campaign(options)
    while campaign.executions < 1500 {
      for finding in campaign.advance(within: 1500) {
        Issue.record("\(finding.text(file: "found.prog"))")
      }
    }
    #expect(campaign.steps > 1500)
  }
}
