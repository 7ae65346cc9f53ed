// SPDX-License-Identifier: MIT

import PageLifecycle

/// A protocol under test, with each set of its known bugs repaired.
///
/// Known shallow bugs must not hide deeper ones: only a third of the programs run on the
/// protocol as it is, a third with every known bug repaired, a third with some.
struct Target: Sendable {
  /// The protocol as given.
  let given: Variant
  /// Its known bugs that are not repaired.
  private let open: [Rule]

  init(_ variant: Variant) {
    given = variant
    let isReleased = !variant.isRepaired
    let bugs = isReleased ? variant.base.knownBugs.map(\.rule) : []
    open = bugs.filter { !variant.repaired.contains($0) }
  }

  var base: Protocol { given.base }

  func variant(_ random: inout Random) -> Variant {
    let all = 1 << open.count
    switch random.below(3) {
    case 0: return given
    case 1: return repairing(all - 1)
    default: return repairing(random.below(all))
    }
  }

  /// The protocol with some of its bugs repaired, one bit each.
  private func repairing(_ bits: Int) -> Variant {
    guard bits != 0 else { return given }
    let repairs = open.indices.filter { bits & 1 << $0 != 0 }.map { open[$0] }
    var copy = given
    copy.repaired = given.repaired.union(RuleSet(repairs))
    return copy
  }
}

/// How the calls of one program are interleaved.
enum Schedule: Sendable {
  case sequential
  case stalling
  case walk(burst: Int, sharedCost: Int)
  case priorities(depth: Int)
  case uniform

  init(_ kind: Campaign.ScheduleKind?, _ random: inout Random) {
    let pick = random.below(8)
    let mixed: Campaign.ScheduleKind =
      switch pick {
      case 0: .sequential
      case 1...2: .stalling
      case 3: .walk
      case 4: .selective
      case 5: .pct
      default: .uniform
      }
    switch kind ?? mixed {
    case .sequential: self = .sequential
    case .stalling: self = .stalling
    case .walk: self = .walk(burst: [1, 2, 4, 8, 16, 32][random.below(6)], sharedCost: 1)
    case .selective:
      self = .walk(
        burst: [4, 8, 16, 32, 64, 128][random.below(6)], sharedCost: SearchLimits.sharedCost)
    case .pct: self = .priorities(depth: 1 + random.below(5))
    case .uniform: self = .uniform
    }
  }
}

extension Schedule {
  /// Who that is.
  var kind: Campaign.ScheduleKind {
    switch self {
    case .sequential: .sequential
    case .stalling: .stalling
    case .walk(_, let sharedCost): sharedCost == 1 ? .walk : .selective
    case .priorities: .pct
    case .uniform: .uniform
    }
  }
}

/// What one execution of a campaign tries: drawn from the seed and its number, nothing else.
struct Plan: Sendable {
  var target: Int
  var variant: Variant
  var boot: Boot
  var calls: Int
  var schedule: Schedule
  var start: RandomExecution.Start
  /// The program it goes on from, in binary form, and its lines; nil where it begins with nothing.
  var beginning: (bytes: [UInt8], lines: Int)?
  /// CPUs its calls may use; nil where those are drawn.
  var cpus: Int?
  /// What its calls are drawn from.
  var draws: Draws
  /// What it begins with.
  private var origin = Yields.Beginning.nothing
  /// How it came to be.
  var way: Yields.Way { .init(beginning: origin, schedule: schedule.kind) }

  /// What the calls of a program are drawn from.
  enum Draws {
    /// Everything there is, nothing more often than anything else.
    case evenly
    /// What a swarm has of it.
    case swarm
    /// That, or everything as it weighs.
    case either
  }

  /// The plan of an execution, counted from 1; protocols take turns.
  init(
    _ number: Int, _ targets: [Target], _ search: Search, _ pool: inout Pool,
    _ footprint: Footprint, _ random: inout Random
  ) {
    target = (number - 1) % targets.count
    variant = targets[target].variant(&random)
    boot = Self.boot(variant.base.design.domains, &random)
    let turn = (number - 1) / targets.count
    let longest = min(
      SearchLimits.programCalls, SearchLimits.firstCalls + turn / SearchLimits.programsPerLength)
    calls = 1 + random.below(longest)
    schedule = Schedule(search.schedule, &random)
    // Drawn late, so that the other programs are what they would be without.
    if variant.base.design.domains.contains(.reflink) && boot.files > 0 && random.oneIn(2) {
      boot.reflink = 1
    }
    if search.watchesRaces { boot.races = 1 }
    start = .boot(variant.rules, boot)
    draws = search.draws(turn, &random)
    if draws == .evenly { (schedule, self.origin) = (.uniform, .even) }
    guard draws != .evenly, search.goesOn(&random),
      var origin = pool.next(target, footprint, &random)
    else { return }
    let stop = origin.reach()
    (variant, boot, cpus) = (stop.variant, stop.boot, origin.cpus)
    (start, beginning) = (.after(stop), (origin.bytes, stop.instructions.count))
    calls = 1 + random.below(min(longest, origin.longestContinuation))
    self.origin = Footprint.isWindow(origin.origin) ? .window : .step
  }

  /// The machine a program may boot.
  static func boot(_ modelled: DomainSet, _ random: inout Random) -> Boot {
    var boot =
      switch random.below(4) {
      case 0: Boot()
      case 1: Boot.full
      // So little that calls meet at the same page.
      case 2:
        Boot(
          files: 1, filePages: UInt8(1 + random.below(2)), devicePages: UInt8(1 + random.below(4)))
      default:
        Boot(
          files: UInt8(1 + random.below(Limits.files)),
          filePages: UInt8(1 + random.below(Limits.filePages)),
          devicePages: UInt8(1 + random.below(Limits.devicePages)))
      }
    // Half the programs know files only, a quarter devices only.
    let domains = random.below(4)
    boot.devices = domains < 2 ? 0 : UInt8(1 + random.below(PagemapID.bootDevices))
    if domains == 3 { boot.files = 0 }
    if modelled.contains(.iommu) { boot.tableEntries = [1, 2, 4, 512][random.below(4)] }
    return boot
  }
}
