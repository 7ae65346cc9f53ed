// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import PageLifecycle
import Programs

/// Seconds of the processor that the running thread has used.
enum ThreadClock {
  static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

/// `bench --campaign`: what drawing, scheduling and noting cost beside executing.
///
/// *Bare* executes the programs of the campaign, every invariant on, from where they began.  The
/// campaign itself goes on from machines it has kept, and executes fewer steps for the same
/// programs: so both are told, the programs a CPU-second and the steps it really executes.
enum CampaignBench {
  static func run(_ programs: Int, _ arguments: ParsedArguments) throws -> ExitStatus {
    guard let base = Protocol.all.first(where: { $0.name == "v6.18" }) else {
      preconditionFailure("no v6.18")
    }
    let options = Campaign.Options([Variant(base, isRepaired: true)])
    var timed = Campaign(options)
    let start = ThreadClock.seconds
    while timed.executions < programs { _ = timed.advance(within: programs) }
    let full = Rate(steps: timed.steps + timed.endSteps, ThreadClock.seconds - start)
    let bare = bareRate(options, programs)
    let share = full.perSecond / bare.perSecond
    let programShare = full.seconds > 0 ? bare.seconds / full.seconds : 0
    let line: JSONText = [
      "programs": .count(timed.executions), "fullSteps": .count(full.steps),
      "fullCPUSeconds": .seconds(full.seconds), "bareSteps": .count(bare.steps),
      "bareCPUSeconds": .seconds(bare.seconds), "share": .seconds(share),
      "programShare": .seconds(programShare),
    ]
    try Output.line(
      arguments.isJSON
        ? line.line
        : "\(timed.executions) programs in \(Decimals.two(full.seconds)) CPU-seconds, bare in "
          + "\(Decimals.two(bare.seconds)): \(Decimals.two(programShare * 100)) %\n"
          + "steps executed for them: full \(full.text), bare \(bare.text): "
          + "\(Decimals.two(share * 100)) %")
    return .success
  }

  private struct Rate {
    var steps = 0
    var seconds = 0.0
    init(steps: Int, _ seconds: Double) { (self.steps, self.seconds) = (steps, seconds) }
    var perSecond: Double { seconds > 0 ? Double(steps) / seconds : 0 }
    var text: String { "\(Decimals.two(perSecond / 1e6)) million steps a CPU-second" }
  }

  /// The same campaign once more, whose programs are executed again, an epoch's at a time.
  private static func bareRate(_ options: Campaign.Options, _ programs: Int) -> Rate {
    var campaign = Campaign(options)
    var rate = Rate(steps: 0, 0)
    var run = Run(Machine(options.variants[0].rules))
    while campaign.executions < programs {
      var executed: [Program] = []
      var results = campaign.shards(within: programs).map { shard in
        campaign.run(shard, executed: { executed.append($0) })
      }
      guard (try? campaign.merge(&results)) != nil else { preconditionFailure("another campaign") }
      let lines = executed.map(\.instructions)
      let rules = executed.map(\.variant.rules)
      let start = ThreadClock.seconds
      for position in lines.indices {
        run.reset(rules[position], executed[position].boot)
        for line in lines[position] { run.execute(line, tag: -1) }
        run.finish()
        rate.steps += run.steps + run.endSteps
      }
      rate.seconds += ThreadClock.seconds - start
    }
    return rate
  }
}
