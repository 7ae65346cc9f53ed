// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import Programs
import Storage

/// The workers of a campaign: processes that take one job after another and may die of it.
struct Crew {
  /// One thing a worker is asked to do.
  enum Job {
    case run(Shard)
    case minimize(String)
    case probe(String)

    fileprivate var order: Order {
      switch self {
      case .run(let shard): .run(shard)
      case .minimize(let text): .minimize(text)
      case .probe(let text): .probe(text)
      }
    }

    /// It comes with many like it, and its order is so short that no worker has to read it at once.
    fileprivate var isOneOfMany: Bool { if case .run = self { true } else { false } }

    /// Seconds of the processor without a sign of life after which it hangs.
    fileprivate var patience: Double {
      switch self {
      case .run, .probe: Crew.patience
      case .minimize: 60 * Crew.patience
      }
    }
  }

  /// How the engine died.
  enum Death: String {
    /// Of itself: a trap, an abort.
    case trap
    /// By a sanitizer, which reported what the engine did.
    case report
    /// By us, for it did not come to an end.
    case hang
    /// By somebody else: the system, out of memory.
    case kill
  }

  private struct Member {
    var child: ChildProcess
    /// It has the campaign, as it is now.
    var isBegun = false
    /// What it is at, and what it is to do next.
    var jobs: [Int] = []
    /// The last sign of life, and the processor time it had used by then.
    var sign = (number: 0, cpuSeconds: 0.0)
  }

  private var members: [Member] = []
  private let size: Int
  private var endedSeconds = 0.0
  /// Deaths since the last reply of which nobody knows in which execution.
  private var deathsInRow = 0
  private static let mostDeathsInRow = 100
  /// A test does not wait that long for a hang.
  private static let patience = Fault.given == nil ? 20.0 : 1.0

  /// A crew of so many, which starts with the first job.
  init(workers: Int) {
    size = workers
    // Who writes to a worker that died learns it from the write.
    signal(SIGPIPE, SIG_IGN)
  }

  /// Seconds of the processor that all members have used.
  var cpuSeconds: Double { members.reduce(endedSeconds) { $0 + $1.child.cpuSeconds } }
  /// How many work at a time.
  var count: Int { size }
  /// Those that are there now.
  var processes: [pid_t] { members.map(\.child.identifier) }

  /// Members that have the campaign merge an epoch; others will be given it as it is then.
  mutating func merge(_ record: [UInt8]) {
    let order = Order.merge(record).bytes
    for position in members.indices.reversed() where members[position].isBegun {
      if !members[position].child.send(order) { bury(position, killing: true) }
    }
  }

  /// Ends all members.
  mutating func end() {
    for position in members.indices.reversed() { bury(position, killing: true) }
  }

  @discardableResult
  private mutating func bury(_ position: Int, killing: Bool) -> ChildProcess.End {
    let (end, seconds) = members[position].child.end(killing: killing)
    endedSeconds += seconds
    members.remove(at: position)
    return end
  }

  /// Has jobs done, in any order; false where somebody asked us to end.
  ///
  /// `beginning` gives the campaign to members that need it and do not have it; nil where no job
  /// is about it.  Where a worker dies of a job, `whenDead` says with which job to go on instead;
  /// nil gives up.
  mutating func perform(
    _ jobs: [Job], _ beginning: (() -> Order)?,
    whenDone: (Int, Reply) throws -> Void,
    whenDead: (Int, Death, Announced) throws -> Job?,
    whenIdle: (Crew) throws -> Void = { _ in }
  ) throws -> Bool {
    var jobs = jobs
    var queue = Array(jobs.indices.reversed())
    var encoded: [UInt8]?
    var done: [(job: Int, block: [UInt8])] = []
    while true {
      while members.count < min(size, queue.count + members.count { !$0.jobs.isEmpty }) {
        guard let child = try start() else { break }
        members.append(Member(child: child))
      }
      while let job = queue.last, let position = nextToTake(jobs[job], of: queue.count) {
        queue.removeLast()
        if let beginning, !members[position].isBegun {
          let order = encoded ?? beginning().bytes
          encoded = order
          _ = members[position].child.send(order)
          members[position].isBegun = true
        }
        give(job, jobs[job].order, to: position)
      }
      // While the next jobs are done.
      for (job, block) in done {
        guard let reply = try? Reply(block) else {
          throw CommandFailure(
            .engineTrap, "fuzz: nobody understands a worker's reply; please report this")
        }
        try whenDone(job, reply)
      }
      done = []
      guard members.contains(where: { !$0.jobs.isEmpty }) else { return true }
      guard Interruption.status == nil else {
        end()
        return false
      }
      try whenIdle(self)
      for (position, isHung) in waitForReplies(jobs).reversed() {
        if !isHung, let blocks = members[position].child.receive() {
          for block in blocks where !members[position].jobs.isEmpty {
            done.append((members[position].jobs.removeFirst(), block))
            members[position].sign = (0, members[position].child.cpuSeconds)
            deathsInRow = 0
          }
        } else if let (lost, death, announced) = try bury(position, isHung, jobs) {
          queue += lost.dropFirst().reversed()
          guard let job = lost.first, let other = try whenDead(job, death, announced)
          else { continue }
          jobs[job] = other
          queue.append(job)
        }
      }
    }
  }

  /// Who takes a job, the next of so many; nil where it waits.
  ///
  /// Who has nothing to do comes first.  Of many each also has the one after that at hand; the last
  /// ones wait for whoever is done first.
  private func nextToTake(_ job: Job, of count: Int) -> Int? {
    if let idle = members.firstIndex(where: { $0.jobs.isEmpty }) { return idle }
    guard job.isOneOfMany, count > 2 * members.count else { return nil }
    return members.firstIndex { $0.jobs.count == 1 }
  }

  private mutating func give(_ job: Int, _ order: Order, to position: Int) {
    if members[position].jobs.isEmpty {
      members[position].sign = (0, members[position].child.cpuSeconds)
    }
    members[position].jobs.append(job)
    // One that is gone is noticed by its silence.
    _ = members[position].child.send(order.bytes)
  }

  /// A new worker; nil where the system has no room for one now, and others are at work.
  private func start() throws -> ChildProcess? {
    for attempt in 1... {
      do throws(StorageError) { return try ChildProcess(arguments: [Worker.name]) } catch {
        guard members.isEmpty else { return nil }
        guard attempt < Self.mostAttempts, Interruption.status == nil else { throw error }
        usleep(500_000)
      }
    }
    return nil
  }

  /// How often half a second is waited for room for a worker where there is none.
  private static let mostAttempts = 20

  /// What a worker said it was at when it died.
  struct Announced {
    var execution: Int
    var text: String
    /// What it said about its death.
    var report = DeathReport.none
  }

  /// Members that have something to say, are gone, or hang.
  private mutating func waitForReplies(_ jobs: [Job]) -> [(position: Int, isHung: Bool)] {
    var polled = members.map { pollfd(fd: $0.child.replies, events: Int16(POLLIN), revents: 0) }
    _ = poll(&polled, nfds_t(polled.count), 100)
    var found: [(position: Int, isHung: Bool)] = []
    for position in members.indices {
      if polled[position].revents != 0 {
        found.append((position, false))
      } else if let job = members[position].jobs.first {
        let number = members[position].child.announcement.number
        let seconds = members[position].child.cpuSeconds
        if number != members[position].sign.number {
          members[position].sign = (number, seconds)
        } else if seconds - members[position].sign.cpuSeconds > jobs[job].patience {
          found.append((position, true))
        }
      }
    }
    return found
  }

  private mutating func bury(
    _ position: Int, _ isHung: Bool, _ jobs: [Job]
  ) throws -> (jobs: [Int], death: Death, announced: Announced)? {
    let member = members[position]
    var announced = Announced(
      execution: member.child.announcement.number, text: member.child.announcement.text)
    let errors = member.child.errors.text
    announced.report = DeathReport(errors)
    let end = bury(position, killing: isHung)
    guard let job = member.jobs.first else {
      if !errors.isEmpty { Diagnostics.print(errors) }
      return nil
    }
    if case .run = jobs[job], announced.execution == 0 { deathsInRow += 1 }
    guard deathsInRow < Self.mostDeathsInRow else {
      Diagnostics.print(errors)
      throw CommandFailure(
        .engineTrap, "fuzz: workers die of whatever they do (\(end)); please report this")
    }
    let ownDeath: Death = announced.report.kind == nil ? .trap : .report
    let death: Death = isHung ? .hang : end == .killed(SIGKILL) ? .kill : ownDeath
    return (member.jobs, death, announced)
  }
}
