// SPDX-License-Identifier: MIT

/// Which numbers below a bound have been seen.
package struct Bitmap: Sendable {
  private var words: [UInt64]
  /// How many have been.
  private(set) var count = 0

  /// None yet.
  init(_ bound: Int) { words = [UInt64](repeating: 0, count: (bound + 63) / 64) }

  /// Notes a number; true the first time.
  @inline(__always)
  mutating func insert(_ number: Int) -> Bool {
    let mask = UInt64(1) << UInt64(number & 63)
    guard words[number >> 6] & mask == 0 else { return false }
    words[number >> 6] |= mask
    count += 1
    return true
  }

  /// Whether a number was seen.
  func contains(_ number: Int) -> Bool { words[number >> 6] >> UInt64(number & 63) & 1 != 0 }

  /// Forgets a number that was seen.
  mutating func remove(_ number: Int) {
    words[number >> 6] &= ~(UInt64(1) << UInt64(number & 63))
    count -= 1
  }

  /// Notes all that another has seen.
  mutating func formUnion(_ other: Bitmap) {
    count = 0
    for position in words.indices {
      words[position] |= other.words[position]
      count += words[position].nonzeroBitCount
    }
  }

  /// The numbers seen, in ascending order.
  var members: [Int] {
    words.indices.flatMap { position in
      let word = words[position]
      return (0..<64).filter { word >> UInt64($0) & 1 != 0 }.map { position << 6 | $0 }
    }
  }
}
