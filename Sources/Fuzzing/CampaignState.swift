// SPDX-License-Identifier: MIT

import PageLifecycle
package import Programs

// A campaign in bytes: what it takes to go on as if it had never stopped.

extension Campaign {
  /// All that ``merge(_:)`` and ``settle(_:)`` have made of the options.
  package var state: [UInt8] {
    var packer = Packer()
    for number in [
      epoch, executions, steps, endSteps, violating, discoveries, lastDiscovery,
    ] { packer.add(count: number) }
    yields.pack(into: &packer)
    execution.coverage.pack(into: &packer)
    pool.pack(into: &packer)
    packer.add(each: kept) { $0.add($1) }
    packer.add(each: sightings) { packer, sighting in
      packer.add(sighting.base)
      packer.add("\(sighting.identity)")
      packer.add("\(sighting.place)")
      packer.add(count: (sighting.isKnown ? 1 : 0) + (sighting.isMinimized ? 2 : 0))
      for number in [sighting.firstExecution, sighting.firstStep, sighting.programs] {
        packer.add(count: number)
      }
    }
    for table in [positions, unexplained] {
      let entries = table.map { (base: $0.base, words: "\($0.identity)", value: $1) }
      packer.add(each: entries.sorted { ($0.base, $0.words) < ($1.base, $1.words) }) {
        packer, entry in
        packer.add(entry.base)
        packer.add(entry.words)
        packer.add(count: entry.value)
      }
    }
    return packer.bytes
  }

  /// A campaign that goes on from a state of one with the same options.
  package init(_ options: Options, state: [UInt8]) throws(Unpackable) {
    self.init(options)
    var unpacker = Unpacker(state)
    epoch = try unpacker.count()
    executions = try unpacker.total()
    steps = try unpacker.total()
    endSteps = try unpacker.total()
    violating = try unpacker.total()
    discoveries = try unpacker.total()
    lastDiscovery = try unpacker.total()
    yields = try Yields(&unpacker)
    execution.coverage = try Coverage(&unpacker)
    pool = try Pool(targets: targets, &unpacker)
    kept = try unpacker.each { unpacker throws(Unpackable) in try unpacker.block() }
    sightings = try unpacker.each { unpacker throws(Unpackable) in try Sighting(&unpacker) }
    positions = try Self.table(&unpacker)
    unexplained = try Self.table(&unpacker)
    let isWhole = positions.values.allSatisfy { sightings.indices.contains($0) }
    guard unpacker.isAtEnd, isWhole else { throw Unpackable() }
  }

  private static func table(_ unpacker: inout Unpacker) throws(Unpackable) -> [Key: Int] {
    var table: [Key: Int] = [:]
    for _ in 0..<(try unpacker.count()) {
      let key = Key(base: try unpacker.text(), identity: try Identity(&unpacker))
      table[key] = try unpacker.count()
    }
    return table
  }
}

extension Campaign.Sighting {
  fileprivate init(_ unpacker: inout Unpacker) throws(Unpackable) {
    base = try unpacker.text()
    identity = try Identity(&unpacker)
    guard let place = StepName(parsing: try unpacker.text()) else { throw Unpackable() }
    self.place = place
    let flags = try unpacker.count(upTo: 3)
    (isKnown, isMinimized) = (flags & 1 != 0, flags & 2 != 0)
    firstExecution = try unpacker.total()
    firstStep = try unpacker.total()
    programs = try unpacker.total()
  }
}

extension Identity {
  /// The identity a complete pattern matches; nil for any other pattern.
  init?(_ pattern: Pattern) {
    guard let cause = pattern.cause, !pattern.isOpen else { return nil }
    self.init(pattern.invariant, pattern.type ?? .invalid, pattern.blame, cause)
  }

  fileprivate init(_ unpacker: inout Unpacker) throws(Unpackable) {
    guard let pattern = try? Pattern(parsing: try unpacker.text()), let identity = Self(pattern)
    else { throw Unpackable() }
    self = identity
  }
}

extension Pattern {
  /// Reads a pattern as ``description`` writes it, and `expect` has it.
  package init(parsing words: String) throws(ProgramError) {
    let base = Protocol.all[0].name
    let header = "# pagefuzz program \(Program.formatVersion)\nprotocol \(base)\n"
    let program = try ProgramParser.parse("\(header)expect \(words)\n", file: "state")
    guard case .violation(let pattern) = program.expectation else {
      throw ProgramError(file: "state", line: 3, column: 8, "no violation")
    }
    self = pattern
  }
}

/// An epoch that was merged: what it takes to merge it again without executing it.
package struct EpochRecord: Equatable, Sendable {
  /// Counted from 0.
  package var epoch: Int
  /// In the order of the shards, as ``Campaign/merge(_:)`` leaves them.
  package var results: [ShardResult]
  /// In the order of the findings.
  package var resolutions: [Resolution]

  /// All of an epoch.
  package init(epoch: Int, _ results: [ShardResult], _ resolutions: [Resolution]) {
    (self.epoch, self.results, self.resolutions) = (epoch, results, resolutions)
  }

  /// Its binary form, which only the same build reads.
  package var bytes: [UInt8] {
    var packer = Packer()
    packer.add(count: epoch)
    packer.add(each: results) { $0.add($1.bytes) }
    packer.add(each: resolutions) { packer, resolution in
      packer.add(count: resolution.sighting)
      packer.add("\(resolution.identity)")
      packer.add("\(resolution.place)")
      packer.add(count: resolution.isMinimized ? 1 : 0)
    }
    return packer.bytes
  }

  /// Reads the binary form.
  package init(_ bytes: [UInt8]) throws(Unpackable) {
    var unpacker = Unpacker(bytes)
    epoch = try unpacker.count()
    results = try unpacker.each { unpacker throws(Unpackable) in
      try ShardResult(try unpacker.block())
    }
    resolutions = try unpacker.each { unpacker throws(Unpackable) in
      let sighting = try unpacker.count()
      let identity = try Identity(&unpacker)
      guard let place = StepName(parsing: try unpacker.text()) else { throw Unpackable() }
      let isMinimized = try unpacker.count(upTo: 1) == 1
      return Resolution(sighting, identity, place, isMinimized: isMinimized)
    }
    guard unpacker.isAtEnd else { throw Unpackable() }
  }
}

extension Campaign {
  /// Merges an epoch as it was merged before; one that does not come next is an error.
  package mutating func replay(_ record: EpochRecord) throws(Unpackable) {
    guard record.epoch == epoch else { throw Unpackable() }
    var results = record.results
    _ = try merge(&results)
    for resolution in record.resolutions {
      guard sightings.indices.contains(resolution.sighting) else { throw Unpackable() }
      settle(resolution)
    }
  }
}
