// SPDX-License-Identifier: MIT

import PageLifecycle

/// A program that reached something new, stopped where it did, to be gone on with.
package struct Checkpoint: Sendable {
  /// The position of its protocol among a campaign's targets.
  var target: Int
  var variant: Variant
  var boot: Boot
  /// CPUs its calls may use.
  var cpus: Int
  var instructions: [Instruction]
  /// The machine after them.
  var run: Run
  /// How often it was gone on with.
  var tries = 0
}

/// The checkpoints of a campaign, at most ``SearchLimits/checkpoints`` a protocol.
struct Pool: Sendable {
  private var checkpoints: [[Checkpoint]]
  private let limit: Int

  /// None yet, of so many protocols.
  init(targets: Int) {
    checkpoints = Array(repeating: [], count: targets)
    limit = max(64, SearchLimits.checkpoints / targets)
  }

  /// Takes one in; where there is no room, in the place of the most tried of a few.
  mutating func add(_ checkpoint: Checkpoint, _ random: inout Random) {
    let target = checkpoint.target
    guard checkpoints[target].count >= limit else {
      checkpoints[target].append(checkpoint)
      return
    }
    let place = draw(target, &random) { $0.tries > $1.tries }
    checkpoints[target][place] = checkpoint
  }

  /// The least tried of a few; nil where there is none.
  mutating func next(_ target: Int, _ random: inout Random) -> Checkpoint? {
    guard !checkpoints[target].isEmpty else { return nil }
    let place = draw(target, &random) { $0.tries < $1.tries }
    checkpoints[target][place].tries += 1
    return checkpoints[target][place]
  }

  private func draw(
    _ target: Int, _ random: inout Random, _ isBetter: (Checkpoint, Checkpoint) -> Bool
  ) -> Int {
    let pool = checkpoints[target]
    var best = random.below(pool.count)
    for _ in 1..<SearchLimits.tournament {
      let other = random.below(pool.count)
      if isBetter(pool[other], pool[best]) { best = other }
    }
    return best
  }

  var count: Int { checkpoints.reduce(0) { $0 + $1.count } }
}
