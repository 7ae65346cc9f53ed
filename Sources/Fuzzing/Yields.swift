// SPDX-License-Identifier: MIT

/// How programs came to be, and how many of each kind reached something new.
package struct Yields: Equatable, Sendable {
  /// What a program began with.
  package enum Beginning: Int, CaseIterable, Sendable {
    /// Nothing, and its calls were drawn and interleaved evenly.
    case even
    /// Nothing.
    case nothing
    /// A machine that is kept for a step that was executed.
    case step
    /// A machine that is kept for a step that a CPU stands before.
    case window
  }

  /// What a program began with, and who scheduled it.
  struct Way: Equatable, Sendable {
    var beginning: Beginning
    var schedule: Campaign.ScheduleKind

    /// Its place in a table, below ``Yields/ways``.
    var position: Int { beginning.rawValue * Self.schedules.count + schedulePosition }

    private var schedulePosition: Int { Self.schedules.firstIndex(of: schedule) ?? 0 }
    fileprivate static let schedules = Campaign.ScheduleKind.allCases
  }

  /// Programs of one kind.
  package struct Yield: Equatable, Sendable {
    /// Those that were executed, and those that reached something new.
    package fileprivate(set) var programs = 0
    package fileprivate(set) var discoveries = 0
  }

  static let ways = Beginning.allCases.count * Way.schedules.count

  private var programs = [Int](repeating: 0, count: Self.ways)
  private var discoveries = [Int](repeating: 0, count: Self.ways)

  init() {}

  /// Counts the programs of a shard, one number a way.
  mutating func add(programs counts: [Int]) {
    for way in counts.indices { programs[way] += counts[way] }
  }

  /// Counts a program that reached something new.
  mutating func addDiscovery(_ way: Int) { discoveries[way] += 1 }

  /// Programs that began so.
  package subscript(beginning: Beginning) -> Yield {
    sum { $0 / Way.schedules.count == beginning.rawValue }
  }

  /// Programs that were scheduled so.
  package subscript(schedule: Campaign.ScheduleKind) -> Yield {
    let position = Way(beginning: .even, schedule: schedule).position
    return sum { $0 % Way.schedules.count == position }
  }

  private func sum(_ isMeant: (Int) -> Bool) -> Yield {
    programs.indices.filter(isMeant).reduce(into: Yield()) { sum, way in
      sum.programs += programs[way]
      sum.discoveries += discoveries[way]
    }
  }
}

extension Yields {
  func pack(into packer: inout Packer) {
    for count in programs + discoveries { packer.add(count: count) }
  }

  init(_ unpacker: inout Unpacker) throws(Unpackable) {
    for way in programs.indices { programs[way] = try unpacker.total() }
    for way in discoveries.indices { discoveries[way] = try unpacker.total() }
  }
}
