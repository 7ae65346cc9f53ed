// SPDX-License-Identifier: MIT

/// The lists and references by which owners of device pages know which are free.
extension Machine {
  /// `page_free()` under the driver's lock: the page is the first of the free list.
  mutating func list(_ pfn: PFN, in device: PagemapID) {
    if ledger.listed.contains(pfn) { emit(.listedTwice(pfn)) }
    link(pfn, to: pagemaps[device].firstFree)
    pagemaps[device].firstFree = pfn
    ledger.listed.insert(pfn)
    emit(.listed(pfn))
  }

  /// Takes the first page, or the one the program chose, off the free list; none if it is empty.
  mutating func unlist(from device: PagemapID) -> PFN {
    let first = pagemaps[device].firstFree
    guard !first.isNone else { return .none }
    noteUse(of: first)
    let chosen = choosePage(of: device)
    guard chosen != first, !chosen.isNone else {
      pagemaps[device].firstFree = pages[first].zoneDeviceData
      ledger.listed.remove(first)
      return first
    }
    var previous = first
    for _ in 0..<Limits.driverPages where pages[previous].zoneDeviceData != chosen {
      previous = pages[previous].zoneDeviceData
      if previous.isNone { return .none }
      noteUse(of: previous)
    }
    noteUse(of: chosen)
    link(previous, to: pages[chosen].zoneDeviceData)
    ledger.listed.remove(chosen)
    return chosen
  }

  /// `gen_pool_alloc_owner()` under the pool's lock: the first of so many free pages in a row, the
  /// program's choice or the lowest; none where there are none.
  mutating func unlistRegion(of pages: Int, from pool: PagemapID) -> PFN {
    let chosen = choosePage(of: pool)
    var first = PFN.none
    for start in (pool.pages.lowerBound...pool.pages.upperBound - pages).reversed() {
      let isFree = (start..<start + pages).allSatisfy { ledger.listed.contains(PFN($0)) }
      if isFree && (first != chosen || chosen.isNone) { first = PFN(start) }
    }
    guard !first.isNone else { return .none }
    for position in first.position..<first.position + pages { unlist(PFN(position), from: pool) }
    return first
  }

  /// `zone_device_page_init()`: a page in use holds its pgmap.  It warns where the pgmap is dying
  /// and goes on without a reference.
  mutating func takePageReferences(_ pagemap: PagemapID, _ pages: Int32) {
    guard pagemaps[pagemap].state == .live else {
      emit(.allocatedFromDying(pagemap))
      return
    }
    changeReferences(of: pagemap, by: obeys(.takesPagemapPerPage) ? pages : 1)
    pagemaps[pagemap].inUse += pages
  }

  mutating func takePageReference(_ pagemap: PagemapID) { takePageReferences(pagemap, 1) }

  mutating func putPageReference(_ pagemap: PagemapID) { putPageReferences(pagemap, 1) }

  /// `free_zone_device_folio()`: what its pages held.
  mutating func putFolioReferences(_ pagemap: PagemapID, _ pages: Int32) {
    changeReferences(of: pagemap, by: obeys(.putsPagemapPerPage) ? -pages : -1)
    pagemaps[pagemap].inUse -= pages
  }

  mutating func putPageReferences(_ pagemap: PagemapID, _ count: Int32) {
    noteAtomic(.pagemap(pagemap))
    pagemaps[pagemap].references -= count
    pagemaps[pagemap].inUse -= count
  }

  /// `percpu_ref_tryget_many()` for pages that are about to be used; false where the pgmap dies.
  mutating func tryGetPageReferences(_ pagemap: PagemapID, _ count: Int32) -> Bool {
    noteAtomic(.pagemap(pagemap))
    guard pagemaps[pagemap].state == .live else { return false }
    pagemaps[pagemap].references += count
    pagemaps[pagemap].inUse += count
    return true
  }

  /// The reference of one page of the pgmap that `memremap_pages()` took.
  mutating func putBaseReference(_ pagemap: PagemapID) {
    noteAtomic(.pagemap(pagemap))
    pagemaps[pagemap].references -= 1
    pagemaps[pagemap].own -= 1
  }

  /// A page of the device holds the pgmap from its allocation until it is free again.
  mutating func pagesHoldPagemap(_ id: PagemapID) -> Bool {
    id.hasOwnList && !rules.baseHoldsPagemap
  }

  /// `memremap_pages()` for one page of a device.
  mutating func bindPage(_ pfn: PFN, _ type: MemoryType) {
    initializeDevicePage(pfn, type)
    if rules.baseHoldsPagemap {
      ledger.take(.base, of: pfn)
    } else if freeCount(of: type) != 0 {
      ledger.free(pfn)
    }
  }

  /// Every page of a device, or of a chunk, that was just bound is free, lowest first; from here
  /// its driver hands them out.
  mutating func listAll(of pagemap: PagemapID) {
    for position in pagemap.pages.reversed() {
      let pfn = PFN(position)
      guard pages[pfn].exists else { continue }
      if ledger.listed.contains(pfn) { emit(.listedTwice(pfn)) }
      pages[pfn].zoneDeviceData = pagemaps[pagemap.device].firstFree
      pagemaps[pagemap.device].firstFree = pfn
      ledger.listed.insert(pfn)
    }
    pagemaps[pagemap].isRemoving = false
  }

  /// `dmirror_remove_free_pages()`: the free list of a device loses the pages of one chunk.
  mutating func unlistAll(of pagemap: PagemapID) {
    var previous = PFN.none
    var pfn = pagemaps[pagemap.device].firstFree
    for _ in 0..<Limits.driverPages where !pfn.isNone {
      noteUse(of: pfn)
      let next = pages[pfn].zoneDeviceData
      if !pagemap.pages.contains(pfn.position) {
        previous = pfn
      } else {
        ledger.listed.remove(pfn)
        if previous.isNone {
          pagemaps[pagemap.device].firstFree = next
        } else {
          link(previous, to: next)
        }
      }
      pfn = next
    }
  }
}

// MARK: The chunks of a driver's device

extension Machine {
  private mutating func findChunk(
    of device: PagemapID, where isWanted: (DevPagemap) -> Bool
  ) -> PagemapID? {
    if isWanted(pagemaps[device]) { return device }
    guard let second = device.secondChunk, isWanted(pagemaps[second]) else { return nil }
    return second
  }

  /// Some chunk of a device that has a driver can be used.
  mutating func isBound(_ device: PagemapID) -> Bool {
    device.isDriven && findChunk(of: device) { $0.state == .live } != nil
  }

  /// The driver of a device hands out pages of some chunk.
  mutating func isServed(_ device: PagemapID) -> Bool {
    findChunk(of: device) { $0.state != .gone && !$0.isRemoving } != nil
  }

  /// What memory the chunks are that a device has; nil while it has none.
  mutating func boundType(of device: PagemapID) -> MemoryType? {
    findChunk(of: device) { $0.state != .gone }.map { pagemaps[$0].type }
  }

  /// The chunk that a driver binds next; nil where all are bound, or on their way.
  mutating func unboundChunk(of device: PagemapID) -> PagemapID? {
    findChunk(of: device) { $0.mayBeBound }
  }

  /// A page that was taken off a free list does not hold its pgmap yet.
  mutating func noteAllocating(_ pfn: PFN, _ pages: Int) {
    guard let chunk = PagemapID(of: pfn) else { return }
    // A page that is freed twice comes back once more than it went.
    pagemaps[chunk].allocating = UInt8(max(0, Int(pagemaps[chunk].allocating) + pages))
  }
}

extension Machine {
  mutating func choosePage(_ pfn: PFN) {
    guard Int(pageChoiceCount) < Limits.blockChoices else { return }
    pageChoices[Int(pageChoiceCount)] = pfn
    pageChoiceCount += 1
  }

  /// The oldest choice, if it is a free page of the device; none where nothing was chosen.
  mutating func choosePage(of device: PagemapID) -> PFN {
    guard pageChoiceCount > 0, PagemapID(of: pageChoices[0])?.device == device else { return .none }
    let chosen = pageChoices[0]
    for position in 1..<Limits.blockChoices { pageChoices[position - 1] = pageChoices[position] }
    pageChoiceCount -= 1
    return ledger.listed.contains(chosen) ? chosen : .none
  }

  /// A lookup by page frame got a page that its owner has on a free list.
  mutating func noteSpeculation(_ pfn: PFN) {
    // A pool whose free pages have a count is one that nobody looks through by page frame.
    let isPool = pages[pfn].type == .p2pdma && rules.poolCount != 0
    if ledger.listed.contains(pfn) && !isPool { emit(.gotFreePage(pfn)) }
  }
}

/// Takes a page off a driver's free list for its first user; `dmirror_devmem_alloc_page()`.
///
/// Leaves it in the CPU's `allocated`, locked, with the driver's reference; none where the list is
/// empty and no chunk can be bound.  Registers: pagemap, the device; count, 1 with a new
/// chunk, and that in index; flags, whether a folio is asked for; end, its pages that were reset.
enum DeviceAlloc: Body {
  enum Step: UInt8, CaseIterable {
    /// `spin_lock(&mdevice->lock)`
    case lockDriver
    /// `mdevice->free_pages = dpage->zone_device_data`
    case unlist
    /// `spin_unlock(&mdevice->lock)`
    case unlockDriver
    /// `dmirror_allocate_chunk()`: of two that bind one chunk the second fails
    case bindChunk, lockForChunk, listChunk
    /// `zone_device_page_init()`: `percpu_ref_tryget_live()`, `set_page_count()`, `lock_page()`
    case getPagemap, storeCount, lockPage
    /// the same, of a kernel with folios: each page first, `prep_compound_page()` last
    case resetPage, buildFolio
  }

  static func frame(_ pagemap: PagemapID, folio: Bool = false) -> Frame {
    var frame = Frame(.deviceAlloc)
    frame.pagemap = pagemap
    if folio { frame.flags = .pmd }
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let device = m.frame.pagemap
    switch step {
    case .lockDriver:
      return m.acquire(.driver(device)) ? .next(.unlist) : .wait

    case .unlist:
      let isFolio = m.frame.flags.contains(.pmd)
      m.frame.pfn =
        !m.isServed(device)
        ? .none : isFolio ? m.unlistFolio(from: device) : m.unlist(from: device)
      if !m.frame.pfn.isNone { m.noteAllocating(m.frame.pfn, 1) }
      return .next(.unlockDriver)

    case .unlockDriver:
      m.release(.driver(device))
      m.cpus[m.current].allocated = m.frame.pfn
      guard m.frame.pfn.isNone else {
        return .next(m.rules.hasPrivateFolios ? .resetPage : .getPagemap)
      }
      // No folio fits into a second chunk.
      guard !m.frame.flags.contains(.pmd) else { return .finish }
      return m.frame.count == 0 && m.isServed(device) ? .next(.bindChunk) : .finish

    case .bindChunk:
      guard let chunk = m.unboundChunk(of: device) else { return .finish }
      m.frame.count = 1
      m.frame.index = PageIndex(chunk.position)
      return m.enter(MemremapPages.frame(chunk), then: Step.lockForChunk)

    case .lockForChunk:
      guard !m.value.isFailure else { return .finish }
      return m.acquire(.driver(device)) ? .next(.listChunk) : .wait

    case .listChunk:
      m.listAll(of: PagemapID(rawValue: m.frame.index.rawValue))
      return .next(.unlist)

    default: return initialize(step, &m)
    }
  }

  /// `zone_device_page_init()`.
  private static func initialize(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .getPagemap:
      guard !m.rules.baseHoldsPagemap else { return .next(.storeCount) }
      if let chunk = PagemapID(of: m.frame.pfn) {
        m.takePageReferences(chunk, Int32(pages(of: m.frame)))
      }
      m.noteAllocating(m.frame.pfn, -1)
      return .next(.storeCount)

    case .storeCount:
      // A page that had its first user's reference while it was free is handed out as it is.
      if m.rules.driverBase != 0 || !m.obeys(.drawsOneReference) {
        m.getPage(m.frame.pfn)
      } else if m.freeCount(of: m.pages[m.frame.pfn].type) == 0 {
        m.storeCount(m.frame.pfn, 1)
      }
      // Where a driver waits for its pages, this one is on its way until it is free again.
      if m.rules.baseHoldsPagemap && !m.obeys(.drainsDriverBeforeUnbind) {
        m.noteAllocating(m.frame.pfn, -1)
      }
      m.ledger.use(m.frame.pfn)
      m.ledger.take(.driver, of: m.frame.pfn)
      return .next(.lockPage)

    case .lockPage:
      guard m.lockPage(m.frame.pfn) else { return .wait }
      guard !m.frame.flags.contains(.pmd) else { return .next(.buildFolio) }
      m.emit(.handedOut(m.frame.pfn))
      return .finish

    case .resetPage:
      let page = PFN(m.frame.pfn.position + m.frame.end.position)
      if m.obeys(.resetsEveryPage) { m.resetPage(page) }
      m.frame.end = m.frame.end + 1
      return .next(m.frame.end.position < pages(of: m.frame) ? .resetPage : .getPagemap)

    default:
      m.makeFolio(m.frame.pfn)
      m.ledger.folios.insert(m.frame.pfn)
      m.emit(.handedOut(m.frame.pfn))
      return .finish
    }
  }

  private static func pages(of frame: Frame) -> Int {
    frame.flags.contains(.pmd) ? Limits.pagesPerPMD : 1
  }
}

/// The driver hands out a page, and its first user keeps it.
enum DriverAlloc: Body {
  enum Step: UInt8, CaseIterable {
    case openHandle
    /// `dmirror_devmem_alloc_page()`
    case keepPage
    /// `unlock_page()`
    case unlockPage
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "driver_alloc", parameters: [.pagemap, .flags(.pmd)], yieldsHandle: true, weight: 3,
      domain: .device, summary: "a driver takes a page, or a folio, off its free list")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    guard call.pagemap.isDriven, m.isServed(call.pagemap) else { return false }
    return !m.pagemaps[call.pagemap].firstFree.isNone || m.unboundChunk(of: call.pagemap) != nil
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let handle = m.call.handle
    switch step {
    case .openHandle:
      guard m.call.pagemap.isDriven else {
        m.value = Outcome(.noDevice)
        m.handles[handle].state =
          m.handles[handle].state == .unused ? .failed : m.handles[handle].state
        return .finish
      }
      guard m.open(handle, pin: false) else {
        m.value = Outcome(.busy)
        return .finish
      }
      m.handles[handle].holder = .driver
      let isFolio = m.rules.hasPrivateFolios && m.call.flags.contains(.pmd)
      return m.enter(DeviceAlloc.frame(m.call.pagemap, folio: isFolio), then: Step.keepPage)

    case .keepPage:
      let pfn = m.cpus[m.current].allocated
      guard !pfn.isNone else {
        m.close(handle)
        m.value = Outcome(.noMemory)
        return .finish
      }
      m.handles[handle].pages[0] = pfn
      m.handles[handle].count = 1
      return .next(.unlockPage)

    case .unlockPage:
      m.unlockPage(m.handles[handle].pages[0])
      m.close(handle)
      m.value = .ok
      return .finish
    }
  }
}
