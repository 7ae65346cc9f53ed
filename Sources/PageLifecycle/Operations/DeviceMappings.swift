// SPDX-License-Identifier: MIT

/// mmap(2) of anonymous memory, or of a device-dax device, at a free place of an address space.
enum MmapMemory: Body {
  enum Step: UInt8, CaseIterable {
    /// `mmap_write_lock()`
    case lockMM
    /// `vma_link()`
    case linkVMA
    /// `mmap_write_unlock()`
    case unlockMM
  }

  static func signature(of operation: Procedure) -> Signature? {
    operation == .mmapAnonymous
      ? Signature(
        name: "mmap_anonymous",
        parameters: [.mm, .mapping, .pages(default: UInt8(Limits.pagesPerPMD))], weight: 5,
        domain: .device, otherDomains: .iommu, summary: "map anonymous memory")
      : Signature(
        name: "mmap_device_dax",
        parameters: [.mm, .mapping, .pages(default: UInt8(Limits.smallPages))], weight: 2,
        domain: .device, summary: "map the pages of the device-dax device")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.mms[call.mm].isAlive && m.mms[call.mm].vmas[call.mapping].isFree
      && (call.operation == .mmapAnonymous || m.pagemaps[.dax0].state == .live)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let call = m.call
    switch step {
    case .lockMM:
      return m.lockMM(call.mm, then: Step.linkVMA)

    case .linkVMA:
      let isDAX = call.operation == .mmapDeviceDAX
      let limit = isDAX ? Limits.smallPages : Limits.filePages
      if isDAX && m.pagemaps[.dax0].state != .live {
        m.frame.result = Outcome(.noDevice)
      } else if call.pages == 0 || Int(call.pages) > limit {
        m.frame.result = Outcome(.invalid)
      } else if !m.mms[call.mm].vmas[call.mapping].isFree {
        m.frame.result = Outcome(.busy)
      } else {
        var vma = VMA()
        vma.kind = isDAX ? .deviceDAX : .anonymous
        vma.isPrivate = !isDAX
        vma.pages = Bits(rawValue: 1 << UInt64(call.pages) - 1)
        m.mms[call.mm].vmas[call.mapping] = vma
      }
      return .next(.unlockMM)

    case .unlockMM:
      m.release(.mmap(call.mm))
      m.value = m.frame.result
      return .finish
    }
  }
}

/// A fault on a device-dax mapping; `__dev_dax_pte_fault()`.
///
/// Registers: mm, mapping, page; pfn.
enum DeviceDAXFault: Body {
  enum Step: UInt8, CaseIterable {
    /// `dax_read_lock()`, `dax_alive()`
    case lockDevice
    /// `vmf_insert_page_mkwrite()`, `vmf_insert_mixed()`
    case lockPageTable, checkPTE, addRmap, setPTE, unlockPageTable
    /// `dax_read_unlock()`
    case unlockDevice
  }

  static func frame(_ mm: MMID, _ mapping: MappingID, _ page: PageIndex) -> Frame {
    var frame = Frame(.deviceDAXFault)
    (frame.mm, frame.mapping, frame.page) = (mm, mapping, page)
    frame.pfn = PFN(PagemapID.dax0.pages.lowerBound + page.position)
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, page, pfn) = (m.frame.mm, m.frame.mapping, m.frame.page, m.frame.pfn)
    switch step {
    case .lockDevice:
      guard m.pagemaps[.dax0].isAlive else {
        m.value = Outcome(.sigbus)
        return .finish
      }
      m.pagemaps[.dax0].allocating += 1
      m.value = .ok
      return .next(.lockPageTable)

    case .lockPageTable:
      return m.acquire(.pageTable(mm)) ? .next(.checkPTE) : .wait

    case .checkPTE:
      guard m.mms[mm].vmas[mapping].ptes[page].kind == .none, m.pages[pfn].exists else {
        return .next(.unlockPageTable)
      }
      guard m.countsMappings(of: pfn) else { return .next(.setPTE) }
      m.getPage(pfn)
      m.holdBriefly(.fault, of: pfn)
      return .next(.addRmap)

    case .addRmap:
      m.addRmap(pfn)
      return .next(.setPTE)

    case .setPTE:
      if m.countsMappings(of: pfn) { m.dropBriefHold(.fault, of: pfn) }
      m.addResident(mm, .page(pfn, writable: true), 1)
      m.setPTE(mm, mapping, page, .page(pfn, writable: true))
      return .next(.unlockPageTable)

    case .unlockPageTable:
      m.release(.pageTable(mm))
      return .next(.unlockDevice)

    case .unlockDevice:
      m.pagemaps[.dax0].allocating -= 1
      return .finish
    }
  }
}

/// mmap(2) of a pool of peer-to-peer memory: its pages are there at once; `p2pmem_alloc_mmap()`.
enum MmapP2PDMA: Body {
  enum Step: UInt8, CaseIterable {
    /// `mmap_write_lock()`
    case lockMM, linkVMA
    /// `gen_pool_alloc_owner()`
    case lockPool, takePages, unlockPool
    /// `percpu_ref_tryget_live_rcu()`, `percpu_ref_get()`; `set_page_count()` of each page
    case getPagemap, storeCount
    /// `vm_insert_page()`
    case lockPageTable, getPage, addRmap, setPTE, unlockPageTable
    /// `put_page()`
    case putPage
    /// `mmap_write_unlock()`
    case unlockMM
    /// `vm_insert_page()` fails: `put_page()`, or `gen_pool_free()` and `percpu_ref_put()`
    case resetCount, lockToReturn, returnPage, unlockReturned, putPagemap
    /// `unmap_region()` of a mapping that failed
    case unmapInserted, unlinkVMA
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "mmap_p2pdma", parameters: [.mm, .mapping, .pages(default: 1), .flags(.partial)],
      weight: 2, domain: .device,
      summary: "map fresh pages of the peer-to-peer pool; partial: the last cannot be inserted")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.mms[call.mm].isAlive && m.mms[call.mm].vmas[call.mapping].isFree
      && m.rules.mapsPools && m.pagemaps[.p2p0].state == .live
      && !m.pagemaps[.p2p0].firstFree.isNone
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping) = (m.call.mm, m.call.mapping)
    switch step {
    case .lockMM:
      return m.lockMM(mm, then: Step.linkVMA)

    case .linkVMA:
      guard m.mms[mm].vmas[mapping].isFree else { return fail(.busy, &m) }
      guard m.pagemaps[.p2p0].state == .live, m.rules.mapsPools else {
        return fail(.noDevice, &m)
      }
      let pages = max(1, min(Int(m.call.pages), Limits.smallPages))
      var vma = VMA()
      vma.kind = .p2pdma
      vma.pages = Bits(rawValue: 1 << UInt64(pages) - 1)
      m.mms[mm].vmas[mapping] = vma
      m.frame.end = PageIndex(pages)
      return .next(.lockPool)

    case .lockPool, .takePages, .unlockPool, .getPagemap, .storeCount: return allocate(step, &m)

    case .resetCount, .lockToReturn, .returnPage, .unlockReturned, .putPagemap, .unmapInserted,
      .unlinkVMA:
      return undo(step, &m)

    case .unlockMM:
      m.release(.mmap(mm))
      m.value = m.frame.result
      return .finish

    default: return insert(step, &m)
    }
  }

  private static func fail(_ errno: Errno, _ m: inout Machine) -> Transition<Step> {
    m.frame.result = Outcome(errno)
    return .next(.unlockMM)
  }

  /// All pages of the mapping at once: none is mapped where the pool has too few in a row.
  private static func allocate(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .lockPool:
      return m.acquire(.driver(.p2p0)) ? .next(.takePages) : .wait

    case .takePages:
      // rcu_dereference(pdev->p2pdma): from here to the pgmap's reference removal waits.
      let isRemoving = m.pagemaps[.p2p0].isRemoving
      let pages = m.frame.end.position
      m.frame.pfn = isRemoving ? .none : m.unlistRegion(of: pages, from: .p2p0)
      if m.frame.pfn.isNone {
        m.frame.result = Outcome(isRemoving ? .noDevice : .noMemory)
      } else {
        m.pagemaps[.p2p0].allocating += 1
      }
      return .next(.unlockPool)

    case .unlockPool:
      m.release(.driver(.p2p0))
      return .next(m.frame.pfn.isNone ? .unlinkVMA : .getPagemap)

    case .getPagemap:
      // percpu_ref_tryget_live_rcu(): the pool of a dying device is not used.
      guard m.tryGetPageReferences(.p2p0, Int32(m.frame.end.position)) else {
        m.frame.result = Outcome(.noDevice)
        return .next(.lockToReturn)
      }
      m.pagemaps[.p2p0].allocating -= 1
      return .next(.storeCount)

    default:
      if m.freeCount(of: .p2pdma) == 0 { m.storeCount(m.frame.pfn, 1) }
      m.ledger.use(m.frame.pfn)
      m.ledger.take(.driver, of: m.frame.pfn)
      m.emit(.handedOut(m.frame.pfn))
      // No page table for it: nothing of the page tables has changed then.
      let isRefused = m.call.flags.contains(.partial) && m.frame.page + 1 == m.frame.end
      return .next(isRefused ? .resetCount : .lockPageTable)
    }
  }

  /// A page that could not be inserted goes back to the pool, and the mapping with it.
  private static func undo(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, pfn) = (m.call.mm, m.call.mapping, m.frame.pfn)
    // The pool's device dies: all pages go back, and none has been used.
    let isUnused = m.frame.result.errno == .noDevice
    switch step {
    case .resetCount:
      m.frame.result = Outcome(.noMemory)
      let startsAtZero = m.freeCount(of: .p2pdma) == 0
      // Somebody may have looked the page up since its count was stored: only a put minds that.
      if startsAtZero && m.obeys(.resetsCountOfRefused) && m.obeys(.putsPagemapOfRefused) {
        return m.enter(PutPage.frame(pfn, .driver), then: Step.unmapInserted)
      }
      m.ledger.drop(.driver, of: pfn)
      m.ledger.free(pfn)
      if startsAtZero && m.obeys(.resetsCountOfRefused) { m.storeCount(pfn, 0) }
      return .next(.lockToReturn)

    case .lockToReturn:
      return m.acquire(.driver(.p2p0)) ? .next(.returnPage) : .wait

    case .returnPage:
      for offset in (0..<(isUnused ? m.frame.end.position : 1)).reversed() {
        m.list(PFN(pfn.position + offset), in: .p2p0)
      }
      return .next(.unlockReturned)

    case .unlockReturned:
      m.release(.driver(.p2p0))
      if isUnused { m.pagemaps[.p2p0].allocating -= 1 }
      return .next(isUnused ? .unlinkVMA : .putPagemap)

    case .putPagemap:
      if m.obeys(.putsPagemapOfRefused) { m.putPageReference(.p2p0) }
      return .next(.unmapInserted)

    case .unmapInserted:
      let flags: CallFlags = [.evenCows, .forgetsCopies]
      return m.enter(
        ZapRange.frame(mm, mapping, 0..<Limits.filePages, flags), then: Step.unlinkVMA)

    default:
      m.unlink(mm, mapping, 0..<Limits.filePages)
      return .next(.unlockMM)
    }
  }

  private static func insert(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, page, pfn) = (m.call.mm, m.call.mapping, m.frame.page, m.frame.pfn)
    switch step {
    case .lockPageTable:
      return m.acquire(.pageTable(mm)) ? .next(.getPage) : .wait

    case .getPage:
      m.getPage(pfn)
      m.holdBriefly(.fault, of: pfn)
      return .next(.addRmap)

    case .addRmap:
      m.addRmap(pfn)
      return .next(.setPTE)

    case .setPTE:
      m.dropBriefHold(.fault, of: pfn)
      m.addResident(mm, .page(pfn, writable: true), 1)
      m.setPTE(mm, mapping, page, .page(pfn, writable: true))
      return .next(.unlockPageTable)

    case .unlockPageTable:
      m.release(.pageTable(mm))
      return .next(.putPage)

    default:
      m.frame.page = page + 1
      let isLast = m.frame.page == m.frame.end
      if !isLast { m.frame.pfn = PFN(pfn.position + 1) }
      return m.enter(PutPage.frame(pfn, .driver), then: isLast ? Step.unlockMM : .storeCount)
    }
  }
}

/// A device reads or writes memory of a process through its page tables; `dmirror_read()`,
/// `dmirror_write()`.
///
/// The driver looks at the page tables without their lock, and uses what it saw only if no entry
/// changed since: an invalidation would have taken its mirror away.
enum DeviceAccess: Body {
  enum Step: UInt8, CaseIterable {
    /// the driver is still there
    case checkDriver
    /// `mmap_read_lock()`
    case lockMM
    /// `hmm_range_fault()`
    case readPTE, handleFault, checkFault
    /// `mmu_interval_read_retry()`, and the access under the mirror's mutex
    case access
    /// `mmap_read_unlock()`
    case unlockMM
  }

  static func signature(of operation: Procedure) -> Signature? {
    operation == .deviceRead
      ? Signature(
        name: "device_read", parameters: [.pagemap, .mm, .address], weight: 3, domain: .device,
        summary: "a device reads the byte at an address; returns it")
      : Signature(
        name: "device_write", parameters: [.pagemap, .mm, .address, .value], weight: 4,
        domain: .device, summary: "a device writes a byte to an address")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    MigrateVMA.isUseful(call, in: &m)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let mm = m.call.mm
    let isWrite = m.call.operation == .deviceWrite
    switch step {
    case .checkDriver:
      guard m.isBound(m.call.pagemap) else {
        m.value = Outcome(.noDevice)
        return .finish
      }
      return .next(.lockMM)

    case .lockMM:
      return m.lockMM(mm, .shared, then: Step.readPTE)

    case .readPTE:
      guard let (mapping, page) = m.resolve(mm, m.call.address),
        m.mms[mm].vmas[mapping].kind == .anonymous
      else { return end(Outcome(.fault), &m) }
      (m.frame.mapping, m.frame.page) = (mapping, page)
      m.frame.pte = m.mms[mm].vmas[mapping].ptes[page]
      return .next(isReachable(m.frame.pte, isWrite, &m) ? .access : .handleFault)

    case .handleFault:
      let flags: CallFlags = isWrite ? .write : []
      return m.enter(
        HandleFault.frame(mm, m.frame.mapping, m.frame.page, flags), then: Step.checkFault)

    case .checkFault:
      guard !m.value.isFailure, m.mayRetry() else { return end(Outcome(.fault), &m) }
      return .next(.readPTE)

    case .access:
      let pte = m.mms[mm].vmas[m.frame.mapping].ptes[m.frame.page]
      guard pte == m.frame.pte else { return m.mayRetry() ? .next(.readPTE) : .next(.unlockMM) }
      return end(m.deviceAccess(pte, isWrite), &m)

    case .unlockMM:
      m.release(.mmap(mm), .shared)
      m.value = m.frame.result
      return .finish
    }
  }

  private static func end(_ result: Outcome, _ m: inout Machine) -> Transition<Step> {
    m.frame.result = result
    return .next(.unlockMM)
  }

  /// A device reaches RAM, and private pages of its own; others are brought back first.
  private static func isReachable(_ pte: PTE, _ isWrite: Bool, _ m: inout Machine) -> Bool {
    guard !isWrite || pte.isWritable else { return false }
    switch pte.kind {
    case .page, .zero: return true
    case .devicePrivate: return PagemapID(of: pte.pfn)?.device == m.call.pagemap
    case .none, .migration: return false
    }
  }
}

extension Machine {
  fileprivate mutating func deviceAccess(_ pte: PTE, _ isWrite: Bool) -> Outcome {
    let (mm, mapping, page) = (call.mm, frame.mapping, frame.page)
    if isWrite {
      store(call.value, in: pte.pfn)
      remember(
        call.value, at: Origin(mms[mm].vmas[mapping], mm, mapping, page), pte.pfn)
      return .ok
    }
    let value = pte.kind == .zero ? 0 : contents(of: pte.pfn)
    if let expected = expectedValue(mm, mapping, page) {
      emit(.read(value: value, expected: expected, pte.pfn))
    }
    return Outcome(Int(value))
  }
}
