// SPDX-License-Identifier: MIT

import Foundation
import Fuzzing
import PageLifecycle
import Storage

// A campaign's progress in the files of AFL++, for its tools.

extension Telemetry {
  /// `fuzzer_stats`, as AFL++ writes it; what we have no counterpart of is 0 where its tools ask for
  /// it, and left out where they do not.
  func statistics(_ campaign: Campaign, _ moment: Moment) -> String {
    let (new, _) = Self.count(campaign)
    let features = campaign.coverage.features
    let share = Double(features) / Double(Footprint.capacity) * 100
    let fields: [(String, String)] = [
      ("start_time", "\(start)"), ("last_update", "\(time(nil))"),
      ("run_time", "\(before.seconds + Int(moment.wall))"), ("fuzzer_pid", "\(getpid())"),
      ("cycles_done", "\(campaign.epoch)"), ("cycles_wo_finds", "0"),
      ("execs_done", "\(campaign.executions)"),
      ("execs_per_sec", Decimals.two(rates(campaign, moment).programs)),
      // Tools divide by it.
      ("corpus_count", "\(max(1, campaign.checkpoints))"),
      ("corpus_found", "\(campaign.discoveries)"),
      ("cur_item", "0"), ("pending_favs", "0"), ("pending_total", "0"), ("stability", "100.00%"),
      ("bitmap_cvg", Decimals.two(share) + "%"), ("saved_crashes", "\(new)"),
      ("saved_hangs", "\(moment.hangs)"), ("last_find", "\(lastDiscovery.time)"),
      ("last_crash", "\(lastCrash.count > 0 ? lastCrash.time : 0)"), ("last_hang", "0"),
      ("exec_timeout", "0"), ("slowest_exec_ms", "0"), ("edges_found", "\(features)"),
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
      "\(before.seconds + Int(moment.wall)), \(campaign.epoch), 0, \(campaign.checkpoints), 0, 0, "
        + "\(Decimals.two(share))%, \(Self.count(campaign).new), \(moment.hangs), 1, \(rate), "
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

extension Telemetry.Earlier {
  /// What stands in the two files; what is not understood is as if it were not there.
  init(statistics: String, plot: String) {
    var numbers: [String: Int] = [:]
    for line in statistics.split(separator: "\n") {
      let words = line.split(separator: ":", maxSplits: 1).map { $0.filter { $0 != " " } }
      if words.count == 2 { numbers[words[0]] = Int(words[1]) }
    }
    seconds = numbers["run_time"] ?? 0
    lastDiscovery = numbers["last_find"]
    lastCrash = numbers["last_crash"]
    rows = plot.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0 + "\n" }
  }
}
