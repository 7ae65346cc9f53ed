// SPDX-License-Identifier: MIT

import Fuzzing
import Testing

@testable import PageLifecycle

/// Every step is judged by what it touched.  Judging everything instead must say the same.
@Suite("What is judged, and when")
struct JudgeTests {
  /// Invariants that are about words of pages and files, and not about what a step did.
  static let ofState: Set<Invariant> = [
    .I1, .I2, .I3, .I4, .I5, .I6, .I17, .I25, .I28, .I34, .I37,
  ]

  /// Every protocol obeying its rules, and each rule broken on the last protocol that has it.
  static let variants =
    Protocol.all.map { Variant($0, isRepaired: true) }
    + Rule.allCases.compactMap { rule in Specimen.all.last { $0.rule == rule }?.variant }

  @Test("After every step of random programs, judging everything agrees", arguments: variants)
  func localAgainstWhole(_ variant: Variant) {
    let isRepaired = variant.broken == RuleSet()
    var options = Generator.Options()
    options.boot = Boot(files: 2, filePages: 4, devicePages: 6)
    options.domains = variant.base.design.domains
    var generator = Generator(options)
    let start = Machine(variant.rules, options.boot)
    var found = 0
    for execution in 0..<(isRepaired ? 75 : 6) {
      var calls = Random.stream(seed: 11, .calls, UInt64(execution))
      var schedule = Random.stream(seed: 11, .schedule, UInt64(execution))
      generator.reswarm(&calls)
      var walk = StepwiseWalk(from: start)
      while let cpu = walk.next(generator, calls: 5, &calls, &schedule) {
        let noted = walk.machine.verdict.count
        _ = walk.machine.step(cpu)
        guard walk.machine.verdict.count == noted else {
          found += 1
          expectWholeAgrees(walk.machine)
          break
        }
        let whole = walk.machine.wholeViolation()
        #expect(whole == nil, "unseen at \(walk.machine.executed) under \(variant.name)")
        if whole != nil { return }
      }
    }
    if isRepaired { #expect(found == 0) }
  }

  /// Where a word is wrong, whoever looks at all words finds the same.
  private func expectWholeAgrees(_ machine: Machine) {
    guard let first = machine.verdict.first, Self.ofState.contains(first.invariant) else { return }
    let isLocked =
      machine.mms.indices.contains { machine.mms[$0].pageTableLock.writer != 0 }
      || machine.files.indices.contains { machine.files[$0].pagesLock.writer != 0 }
    let whole = machine.wholeViolation()
    #expect(whole == first.invariant || (isLocked && whole == nil))
  }

  // MARK: What may be false under a lock

  /// A place inside a section where something goes wrong, and the step that ends the section.
  struct Section: Sendable, CustomTestStringConvertible {
    var invariant: Invariant
    var base: String
    var inside: String
    var release: String
    var corrupt: @Sendable (inout Machine) -> Void
    var testDescription: String { "\(invariant) from \(inside) to \(release)" }
  }

  static let sections: [Section] = [
    Section(invariant: .I4, base: "v6.18", inside: "takeMapReference", release: "unlockPageTable") {
      $0.pages[PFN(0)].mapcount += 1
      $0.touch(PFN(0))
    },
    Section(invariant: .I34, base: "v6.18", inside: "lockEntry", release: "unlockGrabbed") {
      $0.files[FileID(0)].nrpages += 1
      $0.touch(FileID(0))
    },
    Section(invariant: .I34, base: "v6.1", inside: "storeEntry", release: "unlockInserted") {
      $0.files[FileID(0)].nrpages += 1
      $0.touch(FileID(0))
    },
    Section(invariant: .I25, base: "v6.1", inside: "storeEntry", release: "unlockInserted") {
      $0.pages[PFN(0)].index = PageIndex(3)
      $0.touch(FileID(0))
    },
    Section(invariant: .I25, base: "v6.18", inside: "storeEntry", release: "unlockInserted") {
      $0.pages[PFN(0)].mapping = .none
      $0.touch(FileID(0))
    },
  ]

  @Test(
    "It is judged at the step that releases the lock, not earlier, never later", arguments: sections
  )
  func exemption(_ section: Section) throws {
    let base = try #require(Protocol.all.first { $0.name == section.base })
    var machine = Machine(Variant(base, isRepaired: true).rules)
    var call = Call(.daxFault)
    call.address = Address(FileID(0), PageIndex(0))
    call.flags = .write
    machine.begin(call, on: CPUID(0))
    func step(_ machine: Machine) -> String {
      machine.cpus[CPUID(0)].frame.procedure.stepNames[Int(machine.cpus[CPUID(0)].frame.step)]
    }
    while step(machine) != section.inside { _ = machine.step(CPUID(0)) }
    section.corrupt(&machine)
    while step(machine) != section.release {
      _ = machine.step(CPUID(0))
      #expect(machine.verdict.count == 0, "too early, before \(step(machine))")
    }
    _ = machine.step(CPUID(0))
    let violation = try #require(machine.verdict.first, "too late")
    #expect(violation.invariant == section.invariant)
    #expect(violation.procedure.stepNames[Int(violation.step)] == section.release)
  }

  @Test("Another process's section exempts nothing")
  func otherSections() throws {
    let base = try #require(Protocol.all.first { $0.name == "v6.18" })
    var machine = Machine(Variant(base, isRepaired: true).rules)
    machine.mms[MMID(0)].pageTableLock.writer = 2
    machine.pages[PFN(3)].mapcount = 1
    machine.pages[PFN(3)].refcount = 1
    machine.ledger.take(.get, of: PFN(3))
    machine.touch(PFN(3))
    machine.judge()
    #expect(machine.verdict.first?.invariant == .I4)
  }
}

/// Draws calls and the CPU that steps next, one step at a time.
struct StepwiseWalk {
  var machine: Machine
  private var started = 0

  init(from machine: Machine) { self.machine = machine }

  /// The CPU to step, with a call begun on it where it had none; nil at the end.
  mutating func next(
    _ generator: Generator, calls limit: Int, _ calls: inout Random, _ schedule: inout Random
  ) -> CPUID? {
    var candidates: [CPUID] = []
    for position in 0..<generator.cpus {
      let cpu = CPUID(position)
      let mayMove = machine.cpus[cpu].isActive ? machine.isRunnable(cpu) : started < limit
      if mayMove { candidates.append(cpu) }
    }
    guard !candidates.isEmpty, !machine.verdict.isStopped else { return nil }
    let cpu = candidates[schedule.below(candidates.count)]
    if !machine.cpus[cpu].isActive {
      started += 1
      machine.begin(generator.call(for: &machine, on: cpu, &calls), on: cpu)
    }
    return cpu
  }
}
