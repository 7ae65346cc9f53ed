// SPDX-License-Identifier: MIT

/// Who may hold a reference of a page; sheet of holders in DocC `TheModel`.
package enum Holder: UInt8, CaseIterable, Sendable {
  /// A present PTE, or one PMD entry of a compound folio.
  case map
  /// A PTE already cleared whose reference `mmu_gather` still has to put.
  case gather
  /// Taken while a fault inserts a PTE, or the allocation a copy is made into.
  case fault
  /// FOLL_GET.
  case get
  /// FOLL_PIN; weighs `Page.pinBias` on a small page.
  case pin
  /// Lock-free: taken first, checked afterwards.
  case speculative
  /// The reference an allocator gave to its first user: a driver's, or `alloc_pages()`.
  case driver
  /// Taken by migrate_vma for a page it collected.
  case migration
  /// Taken by isolation from the LRU.
  case isolation
  /// Taken by a CPU fault on the device page it migrates back.
  case faultPage
  /// A DAX entry that was not zapped yet.
  case entry
  /// `memremap_pages()`, until it is undone, where that is a reference like others.
  case base

  /// Taken and dropped within one call.
  var isBrief: Bool {
    switch self {
    case .fault, .speculative, .migration, .isolation, .faultPage: true
    case .map, .gather, .get, .pin, .driver, .entry, .base: false
    }
  }

  /// How many kinds there are.
  static let count = InlineArray<12, Int32>.count

  package var name: String {
    switch self {
    case .map: "map"
    case .gather: "gather"
    case .fault: "fault"
    case .get: "get"
    case .pin: "pin"
    case .speculative: "speculative"
    case .driver: "driver"
    case .migration: "migration"
    case .isolation: "isolation"
    case .faultPage: "fault_page"
    case .entry: "entry"
    case .base: "base"
    }
  }
}

/// The first book: who holds what, written by operations and never by a protocol rule.
///
/// The second book is ``Page``.  An invariant compares the two; it could not fail if one
/// function wrote both.
package struct Ledger: Sendable {
  package struct Account: Equatable, Sendable {
    var counts = InlineArray<12, Int32>(repeating: 0)
    package init() {}
    @inline(__always)
    package subscript(_ holder: Holder) -> Int32 { counts[Int(holder.rawValue)] }
    package static func == (left: Self, right: Self) -> Bool {
      Holder.allCases.allSatisfy { left[$0] == right[$0] }
    }
    /// A user outside the kernel's own short sections still has this page.
    package var isInUse: Bool { self[.get] | self[.pin] | self[.map] | self[.gather] != 0 }
    /// Somebody has it, however briefly.
    package var isHeld: Bool { Holder.allCases.contains { $0 != .base && self[$0] != 0 } }
  }

  var accounts = PerPage<Account>(repeating: Account())
  /// FOLL_PIN references taken and given back since boot; NR_FOLL_PIN_ACQUIRED and _RELEASED.
  package private(set) var pinsAcquired = 0
  package private(set) var pinsReleased = 0

  /// Pages their owners have put on a free list.
  package var listed = Bits<PFN>()
  /// Pages of a pool that nobody uses.
  package var idle = Bits<PFN>()
  /// Page-table entries that name a page on its way.
  package var migrationEntries = PerPage<UInt8>(repeating: 0)

  /// Pages of blocks that `alloc_pages()` handed out and nobody has begun to give back.
  var blocks = Bits<PFN>()
  /// First pages of folios that drivers handed out whole, until they are split or freed.
  package var folios = Bits<PFN>()
  /// What is counted of the tables of an IOMMU.
  package internal(set) var tables = Tables()

  /// A page whose holder gave back what it did not have; the judge clears it.
  var overdrawn = PFN.none

  @inline(__always)
  package subscript(_ pfn: PFN) -> Account { accounts[pfn] }

  @inline(__always)
  mutating func take(_ holder: Holder, of pfn: PFN, _ times: Int32 = 1) {
    accounts[pfn].counts[Int(holder.rawValue)] += times
    if holder == .pin { pinsAcquired += Int(times) }
  }

  @inline(__always)
  mutating func drop(_ holder: Holder, of pfn: PFN, _ times: Int32 = 1) {
    let held = accounts[pfn].counts[Int(holder.rawValue)]
    accounts[pfn].counts[Int(holder.rawValue)] = max(0, held - times)
    if held < times { overdrawn = pfn }
    if holder == .pin { pinsReleased += Int(times) }
  }

  /// Nobody uses a page any more: its count is to be the free one.
  mutating func free(_ pfn: PFN) { idle.insert(pfn) }
  /// The count a free page has becomes its first user's reference.
  mutating func use(_ pfn: PFN) { idle.remove(pfn) }

  /// One kind of holder becomes another; no reference changes hands.
  @inline(__always)
  mutating func convert(_ from: Holder, to: Holder, of pfn: PFN, _ times: Int32 = 1) {
    drop(from, of: pfn, times)
    take(to, of: pfn, times)
  }
}
