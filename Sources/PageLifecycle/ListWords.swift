// SPDX-License-Identifier: MIT

/// The second book, continued: words 1 and 2 of `struct page`, which link it into a list, and in
/// which a proposal of 2018 kept pins.
extension Page {
  /// `PageDmaPinned()`: bit 1 of `lru.next`.
  var isMarkedPinned: Bool { word1 == .dmaPinned || word1 == .dmaPinnedWasLRU }
}

extension Machine {
  /// How many pins the words of a page tell.
  mutating func storedPins(of pfn: PFN) -> Int32 {
    guard rules.pinsInListWords else {
      return pages[pfn].isHead ? pages[pfn].pincount : pages[pfn].refcount / Page.pinBias
    }
    return pages[pfn].isMarkedPinned ? Int32(pages[pfn].zoneDeviceData.rawValue) : 0
  }

  /// ``storedPins(of:)`` of a machine that is not at hand to change.
  package func pinsTold(by pfn: PFN) -> Int32 {
    var copy = self
    return copy.storedPins(of: pfn)
  }

  /// `list_add()` to the LRU: both words are the list's.
  mutating func linkIntoLRU(_ pfn: PFN) {
    pages[pfn].word1 = .lru
    pages[pfn].zoneDeviceData = .none
    pages[pfn].flags.insert(.lru)
    touch(pfn)
  }

  /// `SetPageDmaPinned()`, `atomic_set(&page->dma_pinned_count, 1)`: the first pin.
  mutating func markPinned(_ pfn: PFN, wasLRU: Bool) {
    pages[pfn].word1 = wasLRU ? .dmaPinnedWasLRU : .dmaPinned
    pages[pfn].zoneDeviceData = PFN(rawValue: 1)
    touch(pfn)
  }

  /// `atomic_add(pins, &page->dma_pinned_count)`, whatever the word is now.
  mutating func addStoredPins(_ pfn: PFN, _ pins: Int) {
    if !pages[pfn].isMarkedPinned { emit(.listWordWritten(pfn)) }
    let count = Int(pages[pfn].zoneDeviceData.rawValue) + pins
    pages[pfn].zoneDeviceData = PFN(rawValue: UInt8(truncatingIfNeeded: count))
    touch(pfn)
  }

  /// `ClearPageDmaPinned()`: `INIT_LIST_HEAD(&page->lru)`.
  mutating func clearPinned(_ pfn: PFN) {
    pages[pfn].word1 = .lru
    pages[pfn].zoneDeviceData = .none
    touch(pfn)
  }

  /// Whether a put drops a pin that the refcount tells of, or `_pincount` of a large folio.
  @inline(__always)
  mutating func dropsCountedPin(_ holder: Holder, of pfn: PFN) -> Bool {
    guard !rules.pinsInListWords else { return false }
    guard holder == .pin else { return !obeys(.dropsPinsApart) && maybePinned(pfn) }
    return obeys(.countsPins) || maybePinned(pfn)
  }
}
