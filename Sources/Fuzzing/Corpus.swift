// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// Programs that reach something no earlier one did, and the fewest that reach it all.
package struct Corpus: Sendable {
  /// A program, and the features of its lines.
  package struct Entry: Sendable {
    package var program: Program
    /// In ascending order, each once.
    package var features: [UInt32]

    /// A program, run once for its features.
    package init(_ program: Program) {
      self.init(program, features: Coverage.features(of: program))
    }

    init(_ program: Program, features: [UInt32]) {
      (self.program, self.features) = (program, features)
    }
  }

  /// In the order they came.
  package private(set) var entries: [Entry] = []

  /// Nothing yet.
  package init() {}

  /// Takes a program in, as long as there is room.
  package mutating func add(_ entry: Entry) {
    if entries.count < SearchLimits.corpusCandidates { entries.append(entry) }
  }

  /// How many features some program has.
  package var features: Int { footprint.count }

  /// The features that some program has.
  package var footprint: Footprint {
    entries.reduce(into: Footprint()) { footprint, entry in _ = footprint.take(entry.features) }
  }

  /// Programs that together have every feature, or as many as `limit` programs can have: each time
  /// the one that adds most, of equals the shortest, of those the first.
  ///
  /// What another corpus has does not count.  At most 1 + ln(n) times as many as the fewest
  /// possible (Chvátal, 1979).
  package func distilled(limit: Int = .max, beyond other: Corpus = Corpus()) -> [Entry] {
    var covered = Set(other.entries.lazy.flatMap(\.features))
    var gains = entries.map(\.features.count)
    var open = Array(entries.indices)
    var chosen: [Entry] = []
    while chosen.count < limit {
      // What a program adds never grows: most need not be counted again.
      open.sort { first, second in
        let (left, right) = (entries[first], entries[second])
        if gains[first] != gains[second] { return gains[first] > gains[second] }
        let (lines, otherLines) = (left.program.lines.count, right.program.lines.count)
        return lines != otherLines ? lines < otherLines : first < second
      }
      guard let best = mostUseful(open, &gains, covered), gains[best] > 0 else { break }
      chosen.append(entries[best])
      covered.formUnion(entries[best].features)
      gains[best] = 0
      open.removeAll { gains[$0] == 0 }
    }
    return chosen
  }

  /// Counts anew from the most promising on, until the next cannot be better.
  private func mostUseful(
    _ open: [Int], _ gains: inout [Int], _ covered: Set<UInt32>
  ) -> Int? {
    var best: Int?
    for position in open {
      if let best, gains[position] <= gains[best] { break }
      gains[position] = entries[position].features.count { !covered.contains($0) }
      if gains[position] > best.map({ gains[$0] }) ?? 0 { best = position }
    }
    return best
  }
}
