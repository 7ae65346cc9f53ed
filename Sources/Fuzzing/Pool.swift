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
  /// The program in binary form.
  let bytes: [UInt8]
  private let base: Protocol
  /// The machine, as long as it is kept.
  fileprivate var stop: Stop?

  /// What bytes stand for under a target's protocol, whatever they once were.
  init(target: Int, of base: Protocol, cpus: Int, bytes: [UInt8], stop: Stop? = nil) {
    (self.target, self.base, self.cpus) = (target, base, cpus)
    (self.bytes, self.stop) = (bytes, stop)
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

/// The checkpoints of a campaign, at most ``SearchLimits/checkpoints`` a protocol.
///
/// Who made a checkpoint keeps the machine, so that going on from it costs what comes after it;
/// another process executes its lines once.
struct Pool: Sendable {
  /// A checkpoint that was gone on with.
  struct Draw: Equatable, Sendable {
    var target: Int
    var place: Int
  }

  private var checkpoints: [[Checkpoint]]
  /// How often each was gone on with.
  private var tries: [[Int]]
  private let limit: Int
  /// What was drawn since ``takeBack()``.
  private var draws: [Draw] = []
  /// What came since ``takeBack()``, and how often each was gone on with.
  private var fresh: [[Checkpoint]]
  private var freshTries: [[Int]]
  /// Machines of checkpoints that came since the last epoch ended, by execution.
  private var made: [Int: Checkpoint.Stop] = [:]

  /// None yet, of so many protocols.
  init(targets: Int) {
    checkpoints = Array(repeating: [], count: targets)
    tries = Array(repeating: [], count: targets)
    fresh = Array(repeating: [], count: targets)
    freshTries = Array(repeating: [], count: targets)
    limit = max(64, SearchLimits.checkpoints / targets)
  }

  /// Takes one in; where there is no room, in the place of the most tried of a few.
  mutating func add(_ checkpoint: Checkpoint, _ random: inout Random) {
    let target = checkpoint.target
    guard checkpoints[target].count >= limit else {
      checkpoints[target].append(checkpoint)
      tries[target].append(0)
      return
    }
    let place = draw(target, among: checkpoints[target].count, &random) { $0 > $1 }
    checkpoints[target][place] = checkpoint
    tries[target][place] = 0
  }

  /// Takes one of an execution in until ``takeBack()``, as long as there is room.
  mutating func addForNow(_ checkpoint: Checkpoint, _ execution: Int) {
    guard fresh[checkpoint.target].count < limit else { return }
    fresh[checkpoint.target].append(checkpoint)
    freshTries[checkpoint.target].append(0)
    if made.count < limit { made[execution] = checkpoint.stop }
  }

  /// The machine an execution of this epoch left, where that was here.
  func machine(of execution: Int) -> Checkpoint.Stop? { made[execution] }

  /// No shard of this epoch is asked for any more.
  mutating func endEpoch() { made.removeAll(keepingCapacity: true) }

  /// The least tried of a few; nil where there is none.
  mutating func next(
    _ target: Int, _ random: inout Random
  ) -> (stop: Checkpoint.Stop, cpus: Int)? {
    let count = checkpoints[target].count
    guard count + fresh[target].count > 0 else { return nil }
    let place = draw(target, among: count + fresh[target].count, &random) { $0 < $1 }
    guard place < count else {
      freshTries[target][place - count] += 1
      return (fresh[target][place - count].reach(), fresh[target][place - count].cpus)
    }
    let drawn = Draw(target: target, place: place)
    draws.append(drawn)
    note(drawn)
    return (checkpoints[target][place].reach(), checkpoints[target][place].cpus)
  }

  private func draw(
    _ target: Int, among count: Int, _ random: inout Random, _ isBetter: (Int, Int) -> Bool
  ) -> Int {
    var best = random.below(count)
    for _ in 1..<SearchLimits.tournament {
      let other = random.below(count)
      if isBetter(tried(target, other), tried(target, best)) { best = other }
    }
    return best
  }

  private func tried(_ target: Int, _ place: Int) -> Int {
    let known = tries[target].count
    return place < known ? tries[target][place] : freshTries[target][place - known]
  }

  /// Counts a try.
  mutating func note(_ draw: Draw) { tries[draw.target][draw.place] += 1 }

  /// Undoes what was tried and taken in for now since the last time, and returns the tries.
  mutating func takeBack() -> [Draw] {
    for target in fresh.indices {
      fresh[target].removeAll(keepingCapacity: true)
      freshTries[target].removeAll(keepingCapacity: true)
    }
    for draw in draws { tries[draw.target][draw.place] -= 1 }
    defer { draws.removeAll(keepingCapacity: true) }
    return draws
  }

  /// Whether a draw names a checkpoint.
  func has(_ draw: Draw) -> Bool {
    tries.indices.contains(draw.target) && tries[draw.target].indices.contains(draw.place)
  }

  var count: Int { checkpoints.reduce(0) { $0 + $1.count } }
}

extension Pool {
  func pack(into packer: inout Packer) {
    for target in checkpoints.indices {
      packer.add(each: Array(checkpoints[target].indices)) { packer, place in
        packer.add(count: checkpoints[target][place].cpus)
        packer.add(count: tries[target][place])
        packer.add(checkpoints[target][place].bytes)
      }
    }
  }

  init(targets: [Target], _ unpacker: inout Unpacker) throws(Unpackable) {
    self.init(targets: targets.count)
    for target in targets.indices {
      let base = targets[target].base
      for _ in 0..<(try unpacker.count(upTo: limit)) {
        let cpus = try unpacker.count(upTo: Limits.cpus)
        tries[target].append(try unpacker.total())
        checkpoints[target].append(
          Checkpoint(target: target, of: base, cpus: cpus, bytes: try unpacker.block()))
      }
    }
  }
}
