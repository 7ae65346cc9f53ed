// SPDX-License-Identifier: MIT

/// How a campaign searches: who schedules, and whether programs go on from earlier ones.
///
/// Its name is `full`, `random` (every program from nothing), `even` (as that, and everything is
/// drawn and interleaved evenly), `races` (as `random`, and every program watches for data races),
/// or that of a scheduler that all programs, each from nothing, use.
package struct Search: Equatable, Sendable {
  /// One scheduler for all programs; without it they share them.
  package let schedule: Campaign.ScheduleKind?
  /// It draws every program from nothing; otherwise most go on from where an earlier one reached
  /// something new.
  package let isBlind: Bool
  /// What it is called.
  package let name: String

  /// Everything.
  package static let full = Search("full", isBlind: false)
  /// Programs drawn at random, whose schedulers take turns.
  package static let random = Search("random")
  /// Typed programs and nothing else: no operation weighs more than another, none is left out or
  /// keeps its turn, and each interleaving is about as likely as any other.  What a search has to be
  /// better than.
  package static let even = Search("even", .uniform)
  /// Random ones, with every word watched for data races.  Who went on from a state would not know
  /// what ordered the accesses before it.
  package static let races = Search("races")
  /// What searches there are.
  package static let all =
    [full, random, even, races] + Campaign.ScheduleKind.allCases.map { Search($0.rawValue, $0) }

  /// The search of a name; nil where there is none.
  package init?(named name: String) {
    guard let search = Self.all.first(where: { $0.name == name }) else { return nil }
    self = search
  }

  private init(
    _ name: String, _ schedule: Campaign.ScheduleKind? = nil, isBlind: Bool = true
  ) {
    (self.name, self.schedule, self.isBlind) = (name, schedule, isBlind)
  }

  /// What a program draws from, of those of its protocol counted from 0.  Of a campaign's first ones
  /// some are even, for nothing else shows shallow bugs as soon, and the others are a swarm.
  func draws(_ turn: Int, _ random: inout Random) -> Plan.Draws {
    if name == Self.even.name { return .evenly }
    guard !isBlind, turn < SearchLimits.firstPrograms else { return .either }
    return random.oneIn(SearchLimits.programsPerEven) ? .evenly : .swarm
  }

  /// Its programs watch for data races.
  var watchesRaces: Bool { name == Self.races.name }

  /// Whether the next program goes on from an earlier one.
  func goesOn(_ random: inout Random) -> Bool {
    !isBlind && !random.oneIn(SearchLimits.programsPerFresh)
  }
}
