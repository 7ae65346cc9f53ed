// SPDX-License-Identifier: MIT

/// Blocks of bytes one after another in one file, each after its length and a checksum, so that a
/// reader knows where a writer was killed.
package enum Frames {
  /// A block as it is written.
  package static func frame(_ block: [UInt8]) -> [UInt8] {
    word(UInt64(block.count)) + word(checksum(block)) + block
  }

  /// The whole blocks from the beginning on, and how many bytes of the file they take.
  package static func read(_ bytes: [UInt8]) -> (blocks: [[UInt8]], bytes: Int) {
    var blocks: [[UInt8]] = []
    var position = 0
    while bytes.count - position >= 2 * wordBytes {
      let length = number(bytes[position..<position + wordBytes])
      let sum = number(bytes[position + wordBytes..<position + 2 * wordBytes])
      let start = position + 2 * wordBytes
      guard length <= UInt64(bytes.count - start) else { break }
      let block = Array(bytes[start..<start + Int(length)])
      guard checksum(block) == sum else { break }
      blocks.append(block)
      position = start + block.count
    }
    return (blocks, position)
  }

  private static let wordBytes = 8

  private static func word(_ number: UInt64) -> [UInt8] {
    (0..<wordBytes).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// FNV-1a; never that of zeros for a block of zeros.
  private static func checksum(_ block: [UInt8]) -> UInt64 {
    block.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
