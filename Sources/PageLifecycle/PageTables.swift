// SPDX-License-Identifier: MIT

/// A domain of an IOMMU: a root that is always there, and one table below each of its slots.
///
/// The tables themselves are pages of RAM.  What is live in them is kept here, as the hardware
/// would read it; how many entries the kernel believes a table to have is a word of its page.
package struct PageTables: Sendable {
  /// Entries of one table: 512 on x86-64, few where every interleaving is tried.
  package internal(set) var entriesPerTable: UInt16 = 4
  /// The table each slot of the root names.
  package internal(set) var roots = InlineArray<2, PFN>(repeating: .none)
  /// `pgd_lock`: map and unmap read it; who frees a table larger than its request writes it.
  var lock = RWLock()
  /// The entries that are present below each slot.
  package internal(set) var present = InlineArray<2, EntryBits>(repeating: EntryBits())
  /// Tables taken out of the tree that the IOTLB may still walk.
  package internal(set) var unflushed = Bits<PFN>()
  /// Pages allocated as tables and not freed since.
  package internal(set) var tables = Bits<PFN>()

  /// The slot that names a table.
  @inline(__always)
  package func slot(of table: PFN) -> Int? {
    roots[0] == table ? 0 : roots[1] == table ? 1 : nil
  }
}

/// One bit for each entry of a table.
package struct EntryBits: Equatable, Sendable {
  var words = InlineArray<8, UInt64>(repeating: 0)

  package var count: Int {
    var count = 0
    for position in 0..<8 { count += words[position].nonzeroBitCount }
    return count
  }

  /// How many entries of a range are present.
  func count(in range: Range<Int>) -> Int {
    var count = 0
    for position in 0..<8 {
      count += (words[position] & Self.mask(position, range)).nonzeroBitCount
    }
    return count
  }
  mutating func insert(_ range: Range<Int>) {
    for position in 0..<8 { words[position] |= Self.mask(position, range) }
  }
  mutating func remove(_ range: Range<Int>) {
    for position in 0..<8 { words[position] &= ~Self.mask(position, range) }
  }

  /// The bits of a range that lie in one word.
  private static func mask(_ position: Int, _ range: Range<Int>) -> UInt64 {
    let lower = max(range.lowerBound - position * 64, 0)
    let upper = min(range.upperBound - position * 64, 64)
    guard lower < upper else { return 0 }
    return (upper == 64 ? ~0 : 1 << UInt64(upper) - 1) & ~(1 << UInt64(lower) - 1)
  }

  package static func == (left: Self, right: Self) -> Bool {
    (0..<8).allSatisfy { left.words[$0] == right.words[$0] }
  }
}

extension Call {
  /// The slot of the root an I/O virtual address lies below.
  package var slot: Int { mapping.position }
  /// Its entry in the table there.
  package var entry: Int { page.position << 8 | Int(value) }
  /// The entries the call is about.
  package var entries: Range<Int> { entry..<entry + Int(times) }

  /// Names an entry below a slot.
  package mutating func name(slot: Int, entry: Int) {
    mapping = MappingID(slot)
    (page, value) = (PageIndex(entry >> 8), UInt8(entry & 255))
  }
}

extension Machine {
  /// Whether the range of a call lies in one table, and all of it is present, or none.
  func isWithinTable(_ call: Call) -> Bool {
    call.entries.upperBound <= Int(iommu.entriesPerTable)
  }

  /// The IOVA allocator hands a range to one user at a time.
  mutating func reserveRange(_ isValid: Bool) -> Outcome {
    guard isValid else { return Outcome(.invalid) }
    return isRangeInUse(call) ? Outcome(.busy) : .ok
  }

  private mutating func isRangeInUse(_ call: Call) -> Bool {
    for cpu in cpus.indices where cpu != current && cpus[cpu].isActive {
      let other = cpus[cpu].call
      guard other.operation == .iommuMap || other.operation == .iommuUnmap else { continue }
      if other.slot == call.slot && other.entries.overlaps(call.entries) { return true }
    }
    return false
  }

  /// A slot of the root, read or compared and stored.
  mutating func linkTable(_ table: PFN, at slot: Int) -> Bool {
    guard iommu.roots[slot].isNone else { return false }
    iommu.roots[slot] = table
    touch(table)
    return true
  }

  /// The parent's entry is cleared; the IOTLB may still know what it was.
  mutating func unhookTable(_ table: PFN, at slot: Int) {
    emit(.tableUnhooked(table, live: iommu.present[slot].count > 0))
    if iommu.roots[slot] != table { emit(.lostTableUsed(table)) }
    iommu.roots[slot] = .none
    iommu.unflushed.insert(table)
  }
}

extension Machine {
  /// Entries present in a table that is linked.
  package func liveEntries(of table: PFN) -> Int32? {
    iommu.slot(of: table).map { Int32(iommu.present[$0].count) }
  }
  /// ``decodedEntries(of:)`` of a machine that is not at hand to change.
  package func countedEntries(of table: PFN) -> Int32 {
    var copy = self
    return copy.decodedEntries(of: table)
  }
}

// MARK: The second book: how many entries the kernel counts

extension Machine {
  /// What the owner of a table reads from its counter.
  @inline(__always)
  mutating func decodedEntries(of table: PFN) -> Int32 {
    obeys(.countsEntriesApart) ? pages[table].mapcount - 1 : pages[table].refcount - 1
  }

  /// One reference an entry, or `atomic_add()` on `_mapcount`.
  mutating func countEntries(_ table: PFN, _ entries: Int32) {
    if obeys(.countsEntriesApart) {
      pages[table].mapcount += entries
    } else {
      pages[table].refcount += entries
    }
    touch(table)
  }

  /// `atomic_set(&page->_mapcount, 0)`: no entry yet.
  mutating func startCounting(_ table: PFN) {
    if obeys(.countsEntriesApart) { pages[table].mapcount = 1 }
    touch(table)
  }

  /// `page_mapcount_reset()`.
  mutating func resetMapcount(_ table: PFN) {
    pages[table].mapcount = 0
    touch(table)
  }
}

// MARK: The first book: what was counted, and by whom

extension Ledger {
  /// Entries an owner has counted below each slot, and owners that are on their way to free the
  /// table there.
  package struct Tables: Equatable, Sendable {
    var counted = InlineArray<2, Int16>(repeating: 0)
    var upgrading = InlineArray<2, Int8>(repeating: 0)
    package static func == (left: Self, right: Self) -> Bool {
      (0..<2).allSatisfy {
        left.counted[$0] == right.counted[$0] && left.upgrading[$0] == right.upgrading[$0]
      }
    }
  }
}
