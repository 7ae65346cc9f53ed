// SPDX-License-Identifier: MIT

/// How a campaign searches: who schedules, and what it does beyond drawing programs at random.
///
/// Its name is `full`, `random` (no mechanism), `races` (as that, and every program watches for data
/// races), or that of a scheduler that all programs use
/// (without mechanism), followed by the mechanisms it is without: `full-continue`.
package struct Search: Equatable, Sendable {
  /// What a campaign may do to meet more than chance would.
  package enum Mechanism: String, CaseIterable, Sendable {
    /// Go on from where an earlier program reached something new.
    case `continue`
    /// Interleave the calls of an earlier program in another way.
    case reschedule

    /// One line for people.
    package var summary: String {
      switch self {
      case .continue: "programs go on from where an earlier one reached something new"
      case .reschedule: "the calls of programs that reached something new are interleaved anew"
      }
    }
  }

  /// One scheduler for all programs; without it they share them.
  package let schedule: Campaign.ScheduleKind?
  private let mechanisms: [Mechanism]
  /// What it is called.
  package let name: String

  /// Everything.
  package static let full = Search(nil, Mechanism.allCases, "full")
  /// Programs drawn at random, whose schedulers take turns.
  package static let random = Search(nil, [], "random")
  /// Those, with every word watched for data races.  Who went on from a state would not know what
  /// ordered the accesses before it.
  package static let races = Search(nil, [], "races")
  /// Names without anything left out.
  package static let names =
    ["full", "random", "races"] + Campaign.ScheduleKind.allCases.map(\.rawValue)

  /// The search of a name; nil where there is none.
  package init?(named name: String) {
    let parts = name.split(separator: "-").map(String.init)
    guard let first = parts.first else { return nil }
    let base: Search
    switch (first, Campaign.ScheduleKind(rawValue: first)) {
    case ("full", _): base = .full
    case ("random", _): base = .random
    case ("races", _): base = .races
    case (_, let schedule?): base = Search(schedule, [], first)
    default: return nil
    }
    let without = parts.dropFirst().map(Mechanism.init)
    guard without.allSatisfy({ $0.map(base.uses) ?? false }) else { return nil }
    self.init(base.schedule, base.mechanisms.filter { !without.contains($0) }, name)
  }

  private init(
    _ schedule: Campaign.ScheduleKind?, _ mechanisms: [Mechanism], _ name: String
  ) {
    (self.schedule, self.mechanisms, self.name) = (schedule, mechanisms, name)
  }

  /// Its programs watch for data races.
  var watchesRaces: Bool { name == Self.races.name }

  /// It draws every program from nothing.
  package var isBlind: Bool { mechanisms.isEmpty }

  /// What the next program is made by; half of them are drawn from nothing.
  func mechanism(_ random: inout Random) -> Mechanism? {
    isBlind || random.oneIn(2) ? nil : mechanisms[random.below(mechanisms.count)]
  }

  /// Whether it has a mechanism.
  package func uses(_ mechanism: Mechanism) -> Bool { mechanisms.contains(mechanism) }
}
