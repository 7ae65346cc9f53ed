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
    /// When it is to end, in seconds from its beginning; nil where time does not end it.
    var end: Double?
  }

  private struct Sample {
    var executions: Int
    var discoveries: Int
  }

  private let start = time(nil)
  /// Executions and steps that an earlier process did.
  private let before: (executions: Int, steps: Int)
  /// One for each tenth the campaign grew by.
  private var samples: [Sample] = []
  private var lastDiscovery = (execution: 0, wall: 0.0)
  private var lastCrash = (count: 0, wall: 0.0)
  private var rows: [String] = []

  init(_ campaign: Campaign) {
    before = (campaign.executions, campaign.steps + campaign.endSteps)
  }

  /// Takes in how far it is.
  mutating func note(_ campaign: Campaign, wall: Double) {
    if campaign.executions * 10 > (samples.last?.executions ?? -1) * 11 {
      samples.append(Sample(executions: campaign.executions, discoveries: campaign.discoveries))
    }
    if campaign.lastDiscovery != lastDiscovery.execution {
      lastDiscovery = (campaign.lastDiscovery, wall)
    }
    let crashes = Self.count(campaign).new
    if crashes != lastCrash.count { lastCrash = (crashes, wall) }
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

  private static func count(_ campaign: Campaign, _ base: String? = nil) -> (new: Int, known: Int) {
    let all = campaign.sightings.filter { $0.programs > 0 && $0.base == base ?? $0.base }
    let known = all.count { $0.isKnown }
    return (all.count - known, known)
  }

  private func rates(_ campaign: Campaign, _ moment: Moment) -> (programs: Double, steps: Double) {
    guard moment.wall > 0 else { return (0, 0) }
    let steps = campaign.steps + campaign.endSteps - before.steps
    return (
      Double(campaign.executions - before.executions) / moment.wall, Double(steps) / moment.wall
    )
  }
}

// MARK: For a terminal

extension Telemetry {
  /// At most 22 lines of at most 79 columns.
  func screen(_ campaign: Campaign, _ moment: Moment) -> [String] {
    let rates = rates(campaign, moment)
    let workers = Double(max(1, moment.workers))
    let end = moment.end.map { " of \(Self.clock($0))" } ?? ""
    let options = campaign.options
    let coverage = campaign.coverage
    var lines = [
      "pagefuzz    seed \(options.seed), \(options.variants.count) protocols, "
        + "\(moment.workers) workers, \(Self.clock(moment.wall))\(end)",
      "programs    \(campaign.executions), \(Int(rates.programs / workers)) a second and worker",
      "steps       \(campaign.steps + campaign.endSteps), "
        + "\(Decimals.two(rates.steps / workers / 1e6)) million a second and worker",
    ]
    for (kind, count) in zip(Footprint.Kind.allCases, coverage.footprint.counts) {
      let name = kind.rawValue == 0 ? "features  " : "          "
      lines.append("\(name)  \(kind.name) \(count) of \(kind.capacity)")
    }
    lines.append("states      about \(coverage.states)")
    lines.append("pool        \(campaign.checkpoints) programs to go on from")
    let age = Self.clock(max(0, moment.wall - lastDiscovery.wall))
    lines.append("last new    program \(campaign.lastDiscovery), \(age) ago")
    if let (share, isBound) = residual(campaign) {
      let most = isBound ? "less than 1" : "1"
      lines.append("residual    \(most) of \(Int(1 / share)) programs reaches something new")
    }
    let (new, known) = Self.count(campaign)
    lines.append("violations  \(new) new, \(known) known, in \(campaign.violating) programs")
    lines += protocols(campaign)
    let megabytes = Double(memory(moment)) / 1e6
    lines.append(
      "memory      \(Int(megabytes)) MB, disk \(Decimals.two(Double(moment.diskBytes) / 1e6)) MB")
    return lines
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

// MARK: For AFL++'s tools

extension Telemetry {
  /// `fuzzer_stats`, as AFL++ writes it; what we have no counterpart of is left out.
  func statistics(_ campaign: Campaign, _ moment: Moment) -> String {
    let (new, _) = Self.count(campaign)
    let now = time(nil)
    let features = campaign.coverage.features
    let share = Double(features) / Double(Footprint.capacity) * 100
    let fields: [(String, String)] = [
      ("start_time", "\(start)"), ("last_update", "\(now)"),
      ("run_time", "\(Int(moment.wall))"), ("fuzzer_pid", "\(getpid())"),
      ("cycles_done", "\(campaign.epoch)"), ("execs_done", "\(campaign.executions)"),
      ("execs_per_sec", Decimals.two(rates(campaign, moment).programs)),
      ("corpus_count", "\(campaign.checkpoints)"), ("corpus_found", "\(campaign.discoveries)"),
      ("last_find", "\(start + Int(lastDiscovery.wall))"),
      ("last_crash", "\(lastCrash.count > 0 ? start + Int(lastCrash.wall) : 0)"),
      ("bitmap_cvg", Decimals.two(share) + "%"), ("saved_crashes", "\(new)"),
      ("saved_hangs", "0"), ("edges_found", "\(features)"),
      ("total_edges", "\(Footprint.capacity)"), ("afl_banner", "pagefuzz"),
      ("afl_version", Main.program.version), ("target_mode", "default"),
      ("command_line", CommandLine.arguments.joined(separator: " ")),
    ]
    return fields.map { name, value in
      name + String(repeating: " ", count: max(1, 18 - name.count)) + ": \(value)\n"
    }.joined()
  }

  /// `plot_data`, as AFL++ writes it, with one more row; old rows thin out where there are many.
  mutating func plot(_ campaign: Campaign, _ moment: Moment) -> String {
    let features = campaign.coverage.features
    let share = Double(features) / Double(Footprint.capacity) * 100
    let rate = Decimals.two(rates(campaign, moment).programs)
    rows.append(
      "\(Int(moment.wall)), \(campaign.epoch), 0, \(campaign.checkpoints), 0, 0, "
        + "\(Decimals.two(share))%, \(Self.count(campaign).new), 0, 1, \(rate), "
        + "\(campaign.executions), \(features)\n")
    if rows.count > Self.rowLimit {
      rows = rows.indices.filter { $0 % 2 == 0 }.map { rows[$0] }
    }
    return Self.header + rows.joined()
  }

  private static let rowLimit = 4096
  private static let header =
    "# relative_time, cycles_done, cur_item, corpus_count, pending_total, pending_favs, "
    + "map_size, saved_crashes, saved_hangs, max_depth, execs_per_sec, total_execs, edges_found\n"
}
