// SPDX-License-Identifier: MIT

/// madvise(MADV_HWPOISON) of an address, and memory_failure() of a page frame.
enum MemoryFailure: Body {
  enum Step: UInt8, CaseIterable {
    /// `madvise_inject_error()`: `get_user_pages_fast()`
    case grabPage, checkGrabbed
    /// `get_dev_pagemap()`
    case getPagemap
    /// MF_COUNT_INCREASED: `put_page()`
    case putGrabbed
    /// `mf_generic_kill_procs()`
    case kill
    /// `put_dev_pagemap()`
    case putPagemap
  }

  static func signature(of operation: Procedure) -> Signature? {
    operation == .madviseHwpoison
      ? Signature(
        name: "madvise_hwpoison", parameters: [.mm, .address], weight: 1,
        domain: .fsdax, otherDomains: .device,
        summary: "inject a memory failure at an address")
      : Signature(
        name: "memory_failure", parameters: [.pfn], weight: 3,
        domain: .fsdax, otherDomains: .device,
        summary: "the hardware reports a page frame as broken")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    call.operation == .memoryFailure
      ? call.pfn.position < Limits.devicePages && m.pages[call.pfn].mapping != .none
      : m.resolve(call.mm, call.address) != nil
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let handle = HandleID(Limits.handles + min(m.current.position, Limits.cpus - 1))
    let isInjected = m.call.operation == .madviseHwpoison
    switch step {
    case .grabPage:
      guard isInjected else {
        m.frame.pfn = m.call.pfn
        return .next(.getPagemap)
      }
      guard m.open(handle, pin: false) else {
        m.value = Outcome(.busy)
        return .finish
      }
      return m.enter(m.walk(handle, isSlow: false, false), then: Step.checkGrabbed)

    case .checkGrabbed:
      m.close(handle)
      guard m.handles[handle].state == .held else { return .finish }
      m.frame.pfn = m.handles[handle].pages[0]
      return .next(.getPagemap)

    case .getPagemap:
      let pfn = m.frame.pfn
      let isDevice = pfn.position < Limits.devicePages && m.pages[pfn].exists
      if isDevice && m.lookUpPagemap() {
        m.frame.count = 1
      } else {
        m.frame.result = Outcome(isInjected && !isDevice ? .busy : .noDevice)
      }
      return .next(.putGrabbed)

    case .putGrabbed:
      let next: Step = m.frame.count == 1 ? .kill : .putPagemap
      guard isInjected, m.handles[handle].state == .held else { return .next(next) }
      m.handles[handle].state = .released
      guard !m.frame.pfn.isNone else { return .next(next) }
      return m.enter(PutPage.frame(m.owner(of: m.frame.pfn), .get), then: next)

    case .kill:
      var frame = Frame(.killPage)
      frame.pfn = m.frame.pfn
      return m.enter(frame, then: Step.putPagemap)

    case .putPagemap:
      if m.frame.count == 1 {
        m.putPagemap()
        m.frame.result = m.value
      }
      m.value = m.frame.result
      return .finish
    }
  }
}

/// Locks the entry of a page without a reference, zaps its mappings and signals their owners;
/// `dax_lock_folio()`, `mf_generic_kill_procs()`.  Register: pfn.
enum KillPage: Body {
  enum Step: UInt8, CaseIterable {
    /// `READ_ONCE(folio->mapping)` under RCU
    case readMapping
    /// `xas_lock_irq()`, the mapping again, `dax_lock_entry()`
    case lockPages, recheckMapping
    /// `wait_entry_unlocked()`: not exclusive
    case unlockToSleep, sleepOnEntry
    case unlockPages
    /// `SetPageHWPoison()`
    case poison
    /// `unmap_and_kill()`: `unmap_mapping_range()`
    case unmap
    /// `dax_unlock_folio()`
    case lockToUnlock, unlockEntry, unlockUnlocked
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (pfn, file) = (m.frame.pfn, m.frame.file)
    switch step {
    case .readMapping:
      let owner = m.owner(of: pfn)
      m.noteUse(of: owner)
      guard let file = m.pages[owner].mapping.file else {
        m.emit(.memoryFailureMissed(pfn))
        m.value = Outcome(.busy)
        return .finish
      }
      m.frame.file = file
      return .next(.lockPages)

    case .lockPages:
      return m.acquire(.pages(file)) ? .next(.recheckMapping) : .wait

    case .recheckMapping:
      let owner = m.owner(of: pfn)
      guard m.pages[owner].mapping == Mapping(file) else {
        m.release(.pages(file))
        return m.mayRetry() ? .next(.readMapping) : .finish
      }
      m.frame.index = m.pages[owner].index + (pfn.position - owner.position)
      let entry = m.files[file].entry(at: m.frame.index)
      guard entry.kind == .page else {
        m.value = Outcome(.busy)
        m.frame.result = m.value
        return .next(.unlockPages)
      }
      guard !entry.isLocked else {
        m.waitForEntry(file, m.frame.index, exclusive: false)
        return .next(.unlockToSleep)
      }
      m.files[file].entries[m.files[file].home(of: m.frame.index)].isLocked = true
      m.touch(file)
      return .next(.unlockPages)

    case .unlockToSleep:
      m.release(.pages(file))
      return .next(.sleepOnEntry)

    case .sleepOnEntry:
      guard m.isWokenFromSleep() else { return .wait }
      guard !m.obeys(.rereadsMappingAfterSleep) else { return .next(.readMapping) }
      if !m.files[file].isAlive { m.emit(.freedInodeUsed(file)) }
      return .next(.lockPages)

    case .unlockPages:
      m.release(.pages(file))
      return m.frame.result.isFailure ? .finish : .next(.poison)

    case .poison:
      m.poison(pfn)
      return .next(.unmap)

    case .unmap:
      let isMapped = m.files[file].present[m.frame.index] != 0
      m.frame.result = isMapped ? Outcome(.sigbus) : .ok
      let range = m.frame.index.position..<m.frame.index.position + 1
      return m.enter(UnmapMappingRange.frame(file, range, []), then: Step.lockToUnlock)

    case .lockToUnlock, .unlockEntry, .unlockUnlocked: return unlock(step, &m)
    }
  }

  private static func unlock(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.frame.file
    switch step {
    case .lockToUnlock:
      return m.acquire(.pages(file)) ? .next(.unlockEntry) : .wait

    case .unlockEntry:
      m.files[file].entries[m.files[file].home(of: m.frame.index)].isLocked = false
      m.touch(file)
      m.wakeEntry(file, m.frame.index, all: false)
      m.emit(.entryReleased(file, m.frame.index))
      return .next(.unlockUnlocked)

    default:
      m.release(.pages(file))
      m.value = m.frame.result
      return .finish
    }
  }
}
