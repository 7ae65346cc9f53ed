// SPDX-License-Identifier: MIT

/// Drops references of one page and does what their last one asks for.
///
/// `put_page()` down to `__put_devmap_managed_page_refs()`, `free_zone_device_folio()` or
/// `free_unref_page()`.  Registers: pfn, holder, times.
enum PutPage: Body {
  enum Step: UInt8, CaseIterable {
    /// `atomic_sub_and_test()`
    case dropReference
    /// `put_dev_pagemap()` of a page that memremap_pages() let go of
    case putBasePagemap
    /// what a zero count asks for where DAX entries hold references: the tag of an entry whose
    /// drop did not tag it, `percpu_ref_put()` of a folio that holds its pgmap
    case tagEntry, putFolioPagemap
    /// `wake_up_var()`
    case wakeWaiters
    /// `page->mapping = NULL`, for every type
    case clearMapping
    /// `free_unref_page()`
    case freePage
    /// `free_zone_device_page()`: `mem_cgroup_uncharge()`, `folio->mapping = NULL`
    case clearIdentity
    /// `pgmap->ops->page_free()`: the driver, or the pool, has the page again
    case storeCountFirst, lockDriver, listPage, unlockDriver
    /// `set_page_count(page, 1)`
    case storeCount
    /// `put_dev_pagemap()` of a page that was in use
    case putPagemap
  }

  /// The registers a caller hands over.
  static func frame(_ pfn: PFN, _ holder: Holder, times: Int32 = 1) -> Frame {
    var frame = Frame(.dropPage)
    frame.pfn = pfn
    frame.holder = holder
    frame.times = times
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.frame.pfn
    let holder = m.frame.holder
    switch step {
    case .dropReference:
      if m.rules.domains.contains(.lru) {
        // What else a put does to a page that may be pinned comes first.
        guard m.frame.count != 0 else {
          m.frame.count = 1
          return m.enter(DropStoredPin.frame(pfn, holder), then: Step.dropReference)
        }
        return dropOfMaybePinned(pfn, holder, &m)
      }
      if holder == .pin { m.addPincount(pfn, -m.frame.times) }
      drop(holder, of: pfn, m.frame.times, &m)
      let weight = holder == .pin ? m.pinWeight(of: pfn) : 1
      let stray: Int32 = holder == .get && !m.obeys(.putsOncePerReference) ? 1 : 0
      switch m.putPage(pfn, weight * m.frame.times + stray) {
      case .stillReferenced: return .finish
      case .idle:
        m.frame.count = m.pages[pfn].refcount == 0 ? 1 : 0
        return .next(m.rules.entriesHold && m.frame.count == 1 ? .tagEntry : .wakeWaiters)
      case .free: return .next(.freePage)
      case .unbound: return .next(.putBasePagemap)
      case .freeDevice: return .next(.clearIdentity)
      }

    case .tagEntry:
      if !m.obeys(.tagsWhenDropped) { m.tagEntry(of: pfn) }
      let putsPagemap = m.rules.entryPagemap == .perFolio && m.obeys(.dropsPagemapAtLastPut)
      return .next(putsPagemap ? .putFolioPagemap : .wakeWaiters)

    case .putFolioPagemap:
      m.putPageReference(.pmem0)
      return .next(.wakeWaiters)

    case .putBasePagemap:
      m.putBaseReference(PagemapID(of: pfn) ?? .pmem0)
      return .finish

    case .wakeWaiters:
      if wakes(m.call.operation, &m) { m.wakePageWaiters(pfn) }
      m.emit(.wentIdle(pfn))
      let clears = m.frame.count == 1 && !m.obeys(.keepsMappingAtLastPut)
      return clears ? .next(.clearMapping) : .finish

    case .clearMapping:
      m.disassociate(pfn)
      return .finish

    case .freePage:
      m.freeUnreferenced(pfn)
      return .finish

    default: return freeDevicePage(step, &m)
    }
  }

  /// A pin that was dropped already leaves an ordinary reference.
  private static func dropOfMaybePinned(
    _ pfn: PFN, _ holder: Holder, _ m: inout Machine
  ) -> Transition<Step> {
    let rest = holder == .pin && m.cpus[m.current].droppedPin ? Holder.get : holder
    m.cpus[m.current].droppedPin = false
    let dropsPin = m.dropsCountedPin(rest, of: pfn)
    let weight = dropsPin ? m.pinWeight(of: pfn) : 1
    if dropsPin { m.addPincount(pfn, -m.frame.times) }
    drop(rest, of: pfn, m.frame.times, &m)
    let isLast = m.putPage(pfn, weight * m.frame.times) == .free
    return isLast ? .next(.freePage) : .finish
  }

  /// From the moment the page is listed its next owner may have it: nothing may write it then.
  ///
  /// Registers: index, the pages of a folio, 0 of a small page; end, how many of them are listed.
  private static func freeDevicePage(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.frame.pfn
    let type = m.pages[pfn].type
    let pagemap = PagemapID(of: pfn) ?? .pmem0
    switch step {
    case .clearIdentity:
      guard type != .generic else {
        // No page_free: where zero is not its idle count, that is stored again.
        let isIdle = m.rules.genericCount == 0
        if !isIdle || !m.obeys(.callsOnlyOwnPageFree) { m.emit(.freedWithoutOwner(pfn)) }
        return isIdle ? .finish : .next(.storeCount)
      }
      // The page of a type without page_free is its driver's no more.
      guard type != .coherent || m.obeys(.callsPageFree) else { return .finish }
      if m.isLarge(pfn) { m.frame.index = PageIndex(Limits.pagesPerPMD) }
      for position in m.folio(pfn) { m.clearIdentity(PFN(position)) }
      m.ledger.folios.remove(pfn)
      guard m.rules.driverBase == 0 else { return .next(.lockDriver) }
      let isEarly = m.freeCount(of: type) != 0 && m.obeys(.countsBeforeListing)
      return .next(isEarly ? .storeCountFirst : .lockDriver)

    case .storeCountFirst:
      m.storeCount(pfn, m.freeCount(of: type))
      m.ledger.free(pfn)
      return .next(.lockDriver)

    case .lockDriver:
      return m.acquire(.driver(pagemap)) ? .next(.listPage) : .wait

    case .listPage:
      if m.rules.baseHoldsPagemap && m.obeys(.drainsDriverBeforeUnbind) {
        m.noteAllocating(pfn, -1)
      }
      // A chunk that is being removed takes nothing back.
      let isRemoving = pagemap.hasDriver && m.pagemaps[pagemap].isRemoving
      guard !isRemoving || !m.obeys(.dropsRemovedPages) else { return .next(.unlockDriver) }
      if m.frame.index.rawValue != 0 { return .next(listNext(pagemap.device, &m)) }
      m.list(pfn, in: pagemap.device)
      return .next(.unlockDriver)

    case .unlockDriver:
      m.release(.driver(pagemap))
      guard !m.rules.baseHoldsPagemap else { return .finish }
      let isLate = m.freeCount(of: type) != 0 && !m.obeys(.countsBeforeListing)
      return .next(isLate ? .storeCount : .putPagemap)

    case .storeCount:
      if m.ledger.listed.contains(pfn) || type != .generic { m.emit(.writtenAfterFree(pfn)) }
      m.storeCount(pfn, m.freeCount(of: type))
      m.ledger.free(pfn)
      return type == .generic ? .finish : .next(.putPagemap)

    default:
      m.putFolioReferences(pagemap, Int32(max(1, m.frame.index.rawValue)))
      return .finish
    }
  }

  /// The driver has the pages of a folio again one by one: it may hand out each alone.
  private static func listNext(_ device: PagemapID, _ m: inout Machine) -> Step {
    let pages = m.frame.index.position
    // A second call for the same folio begins where the first did.
    let listed = m.frame.end.position % pages
    m.list(PFN(m.frame.pfn.position + pages - 1 - listed), in: device)
    m.frame.end = m.frame.end + 1
    let calls = m.obeys(.freesFolioOnce) ? 1 : pages
    return m.frame.end.position < pages * calls ? .listPage : .unlockDriver
  }

  private static func drop(_ holder: Holder, of pfn: PFN, _ times: Int32, _ m: inout Machine) {
    let isBrief = holder.isBrief
    if isBrief {
      m.dropBriefHold(holder, of: pfn, times)
    } else {
      m.ledger.drop(holder, of: pfn, times)
    }
  }

  /// The paths that once forgot the hook of 1-based pages.
  private static func wakes(_ operation: Procedure, _ m: inout Machine) -> Bool {
    switch operation {
    case .releasePages: m.obeys(.wakesOnBulkRelease)
    case .unpinUserPages: m.obeys(.wakesOnUnpin)
    default: true
    }
  }
}

/// Gives back what a handle holds: `put_page()`, `unpin_user_pages()`, `release_pages()`.
enum PutPages: Body {
  enum Step: UInt8, CaseIterable {
    case checkHandle
    case putNext
  }

  static func signature(of operation: Procedure) -> Signature? {
    switch operation {
    case .putPage:
      Signature(
        name: "put_page", parameters: [.handle], weight: 7, otherDomains: .lru,
        summary: "put_page() on every page of a FOLL_GET handle")
    case .unpinUserPages:
      Signature(
        name: "unpin_user_pages", parameters: [.handle], weight: 7, otherDomains: .lru,
        summary: "unpin_user_pages() on a FOLL_PIN handle")
    case .releasePages:
      Signature(
        name: "release_pages", parameters: [.handle], weight: 4,
        summary: "release_pages(), the bulk put, on a FOLL_GET handle")
    case .driverFree:
      Signature(
        name: "driver_free", parameters: [.handle], weight: 3, domain: .device,
        summary: "the driver's first user lets go of a page")
    default: nil
    }
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let handle = m.call.handle
    switch step {
    case .checkHandle:
      guard m.handles[handle].state == .held else {
        m.value = Outcome(.badHandle)
        return .finish
      }
      guard accepts(m.call.operation, m.handles[handle].holder) else {
        m.value = Outcome(.invalid)
        return .finish
      }
      // Until all are put nobody else can put them, or obtain others under this name.
      m.handles[handle].state = .filling
      m.frame.index = PageIndex(rawValue: m.handles[handle].released)
      return .next(.putNext)

    case .putNext:
      while m.frame.index.rawValue < m.handles[handle].count {
        let pfn = m.handles[handle].pages[m.frame.index.position]
        m.frame.index = m.frame.index + 1
        guard !pfn.isNone else { continue }
        let frame = PutPage.frame(
          m.owner(of: pfn), m.handles[handle].holder, times: m.handles[handle].times)
        return m.enter(frame, then: Step.putNext)
      }
      m.handles[handle].released = m.handles[handle].count
      m.handles[handle].state = .released
      m.value = .ok
      return .finish
    }
  }

  private static func accepts(_ operation: Procedure, _ holder: Holder) -> Bool {
    switch operation {
    case .putPage, .releasePages: holder == .get
    case .unpinUserPages: holder == .pin
    case .driverFree: holder == .driver
    default: true
    }
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.handles[call.handle].state == .held
      && accepts(call.operation, m.handles[call.handle].holder)
  }
}
