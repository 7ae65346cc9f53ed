// SPDX-License-Identifier: MIT

import PageLifecycle

/// A machine kept as its difference from another one: what a queue of states holds.
///
/// A machine has a fixed size and no references, so words that are equal need not be kept.  That
/// makes a queued state a few hundred bytes instead of several thousand.
struct PackedMachine: Sendable {
  /// A bit for each word that differs, then those words in order.
  private let words: [UInt64]

  private static let wordBytes = MemoryLayout<UInt64>.size
  private static let wordCount = MemoryLayout<Machine>.size / wordBytes
  private static let maskCount = (wordCount + 63) / 64

  init(_ machine: Machine, against base: Machine) {
    words = withUnsafeBytes(of: machine) { new in
      withUnsafeBytes(of: base) { old in
        var words = [UInt64](repeating: 0, count: Self.maskCount)
        words.reserveCapacity(Self.maskCount + 64)
        for position in 0..<Self.wordCount {
          let offset = position * Self.wordBytes
          let word = new.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
          guard word != old.loadUnaligned(fromByteOffset: offset, as: UInt64.self) else { continue }
          words[position / 64] |= 1 << UInt64(position % 64)
          words.append(word)
        }
        for offset in Self.wordCount * Self.wordBytes..<MemoryLayout<Machine>.size {
          words.append(UInt64(new[offset]))
        }
        return words
      }
    }
  }

  /// The machine, when `base` is the one it was packed against.
  func unpacked(against base: Machine) -> Machine {
    var machine = base
    withUnsafeMutableBytes(of: &machine) { bytes in
      var next = Self.maskCount
      for group in 0..<Self.maskCount {
        var mask = words[group]
        while mask != 0 {
          let position = group * 64 + mask.trailingZeroBitCount
          mask &= mask &- 1
          bytes.storeBytes(
            of: words[next], toByteOffset: position * Self.wordBytes, as: UInt64.self)
          next += 1
        }
      }
      for offset in Self.wordCount * Self.wordBytes..<MemoryLayout<Machine>.size {
        bytes[offset] = UInt8(truncatingIfNeeded: words[next])
        next += 1
      }
    }
    return machine
  }
}
