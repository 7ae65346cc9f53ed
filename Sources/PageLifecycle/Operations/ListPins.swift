// SPDX-License-Identifier: MIT

/// References of a page by its frame: get_page(), and a pin for DMA.
///
/// A pin weighs `GUP_PIN_COUNTING_BIAS` in the refcount, or, in the proposal of 2018, one there and
/// one in a count that lies over `lru.prev`.  Registers: pfn.
enum PinPage: Body {
  enum Step: UInt8, CaseIterable {
    case openHandle
    /// `get_page_unless_zero()`, `try_grab_folio()`
    case tryGet
    /// `pin_page_for_dma()`: the lock of the zone
    case lockZone
    /// `PageDmaPinned()`, `isolate_lru_page()`
    case isolate
    /// `SetPageDmaPinned()`, `atomic_set()`, `atomic_inc()`
    case countPin
    case unlockZone
    /// the page was on no list to take it off: `put_page()`
    case undo, putBack
  }

  static func signature(of operation: Procedure) -> Signature? {
    operation == .getPage
      ? Signature(
        name: "get_page", parameters: [.pfn], yieldsHandle: true, weight: 5, domain: .lru,
        summary: "take an ordinary reference of a page in use")
      : Signature(
        name: "pin_page", parameters: [.pfn], yieldsHandle: true, weight: 6, domain: .lru,
        summary: "pin a page for DMA")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.pages[call.pfn].refcount > 0
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (handle, pfn) = (m.call.handle, m.frame.pfn)
    switch step {
    case .openHandle:
      guard m.open(handle, pin: m.call.operation == .pinPage) else {
        m.value = Outcome(.busy)
        return .finish
      }
      m.frame.pfn = m.owner(of: m.call.pfn)
      return .next(.tryGet)

    case .tryGet: return grab(pfn, &m)

    case .lockZone:
      return m.acquire(.zone) ? .next(.isolate) : .wait

    case .isolate:
      if m.pages[pfn].isMarkedPinned { return .next(.countPin) }
      m.frame.index = PageIndex(m.takeOffLRU(pfn) ? 1 : 0)
      let isTaken = m.frame.index.rawValue == 1 || !m.obeys(.pinsOnlyFromLRU)
      return .next(isTaken ? .countPin : .undo)

    case .countPin:
      if !m.pages[pfn].isMarkedPinned {
        m.markPinned(pfn, wasLRU: m.frame.index.rawValue == 1)
      } else if m.obeys(.countsPins) {
        m.addStoredPins(pfn, 1)
      }
      m.keepBriefHold(.fault, as: .pin, of: pfn)
      keep(pfn, &m)
      return .next(.unlockZone)

    case .unlockZone:
      m.release(.zone)
      m.close(handle)
      m.value = Outcome(1)
      return .finish

    case .undo:
      m.release(.zone)
      return .next(.putBack)

    case .putBack:
      guard m.frame.result == .ok else {
        m.close(handle)
        m.value = m.frame.result
        return .finish
      }
      m.frame.result = Outcome(.busy)
      return m.enter(PutPage.frame(pfn, .fault), then: Step.putBack)
    }
  }

  private static func grab(_ pfn: PFN, _ m: inout Machine) -> Transition<Step> {
    let handle = m.call.handle
    let isPin = m.call.operation == .pinPage
    let usesLock = isPin && m.rules.pinsInListWords
    let isCounted = isPin && !usesLock && (m.obeys(.countsPins) || !m.maybePinned(pfn))
    guard m.tryGetPage(pfn, isCounted ? m.pinWeight(of: pfn) : 1) else {
      m.close(handle)
      m.value = Outcome(.busy)
      return .finish
    }
    if isCounted { m.addPincount(pfn, 1) }
    guard !usesLock else {
      m.holdBriefly(.fault, of: pfn)
      return .next(.lockZone)
    }
    m.ledger.take(isPin ? .pin : .get, of: pfn)
    keep(pfn, &m)
    m.close(handle)
    m.value = Outcome(1)
    return .finish
  }

  private static func keep(_ pfn: PFN, _ m: inout Machine) {
    m.handles[m.call.handle].pages[0] = pfn
    m.handles[m.call.handle].count = 1
  }
}

/// What the proposal of 2018 adds to put_page(): a page that is flagged loses one of its pins.
///
/// It had no way to say that a reference is a pin; a caller that knows takes the same steps.
/// Registers: pfn, holder.
enum DropStoredPin: Body {
  enum Step: UInt8, CaseIterable {
    /// `PageDmaPinned()`
    case readFlag
    /// `__put_page_for_pinned_dma()`: the lock of the zone
    case lockZone
    /// `atomic_dec_return(&page->dma_pinned_count)`
    case dropPin
    /// `ClearPageDmaPinned()`
    case clearFlag
    /// `putback_lru_page()`
    case putOnLRU
    case unlockZone
  }

  static func frame(_ pfn: PFN, _ holder: Holder) -> Frame {
    var frame = Frame(.dropStoredPin)
    (frame.pfn, frame.holder) = (pfn, holder)
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.frame.pfn
    switch step {
    case .readFlag:
      guard m.rules.pinsInListWords, mayDrop(pfn, &m) else { return .finish }
      return .next(.lockZone)

    case .lockZone:
      return m.acquire(.zone) ? .next(.dropPin) : .wait

    case .dropPin:
      // It may have lost its last pin before the lock was ours.
      guard m.pages[pfn].isMarkedPinned || !m.obeys(.looksBeforeUnpinning) else {
        return .next(.unlockZone)
      }
      m.addStoredPins(pfn, -1)
      if m.frame.holder == .pin {
        m.ledger.convert(.pin, to: .get, of: pfn)
        m.cpus[m.current].droppedPin = true
      }
      let isLast = m.storedPins(of: pfn) == 0 && m.pages[pfn].isMarkedPinned
      return .next(isLast || !m.obeys(.countsPins) ? .clearFlag : .unlockZone)

    case .clearFlag:
      m.frame.count = m.pages[pfn].word1 == .dmaPinnedWasLRU ? 1 : 0
      m.clearPinned(pfn)
      return .next(m.frame.count == 1 ? .putOnLRU : .unlockZone)

    case .putOnLRU:
      m.linkIntoLRU(pfn)
      return .next(.unlockZone)

    case .unlockZone:
      m.release(.zone)
      return .finish
    }
  }

  private static func mayDrop(_ pfn: PFN, _ m: inout Machine) -> Bool {
    if m.frame.holder == .pin { return m.pages[pfn].isMarkedPinned }
    guard m.obeys(.looksBeforeUnpinning) else { return true }
    return !m.obeys(.dropsPinsApart) && m.pages[pfn].isMarkedPinned
  }
}

/// folio_add_lru(): the owner of a fresh page puts it on a list.
enum LRUAdd: Body {
  enum Step: UInt8, CaseIterable {
    case checkHandle
    /// `spin_lock_irq(&zone->lru_lock)`
    case lockZone
    /// `SetPageLRU()`, `add_page_to_lru_list()`
    case link
    case unlockZone
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "lru_add", parameters: [.handle], weight: 6, domain: .lru,
      summary: "folio_add_lru() of the first page of a block")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.holdsBlock(call.handle) && !m.lruPages.contains(m.handles[call.handle].pages[0])
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let handle = m.call.handle
    switch step {
    case .checkHandle:
      guard isUseful(m.call, in: &m) else {
        m.value = Outcome(m.handles[handle].state == .held ? .invalid : .badHandle)
        return .finish
      }
      m.frame.pfn = m.handles[handle].pages[0]
      m.lruPages.insert(m.frame.pfn)
      // Until it is there nobody gives the page back.
      m.handles[handle].state = .filling
      return .next(.lockZone)

    case .lockZone:
      return m.acquire(.zone) ? .next(.link) : .wait

    case .link:
      m.linkIntoLRU(m.frame.pfn)
      return .next(.unlockZone)

    case .unlockZone:
      m.release(.zone)
      m.handles[handle].state = .held
      m.value = .ok
      return .finish
    }
  }
}

/// Compaction or reclaim: a page is taken off the LRU into a list of the caller's, and put back.
enum IsolatePage: Body {
  enum Step: UInt8, CaseIterable {
    /// `isolate_lru_page()`
    case lockZone, isolate, unlockZone
    /// the caller walks its own list
    case use
    /// `putback_lru_page()`
    case lockToPutBack, putBack, unlockPutBack
    case putReference
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "isolate_lru_page", parameters: [.pfn], weight: 4, domain: .lru,
      summary: "take a page off the LRU into a private list, and put it back")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.pages[call.pfn].flags.contains(.lru)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.call.pfn
    switch step {
    case .lockZone:
      return m.acquire(.zone) ? .next(.isolate) : .wait

    case .isolate:
      guard m.pages[pfn].flags.contains(.lru), m.tryGetPage(pfn), m.takeOffLRU(pfn) else {
        m.frame.result = Outcome(.busy)
        return .next(.unlockZone)
      }
      m.holdBriefly(.isolation, of: pfn)
      m.isolatedPages.insert(pfn)
      return .next(.unlockZone)

    case .unlockZone:
      m.release(.zone)
      guard m.frame.result == .ok else {
        m.value = m.frame.result
        return .finish
      }
      return .next(.use)

    case .use: return .next(.lockToPutBack)

    case .lockToPutBack:
      return m.acquire(.zone) ? .next(.putBack) : .wait

    case .putBack:
      m.isolatedPages.remove(pfn)
      m.linkIntoLRU(pfn)
      return .next(.unlockPutBack)

    case .unlockPutBack:
      m.release(.zone)
      return .next(.putReference)

    case .putReference:
      guard m.frame.count == 0 else {
        m.value = .ok
        return .finish
      }
      m.frame.count = 1
      return m.enter(PutPage.frame(pfn, .isolation), then: Step.putReference)
    }
  }
}
