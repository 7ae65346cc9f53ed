// SPDX-License-Identifier: MIT

import Foundation
import Fuzzing
import PageLifecycle
import Storage

/// How a campaign is doing: for a terminal, and for tools that read AFL++'s files.
struct Telemetry {
  /// What only the one who drives the campaign knows.
  struct Moment {
    var wall = 0.0
    var cpu = 0.0
    var workers = 1
    /// Processes whose memory counts, beside this one.
    var processes: [pid_t] = []
    /// Bytes of the state directory; 0 without one.
    var diskBytes = 0
    /// Programs in the crashes directory that the engine did not come to the end of.
    var hangs = 0
    /// When it is to end, in seconds from its beginning; nil where time does not end it.
    var end: Double?
  }

  /// What an earlier process of the campaign has told.
  struct Earlier {
    /// Seconds it worked.
    var seconds = 0
    /// When something new was reached, and something new violated; nil where that was never.
    var lastDiscovery: time_t?
    var lastCrash: time_t?
    /// Of `plot_data`.
    var rows: [String] = []
  }

  private struct Sample {
    var executions: Int
    var discoveries: Int
  }

  let start = time(nil)
  /// Executions and steps that an earlier process did, and the seconds it took.
  let before: (executions: Int, steps: Int, seconds: Int)
  /// One for each tenth the campaign grew by.
  private var samples: [Sample] = []
  /// When something new was reached last, and how many new violations there were then.
  private(set) var lastDiscovery: (execution: Int, time: time_t)
  private(set) var lastCrash: (count: Int, time: time_t)
  /// Of `plot_data`.
  var rows: [String]

  /// How a campaign is doing that begins, or goes on from what an earlier process has told.
  init(_ campaign: Campaign, earlier: Earlier?) {
    before = (
      campaign.executions, campaign.steps + campaign.endSteps, earlier?.seconds ?? 0
    )
    lastDiscovery = (campaign.lastDiscovery, earlier?.lastDiscovery ?? start)
    lastCrash = (Self.count(campaign).new, earlier?.lastCrash ?? 0)
    rows = earlier?.rows ?? []
  }

  /// Takes in how far it is.
  mutating func note(_ campaign: Campaign) {
    if campaign.executions * 10 > (samples.last?.executions ?? -1) * 11 {
      samples.append(Sample(executions: campaign.executions, discoveries: campaign.discoveries))
    }
    if campaign.lastDiscovery != lastDiscovery.execution {
      lastDiscovery = (campaign.lastDiscovery, time(nil))
    }
    let crashes = Self.count(campaign).new
    if crashes != lastCrash.count { lastCrash = (crashes, time(nil)) }
  }

  /// The share of programs that reach something new, over the later half of the campaign; where
  /// none did, the share that would have shown with a probability of 95 % (the rule of three).
  func residual(_ campaign: Campaign) -> (share: Double, isBound: Bool)? {
    let half = samples.last { $0.executions * 2 <= campaign.executions }
    let base = half ?? Sample(executions: 0, discoveries: 0)
    let executions = campaign.executions - base.executions
    guard executions > 0 else { return nil }
    let found = campaign.discoveries - base.discoveries
    return (Double(found > 0 ? found : 3) / Double(executions), found == 0)
  }

  static func count(_ campaign: Campaign, _ base: String? = nil) -> (new: Int, known: Int) {
    let all = campaign.sightings.filter { $0.programs > 0 && $0.base == base ?? $0.base }
    let known = all.count { $0.isKnown }
    return (all.count - known, known)
  }

  func rates(_ campaign: Campaign, _ moment: Moment) -> (programs: Double, steps: Double) {
    guard moment.wall > 0 else { return (0, 0) }
    let steps = campaign.steps + campaign.endSteps - before.steps
    return (
      Double(campaign.executions - before.executions) / moment.wall, Double(steps) / moment.wall
    )
  }
}

// MARK: For a terminal

extension Telemetry {
  /// At most 22 lines of at most 79 columns; of fewer rows the first ones matter most.
  func screen(_ campaign: Campaign, _ moment: Moment) -> [String] {
    let rates = rates(campaign, moment)
    let workers = Double(max(1, moment.workers))
    let end = moment.end.map { " of \(Self.clock($0))" } ?? ""
    let options = campaign.options
    let (new, known) = Self.count(campaign)
    var lines = [
      "pagefuzz    seed \(options.seed), \(options.variants.count) protocols, "
        + "\(moment.workers) workers, \(Self.clock(moment.wall))\(end)",
      "violations  \(new) new, \(known) known, in \(campaign.violating) programs",
    ]
    lines += protocols(campaign)
    lines += [
      "programs    \(campaign.executions), \(Int(rates.programs / workers)) a second and worker",
      "steps       \(campaign.steps + campaign.endSteps), "
        + "\(Decimals.two(rates.steps / workers / 1e6)) million a second and worker",
      "memory      \(memory(moment) / 1_000_000) MB, "
        + "disk \(Decimals.two(Double(moment.diskBytes) / 1e6)) MB",
      "last new    program \(campaign.lastDiscovery), \(age) ago",
    ]
    lines += risk(campaign) + reached(campaign) + yields(campaign)
    return lines
  }

  /// The same in a line, for who keeps what is written.
  func line(_ campaign: Campaign, _ moment: Moment) -> String {
    let (new, known) = Self.count(campaign)
    let end = moment.end.map { " of \(Self.clock($0))" } ?? ""
    return "\(Self.clock(moment.wall))\(end): \(campaign.executions) programs, "
      + "\(Int(rates(campaign, moment).programs)) a second; \(new) new violations, "
      + "\(known) known; something new was reached \(age) ago; "
      + "\(memory(moment) / 1_000_000) MB"
  }

  private var age: String { Self.clock(Double(max(0, time(nil) - lastDiscovery.time))) }

  /// What may have been missed: new features, and races of programs like these.
  private func risk(_ campaign: Campaign) -> [String] {
    guard let (share, isBound) = residual(campaign) else { return [] }
    let most = isBound ? "less than 1" : "1"
    let steps = campaign.steps / max(1, campaign.executions)
    let runs = (1...3).map {
      "\(PCT.runs(depth: $0, steps: steps, cpus: campaign.options.cpus))"
    }
    return [
      "residual    \(most) of \(Int(1 / share)) programs reaches something new",
      "            races of depth 1, 2, 3: PCT shows 1 of \(runs.joined(separator: ", "))",
    ]
  }

  private func reached(_ campaign: Campaign) -> [String] {
    let coverage = campaign.coverage
    let features = zip(Footprint.Kind.allCases, coverage.footprint.counts).map { kind, count in
      let name = kind.rawValue == 0 ? "features  " : "          "
      return "\(name)  \(kind.name) \(count) of \(kind.capacity)"
    }
    return features + [
      "states      about \(coverage.states); \(campaign.checkpoints) programs to go on from"
    ]
  }

  /// One program of how many reached something new, by what it began with and who scheduled it.
  private func yields(_ campaign: Campaign) -> [String] {
    func cell(_ name: String, _ yield: Yields.Yield) -> String {
      guard yield.programs > 0 else { return "\(name) -" }
      guard yield.discoveries > 0 else { return "\(name) 0:\(yield.programs)" }
      return "\(name) 1:\(yield.programs / yield.discoveries)"
    }
    let yields = campaign.yields
    let beginnings = Yields.Beginning.allCases.map { cell("\($0)", yields[$0]) }
    let schedules = Campaign.ScheduleKind.allCases.map { cell($0.rawValue, yields[$0]) }
    return [
      "yields      " + beginnings.joined(separator: ", "),
      "            " + schedules.prefix(3).joined(separator: ", "),
      "            " + schedules.dropFirst(3).joined(separator: ", "),
    ]
  }

  /// New and known violations of each protocol that has any, three on a line.
  private func protocols(_ campaign: Campaign) -> [String] {
    var bases: [String] = []
    for variant in campaign.options.variants where !bases.contains(variant.base.name) {
      bases.append(variant.base.name)
    }
    let cells = bases.compactMap { base -> String? in
      let (new, known) = Self.count(campaign, base)
      guard new + known > 0 else { return nil }
      let cell = "\(base.prefix(14)) \(new)+\(known)"
      return cell + String(repeating: " ", count: max(1, 22 - cell.count))
    }
    return stride(from: 0, to: min(cells.count, 18), by: 3).map { start in
      "            " + cells[start..<min(start + 3, cells.count)].joined()
    }
  }

  /// `0:01:02`.
  private static func clock(_ seconds: Double) -> String {
    let whole = Int(seconds)
    let parts = [whole / 60 % 60, whole % 60].map { ($0 < 10 ? "0" : "") + "\($0)" }
    return "\(whole / 3600):\(parts[0]):\(parts[1])"
  }

  /// Resident bytes of all processes; 0 where the system does not tell.
  private func memory(_ moment: Moment) -> Int {
    ([getpid()] + moment.processes).reduce(0) { sum, process in
      let bytes = (try? ProgramFiles.read("/proc/\(process)/statm")) ?? []
      let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
      return sum + (words.count > 1 ? (Int(words[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0)
    }
  }
}
