// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

// Mutations that draw as a campaign does.
extension Mutation {
  /// Another program altogether.
  static func drawAnew(_ program: Program, _ mutator: inout Mutator) -> Program {
    let variant = mutator.drawVariant()
    let boot = Plan.boot(variant.base.design.domains, &mutator.random)
    mutator.generator.options.boot = boot
    mutator.generator.options.domains = variant.base.design.domains
    mutator.generator.reswarm(&mutator.random)
    let longest = mutator.random.oneIn(4) ? SearchLimits.standardCalls : SearchLimits.firstCalls
    let calls = 1 + mutator.random.below(longest)
    return mutator.draw(.boot(variant.rules, boot), calls: calls, variant, boot)
  }

  /// The beginning of the program, or all of it, and further calls.
  static func goOn(_ program: Program, _ mutator: inout Mutator) -> Program? {
    var beginning = program
    if mutator.random.oneIn(2) {
      beginning.lines.removeSubrange((1 + mutator.random.below(program.lines.count))...)
    }
    guard mutator.run(beginning, before: beginning.lines.count) != nil else { return nil }
    let stop = mutator.stop(beginning)
    let calls = 1 + mutator.random.below(SearchLimits.suffixCalls)
    return mutator.draw(.after(stop), calls: calls, program.variant, program.boot)
  }

  /// The same calls, interleaved in another way.
  static func reschedule(_ program: Program, _ mutator: inout Mutator) -> Program? {
    let stop = mutator.stop(program)
    let calls = mutator.random.below(SearchLimits.addedCalls)
    return mutator.draw(.rescheduling(stop), calls: calls, program.variant, program.boot)
  }

  /// Other files and devices.
  static func changeBoot(_ program: Program, _ mutator: inout Mutator) -> Program? {
    var copy = program
    copy.boot = Plan.boot(program.variant.base.design.domains, &mutator.random)
    copy.boot.devices = max(copy.boot.devices, program.boot.devices)
    return copy
  }

  /// Other known bugs of the protocol repaired.
  static func changeRepairs(_ program: Program, _ mutator: inout Mutator) -> Program? {
    var copy = program
    copy.variant = mutator.drawVariant()
    return copy
  }
}

extension Mutator {
  fileprivate mutating func stop(_ program: Program) -> Checkpoint.Stop {
    let used = program.instructions.map { $0.cpu.position + 1 }.max() ?? 1
    generator.cpus = max(used, generator.cpus)
    return Checkpoint.Stop(program)
  }
}
