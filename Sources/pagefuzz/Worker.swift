// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import Programs
import Storage
import Synchronization

/// A process that runs parts of a campaign for another one, and may die of them.
///
/// The hidden subcommand `worker`; its standard input and output are pipes.
enum Worker {
  static let name = "worker"

  /// Works until nobody gives orders any more.
  static func run() -> Never {
    // The terminal's signals go to all of us; our supervisor decides.
    signal(SIGINT, SIG_IGN)
    signal(SIGTERM, SIG_IGN)
    EngineTrap.isQuiet = true
    endWithParent()
    var campaign: Campaign?
    while let block = Pipe.read(from: STDIN_FILENO) {
      guard let order = try? Order(block) else { exit(ExitStatus.inputOutput.rawValue) }
      guard let reply = obey(order, &campaign) else { continue }
      Announcement.inherited.note(0)
      guard Pipe.write(reply.bytes, to: STDOUT_FILENO) else { break }
    }
    exit(0)
  }

  private static func obey(_ order: Order, _ campaign: inout Campaign?) -> Reply? {
    switch order {
    case .begin(let about, let state):
      guard let text = try? CampaignText(about) else { exit(ExitStatus.inputOutput.rawValue) }
      campaign =
        state.isEmpty ? Campaign(text.options) : try? Campaign(text.options, state: state)
      return nil
    case .run(let shard):
      let isWatched = Fault.given != nil || !shard.careful.isEmpty
      let watch: Campaign.Watch = { number, program in
        if shard.careful.contains(number) {
          Announcement.inherited.note(ProgramPrinter.text(of: program))
        }
        Fault.given?.strike(program.instructions.suffix(1), number)
      }
      let announce: (Int) -> Void = { Announcement.inherited.note($0) }
      return (campaign?.run(shard, announce: announce, watch: isWatched ? watch : nil))
        .map { .ran($0) }
    case .merge(let bytes):
      guard let record = try? EpochRecord(bytes), (try? campaign?.replay(record)) != nil else {
        exit(ExitStatus.inputOutput.rawValue)
      }
      return nil
    case .minimize(let text):
      guard let program = try? ProgramParser.parse(text), let finding = Finding(stating: program)
      else { return .minimized(text, isMinimal: false) }
      let minimized = finding.minimized()
      return .minimized(
        ProgramPrinter.text(of: minimized.statement), isMinimal: minimized.isMinimized)
    case .probe(let text):
      guard let program = try? ProgramParser.parse(text) else { return .survived }
      Announcement.inherited.note(1)
      Fault.given?.strike(program.instructions[...], 0)
      _ = Execution.run(program).identities()
      return .survived
    }
  }

  /// The process that started us.
  private static let parent = Atomic<Int32>(0)

  /// Ends this process soon after the one that started it, even in the middle of a loop without
  /// end: every second of the processor a signal looks.
  private static func endWithParent() {
    parent.store(getppid(), ordering: .relaxed)
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in
      if getppid() != Worker.parent.load(ordering: .relaxed) { _exit(0) }
    }
    action.sa_flags = SA_RESTART
    sigaction(SIGPROF, &action, nil)
    var timer = itimerval()
    (timer.it_value.tv_sec, timer.it_interval.tv_sec) = (1, 1)
    setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &timer, nil)
  }
}
