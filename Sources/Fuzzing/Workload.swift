// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// Fixed random programs at full limits: what the engine's speed is measured with.
package enum Workload {
  /// Programs of one protocol, each of as many calls as any, on a machine booted whole.
  ///
  /// With every known bug repaired, so that none ends before its last line.
  package static func programs(of base: Protocol, count: Int) -> [Program] {
    let variant = Variant(base, isRepaired: true)
    var options = Generator.Options()
    options.boot = .full
    options.cpus = Limits.cpus
    options.domains = base.design.domains
    let generator = Generator(options)
    var execution = RandomExecution()
    return (1...count).map { number in
      var calls = Random.stream(seed: seed, .calls, UInt64(number))
      var schedule = Random.stream(seed: seed, .schedule, UInt64(number))
      var scheduler = RandomWalk(burst: 1 << schedule.below(6))
      execution.execute(
        .boot(variant.rules, options.boot), calls: SearchLimits.standardCalls, generator,
        &scheduler,
        &calls, &schedule)
      return Program(variant, boot: options.boot, instructions: execution.instructions)
    }
  }

  private static let seed: UInt64 = 1
}
