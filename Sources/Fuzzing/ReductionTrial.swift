// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// Fat random programs with several bugs active, and what the reducer makes of them.
package struct ReductionTrial: Sendable {
  /// One program, before and after.
  package struct Result: Sendable {
    package var identity: Identity
    package var callsBefore: Int
    package var program: Program
    /// The small program shows the same bug.
    package var keepsIdentity: Bool
    /// Different programs tried, all in all and for the first pass over the calls.
    package var runs: Int
    package var callRuns: Int
  }

  private let variants: [Variant]
  private let generator: Generator
  private var execution: RandomExecution
  private var number: UInt64 = 0

  /// Trials of protocols as released, in turn.
  package init(of bases: [Protocol]) {
    variants = bases.filter(\.isOfKernel).map { Variant($0) }
    var options = Generator.Options()
    options.boot.devices = 2
    generator = Generator(options)
    execution = RandomExecution(on: Machine(variants[0].rules, options.boot))
  }

  /// Draws until a program of at least `calls` calls violates something in its lines, and reduces
  /// it for the last violation it shows.
  package mutating func next(calls: Int) -> Result {
    while true {
      number += 1
      var stream = Random.stream(seed: Self.seed, .calls, number)
      var schedule = Random.stream(seed: Self.seed, .schedule, number)
      let variant = variants[Int(number) % variants.count]
      let boot = generator.options.boot
      var scheduler = RandomWalk(burst: 1 << schedule.below(6))
      execution.execute(
        .boot(Machine(variant.rules, boot)), calls: calls * 2, generator, &scheduler, &stream,
        &schedule)
      let program = Program(variant, boot: boot, instructions: execution.instructions)
      guard program.callCount >= calls, let meant = execution.run.machine.verdict.all.last
      else { continue }
      let whole = identity(of: meant, in: program)
      guard case .rules = whole.cause else { continue }
      var reducer = Reducer(program, showing: whole)
      let small = reducer.reduce()
      return Result(
        identity: whole, callsBefore: program.callCount, program: small,
        keepsIdentity: Reducer.witness(of: whole, in: small)?.identity == whole,
        runs: reducer.runs, callRuns: reducer.callRuns)
    }
  }

  private static let seed: UInt64 = 1
}
