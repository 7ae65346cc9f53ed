// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// Random migrations between RAM and two devices, with everything that makes them fail.
///
/// Every program ends with its books closed: the staged end releases, unmaps and unbinds, and
/// every invariant is on.  A page that got lost on its way would show there (I11, I48, I49).
package struct Conservation: Sendable {
  /// The protocol, all its known bugs repaired.
  package let variant: Variant
  /// Programs executed.
  package private(set) var programs = 0
  /// Pages that moved, and pages that had to stay where they were.
  package private(set) var moved = 0
  package private(set) var stayed = 0
  /// The first program that violated an invariant.
  package private(set) var violating: Program?

  private let generator: Generator
  private var execution: RandomExecution

  /// Trials of one protocol; nothing is executed yet.
  package init(of base: Protocol) {
    variant = Variant(base, isRepaired: true)
    var options = Generator.Options()
    options.operations = Self.operations
    options.boot = Boot(files: 0, filePages: 2, devicePages: 1, devices: 2)
    generator = Generator(options)
    execution = RandomExecution()
  }

  /// Pages that went through a migration, wherever they ended.
  package var migrations: Int { moved + stayed }

  /// Executes one more program, interleaved at random.
  package mutating func advance() {
    programs += 1
    let number = UInt64(programs)
    var calls = Random.stream(seed: Self.seed, .calls, number)
    var schedule = Random.stream(seed: Self.seed, .schedule, number)
    var scheduler = RandomWalk(burst: 1 << schedule.below(6))
    let boot = generator.options.boot
    execution.execute(
      .boot(variant.rules, boot), calls: SearchLimits.standardCalls, generator, &scheduler,
      &calls, &schedule)
    let verdict = execution.run.machine.verdict
    moved += verdict.pagesMoved
    stayed += verdict.pagesStayed
    if verdict.count > 0 && violating == nil {
      violating = Program(variant, boot: boot, instructions: execution.instructions)
    }
  }

  /// What moves anonymous pages, and what gets in its way; no files, no unbinding.
  private static let operations: [Procedure] = Procedure.operations.filter {
    switch $0 {
    case .memremapPages, .memunmapPages, .mmapDeviceDAX, .mmapP2PDMA, .nextPage: false
    case .store, .load, .fork, .exit, .munmap, .madviseDontneed, .folioTryGet: true
    case .gupFast, .putPage, .pinUserPages, .unpinUserPages: true
    default: $0.signature?.domain == .device
    }
  }
  private static let seed: UInt64 = 1
}
