// SPDX-License-Identifier: MIT

/// What kind of memory a page frame is; `enum memory_type`, and ordinary RAM.
package enum MemoryType: UInt8, CaseIterable, Sendable {
  /// Zero stays invalid, as in the kernel: it catches an uninitialised type.
  case invalid
  case system, fsdax, devicePrivate, coherent, generic, p2pdma

  package var name: String {
    switch self {
    case .invalid: "invalid"
    case .system: "system"
    case .fsdax: "fsdax"
    case .devicePrivate: "private"
    case .coherent: "coherent"
    case .generic: "generic"
    case .p2pdma: "p2pdma"
    }
  }
}

/// `page->mapping`: the address space or anon_vma a page belongs to.
package enum Mapping: UInt8, Sendable {
  case none, file0, file1, anon
  /// PAGE_MAPPING_DAX_SHARED: of several entries.
  case shared

  package init(_ file: FileID) { self = file.rawValue == 0 ? .file0 : .file1 }
  package var file: FileID? {
    switch self {
    case .file0: FileID(0)
    case .file1: FileID(1)
    case .none, .anon, .shared: nil
    }
  }
  package var name: String {
    switch self {
    case .none: "none"
    case .file0: "file0"
    case .file1: "file1"
    case .anon: "anon"
    case .shared: "shared"
    }
  }
}

/// What word 1 of `struct page` holds now: `lru.next`, `pgmap` and `compound_head` share it.
package enum Word1: UInt8, Sendable {
  case lru, pgmap, compoundHead, buddy
  /// `dma_pinned_flags`: the page is pinned, and was on no LRU list, or was taken off it.
  case dmaPinned, dmaPinnedWasLRU
}

package struct PageFlags: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  package static let hwpoison = Self(rawValue: 1)
  /// PG_head: first page of a compound folio.
  package static let head = Self(rawValue: 2)
  /// PG_anon_exclusive: mapped by one process only.
  package static let anonExclusive = Self(rawValue: 4)
  /// PG_locked.
  package static let locked = Self(rawValue: 8)
  /// PG_lru.
  package static let lru = Self(rawValue: 16)
  /// `memcg_data` names who is charged for it.
  package static let charged = Self(rawValue: 32)
}

/// The words of `struct page` that the lifecycle protocols read or write.
///
/// Written by the protocol rules in `Counting.swift` and `Association.swift` only;
/// what an operation holds of a page is the ``Ledger``'s business.
package struct Page: Sendable {
  /// `page->_refcount`, signed as in the kernel.
  package internal(set) var refcount: Int32 = 0
  /// `page->_mapcount`, counted from zero.
  package internal(set) var mapcount: Int32 = 0
  /// `folio->_pincount` of a large folio.
  package internal(set) var pincount: Int32 = 0
  /// `page->mapping` and `page->index`; of a page that entries share the index is their number.
  package internal(set) var mapping = Mapping.none
  package internal(set) var index = PageIndex(0)
  package internal(set) var word1 = Word1.lru
  /// The head page while `word1` is a compound head.
  package internal(set) var head = PFN.none
  package internal(set) var flags: PageFlags = []
  /// `zone_device_data`: the next page of the driver's free list.  Word 2 is `lru.prev`, too, and
  /// was to be `dma_pinned_count`.
  package internal(set) var zoneDeviceData = PFN.none
  #if PAGEFUZZ_POISON
    /// AddressSanitizer poisons eight bytes at a time: the words end here.
    var endOfWords: UInt64 = 0
  #endif
  /// What kind of memory the frame is; its pgmap says so, and no word of the page.
  package internal(set) var type = MemoryType.invalid
  /// The struct page is there: its pgmap has not been unmapped.
  package internal(set) var exists = false

  /// `GUP_PIN_COUNTING_BIAS`: what one FOLL_PIN adds to the refcount of a small page.
  package static let pinBias: Int32 = 1024

  /// `page->share`, where `page->index` would be.
  @inline(__always)
  var share: UInt8 {
    get { index.rawValue }
    set { index = PageIndex(rawValue: newValue) }
  }

  package var isTail: Bool { word1 == .compoundHead }
  package var isHead: Bool { flags.contains(.head) }
}
