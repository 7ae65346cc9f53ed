// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import PageLifecycle
import Programs
import Storage

/// A campaign with workers, a clock, a disk and somebody who watches.
final class FuzzSession {
  private var campaign: Campaign
  private let about: CampaignText
  private var crew: Crew
  private var store: StateDirectory?
  private let directory: CrashDirectory
  private let corpus: CorpusDirectory?
  private var report: FuzzReport
  private var losses: Losses
  private let isResumed: Bool
  private let clock = Stopwatch()

  /// Files of findings that were saved before their epoch was over, with their texts.
  private var early: [String: String] = [:]
  /// What an earlier process may have saved in the epoch it was killed in: the next epochs find it
  /// again, or it is somebody else's.
  private var awaited: [(finding: Finding, name: String)] = []
  /// The record of the last epoch, which is noted when the crew is at work again.
  private var unnoted: [UInt8]?
  /// An epoch is merged, and its findings are not settled yet.
  private var isBetween = false
  /// What could not be saved yet, by name.
  private var unsaved: [String: String] = [:]
  /// Files that are to go when everything is saved.
  private var withdrawn: Set<String> = []
  private var hasComplained = false
  private var isCorpusLost = false
  private var telemetry: Telemetry
  private var nextStatistics = 0.0
  /// When it is to end, in seconds.
  private var end: Double?

  init(
    _ campaign: Campaign, _ about: CampaignText, isResumed: Bool, workers: Int,
    _ store: StateDirectory?, _ directory: CrashDirectory, _ corpus: CorpusDirectory?,
    _ report: FuzzReport
  ) {
    self.isResumed = isResumed
    (self.campaign, self.about, self.store) = (campaign, about, store)
    (self.directory, self.corpus, self.report) = (directory, corpus, report)
    crew = Crew(workers: workers)
    telemetry = Telemetry(campaign, earlier: isResumed ? store.map(Self.earlier) : nil)
    losses = Losses(directory, seed: campaign.options.seed)
  }

  /// Goes on until so many programs were executed, so long was worked, or somebody interrupts.
  func run(executions limit: Int, seconds: Double?) throws {
    defer {
      crew.end()
      noteEpoch()
      report.lose(unsaved)
    }
    end = seconds
    try report.begin(campaign, directory)
    try finishEarlier()
    while campaign.executions < limit, Interruption.status == nil {
      if let seconds, clock.wallSeconds >= seconds { break }
      guard try runEpoch(within: limit) else { break }
    }
    noteEpoch()
    if let corpus {
      let chosen = campaign.corpus.distilled(limit: SearchLimits.corpusPrograms)
      do throws(StorageError) { try corpus.save(chosen.map(\.program)) } catch {
        complain(error)
        isCorpusLost = true
      }
      report.corpusPrograms = chosen.count
    }
    retryUnsaved()
    if store?.isBehind == true { restate() }
    if store != nil { writeStatistics(crew) }
    try report.end(campaign, directory, wall: clock.wallSeconds, cpu: cpuSeconds)
  }

  /// What the process ends with.
  func status(failsOnAny: Bool) -> ExitStatus {
    if !unsaved.isEmpty || isCorpusLost || store?.isBehind == true { return .inputOutput }
    if let status = Interruption.status { return status }
    let hasNews =
      losses.hasNews || campaign.sightings.contains { !$0.isKnown && $0.programs > 0 }
    return hasNews || failsOnAny && campaign.violating > 0 ? .found : .success
  }

  private var cpuSeconds: Double { clock.cpuSeconds + crew.cpuSeconds }

  /// What an earlier campaign was killed over is not searched for again: it is minimized now.
  ///
  /// This campaign's own findings of the epoch that it was killed in come again by themselves.
  private func finishEarlier() throws {
    awaited = directory.unfinished.filter {
      isResumed && $0.finding.seed == campaign.options.seed
        && $0.finding.execution > campaign.executions
    }
    for (finding, name) in directory.unfinished
    where !awaited.contains(where: { $0.name == name }) { try finish(finding, name) }
  }

  /// Minimizes what somebody else has left in a file.
  private func finish(_ finding: Finding, _ name: String) throws {
    guard let minimized = try minimized([finding]).first.flatMap({ $0 }) else { return }
    let newName = CrashDirectory.name(of: minimized)
    save(minimized.text(file: newName), as: newName)
    if newName != name, unsaved.isEmpty { try? directory.remove(name) }
  }

  /// What did not come again when its time had come is not this campaign's.
  private func finishAwaited(_ ours: Set<String>) throws {
    awaited.removeAll { ours.contains($0.name) }
    for (finding, name) in awaited where finding.execution <= campaign.executions {
      awaited.removeAll { $0.name == name }
      try finish(finding, name)
    }
  }

  // MARK: An epoch

  /// Runs and merges an epoch; false where somebody interrupted it.
  private func runEpoch(within limit: Int) throws -> Bool {
    guard var results = try runShards(campaign.shards(within: limit)) else { return false }
    let bugs: [Campaign.NewBug]
    do { bugs = try campaign.merge(&results) } catch {
      throw CommandFailure(.engineTrap, "fuzz: a worker's result does not fit; please report this")
    }
    isBetween = true
    let epoch = campaign.epoch - 1
    let findings = bugs.compactMap { Finding($0, seed: campaign.options.seed) }
    for finding in findings { saveEarly(finding) }
    let minimized = try minimized(findings)
    guard Interruption.status == nil else { return false }
    var resolutions: [Resolution] = []
    var names: Set<String> = []
    for (finding, smaller) in zip(findings, minimized) {
      report.cpuSeconds[finding.sighting] = cpuSeconds
      let resolution = Resolution(smaller ?? finding)
      resolutions.append(resolution)
      guard campaign.settle(resolution) else { continue }
      let name = CrashDirectory.name(of: smaller ?? finding)
      names.insert(name)
      let text = (smaller ?? finding).text(file: name)
      guard !isElsewhere(name, text, isFinished: true) else { continue }
      save(text, as: name)
      tell { try $0.tell(smaller ?? finding, directory.path(of: name), campaign) }
    }
    let ours = Set(early.keys)
    for name in ours.subtracting(names).sorted() { withdraw(name) }
    early = [:]
    try finishAwaited(ours)
    isBetween = false
    let record = EpochRecord(epoch: epoch, results, resolutions).bytes
    crew.merge(record)
    retryUnsaved()
    unnoted = record
    return true
  }

  private func runShards(_ shards: [Shard]) throws -> [ShardResult]? {
    var shards = shards
    var results = [ShardResult?](repeating: nil, count: shards.count)
    var deaths: [Int: Int] = [:]
    var lost: [Losses.Loss] = []
    let isDone = try crew.perform(
      shards.map { .run($0) },
      { Order.begin(about: self.about.text, state: self.campaign.state) },
      whenDone: { job, reply in
        guard case .ran(let result) = reply else { return }
        results[job] = result
        for (program, execution) in result.findings {
          saveEarly(program, execution: shards[job].first - 1 + execution)
        }
      },
      whenDead: { job, death, announced in
        let number = announced.execution
        if number == Worker.leak {
          shards[job].careful = Array(shards[job].first..<shards[job].first + shards[job].count)
          return .run(shards[job])
        }
        guard (shards[job].first..<shards[job].first + shards[job].count).contains(number) else {
          return .run(shards[job])
        }
        deaths[number, default: 0] += 1
        if deaths[number, default: 0] >= Losses.deaths(death) {
          shards[job].skipped.append(number)
          let loss = Losses.Loss(
            execution: number, death: death, text: announced.text, report: announced.report)
          losses.keepEarly(loss) { save($0, as: $1) }
          lost.append(loss)
        } else if !shards[job].careful.contains(number) {
          shards[job].careful.append(number)
        }
        return .run(shards[job])
      },
      whenIdle: { look($0) })
    guard isDone else { return nil }
    for loss in lost.sorted(by: { $0.execution < $1.execution }) {
      let path = try losses.save(loss, &crew) { save($0, as: $1) }
      if let path { tell { try $0.tellLoss(loss, path) } }
    }
    for name in losses.takeSuperseded() { withdraw(name) }
    return results.compactMap { $0 }
  }

  /// The findings as small as they get; nil where that could not be found out.
  private func minimized(_ findings: [Finding]) throws -> [Finding?] {
    var reduced = [Finding?](repeating: nil, count: findings.count)
    var deaths = [Int](repeating: 0, count: findings.count)
    let jobs = findings.map { Crew.Job.minimize(ProgramPrinter.text(of: $0.statement)) }
    _ = try crew.perform(
      jobs, nil,
      whenDone: { job, reply in
        guard case .minimized(let text, let isMinimal) = reply,
          let program = try? ProgramParser.parse(text)
        else { return }
        reduced[job] = findings[job].reduced(to: program, isMinimized: isMinimal)
      },
      whenDead: { job, death, _ in
        deaths[job] += 1
        guard deaths[job] >= Losses.deaths(death) else { return jobs[job] }
        report.clear()
        Diagnostics.report(
          "workers die of minimizing \(CrashDirectory.name(of: findings[job])) "
            + "(\(death.rawValue)); it stays as it was found; please report this")
        return nil
      },
      whenIdle: { look($0) })
    return reduced
  }

  /// What is noted, and what a look at the clock may show and write; the crew is at work.
  private func look(_ crew: Crew) {
    noteEpoch()
    let wall = clock.wallSeconds
    telemetry.note(campaign)
    report.show(wall) {
      telemetry.screen(campaign, moment(crew))
    } line: {
      telemetry.line(campaign, moment(crew))
    }
    if wall >= nextStatistics { writeStatistics(crew) }
  }

  private func moment(_ crew: Crew) -> Telemetry.Moment {
    .init(
      wall: clock.wallSeconds, cpu: clock.cpuSeconds + crew.cpuSeconds, workers: crew.count,
      processes: crew.processes, diskBytes: store?.diskBytes ?? 0, end: end)
  }

  /// What an earlier process of a campaign has told.
  private static func earlier(_ store: StateDirectory) -> Telemetry.Earlier {
    .init(statistics: store.text(of: statisticsName), plot: store.text(of: plotName))
  }

  private static let statisticsName = "fuzzer_stats"
  private static let plotName = "plot_data"

  /// Writes what tools of AFL++ read; nothing depends on it.
  private func writeStatistics(_ crew: Crew) {
    nextStatistics = clock.wallSeconds + Self.statisticsInterval
    // Tools divide by the programs that were executed.
    guard let store, campaign.executions > 0 else { return }
    var moment = moment(crew)
    moment.hangs = directory.losses.count { $0.contains("-\(Crew.Death.hang.rawValue)-") }
    telemetry.note(campaign)
    do throws(StorageError) {
      try store.write(telemetry.statistics(campaign, moment), to: Self.statisticsName)
      try store.write(telemetry.plot(campaign, moment), to: Self.plotName)
    } catch { complain(error) }
  }

  /// Seconds between two rows of `plot_data`.
  private static let statisticsInterval = 15.0

  // MARK: The disk

  /// Makes a finding durable as it is, where nobody knows it.
  private func saveEarly(_ program: Program, execution: Int) {
    guard campaign.isNews(program) else { return }
    let bug = Campaign.NewBug(program: program, execution: execution)
    guard let finding = Finding(bug, seed: campaign.options.seed) else { return }
    // Which shard was first is decided when all are done.
    guard early[CrashDirectory.name(of: finding)] == nil else { return }
    saveEarly(finding)
  }

  private func saveEarly(_ finding: Finding) {
    let name = CrashDirectory.name(of: finding)
    let text = finding.text(file: name)
    guard early[name] != text, !isElsewhere(name, text, isFinished: false) else { return }
    early[name] = text
    save(text, as: name)
  }

  /// Another campaign that shares the directory has found this since we began, and perhaps reduced it.
  private func isElsewhere(_ name: String, _ text: String, isFinished: Bool) -> Bool {
    guard early[name] == nil, !awaited.contains(where: { $0.name == name }), directory.has(name)
    else { return false }
    let other = directory.text(of: name)
    guard other != text, let program = try? ProgramParser.parse(other),
      case .violation = program.expectation
    else { return false }
    return !isFinished || Finding(unfinished: program) == nil
  }

  /// A file of ours is not to stay; it does as long as what stands for it is in memory only.
  private func withdraw(_ name: String) {
    unsaved[name] = nil
    withdrawn.insert(name)
  }

  private func save(_ text: String, as name: String) {
    do throws(StorageError) {
      withdrawn.remove(name)
      try directory.save(text, as: name)
      unsaved[name] = nil
    } catch {
      unsaved[name] = text
      complain(error)
    }
  }

  private func retryUnsaved() {
    for (name, text) in unsaved.sorted(by: { $0.key < $1.key }) { save(text, as: name) }
    if unsaved.isEmpty {
      for name in withdrawn.sorted() { try? directory.remove(name) }
      withdrawn = []
    }
    if unsaved.isEmpty, store?.isBehind != true { hasComplained = false }
  }

  /// Notes an epoch in the journal; where that failed before, or it became long, the whole state.
  ///
  /// As long as a finding is in memory only, the epoch that made it is not over: it is executed
  /// again by who resumes.
  private func noteEpoch() {
    guard let record = unnoted else { return }
    unnoted = nil
    guard unsaved.isEmpty else {
      store?.fallBehind()
      return
    }
    guard let store else { return }
    if store.isBehind || store.journalBytes > Self.journalBytes { return restate() }
    do throws(StorageError) { try self.store?.append(record) } catch { complain(error) }
  }

  private func restate() {
    guard unsaved.isEmpty, !isBetween else { return }
    do throws(StorageError) { try store?.restate(campaign.state) } catch { complain(error) }
  }

  /// Bytes of a journal that is replaced by the state it leads to.
  private static let journalBytes = 8 << 20

  /// Tells something on standard output; where that is gone, the campaign goes on.
  private func tell(_ body: (inout FuzzReport) throws -> Void) {
    do { try body(&report) } catch let error as StorageError { complain(error) } catch {}
  }

  private func complain(_ error: StorageError) {
    guard !hasComplained else { return }
    hasComplained = true
    report.clear()
    Diagnostics.report("\(error.message); going on, and trying again")
  }
}

/// How long a campaign has run, for the person who waits and for the processor.
struct Stopwatch {
  private let start = Self.read(CLOCK_MONOTONIC)
  private let startCPU: Double
  private let clock: clockid_t

  /// From now on; CPU-seconds are the process's, or those of the thread that asks.
  init(ofThread: Bool = false) {
    clock = ofThread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID
    startCPU = Self.read(clock)
  }

  var wallSeconds: Double { Self.read(CLOCK_MONOTONIC) - start }
  var cpuSeconds: Double { Self.read(clock) - startCPU }

  private static func read(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
