// SPDX-License-Identifier: MIT

/// The project's own generator: xoshiro256** seeded by SplitMix64, documented to the bit.
///
/// Streams are split per purpose, so that drawing more for one never moves another.
package struct Random: RandomNumberGenerator, Sendable {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  package init(seed: UInt64) {
    var mixer = seed
    func next(_ mixer: inout UInt64) -> UInt64 {
      mixer &+= 0x9E37_79B9_7F4A_7C15
      var word = mixer
      word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
      word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
      return word ^ word >> 31
    }
    state = (next(&mixer), next(&mixer), next(&mixer), next(&mixer))
  }

  /// A stream of its own for one purpose and position, independent of what this one has drawn.
  package static func stream(seed: UInt64, _ purpose: Purpose, _ position: UInt64) -> Random {
    let word = seed &+ (purpose.rawValue &* 0xD134_2543_DE82_EF95)
    return Random(seed: word ^ (position &+ 1) &* 0x2545_F491_4F6C_DD1D)
  }

  package enum Purpose: UInt64, Sendable { case calls = 1, schedule, protocols, merges }

  package mutating func next() -> UInt64 {
    let result = Self.rotate(state.1 &* 5, 7) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = Self.rotate(state.3, 45)
    return result
  }

  private static func rotate(_ word: UInt64, _ by: UInt64) -> UInt64 {
    word << by | word >> (64 - by)
  }

  /// A number in 0..<bound, by multiplication; biased by less than bound / 2^64.
  package mutating func below(_ bound: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// True once in `n` draws.
  package mutating func oneIn(_ n: Int) -> Bool { below(n) == 0 }
}
