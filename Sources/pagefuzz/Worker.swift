// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import Instruments
import Programs
import Storage
import Synchronization

/// A process that runs parts of a campaign for another one, and may die of them.
///
/// The hidden subcommand `worker`; its standard input and output are pipes.
enum Worker {
  static let name = "worker"
  /// What it is at where memory of the shard it has run is lost: nobody knows in which execution.
  static let leak = Int.max

  /// Works until nobody gives orders any more.
  static func run() -> Never {
    // The terminal's signals go to all of us; our supervisor decides.
    signal(SIGINT, SIG_IGN)
    signal(SIGTERM, SIG_IGN)
    EngineTrap.isQuiet = true
    endWithParent()
    limitMemory()
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
      let begin = {
        state.isEmpty ? Campaign(text.options) : try? Campaign(text.options, state: state)
      }
      campaign = begin()
      #if PAGEFUZZ_THREADS
        twin = begin()
      #endif
      return nil
    case .run(let shard):
      let isWatched = Fault.given != nil || !shard.careful.isEmpty
      let watch: Campaign.Watch = { number, program in
        if shard.careful.contains(number) {
          Announcement.inherited.note(ProgramPrinter.text(of: program))
        }
        Fault.given?.strike(program.instructions.suffix(1), number)
      }
      let announce: (Int) -> Void = { number in
        if !shard.careful.isEmpty { endAtLeak() }
        Announcement.inherited.note(number)
      }
      let result = run(shard, &campaign, announce, isWatched ? watch : nil)
      if shard.careful.isEmpty { Announcement.inherited.note(leak) }
      endAtLeak()
      return result.map { .ran($0) }
    case .merge(let bytes):
      guard let record = try? EpochRecord(bytes), (try? campaign?.replay(record)) != nil else {
        exit(ExitStatus.inputOutput.rawValue)
      }
      #if PAGEFUZZ_THREADS
        _ = try? twin?.replay(record)
      #endif
      return nil
    case .minimize(let text):
      guard let program = try? ProgramParser.parse(text), let finding = Finding(stating: program)
      else { return .minimized(text, isMinimal: false) }
      let minimized = finding.minimizedAlone()
      return .minimized(
        ProgramPrinter.text(of: minimized.statement), isMinimal: minimized.isMinimized)
    case .probe(let text):
      guard let program = try? ProgramParser.parse(text) else { return .survived }
      Announcement.inherited.note(1)
      Fault.given?.strike(program.instructions[...], 0)
      probe(program)
      endAtLeak()
      return .survived
    }
  }

  /// Ends this process where it has lost memory, which a sanitizer has reported then.
  private static func endAtLeak() {
    if instruments_find_leaks() { _exit(ExitStatus.engineTrap.rawValue) }
  }

  /// Bytes of address space after which a worker dies, instead of whatever else the system would
  /// choose; some three hundred million are usual.
  private static let memory: rlim_t = 4 << 30

  /// A program that takes too much memory is one that we do not survive.
  private static func limitMemory() {
    // A sanitizer's shadow takes more than anybody has.
    guard !instruments_report_faults() else { return }
    var limit = rlimit(rlim_cur: memory, rlim_max: memory)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
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

#if PAGEFUZZ_THREADS
  extension Worker {
    /// The campaign once more, for another thread: nothing is shared.
    nonisolated(unsafe) private static var twin: Campaign?

    private static func run(
      _ shard: Shard, _ campaign: inout Campaign?, _ announce: (Int) -> Void,
      _ watch: Campaign.Watch?
    ) -> ShardResult? {
      guard campaign != nil else { return nil }
      let meeting = Twin.Meeting()
      defer { meeting.end() }
      let race: (Program) -> Void = { Twin.race($0.repairingHandles(), meeting) }
      let (result, same) = Twin.run {
        campaign?.run(
          shard,
          announce: {
            meeting.wait()
            announce($0)
          }, watch: watch, executed: race)
      } _: {
        twin?.run(shard, announce: { _ in meeting.wait() }, executed: race)
      }
      precondition(same??.bytes == result?.bytes, "two runs of one shard differ")
      return result
    }

    private static func probe(_ program: Program) {
      let text = ProgramPrinter.text(of: program)
      let meeting = Twin.Meeting()
      defer { meeting.end() }
      _ = Twin.run {
        Twin.race(program, meeting)
      } _: {
        guard let same = try? ProgramParser.parse(text) else {
          preconditionFailure("a program is its text")
        }
        Twin.race(same, meeting)
      }
      _ = Execution.run(program).identities()
    }
  }
#else
  extension Worker {
    private static func run(
      _ shard: Shard, _ campaign: inout Campaign?, _ announce: (Int) -> Void,
      _ watch: Campaign.Watch?
    ) -> ShardResult? {
      campaign?.run(shard, announce: announce, watch: watch)
    }

    private static func probe(_ program: Program) { _ = Execution.run(program).identities() }
  }
#endif
