// SPDX-License-Identifier: MIT

import PageLifecycle
package import Programs

/// A part of an epoch: what its programs do depends on the campaign's state at the beginning of
/// the epoch, on the seed and on this alone, not on who runs it.
package struct Shard: Equatable, Sendable {
  /// The epoch, counted from 0.
  package var epoch: Int
  /// The number of its first execution, counted from 1.
  package var first: Int
  /// How many executions it has.
  package var count: Int
  /// Executions that are left out, in ascending order: the process that ran them died.
  package var skipped: [Int] = []
  /// Executions that are watched line by line: the process that ran them died once.
  package var careful: [Int] = []

  /// Some executions of an epoch.
  package init(epoch: Int, first: Int, count: Int) {
    (self.epoch, self.first, self.count) = (epoch, first, count)
  }
}

/// What a shard has found, to be merged into the campaign it belongs to.
package struct ShardResult: Equatable, Sendable {
  /// A program that reached what was new to its shard.
  struct Novelty: Equatable, Sendable {
    /// Counted from 1 in the shard.
    var execution: Int
    var target: Int
    var cpus: Int
    /// How it came to be (``Yields/Way/position``).
    var way: Int
    /// The step that reached what the checkpoint is kept for.
    var origin: Int
    /// In ascending order.
    var features: [UInt32]
    /// The lines to go on from, in binary form; empty where there are none.
    var checkpoint: [UInt8]
    /// The whole program where a corpus is kept.
    var whole: [UInt8]
  }

  /// A bug that was not seen before its epoch.
  struct Found: Equatable, Sendable {
    /// The program; it expects the identity.
    var program: Program
    var place: StepName
    /// Counted from 1 in the shard, as are the steps until then.
    var execution: Int
    var steps: Int
    /// Programs of the shard that showed it.
    var programs: Int
  }

  /// Programs executed or left out.
  package internal(set) var executions = 0
  var steps = 0
  var endSteps = 0
  var violating = 0
  /// Programs that came to be in each way.
  var ways = [Int](repeating: 0, count: Yields.ways)
  var rises: [DistinctCount.Rise] = []
  var draws: [Pool.Draw] = []
  var novelties: [Novelty] = []
  /// Programs that showed what had been seen before the epoch, by sighting.
  var seen: [Int: Int] = [:]
  var found: [Found] = []

  init() {}

  /// The bugs it found: programs that expect them, and the executions, counted from 1.
  package var findings: [(program: Program, execution: Int)] {
    found.map { ($0.program, $0.execution) }
  }
}

// MARK: Binary form

extension Shard {
  /// Its binary form.
  package func pack(into packer: inout Packer) {
    for number in [epoch, first, count] { packer.add(count: number) }
    for list in [skipped, careful] { packer.add(each: list) { $0.add(count: $1) } }
  }

  /// Reads the binary form.
  package init(_ unpacker: inout Unpacker) throws(Unpackable) {
    self.init(
      epoch: try unpacker.count(), first: try unpacker.total(), count: try unpacker.count())
    skipped = try unpacker.each { unpacker throws(Unpackable) in try unpacker.total() }
    careful = try unpacker.each { unpacker throws(Unpackable) in try unpacker.total() }
  }
}

extension ShardResult {
  /// Its binary form, which only the same build reads.
  package var bytes: [UInt8] {
    var packer = Packer()
    for number in [executions, steps, endSteps, violating] + ways { packer.add(count: number) }
    packer.add(each: rises) { packer, rise in
      packer.add(rise.register)
      packer.add(rise.to)
    }
    packer.add(each: draws) { packer, draw in
      packer.add(count: draw.target)
      packer.add(count: draw.position)
    }
    packer.add(each: novelties) { packer, novelty in
      for number in [
        novelty.execution, novelty.target, novelty.cpus, novelty.way, novelty.origin,
      ] { packer.add(count: number) }
      packer.add(ascending: novelty.features)
      packer.add(novelty.checkpoint)
      packer.add(novelty.whole)
    }
    packer.add(each: seen.sorted { $0.key < $1.key }) { packer, entry in
      packer.add(count: entry.key)
      packer.add(count: entry.value)
    }
    packer.add(each: found) { packer, found in
      packer.add(ProgramPrinter.text(of: found.program))
      packer.add("\(found.place)")
      for number in [found.execution, found.steps, found.programs] { packer.add(count: number) }
    }
    return packer.bytes
  }

  /// Reads the binary form; what a campaign cannot merge is refused there.
  package init(_ bytes: [UInt8]) throws(Unpackable) {
    var unpacker = Unpacker(bytes)
    executions = try unpacker.count()
    steps = try unpacker.total()
    endSteps = try unpacker.total()
    violating = try unpacker.count()
    for way in ways.indices { ways[way] = try unpacker.count() }
    rises = try unpacker.each { unpacker throws(Unpackable) in
      let register = try unpacker.count(upTo: DistinctCount.registers - 1)
      let rank = try unpacker.count(upTo: DistinctCount.ranks)
      return DistinctCount.Rise(register: UInt16(register), from: 0, to: UInt8(rank))
    }
    draws = try unpacker.each { unpacker throws(Unpackable) in
      Pool.Draw(target: try unpacker.count(), position: try unpacker.count())
    }
    novelties = try unpacker.each { unpacker throws(Unpackable) in
      Novelty(
        execution: try unpacker.count(), target: try unpacker.count(),
        cpus: try unpacker.count(upTo: Limits.cpus),
        way: try unpacker.count(upTo: Yields.ways - 1),
        origin: try unpacker.count(upTo: Footprint.places - 1),
        features: try unpacker.ascending(below: Footprint.capacity),
        checkpoint: try unpacker.block(), whole: try unpacker.block())
    }
    for _ in 0..<(try unpacker.count()) { seen[try unpacker.count()] = try unpacker.count() }
    found = try unpacker.each { unpacker throws(Unpackable) in
      guard let program = try? ProgramParser.parse(try unpacker.text()),
        let place = StepName(parsing: try unpacker.text())
      else { throw Unpackable() }
      return Found(
        program: program, place: place, execution: try unpacker.count(),
        steps: try unpacker.total(), programs: try unpacker.count())
    }
    guard unpacker.isAtEnd else { throw Unpackable() }
  }
}
