// SPDX-License-Identifier: MIT

/// memremap_pages(): a device, or a chunk of one, is bound, again where it was before.
///
/// Registers: pagemap, where a driver's allocation asks for a chunk; count and index, the pages.
enum MemremapPages: Body {
  enum Step: UInt8, CaseIterable {
    /// `percpu_ref_init()`
    case initializeReference
    /// `pgmap_array` store: the pgmap can be found from here
    case publish
    /// `memmap_init_zone_device()`
    case initializePage
    /// `percpu_ref_get_many()`
    case takeReferences
    /// the driver threads its pages into a free list
    case listPages, lockDriver, unlockDriver
  }

  /// A driver binds a chunk, and lists its pages itself.
  static func frame(_ chunk: PagemapID) -> Frame {
    var frame = Frame(.memremapPages)
    frame.pagemap = chunk
    return frame
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "memremap_pages", parameters: [.pagemap, .flags(.coherent)], weight: 2,
      domain: .fsdax, otherDomains: .device,
      summary: "bind a device, or a chunk; a driver's pages are private, or coherent")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    let pgmap = m.pagemaps[call.pagemap]
    return pgmap.mayBeBound
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let isNested = m.call.operation != .memremapPages
    let id = isNested ? m.frame.pagemap : m.call.pagemap
    switch step {
    case .initializeReference:
      guard m.pagemaps[id].mayBeBound else {
        m.value = Outcome(.noMemory)
        return .finish
      }
      // The chunks of one device are of one kind of memory.
      let type = m.boundType(of: id.device)
      let (lock, firstFree) = (m.pagemaps[id].lock, m.pagemaps[id].firstFree)
      m.pagemaps[id] = DevPagemap()
      (m.pagemaps[id].lock, m.pagemaps[id].firstFree) = (lock, firstFree)
      m.pagemaps[id].type =
        type ?? id.type(coherent: m.call.flags.contains(.coherent) && m.rules.hasCoherent)
      m.pagemaps[id].state = .dying
      m.pagemaps[id].isRemoving = true
      m.pagemaps[id].references = 1
      m.pagemaps[id].own = 1
      return .next(.publish)

    case .publish:
      m.pagemaps[id].state = .live
      return .next(.initializePage)

    case .initializePage:
      while m.frame.index.position < id.pages.count {
        let pfn = PFN(id.pages.lowerBound + m.frame.index.position)
        m.frame.index = m.frame.index + 1
        guard m.pages[pfn].type != .invalid || id != .pmem0 else { continue }
        m.bindPage(pfn, m.pagemaps[id].type)
        m.frame.count += 1
        return .next(.initializePage)
      }
      return .next(.takeReferences)

    case .takeReferences:
      // Pages of drivers and pools hold the pgmap while they are in use instead.
      if !m.pagesHoldPagemap(id) {
        m.pagemaps[id].references += Int32(m.frame.count)
        m.pagemaps[id].own += Int32(m.frame.count)
      }
      m.value = .ok
      if isNested { return .finish }
      return .next(id.hasOwnList ? .lockDriver : .listPages)

    case .lockDriver:
      return m.acquire(.driver(id)) ? .next(.listPages) : .wait

    case .listPages:
      guard id.hasOwnList else {
        m.pagemaps[id].isRemoving = false
        return .finish
      }
      m.listAll(of: id)
      return .next(.unlockDriver)

    case .unlockDriver:
      m.release(.driver(id))
      return .finish
    }
  }
}

/// memunmap_pages(): waits for the pgmap's references, then the struct pages vanish.
///
/// A file system that is still in use must be drained first, and so must whoever holds pages of a
/// device-dax device; the released kernels do not see to that when a device is unbound.
enum MemunmapPages: Body {
  enum Step: UInt8, CaseIterable {
    /// what a repaired unbind does before all: unmount, or fail with -EBUSY
    case unmount
    /// the driver hands out no more pages, and forgets the free ones; `kill_dax()`,
    /// `synchronize_srcu(&dax_srcu)`
    case stopAllocating, unlockDriver, waitForAllocations, lockTree, unmapDeviceDAX
    /// what a repaired unbind of a device-dax device does: fail while somebody holds its pages
    case checkHolders
    /// `percpu_ref_kill()`
    case killReference
    /// `evict_inodes()` of that unmount
    case evictInode
    /// `put_page()` of each page, where memremap_pages() holds it
    case putPages
    /// `percpu_ref_put_many()`
    case putReferences
    /// `percpu_ref_exit()`, where it came too early
    case exitReferenceEarly
    /// `wait_for_completion(&pgmap->done)`
    case waitForReferences
    /// lock-free walkers that saw a page-table entry before it was zapped
    case waitForWalkers
    /// `pageunmap_range()`
    case removePages
    /// `synchronize_rcu()`
    case waitForReaders
    /// `percpu_ref_exit()`
    case exitReference
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "memunmap_pages", parameters: [.pagemap], weight: 2,
      domain: .fsdax, otherDomains: .device,
      summary: "unbind a device, or a chunk of one: its struct pages vanish")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.pagemaps[call.pagemap].state == .live
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let id = m.call.pagemap
    switch step {
    case .unmount:
      guard m.pagemaps[id].isAlive else {
        m.value = Outcome(.noDevice)
        return .finish
      }
      guard id == .pmem0 else { return .next(.stopAllocating) }
      guard mayUnmount(&m) else {
        m.value = Outcome(.busy)
        return .finish
      }
      return .next(.killReference)

    case .stopAllocating, .unlockDriver, .waitForAllocations, .lockTree, .unmapDeviceDAX,
      .checkHolders:
      return stop(step, &m)

    case .killReference:
      // The driver core's device lock keeps an unbind from a bind that is under way.
      guard m.pagemaps[id].state == .live, id != .pmem0 || !m.pagemaps[id].isRemoving else {
        m.value = Outcome(.noDevice)
        return .finish
      }
      // Nobody opens a file, or reclaims an inode, of a file system that is being unmounted.
      guard id != .pmem0 || mayUnmount(&m) else {
        m.value = Outcome(.busy)
        return .finish
      }
      m.pagemaps[id].state = .dying
      m.pagemaps[id].isUnbinding = true
      m.pagemaps[id].references -= 1
      m.pagemaps[id].own -= 1
      let evicts = id == .pmem0 && m.obeys(.drainsBeforeUnbind)
      m.frame.index = PageIndex(0)
      return .next(evicts ? .evictInode : .putPages)

    case .evictInode: return evictNext(&m)

    case .putPages:
      guard m.rules.baseHoldsPagemap && m.obeys(.putsPagesBeforeWaiting) else {
        return .next(.putReferences)
      }
      if id == .p2p0 { m.unlistAll(of: id) }
      while m.frame.index.position < id.pages.count {
        let pfn = PFN(id.pages.lowerBound + m.frame.index.position)
        m.frame.index = m.frame.index + 1
        guard m.ledger[pfn][.base] != 0 else { continue }
        return m.enter(PutPage.frame(pfn, .base), then: Step.putPages)
      }
      return .next(m.obeys(.exitsPagemapLast) ? .waitForReferences : .exitReferenceEarly)

    case .putReferences:
      m.pagemaps[id].references -= m.pagemaps[id].own
      m.pagemaps[id].own = 0
      if m.pagesHoldPagemap(id) && !m.obeys(.waitsForPagesInUse) {
        m.pagemaps[id].references -= m.pagemaps[id].inUse
        m.pagemaps[id].inUse = 0
      }
      return .next(m.obeys(.exitsPagemapLast) ? .waitForReferences : .exitReferenceEarly)

    default: return remove(step, &m)
    }
  }

  private static func stop(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let id = m.call.pagemap
    switch step {
    case .stopAllocating:
      guard m.acquire(.driver(id)) else { return .wait }
      // Somebody else has begun to unbind it, or binds it again.
      guard m.pagemaps[id].isAlive else {
        m.frame.result = Outcome(.noDevice)
        return .next(.unlockDriver)
      }
      if m.obeys(.stopsAllocatingFirst) {
        m.pagemaps[id].isRemoving = true
        if id.hasDriver { m.unlistAll(of: id) }
      }
      return .next(.unlockDriver)

    case .unlockDriver:
      m.release(.driver(id))
      m.value = m.frame.result
      return m.value.isFailure ? .finish : .next(.waitForAllocations)

    case .waitForAllocations:
      guard m.pagemaps[id].allocating == 0 || !m.obeys(.stopsAllocatingFirst) else {
        m.enqueue(Wait(kind: .driver, object: id.rawValue))
        return .wait
      }
      m.leaveQueue()
      return .next(id == .dax0 ? .lockTree : .killReference)

    case .lockTree:
      return m.acquire(.mappingTree(FileID.none), .shared) ? .next(.unmapDeviceDAX) : .wait

    case .unmapDeviceDAX:
      while Int(m.frame.count) < Limits.mms * Limits.mappings {
        let mm = MMID(Int(m.frame.count) / Limits.mappings)
        let mapping = MappingID(Int(m.frame.count) % Limits.mappings)
        m.frame.count += 1
        guard m.mms[mm].isAlive, m.mms[mm].vmas[mapping].kind == .deviceDAX else { continue }
        return m.enter(
          ZapRange.frame(mm, mapping, 0..<Limits.filePages, .evenCows),
          then: Step.unmapDeviceDAX)
      }
      m.release(.mappingTree(FileID.none), .shared)
      return .next(.checkHolders)

    default:
      let isHeld = id.pages.contains { m.pages[PFN($0)].refcount > m.rules.genericCount }
      let waitsAnyway = m.rules.baseHoldsPagemap
      guard isHeld && m.obeys(.waitsForDeviceDAXUsers) && !waitsAnyway else {
        return .next(.killReference)
      }
      m.pagemaps[id].isRemoving = false
      m.value = Outcome(.busy)
      return .finish
    }
  }

  private static func remove(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let id = m.call.pagemap
    switch step {
    case .exitReferenceEarly:
      m.pagemaps[id].hasExited = true
      return .next(.waitForReferences)

    case .waitForReferences:
      guard m.pagemaps[id].references == 0 else {
        m.enqueue(Wait(kind: .pagemap, object: id.rawValue))
        return .wait
      }
      m.leaveQueue()
      return .next(.waitForWalkers)

    case .waitForWalkers:
      guard m.waitForGracePeriod() else { return .wait }
      m.emit(.pagemapDrained(id))
      return .next(.removePages)

    case .removePages:
      // A driver has forgotten its free pages before.
      if !id.hasDriver || !m.obeys(.stopsAllocatingFirst) { m.unlistAll(of: id) }
      for position in id.pages where m.pages[PFN(position)].exists {
        m.removeDevicePage(PFN(position))
      }
      m.pagemaps[id].state = .gone
      return .next(.waitForReaders)

    case .waitForReaders:
      return m.waitForGracePeriod() ? .next(.exitReference) : .wait

    default:
      m.pagemaps[id].hasExited = true
      m.pagemaps[id].isUnbinding = false
      m.value = .ok
      return .finish
    }
  }

  private static func mayUnmount(_ m: inout Machine) -> Bool {
    guard m.obeys(.drainsBeforeUnbind) else { return true }
    return !m.files.indices.contains { m.isInUse($0) || m.files[$0].isEvicting }
  }

  private static func evictNext(_ m: inout Machine) -> Transition<Step> {
    while Int(m.frame.count) < Limits.files {
      let file = FileID(Int(m.frame.count))
      // __wait_on_freeing_inode(): whoever evicts it is waited for.
      guard !m.files[file].isEvicting else {
        m.enqueue(Wait(kind: .eviction, object: file.rawValue))
        return .wait
      }
      m.leaveQueue()
      m.frame.count += 1
      guard m.files[file].isAlive else { continue }
      m.files[file].isEvicting = true
      return m.enter(EvictInode.frame(file), then: Step.evictInode)
    }
    if let busy = m.busyBlock() { return m.enter(AwaitIdle.frame(busy), then: Step.evictInode) }
    return .next(.putPages)
  }
}

extension PagemapID {
  /// A driver, or a pool, keeps the free pages of the device on a list.
  var hasOwnList: Bool { hasDriver || self == .p2p0 }
}

/// A lock-free user of a page frame number: a pfn walker that gets a page and looks again.
enum FolioTryGet: Body {
  enum Step: UInt8, CaseIterable {
    /// `get_dev_pagemap()`, where `pfn_to_online_page()` would refuse device memory
    case getPagemap
    /// `folio_try_get()`
    case tryGet
    /// the page is looked at with the reference held
    case use
    /// `folio_put()`
    case put
    /// `put_dev_pagemap()`
    case putPagemap
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "folio_try_get", parameters: [.pfn], weight: 3, otherDomains: [.buddy, .lru],
      summary: "a speculative lookup of a page frame: get unless zero, look, put")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.pages[call.pfn].refcount > 0
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pagemap = PagemapID(of: m.call.pfn)
    switch step {
    case .getPagemap:
      if let pagemap {
        guard m.pages[m.call.pfn].exists, m.lookUpPagemap(pagemap) else {
          m.value = Outcome(.noDevice)
          return .finish
        }
      }
      return .next(.tryGet)

    case .tryGet:
      m.frame.pfn = m.owner(of: m.call.pfn)
      // pfn_to_online_page(): a free page with a count could not be told from one in use.
      let isAmbiguous = pagemap?.hasDriver == true && m.freeCount(of: .devicePrivate) != 0
      guard !(isAmbiguous && m.obeys(.refusesFreePages)), m.tryGetPage(m.frame.pfn) else {
        m.frame.result = Outcome(.busy)
        return .next(.putPagemap)
      }
      m.noteSpeculation(m.frame.pfn)
      m.holdBriefly(.speculative, of: m.frame.pfn)
      return .next(.use)

    case .use:
      return .next(.put)

    case .put:
      return m.enter(PutPage.frame(m.frame.pfn, .speculative), then: Step.putPagemap)

    case .putPagemap:
      if let pagemap { m.putPagemap(pagemap) }
      m.value = m.frame.result
      return .finish
    }
  }
}

/// A signal to the task of another CPU: interruptible waits end with -EINTR.
enum Signal: Body {
  enum Step: UInt8, CaseIterable {
    /// `send_signal()`
    case send
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "signal", parameters: [.cpu], weight: 1,
      summary: "interrupt the sleep of another CPU's task")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.cpus[call.cpu].isActive
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    guard m.cpus[m.call.cpu].isActive, m.call.cpu != m.current else {
      m.value = Outcome(.noProcess)
      return .finish
    }
    m.cpus[m.call.cpu].isSignalled = true
    m.value = .ok
    return .finish
  }
}
