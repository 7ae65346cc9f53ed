// SPDX-License-Identifier: MIT

/// alloc_pages() and folio_alloc(): a block of pages with one reference, on the first of them.
///
/// The other pages of an ordinary block are their owner's without any count; those of a compound
/// page name its head.
enum AllocPages: Body {
  enum Step: UInt8, CaseIterable {
    /// the caller's variable
    case openHandle
    /// `rmqueue()`, `prep_new_page()`, `prep_compound_page()`
    case takeBlock
  }

  static func signature(of operation: Procedure) -> Signature? {
    operation == .allocPages
      ? Signature(
        name: "alloc_pages", parameters: [.pages(default: 2)], yieldsHandle: true, weight: 6,
        domain: .buddy, summary: "take a block of 1, 2 or 4 pages from the page allocator")
      : Signature(
        name: "folio_alloc", parameters: [.pages(default: 2)], yieldsHandle: true, weight: 6,
        domain: .buddy, summary: "take a compound page of 1, 2 or 4 pages")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool { isOrder(call.pages) }

  /// Orders 0, 1 and 2.
  private static func isOrder(_ pages: UInt8) -> Bool { pages == 1 || pages == 2 || pages == 4 }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (handle, count) = (m.call.handle, Int(m.call.pages))
    switch step {
    case .openHandle:
      guard isOrder(m.call.pages) else {
        if m.handles[handle].state == .unused { m.handles[handle].state = .failed }
        m.value = Outcome(.invalid)
        return .finish
      }
      guard m.open(handle, pin: false) else {
        m.value = Outcome(.busy)
        return .finish
      }
      m.handles[handle].holder = .driver
      m.handles[handle].times = 1
      return .next(.takeBlock)

    case .takeBlock:
      let first = m.allocateBlock(of: count, compound: m.call.operation == .folioAlloc)
      guard !first.isNone else {
        m.close(handle)
        m.value = Outcome(.noMemory)
        return .finish
      }
      m.ledger.take(.driver, of: first)
      for offset in 0..<count {
        let pfn = PFN(first.position + offset)
        m.ledger.blocks.insert(pfn)
        m.handles[handle].pages[offset] = pfn
      }
      m.handles[handle].count = UInt8(count)
      m.close(handle)
      m.value = .ok
      return .finish
    }
  }
}

extension Machine {
  /// The handle has a block of the page allocator.
  mutating func holdsBlock(_ handle: HandleID) -> Bool {
    let held = handles[handle]
    return held.state == .held && held.holder == .driver && PagemapID(of: held.pages[0]) == nil
  }
}

/// __free_pages(): the owner of a block gives it back.
///
/// Where somebody else holds the first page, his put will free that page, or all of a compound one;
/// the owner frees what that leaves.  Registers: pfn; index: what the head bit said; count: the
/// order that is left.
enum FreePages: Body {
  enum Step: UInt8, CaseIterable {
    case checkHandle
    /// `PageHead()`, before the put and after it
    case readHead
    /// `put_page_testzero()`
    case putReference
    case readHeadAgain
    /// `free_the_page(page, order)`
    case freeBlock
    /// `free_the_page(page + (1 << order), order)`
    case freeSubBlock
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "free_pages", parameters: [.handle], weight: 6, domain: .buddy,
      summary: "__free_pages() of a block")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool { m.holdsBlock(call.handle) }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let handle = m.call.handle
    switch step {
    case .checkHandle:
      guard m.handles[handle].state == .held else {
        m.value = Outcome(.badHandle)
        return .finish
      }
      guard m.holdsBlock(handle) else {
        m.value = Outcome(.invalid)
        return .finish
      }
      m.handles[handle].state = .filling
      m.frame.pfn = m.handles[handle].pages[0]
      return .next(m.obeys(.readsHeadFirst) ? .readHead : .putReference)

    case .readHead, .readHeadAgain:
      m.frame.index = PageIndex(m.pages[m.frame.pfn].isHead ? 1 : 0)
      if step == .readHead { return .next(.putReference) }
      return freeRest(&m)

    case .putReference:
      let pfn = m.frame.pfn
      let count = Int(m.handles[handle].count)
      m.frame.count = UInt8(count.trailingZeroBitCount)
      m.ledger.drop(.driver, of: pfn)
      for offset in 0..<count { m.ledger.blocks.remove(PFN(pfn.position + offset)) }
      if m.putPage(pfn, 1) == .free { return .next(.freeBlock) }
      guard m.obeys(.freesSubBlocks) else { return end(&m) }
      return m.obeys(.readsHeadFirst) ? freeRest(&m) : .next(.readHeadAgain)

    case .freeBlock:
      m.freeBlock(m.frame.pfn, Int(m.handles[handle].count))
      return end(&m)

    case .freeSubBlock:
      m.frame.count -= 1
      let count = 1 << Int(m.frame.count)
      m.freeBlock(PFN(m.frame.pfn.position + count), count)
      return m.frame.count > 0 ? .next(.freeSubBlock) : end(&m)
    }
  }

  /// The last holder's put frees a compound page whole; of another block it frees one page.
  private static func freeRest(_ m: inout Machine) -> Transition<Step> {
    let isDone = m.frame.index.rawValue == 1 || m.frame.count == 0
    return isDone ? end(&m) : .next(.freeSubBlock)
  }

  private static func end(_ m: inout Machine) -> Transition<Step> {
    m.handles[m.call.handle].released = m.handles[m.call.handle].count
    m.handles[m.call.handle].state = .released
    m.value = .ok
    return .finish
  }
}
