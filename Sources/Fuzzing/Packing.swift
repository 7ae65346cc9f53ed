// SPDX-License-Identifier: MIT

/// Writes numbers, bytes and texts one after another, in as few bytes as they need.
package struct Packer: Sendable {
  /// Everything written so far.
  package private(set) var bytes: [UInt8] = []

  /// Nothing yet.
  package init() {}

  /// A number, seven bits a byte, the lowest first.
  package mutating func add(_ number: some FixedWidthInteger & UnsignedInteger) {
    var rest = UInt64(number)
    while rest >= 128 {
      bytes.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  /// A count, which is never negative.
  package mutating func add(count: Int) { add(UInt64(count)) }

  /// Bytes, after their count.
  package mutating func add(_ block: [UInt8]) {
    add(count: block.count)
    bytes += block
  }

  /// A text, as its bytes.
  package mutating func add(_ text: String) { add(Array(text.utf8)) }

  /// Elements, after their count.
  package mutating func add<Element>(
    each elements: some Collection<Element>, _ body: (inout Packer, Element) -> Void
  ) {
    add(count: elements.count)
    for element in elements { body(&self, element) }
  }

  /// Ascending numbers, each as its distance from the one before.
  package mutating func add(ascending numbers: [UInt32]) {
    var previous: UInt32 = 0
    add(each: numbers) { packer, number in
      packer.add(number &- previous)
      previous = number
    }
  }
}

/// Bytes that no ``Packer`` of this version wrote.
package struct Unpackable: Error, Equatable, Sendable {
  /// What does not fit.
  package init() {}
}

/// Reads what a ``Packer`` wrote, in the same order; anything else is an error, never a trap.
package struct Unpacker: Sendable {
  private let bytes: [UInt8]
  private var position = 0

  /// From the first of some bytes.
  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Nothing is left.
  package var isAtEnd: Bool { position == bytes.count }

  /// A number.
  package mutating func number() throws(Unpackable) -> UInt64 {
    var (value, shift) = (UInt64(0), UInt64(0))
    while true {
      guard position < bytes.count, shift < 64 else { throw Unpackable() }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 127) << shift
      if byte < 128 { return value }
      shift += 7
    }
  }

  /// A count, from 0 to `limit`.
  package mutating func count(upTo limit: Int = Int(Int32.max)) throws(Unpackable) -> Int {
    let value = try number()
    guard value <= UInt64(limit) else { throw Unpackable() }
    return Int(value)
  }

  /// A total, which may be large.
  package mutating func total() throws(Unpackable) -> Int { try count(upTo: Int.max) }

  /// Bytes.
  package mutating func block() throws(Unpackable) -> [UInt8] {
    let count = try count()
    guard count <= bytes.count - position else { throw Unpackable() }
    defer { position += count }
    return Array(bytes[position..<position + count])
  }

  /// A text.
  package mutating func text() throws(Unpackable) -> String {
    guard let text = String(validating: try block(), as: UTF8.self) else { throw Unpackable() }
    return text
  }

  /// Elements.
  package mutating func each<Element>(
    _ body: (inout Unpacker) throws(Unpackable) -> Element
  ) throws(Unpackable) -> [Element] {
    var elements: [Element] = []
    for _ in 0..<(try count()) { elements.append(try body(&self)) }
    return elements
  }

  /// Ascending numbers below a bound.
  package mutating func ascending(below bound: Int) throws(Unpackable) -> [UInt32] {
    var previous: UInt64 = 0
    return try each { unpacker throws(Unpackable) in
      let distance = try unpacker.number()
      guard distance < UInt64(bound), previous + distance < UInt64(bound) else {
        throw Unpackable()
      }
      previous += distance
      return UInt32(previous)
    }
  }
}
