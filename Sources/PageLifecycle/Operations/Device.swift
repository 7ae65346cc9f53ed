// SPDX-License-Identifier: MIT

/// memremap_pages(): the device is bound again after memunmap_pages().
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
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(name: "memremap_pages", parameters: [], weight: 1, summary: "bind the device again")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool { m.pgmap.state == .gone }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .initializeReference:
      guard m.pgmap.state == .gone, m.pgmap.hasExited else {
        m.value = Outcome(.noMemory)
        return .finish
      }
      m.pgmap = DevPagemap()
      m.pgmap.state = .dying
      m.pgmap.references = 1
      m.pgmap.own = 1
      return .next(.publish)

    case .publish:
      m.pgmap.state = .live
      return .next(.initializePage)

    case .initializePage:
      while m.frame.index.position < Limits.devicePages {
        let pfn = PFN(m.frame.index.position)
        m.frame.index = m.frame.index + 1
        guard m.pages[pfn].type == .fsdax else { continue }
        m.initializeDevicePage(pfn)
        m.frame.count += 1
        return .next(.initializePage)
      }
      return .next(.takeReferences)

    case .takeReferences:
      m.pgmap.references += Int32(m.frame.count)
      m.pgmap.own += Int32(m.frame.count)
      m.value = .ok
      return .finish
    }
  }
}

/// memunmap_pages(): waits for the pgmap's references, then the struct pages vanish.
///
/// A file system that is still in use must be drained first; the released kernels do not see to
/// that when a device is unbound.
enum MemunmapPages: Body {
  enum Step: UInt8, CaseIterable {
    /// what a repaired unbind does before all: unmount, or fail with -EBUSY
    case unmount
    /// `percpu_ref_kill()`
    case killReference
    /// `evict_inodes()` of that unmount
    case evictInode
    /// `percpu_ref_put_many()`
    case putReferences
    /// `wait_for_completion(&pgmap->done)`
    case waitForReferences
    /// `pageunmap_range()`
    case removePages
    /// `synchronize_rcu()`
    case waitForReaders
    /// `percpu_ref_exit()`
    case exitReference
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "memunmap_pages", parameters: [], weight: 1,
      summary: "unbind the device: its struct pages vanish")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool { m.pgmap.state == .live }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .unmount:
      guard mayUnmount(&m) else {
        m.value = Outcome(.busy)
        return .finish
      }
      return .next(.killReference)

    case .killReference:
      // The driver core's device lock keeps an unbind from a bind that is under way.
      guard m.pgmap.state == .live, m.pgmap.own > 1 else {
        m.value = Outcome(.noDevice)
        return .finish
      }
      // Nobody opens a file, or reclaims an inode, of a file system that is being unmounted.
      guard mayUnmount(&m) else {
        m.value = Outcome(.busy)
        return .finish
      }
      m.pgmap.state = .dying
      m.pgmap.references -= 1
      m.pgmap.own -= 1
      return .next(m.obeys(.drainsBeforeUnbind) ? .evictInode : .putReferences)

    case .evictInode: return evictNext(&m)

    case .putReferences:
      m.pgmap.references -= m.pgmap.own
      m.pgmap.own = 0
      return .next(.waitForReferences)

    case .waitForReferences:
      guard m.pgmap.references == 0 else {
        m.enqueue(Wait(kind: .pagemap))
        return .wait
      }
      if m.cpus[m.current].wait.kind != .none { m.leaveQueue() }
      m.emit(.pagemapDrained)
      return .next(.removePages)

    case .removePages:
      for position in 0..<Limits.devicePages where m.pages[PFN(position)].type == .fsdax {
        m.removeDevicePage(PFN(position))
      }
      m.pgmap.state = .gone
      return .next(.waitForReaders)

    case .waitForReaders:
      guard !m.cpus.indices.contains(where: { m.cpus[$0].hasInterruptsOff }) else {
        m.enqueue(Wait(kind: .gracePeriod))
        return .wait
      }
      if m.cpus[m.current].wait.kind != .none { m.leaveQueue() }
      return .next(.exitReference)

    case .exitReference:
      m.pgmap.hasExited = true
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
      m.frame.count += 1
      guard m.files[file].isAlive, !m.files[file].isEvicting else { continue }
      m.files[file].isEvicting = true
      var frame = Frame(.evictInode)
      frame.file = file
      return m.enter(frame, then: Step.evictInode)
    }
    return .next(.putReferences)
  }
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
      name: "folio_try_get", parameters: [.pfn], weight: 3,
      summary: "a speculative lookup of a page frame: get unless zero, look, put")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.pages[call.pfn].refcount > 0
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let isDevice = m.call.pfn.position < Limits.devicePages
    switch step {
    case .getPagemap:
      guard !isDevice || (m.pages[m.call.pfn].exists && m.lookUpPagemap()) else {
        m.value = Outcome(.noDevice)
        return .finish
      }
      return .next(.tryGet)

    case .tryGet:
      m.frame.pfn = m.owner(of: m.call.pfn)
      guard m.tryGetPage(m.frame.pfn) else {
        m.frame.result = Outcome(.busy)
        return .next(.putPagemap)
      }
      m.holdBriefly(.speculative, of: m.frame.pfn)
      return .next(.use)

    case .use:
      return .next(.put)

    case .put:
      return m.enter(PutPage.frame(m.frame.pfn, .speculative), then: Step.putPagemap)

    case .putPagemap:
      if isDevice { m.putPagemap() }
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

/// Tells the block allocator which block to hand out next, when it is free.
enum NextBlock: Body {
  enum Step: UInt8, CaseIterable {
    /// the allocator's own choice
    case choose
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "next_block", parameters: [.pfn], weight: 1,
      summary: "the file system's allocator hands out this block next")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.freeBlocks.contains(call.pfn)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    guard m.call.pfn.position < Limits.devicePages else {
      m.value = Outcome(.invalid)
      return .finish
    }
    m.chooseBlock(m.call.pfn)
    m.value = .ok
    return .finish
  }
}

/// The file system zeroes an unwritten block out before anybody writes it.
enum ConvertUnwritten: Body {
  enum Step: UInt8, CaseIterable {
    /// `ext4_ext_zeroout()`
    case zeroOut
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "convert_unwritten", parameters: [.filePage], weight: 0,
      summary: "the file system writes zeroes to an unwritten block")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.files[call.file].blocks[call.page].isUnwritten
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    m.initializeBlock(m.call.file, m.call.page)
    m.value = .ok
    return .finish
  }
}
