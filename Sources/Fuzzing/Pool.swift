// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// A program that reached something new, stopped where it did, to be gone on with.
package struct Checkpoint: Sendable {
  /// The program, and the machine after its lines; shared, for it is large.
  package final class Stop: Sendable {
    let variant: Variant
    let boot: Boot
    let instructions: [Instruction]
    let run: Run

    /// What executing lines has come to.
    init(_ variant: Variant, _ boot: Boot, _ instructions: [Instruction], _ run: Run) {
      (self.variant, self.boot, self.instructions, self.run) = (variant, boot, instructions, run)
    }

    /// Executes the lines of a program.
    convenience init(_ program: Program) {
      let instructions = program.instructions
      var run = Run(Machine(program.variant.rules, program.boot))
      for instruction in instructions { run.execute(instruction, tag: -1) }
      self.init(program.variant, program.boot, instructions, run)
    }
  }

  /// The position of its protocol among a campaign's targets.
  let target: Int
  /// CPUs its calls may use.
  let cpus: Int
  /// The place of what it is kept for (``Footprint/places``).
  let origin: Int
  /// The program in binary form.
  let bytes: [UInt8]
  private let base: Protocol
  /// The machine, as long as it is kept.
  fileprivate var stop: Stop?

  /// What bytes stand for under a target's protocol, whatever they once were.
  init(target: Int, of base: Protocol, cpus: Int, origin: Int, bytes: [UInt8], stop: Stop? = nil) {
    (self.target, self.base, self.cpus, self.origin) = (target, base, cpus, origin)
    (self.bytes, self.stop) = (bytes, stop)
  }

  /// Calls of the longest program that goes on from it: what a CPU that stands is there for is near,
  /// and what a machine may come to is far.
  var longestContinuation: Int {
    Footprint.isWindow(origin) ? SearchLimits.windowCalls : SearchLimits.programCalls
  }

  /// Where its lines stop; they are executed unless that was done before.
  mutating func reach() -> Stop {
    if let stop { return stop }
    // Bytes know protocols by their names; one that is tried out has none.
    let reached = Stop(ProgramBinary.decode(bytes, of: base))
    stop = reached
    return reached
  }
}

/// The checkpoints of a campaign, at most ``SearchLimits/checkpoints``, each protocol's apart.
///
/// Who made a checkpoint keeps the machine, so that going on from it costs what comes after it;
/// another process executes its lines once.
struct Pool: Sendable {
  /// A checkpoint that was gone on with.
  struct Draw: Equatable, Sendable {
    var target: Int
    /// Where on its target's shelf it is.
    var position: Int
  }

  private var shelves: [Shelf]
  private let limit: Int
  /// What was drawn since ``takeBack()``.
  private var draws: [Draw] = []
  /// Machines of checkpoints that came since the last epoch ended, by execution.
  private var made: [Int: Checkpoint.Stop] = [:]

  /// None yet, of so many protocols.
  init(targets: Int) {
    shelves = Array(repeating: Shelf(), count: targets)
    limit = max(64, SearchLimits.checkpoints / targets)
  }

  /// Takes one in: in the stead of one in the same window that was tried often, or, where there is
  /// no room, of one that is kept for what others are kept for, too.
  mutating func add(_ checkpoint: Checkpoint, _ random: inout Random) {
    let target = checkpoint.target
    if shelves[target].relieve(by: checkpoint) { return }
    shelves[target].keep(.init(checkpoint: checkpoint), within: limit, &random)
  }

  /// Takes one of an execution in until ``takeBack()``, as long as there is room.
  mutating func addForNow(_ checkpoint: Checkpoint, _ execution: Int) {
    let target = checkpoint.target
    guard shelves[target].fresh.count < limit else { return }
    shelves[target].fresh.append(.init(checkpoint: checkpoint))
    if made.count < limit { made[execution] = checkpoint.stop }
  }

  /// The machine an execution of this epoch left, where that was here.
  func machine(of execution: Int) -> Checkpoint.Stop? { made[execution] }

  /// No shard of this epoch is asked for any more.
  mutating func endEpoch() { made.removeAll(keepingCapacity: true) }

  /// The one of a few that has the most left to give; nil where there is none.
  mutating func next(
    _ target: Int, _ footprint: Footprint, _ random: inout Random
  ) -> Checkpoint? {
    guard !shelves[target].isEmpty else { return nil }
    let position = shelves[target].draw(footprint, &random)
    if position < shelves[target].kept.count {
      draws.append(Draw(target: target, position: position))
    }
    return shelves[target].goOn(from: position)
  }

  /// Counts a try, and returns the place of the machine where that has been tried so often that
  /// another one may show more.
  mutating func note(_ draw: Draw) -> Int? {
    shelves[draw.target].count(1, at: draw.position)
    let item = shelves[draw.target].kept[draw.position]
    return item.tries % SearchLimits.triesPerMachine == 0 ? item.checkpoint.origin : nil
  }

  /// Undoes what was tried and taken in for now since the last time, and returns the tries.
  mutating func takeBack() -> [Draw] {
    for target in shelves.indices { shelves[target].fresh.removeAll(keepingCapacity: true) }
    for draw in draws { shelves[draw.target].count(-1, at: draw.position) }
    defer { draws.removeAll(keepingCapacity: true) }
    return draws
  }

  /// Whether a draw names a checkpoint.
  func has(_ draw: Draw) -> Bool {
    shelves.indices.contains(draw.target)
      && shelves[draw.target].kept.indices.contains(draw.position)
  }

  var count: Int { shelves.reduce(0) { $0 + $1.kept.count } }

  /// How many are kept for a place.
  func machines(at place: Int) -> Int { shelves.reduce(0) { $0 + $1.machines[place] } }
}

/// Checkpoints that one is chosen among.
private struct Shelf: Sendable {
  struct Item: Sendable {
    var checkpoint: Checkpoint
    /// How often it was gone on with.
    var tries = 0

    /// Counts a try, and returns the checkpoint with its machine.
    mutating func goOn() -> Checkpoint {
      tries += 1
      _ = checkpoint.reach()
      return checkpoint
    }
  }

  private(set) var kept: [Item] = []
  /// How many are kept for each place.
  private(set) var machines = [Int](repeating: 0, count: Footprint.places)
  /// Those that are here for now; they come after the others.
  var fresh: [Item] = []

  var isEmpty: Bool { kept.isEmpty && fresh.isEmpty }

  /// Takes one in, in the stead of another one where there is no room.
  mutating func keep(_ item: Item, within limit: Int, _ random: inout Random) {
    guard kept.count >= limit else { return add(item) }
    let position = leaver(&random)
    machines[kept[position].checkpoint.origin] -= 1
    kept[position] = item
    machines[item.checkpoint.origin] += 1
  }

  /// Takes one in where there is room.
  mutating func add(_ item: Item) {
    kept.append(item)
    machines[item.checkpoint.origin] += 1
  }

  /// Has one take the place, and the tries, of one in the same window that was tried often enough;
  /// false where there is none.
  mutating func relieve(by checkpoint: Checkpoint) -> Bool {
    let origin = checkpoint.origin
    guard Footprint.isWindow(origin), machines[origin] > 0 else { return false }
    let enough = SearchLimits.triesPerMachine
    let tired = kept.firstIndex { $0.tries >= enough && $0.checkpoint.origin == origin }
    guard let tired else { return false }
    kept[tired].checkpoint = checkpoint
    return true
  }

  /// Counts tries of one that is kept, or takes them back.
  mutating func count(_ tries: Int, at position: Int) { kept[position].tries += tries }

  /// Counts a try of one, and returns it with its machine.
  mutating func goOn(from position: Int) -> Checkpoint {
    position < kept.count ? kept[position].goOn() : fresh[position - kept.count].goOn()
  }

  /// The best of a few: it has been tried seldom, and few features are known of the place it is
  /// kept for.
  func draw(_ footprint: Footprint, _ random: inout Random) -> Int {
    let count = kept.count + fresh.count
    var best = random.below(count)
    for _ in 1..<SearchLimits.tournament {
      let other = random.below(count)
      if cost(at: other, footprint) < cost(at: best, footprint) { best = other }
    }
    return best
  }

  /// Little where it has been tried seldom and few features are known of its place.
  private func cost(at position: Int, _ footprint: Footprint) -> Int {
    // Item by item, for a copy of one counts the references of all that it has.
    let (tries, origin) =
      position < kept.count
      ? (kept[position].tries, kept[position].checkpoint.origin)
      : (fresh[position - kept.count].tries, fresh[position - kept.count].checkpoint.origin)
    // Of a window whose machine was tried often nothing is known: it is as rare as one, not free.
    return (1 + tries) * max(1, footprint.features(at: origin))
  }

  /// Who makes room: of a few, one that shares its place with the most others, and has been tried
  /// most of those.
  private func leaver(_ random: inout Random) -> Int {
    var leaver = (position: 0, alike: 0, tries: 0)
    for _ in 0..<SearchLimits.tournament {
      let position = random.below(kept.count)
      let (alike, tries) = (machines[kept[position].checkpoint.origin], kept[position].tries)
      if (alike, tries) >= (leaver.alike, leaver.tries) { leaver = (position, alike, tries) }
    }
    return leaver.position
  }
}

extension Pool {
  func pack(into packer: inout Packer) {
    for shelf in shelves {
      packer.add(each: shelf.kept) { packer, item in
        packer.add(count: item.checkpoint.cpus)
        packer.add(count: item.checkpoint.origin)
        packer.add(count: item.tries)
        packer.add(item.checkpoint.bytes)
      }
    }
  }

  init(targets: [Target], _ unpacker: inout Unpacker) throws(Unpackable) {
    self.init(targets: targets.count)
    for target in shelves.indices {
      for _ in 0..<(try unpacker.count(upTo: limit)) {
        let cpus = try unpacker.count(upTo: Limits.cpus)
        let origin = try unpacker.count(upTo: Footprint.places - 1)
        let tries = try unpacker.total()
        let checkpoint = Checkpoint(
          target: target, of: targets[target].base, cpus: cpus, origin: origin,
          bytes: try unpacker.block())
        shelves[target].add(.init(checkpoint: checkpoint, tries: tries))
      }
    }
  }
}
