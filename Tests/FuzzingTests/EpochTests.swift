// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@testable import Fuzzing

/// A few epochs of a campaign on two protocols, with everything it takes to repeat them.
private struct Epochs {
  var campaign: Campaign
  var records: [EpochRecord] = []
  var states: [[UInt8]] = []

  init(_ count: Int, _ options: Campaign.Options = options) {
    campaign = Campaign(options)
    for _ in 0..<count { advance() }
  }

  static let options: Campaign.Options = {
    var options = Campaign.Options([Variant(Protocol.all[0]), Variant(Protocol.all[2])])
    (options.seed, options.keepsCorpus) = (5, true)
    return options
  }()

  mutating func advance() {
    var results = campaign.shards(within: .max).map { campaign.run($0) }
    let reached = results.reduce(0) { $0 + $1.novelties.count }
    let epoch = campaign.epoch
    let bugs = (try? campaign.merge(&results)) ?? []
    let kept = results.reduce(0) { $0 + $1.novelties.count }
    #expect(0 < kept && kept < reached, "what shards reached in common is recorded once")
    let findings = bugs.compactMap { Finding($0, seed: campaign.options.seed) }
    #expect(findings.count == bugs.count, "every finding is reproduced")
    let resolutions = findings.map { Resolution($0.minimizedAlone()) }
    for resolution in resolutions { campaign.settle(resolution) }
    records.append(EpochRecord(epoch: epoch, results, resolutions))
    states.append(campaign.state)
  }

  static let three = Epochs(3)
}

@Suite("An epoch of a campaign")
struct EpochTests {
  @Test("A window is known when a machine is kept for its place, and only then")
  func windows() throws {
    var campaign = Campaign(Campaign.Options([Variant(Protocol.all[0], isRepaired: true)]))
    // One shard an epoch: what another one reached as well is never kept twice.
    while campaign.executions < 500 {
      let shard = try #require(campaign.shards(within: .max).first)
      var results = [campaign.run(shard)]
      _ = try campaign.merge(&results)
    }
    let places = (Footprint.steps..<Footprint.places).map { place in
      (
        kept: campaign.pool.machines(at: place),
        known: campaign.execution.coverage.footprint.features(at: place)
      )
    }
    #expect(places.contains { $0.known > 0 })
    let lost = places.count { $0.known > 0 && $0.kept == 0 }
    #expect(lost == 0, "somebody can go on from each")
    let surplus = places.count { $0.kept > $0.known }
    #expect(surplus == 0, "each shows a window that none before had")
  }

  @Test("A shard gives the same whoever runs it, in any order, and changes nothing")
  func shards() throws {
    var one = Epochs(1).campaign
    var other = try Campaign(Epochs.options, state: one.state)
    let before = one.state
    let shards = one.shards(within: .max)
    #expect(shards.count == SearchLimits.shards)
    let forwards = shards.map { one.run($0).bytes }
    let backwards = shards.reversed().map { other.run($0).bytes }
    #expect(forwards == backwards.reversed())
    #expect(one.state == before && other.state == before)
    #expect(Set(forwards).count == shards.count, "shards differ")
  }

  @Test("Merged again from its records it is the same, without executing anything")
  func replay() throws {
    let epochs = Epochs.three
    #expect(epochs.records.contains { !$0.resolutions.isEmpty })
    var again = Campaign(Epochs.options)
    for (record, state) in zip(epochs.records, epochs.states) {
      try again.replay(try EpochRecord(record.bytes))
      #expect(again.state == state)
    }
    #expect(throws: Unpackable.self) { try again.replay(epochs.records[0]) }
  }

  @Test("A campaign that was packed and unpacked goes on as if nothing had happened")
  func state() throws {
    let epochs = Epochs.three
    var resumed = Epochs(0)
    resumed.campaign = try Campaign(Epochs.options, state: epochs.states[1])
    #expect(resumed.campaign.state == epochs.states[1])
    resumed.advance()
    #expect(resumed.records[0].bytes == epochs.records[2].bytes)
    #expect(resumed.states[0] == epochs.states[2])
    #expect(resumed.campaign.sightings.count == epochs.campaign.sightings.count)
  }

  @Test("Torn or changed bytes are refused or read, and never trap")
  func torn() throws {
    let epochs = Epochs.three
    let record = epochs.records[2].bytes
    let state = epochs.states[2]
    var random = Random(seed: 1)
    for _ in 0..<200 {
      let cut = Array(record.prefix(random.below(record.count)))
      #expect(throws: Unpackable.self) { try EpochRecord(cut) }
      var changed = record
      changed[random.below(record.count)] = UInt8(random.below(256))
      var campaign = try Campaign(Epochs.options, state: epochs.states[1])
      if let record = try? EpochRecord(changed) { try? campaign.replay(record) }
    }
    for _ in 0..<20 {
      let cut = Array(state.prefix(random.below(state.count)))
      #expect(throws: Unpackable.self) { try Campaign(Epochs.options, state: cut) }
    }
  }

  @Test("What a shard leaves out is not executed and counts")
  func skipped() {
    var campaign = Campaign(Epochs.options)
    var shard = campaign.shards(within: .max)[2]
    shard.skipped = [shard.first + 1]
    var executed: [Int] = []
    let result = campaign.run(shard) { executed.append($0) }
    let all = Array(shard.first..<shard.first + shard.count)
    #expect(executed == all.filter { $0 != shard.first + 1 })
    #expect(result.executions == shard.count)
  }

  @Test("An epoch stops where the budget does, and shards grow with the campaign")
  func budget() {
    var campaign = Campaign(Epochs.options)
    let first = SearchLimits.firstShardPrograms
    #expect(campaign.shards(within: first + 1).map(\.count) == [first, 1])
    #expect(campaign.shards(within: 0).isEmpty)
    campaign.epoch = SearchLimits.epochsPerDoubling
    let counts = campaign.shards(within: .max).map(\.count)
    #expect(counts.first == 2 * first && counts == counts.sorted(by: >), "the last are short")
    #expect(counts.last == first / 2 && counts.reduce(0, +) == 32 * first)
    campaign.epoch = 1 << 20
    #expect(campaign.shards(within: .max)[0].count == SearchLimits.lastShardPrograms)
  }

  @Test("Whoever watches an execution sees its program grow line by line")
  func watch() throws {
    var campaign = Campaign(Epochs.options)
    let shard = campaign.shards(within: .max)[0]
    let plain = campaign.run(shard)
    let seen = Seen()
    let watched = campaign.run(shard, watch: { seen.note($0, $1) })
    #expect(plain == watched)
    // Where everybody sleeps for ever, a program that goes on has no line of its own.
    #expect(shard.count / 2...shard.count ~= seen.lines.count)
    // One that goes on from another has its lines from the start.
    #expect(seen.lines.contains { $0.value[0] == 1 })
    for counts in seen.lines.values {
      #expect(counts == Array(counts[0]..<counts[0] + counts.count))
    }
  }

  private final class Seen: @unchecked Sendable {
    var lines: [Int: [Int]] = [:]
    func note(_ execution: Int, _ program: Program) {
      lines[execution, default: []].append(program.lines.count)
    }
  }
}

@Suite("Counting what is distinct")
struct DistinctCountTests {
  @Test(
    "The estimate is within 3 %, and nearly exact for few", arguments: [0, 1, 100, 5000, 300_000])
  func accuracy(count: Int) {
    var distinct = DistinctCount()
    for repetition in 0..<2 {
      var random = Random(seed: 7)
      for _ in 0..<count {
        let rise = distinct.insert(random.next())
        #expect(repetition == 0 || rise == nil)
      }
    }
    let error = abs(distinct.estimate - count)
    #expect(error * 100 <= count * 3, "\(distinct.estimate) for \(count)")
  }

  @Test("Taken back it is as before; taken over it is the same")
  func rises() {
    var (first, second) = (DistinctCount(), DistinctCount())
    for number in 0..<1000 { _ = first.insert(UInt64(number)) }
    let before = first.estimate
    var rises: [DistinctCount.Rise] = []
    for number in 1000..<3000 {
      if let rise = first.insert(UInt64(number)) { rises.append(rise) }
    }
    let after = first.estimate
    #expect(after > before)
    for rise in rises.reversed() { first.undo(rise) }
    #expect(first.estimate == before)
    for number in 0..<1000 { _ = second.insert(UInt64(number)) }
    for rise in rises { second.take(rise) }
    #expect(second.estimate == after)
  }
}

@Suite("Packed numbers and texts")
struct PackingTests {
  @Test("What was packed comes out, and nothing else does")
  func identity() throws {
    var packer = Packer()
    let numbers: [UInt64] = [0, 1, 127, 128, 1 << 35, .max]
    for number in numbers { packer.add(number) }
    packer.add("text")
    packer.add(ascending: [3, 3, 700, 70_000])
    var unpacker = Unpacker(packer.bytes)
    for number in numbers { #expect(try unpacker.number() == number) }
    #expect(try unpacker.text() == "text")
    #expect(try unpacker.ascending(below: 70_001) == [3, 3, 700, 70_000])
    #expect(unpacker.isAtEnd)
    #expect(throws: Unpackable.self) { try unpacker.number() }
  }

  @Test("Random bytes never trap")
  func junk() {
    var random = Random(seed: 3)
    for length in 0..<300 {
      let bytes = (0..<length).map { _ in UInt8(random.below(256)) }
      _ = try? ShardResult(bytes)
      _ = try? EpochRecord(bytes)
      _ = try? Campaign(Campaign.Options([Variant(Protocol.all[0])]), state: bytes)
    }
  }
}
