// SPDX-License-Identifier: MIT

/// A typed position in a ``Table``, so that a page frame number cannot index a page table.
package protocol TableIndex: RawRepresentable<UInt8>, Hashable, Sendable, Comparable {
  init(rawValue: UInt8)
}

extension TableIndex {
  package init(_ position: Int) { self.init(rawValue: UInt8(truncatingIfNeeded: position)) }
  package var position: Int { Int(rawValue) }
  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A page frame number; device pages come first, ordinary RAM after them.
package struct PFN: TableIndex {
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  /// No page.
  package static let none = PFN(rawValue: 255)
  package var isNone: Bool { rawValue == 255 }
}

/// An inode of the file system on the device.
package struct FileID: TableIndex {
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  package static let none = FileID(rawValue: 255)
  package var isNone: Bool { rawValue == 255 }
}

/// An address space, `struct mm_struct`.
package struct MMID: TableIndex {
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
}

/// A place for one VMA in an address space.
package struct MappingID: TableIndex {
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
}

/// A page of a file or of a mapping.
package struct PageIndex: TableIndex {
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  package static func + (left: Self, right: Int) -> Self { Self(left.position + right) }
}

/// A simulated CPU and the task that runs on it.
package struct CPUID: TableIndex {
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
}

/// What a gup-like call obtained.
package struct HandleID: TableIndex {
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
}

/// A fixed-capacity array held inline: no allocation, reset by assignment.
package struct Table<Index: TableIndex, Element, let capacity: Int> {
  @usableFromInline package var storage: InlineArray<capacity, Element>

  package init(repeating element: Element) { storage = InlineArray(repeating: element) }

  @inlinable
  package subscript(index: Index) -> Element {
    @inline(__always) _read { yield storage[Int(index.rawValue)] }
    @inline(__always) _modify { yield &storage[Int(index.rawValue)] }
  }

  /// Looks at an element, or changes it, where it lies: reading a part of a large one by subscript
  /// may copy all of it.
  @inline(__always)
  mutating func with<Result>(_ index: Index, _ body: (inout Element) -> Result) -> Result {
    body(&storage[Int(index.rawValue)])
  }

  /// How many elements there are.
  package static var count: Int { capacity }

  /// Every index in order.
  @inline(__always)
  package var indices: Indices { Indices() }

  package struct Indices: Sequence, IteratorProtocol {
    var position = 0
    @inline(__always)
    package mutating func next() -> Index? {
      guard position < capacity else { return nil }
      defer { position += 1 }
      return Index(position)
    }
  }
}
extension Table: Sendable where Element: Sendable {}

/// A small set of table indices, one bit each.
package struct Bits<Index: TableIndex>: Equatable, Sendable {
  package var rawValue: UInt64 = 0
  package init() {}
  package init(rawValue: UInt64) { self.rawValue = rawValue }
  package var isEmpty: Bool { rawValue == 0 }
  package var count: Int { rawValue.nonzeroBitCount }
  @inline(__always)
  package func contains(_ index: Index) -> Bool {
    rawValue & (1 << UInt64(index.rawValue & 63)) != 0
  }
  @inline(__always)
  package mutating func insert(_ index: Index) { rawValue |= 1 << UInt64(index.rawValue & 63) }
  @inline(__always)
  package mutating func remove(_ index: Index) { rawValue &= ~(1 << UInt64(index.rawValue & 63)) }
  /// The lowest member, or nil.
  package var first: Index? {
    rawValue == 0 ? nil : Index(rawValue.trailingZeroBitCount)
  }
  /// Takes the lowest member out.
  @inline(__always)
  package mutating func popFirst() -> Index? {
    guard rawValue != 0 else { return nil }
    let index = Index(rawValue.trailingZeroBitCount)
    rawValue &= rawValue &- 1
    return index
  }
}
