// SPDX-License-Identifier: MIT

/// The calls that obtain pages and keep them: get_user_pages(), pin_user_pages(), their
/// lock-free sisters, and vmsplice(2).
enum GetUserPages: Body {
  enum Step: UInt8, CaseIterable {
    /// `is_valid_gup_args()`
    case openHandle
    /// what was obtained is handed to the caller
    case closeHandle
  }

  static func signature(of operation: Procedure) -> Signature? {
    let (name, summary): (String, String) =
      switch operation {
      case .gup: ("gup", "get_user_pages(): FOLL_GET under the mmap_lock")
      case .gupFast: ("gup_fast", "get_user_pages_fast(): FOLL_GET, lock-free first")
      case .pinUserPages: ("pin_user_pages", "FOLL_PIN under the mmap_lock")
      case .pinUserPagesFast: ("pin_user_pages_fast", "FOLL_PIN, lock-free first")
      default: ("vmsplice", "FOLL_GET references that stay in a pipe until read")
      }
    let flags: CallFlags = operation == .vmsplice ? [] : [.write, .longterm]
    return Signature(
      name: name, parameters: [.mm, .address, .flags(flags), .pages(default: 1), .times],
      yieldsHandle: true, weight: 5, summary: summary)
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.resolve(call.mm, call.address) != nil
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .openHandle:
      let isPin = m.call.operation == .pinUserPages || m.call.operation == .pinUserPagesFast
      guard m.open(m.call.handle, pin: isPin) else {
        m.value = Outcome(.busy)
        return .finish
      }
      let isSlow = m.call.operation == .gup || m.call.operation == .pinUserPages
      return m.enter(m.walk(m.call.handle, isSlow: isSlow, isPin), then: Step.closeHandle)

    case .closeHandle:
      let handle = m.handles[m.call.handle]
      for position in 0..<Int(handle.count) where handle.isLongterm {
        if !handle.pages[position].isNone { m.emit(.longtermGrabbed(handle.pages[position])) }
      }
      m.close(m.call.handle)
      return .finish
    }
  }
}

extension Machine {
  /// Makes an unused handle ready to receive pages; false while it still holds some.
  mutating func open(_ handle: HandleID, pin: Bool) -> Bool {
    guard handles[handle].state != .held, handles[handle].state != .filling else { return false }
    handles[handle] = Handle()
    handles[handle].state = .filling
    handles[handle].holder = pin ? .pin : .get
    handles[handle].times = Int32(max(1, min(Int(call.times), Limits.times)))
    handles[handle].isWritable = call.flags.contains(.write)
    handles[handle].isLongterm = call.flags.contains(.longterm)
    return true
  }

  /// A handle that obtained nothing is a failed one.
  mutating func close(_ handle: HandleID) {
    handles[handle].state = handles[handle].count == 0 ? .failed : .held
  }

  /// The registers of a walk over the pages a call names.
  mutating func walk(_ handle: HandleID, isSlow: Bool, _ pin: Bool) -> Frame {
    var frame = Frame(isSlow ? .gupSlow : .gupFastWalk)
    frame.mm = call.mm
    frame.handle = handle
    frame.count = max(1, min(call.pages, UInt8(Limits.handlePages)))
    frame.times = handles[handle].times
    frame.flags = call.flags
    if pin { frame.flags.insert(.pin) }
    return frame
  }

  /// The address of the next page a walk wants.
  mutating func nextAddress(_ frame: Frame) -> (MappingID, PageIndex)? {
    let taken = Int(handles[frame.handle].count)
    guard let (mapping, page) = resolve(frame.mm, call.address) else { return nil }
    guard page.position + taken < Limits.filePages else { return nil }
    let next = page + taken
    return mms[frame.mm].vmas[mapping].pages.contains(next) ? (mapping, next) : nil
  }

  /// Writes one obtained page into the handle; PFN.none is the zero page.
  mutating func record(_ pfn: PFN, at page: PageIndex, in mapping: MappingID) {
    let handle = frame.handle
    let position = Int(handles[handle].count)
    handles[handle].pages[position] = pfn
    handles[handle].origins[position] = Origin(
      mms[frame.mm].vmas[mapping], frame.mm, mapping, page)
    handles[handle].count += 1
  }

  /// `gup_must_unshare()`: a read pin of an anonymous page other processes map too.
  mutating func mustUnshare(_ pte: PTE, _ flags: CallFlags) -> Bool {
    guard pte.kind == .page, obeys(.unsharesBeforePin) else { return false }
    noteUse(of: pte.pfn)
    let isShared =
      pages[pte.pfn].mapping == .anon && !pages[pte.pfn].flags.contains(.anonExclusive)
    return isShared && flags.contains(.pin) && !flags.contains(.write)
  }
}

/// Obtains pages under the mmap_lock, faulting in what is missing; `__get_user_pages()`.
///
/// Registers: mm, handle, count, times, flags; mapping and page of the page at hand; end, the
/// pages the handle had before.
enum GupSlow: Body {
  enum Step: UInt8, CaseIterable {
    /// `mmap_read_lock()`
    case lockMM
    /// `check_vma_flags()`
    case checkVMA
    /// `mm_set_has_pinned_flag()`
    case setHasPinned
    /// `follow_page_pte()`: `pte_offset_map_lock()`, `ptep_get()`
    case lockPageTable, readPTE
    /// `get_dev_pagemap()`
    case getPagemap
    /// `try_grab_folio()`
    case grab
    /// `pte_unmap_unlock()`
    case unlockPageTable
    /// `faultin_page()`
    case unlockToFault, faultIn, checkFault
    /// `put_dev_pagemap()`
    case putPagemap
    /// `__gup_longterm_locked()`
    case checkLongterm, walkAgain
    /// `mmap_read_unlock()`
    case unlockMM
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .lockMM:
      m.frame.result = .ok
      m.frame.end = PageIndex(rawValue: m.handles[m.frame.handle].count)
      return m.lockMM(m.frame.mm, .shared, then: Step.checkVMA)

    case .checkVMA, .setHasPinned: return check(step, &m)
    case .lockPageTable, .readPTE, .getPagemap, .grab, .unlockPageTable:
      return follow(step, &m)

    case .unlockToFault:
      m.release(.pageTable(m.frame.mm))
      return .next(.faultIn)

    case .faultIn:
      let flags = m.frame.flags.intersection([.write, .unshare])
      m.frame.flags.remove(.unshare)
      return m.enter(
        HandleFault.frame(m.frame.mm, m.frame.mapping, m.frame.page, flags), then: Step.checkFault)

    case .checkFault:
      if m.value.isFailure || !m.mayRetry() {
        let isOutOfMemory = m.value.errno == .noMemory
        m.frame.result = Outcome(isOutOfMemory ? .noMemory : .fault)
        return .next(.putPagemap)
      }
      return .next(.lockPageTable)

    case .putPagemap:
      if m.frame.index.rawValue == 1 {
        let isError = m.frame.result.isFailure
        if !isError || m.obeys(.putsPagemapOnEveryPath) { m.putPagemap(m.frame.pagemap) }
        if !m.obeys(.putsPagemapOnce) { m.putPagemap(m.frame.pagemap) }
        m.frame.index = PageIndex(0)
      }
      return .next(m.frame.flags.contains(.longterm) ? .checkLongterm : .unlockMM)

    case .checkLongterm:
      return m.enter(
        LongtermPin.frame(m.frame.handle, from: m.frame.end), then: Step.walkAgain)

    case .walkAgain:
      guard m.value.isFailure else { return .next(.unlockMM) }
      m.frame.result = .ok
      if m.value.errno == .again && m.mayRetry() { return .next(.checkVMA) }
      m.frame.result = Outcome(.busy)
      return .next(.unlockMM)

    case .unlockMM:
      m.release(.mmap(m.frame.mm), .shared)
      let taken = m.handles[m.frame.handle].count
      m.value = taken > 0 ? Outcome(Int(taken)) : m.frame.result
      return .finish
    }
  }

  private static func check(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    guard step == .checkVMA else {
      m.mms[m.frame.mm].hasPinned = true
      return .next(.lockPageTable)
    }
    guard m.handles[m.frame.handle].count < m.frame.count else { return .next(.putPagemap) }
    guard let (mapping, page) = m.nextAddress(m.frame) else {
      m.frame.result = Outcome(.fault)
      return .next(.putPagemap)
    }
    (m.frame.mapping, m.frame.page) = (mapping, page)
    // vma_is_fsdax(): private mappings of a DAX file too.
    let isFile = m.mms[m.frame.mm].vmas[mapping].kind == .file
    if m.frame.flags.contains(.longterm) && isFile && m.obeys(.refusesLongterm) {
      m.frame.result = Outcome(.notSupported)
      return .next(.putPagemap)
    }
    let mustSet = m.frame.flags.contains(.pin) && !m.mms[m.frame.mm].hasPinned
    return .next(mustSet ? .setHasPinned : .lockPageTable)
  }

  private static func follow(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, page) = (m.frame.mm, m.frame.mapping, m.frame.page)
    switch step {
    case .lockPageTable:
      return m.acquire(.pageTable(mm)) ? .next(.readPTE) : .wait

    case .readPTE:
      let pte = m.mms[mm].vmas[mapping].ptes[page]
      m.frame.pte = pte
      let isDenied = m.frame.flags.contains(.write) && !pte.isWritable
      let isPresent = pte.kind == .page || pte.kind == .zero
      if m.mustUnshare(pte, m.frame.flags) { m.frame.flags.insert(.unshare) }
      guard isPresent, !isDenied, !m.frame.flags.contains(.unshare) else {
        return .next(.unlockToFault)
      }
      if pte.kind == .page, m.pages[pte.pfn].type == .p2pdma {
        m.frame.result = Outcome(.remoteIO)
        return .next(.unlockPageTable)
      }
      guard pte.kind == .page else {
        m.record(.none, at: page, in: mapping)
        return .next(.unlockPageTable)
      }
      let wantsPagemap = m.rules.gupTakesPagemap && m.isDevmap(pte.pfn)
      return .next(wantsPagemap && m.frame.index.rawValue == 0 ? .getPagemap : .grab)

    case .getPagemap:
      guard m.lookUpPagemap(of: m.frame.pte.pfn) else {
        m.frame.result = Outcome(.fault)
        return .next(.unlockPageTable)
      }
      m.frame.index = PageIndex(1)
      return .next(.grab)

    case .grab:
      let owner = m.owner(of: m.frame.pte.pfn)
      let isPin = m.frame.flags.contains(.pin)
      let weight = isPin ? m.pinWeight(of: owner) : 1
      guard m.tryGetPage(owner, weight * m.frame.times) else {
        // The page-table entry is here and locked: a warning of try_grab_page().
        m.emit(.mappedWithoutReference(owner))
        m.frame.result = Outcome(.noMemory)
        return .next(.unlockPageTable)
      }
      m.ledger.take(isPin ? .pin : .get, of: owner, m.frame.times)
      m.record(m.frame.pte.pfn, at: page, in: mapping)
      if isPin { m.addPincount(owner, m.frame.times) }
      // The faults of the next page are counted anew.
      (m.cpus[m.current].retries, m.cpus[m.current].retriesAlone) = (0, true)
      return .next(.unlockPageTable)

    default:
      m.release(.pageTable(mm))
      return .next(m.frame.result.isFailure ? .putPagemap : .checkVMA)
    }
  }
}

/// Obtains pages without a lock, interrupts off; `gup_fast_pte_range()`.
///
/// The reference is taken first and the PTE read again afterwards.  What cannot be had this way
/// is left to ``GupSlow``.  Registers as there.
enum GupFast: Body {
  enum Step: UInt8, CaseIterable {
    /// `raw_seqcount_try_begin(&mm->write_protect_seq)`
    case sampleSequence
    /// `local_irq_save()`
    case disableInterrupts
    /// `ptep_get_lockless()`
    case readPTE
    /// `get_dev_pagemap()`
    case getPagemap
    /// `try_grab_folio_fast()`: add unless zero, then the rest of the pin
    case tryGrab, addPinBias
    /// `ptep_get()` against the value read before
    case recheckPTE
    /// `gup_put_folio()`
    case undoGrab
    /// `put_dev_pagemap()`
    case putPagemap
    /// `local_irq_restore()`
    case enableInterrupts
    /// `read_seqcount_retry()`
    case checkSequence, undoPins
    /// `__gup_longterm_locked()`: the rest under the lock
    case finishSlow, leave
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .sampleSequence:
      if m.frame.flags.contains(.pin) { m.mms[m.frame.mm].hasPinned = true }
      m.frame.end = PageIndex(rawValue: m.mms[m.frame.mm].writeProtectSequence)
      let isForking = m.frame.flags.contains(.pin) && m.frame.end.rawValue & 1 != 0
      return .next(isForking ? .finishSlow : .disableInterrupts)

    case .disableInterrupts:
      m.cpus[m.current].hasInterruptsOff = true
      return .next(.readPTE)

    case .readPTE, .getPagemap, .tryGrab, .addPinBias, .recheckPTE: return walk(step, &m)

    case .undoGrab:
      let owner = m.owner(of: m.frame.pfn)
      let isPin = m.frame.flags.contains(.pin)
      if isPin { m.addPincount(owner, -m.frame.times) }
      let references = (isPin ? m.pinWeight(of: owner) : 1) * m.frame.times
      return m.enter(
        PutPage.frame(owner, .speculative, times: references), then: Step.putPagemap)

    case .putPagemap:
      if m.frame.index.rawValue == 1 {
        m.putPagemap(m.frame.pagemap)
        m.frame.index = PageIndex(0)
      }
      return .next(.enableInterrupts)

    case .enableInterrupts:
      m.cpus[m.current].hasInterruptsOff = false
      return .next(m.frame.flags.contains(.pin) ? .checkSequence : .finishSlow)

    case .checkSequence:
      let sequence = m.mms[m.frame.mm].writeProtectSequence
      return .next(sequence == m.frame.end.rawValue ? .finishSlow : .undoPins)

    case .undoPins:
      let handle = m.frame.handle
      while m.handles[handle].count > 0 {
        m.handles[handle].count -= 1
        let pfn = m.handles[handle].pages[Int(m.handles[handle].count)]
        guard !pfn.isNone else { continue }
        return m.enter(
          PutPage.frame(m.owner(of: pfn), .pin, times: m.frame.times), then: Step.undoPins)
      }
      return .next(.finishSlow)

    case .finishSlow:
      guard m.handles[m.frame.handle].count < m.frame.count else { return .next(.leave) }
      var frame = m.frame
      frame.procedure = .gupSlow
      (frame.step, frame.index, frame.end) = (0, PageIndex(0), PageIndex(0))
      return m.enter(frame, then: Step.leave)

    case .leave:
      let taken = m.handles[m.frame.handle].count
      if taken > 0 { m.value = Outcome(Int(taken)) }
      return .finish
    }
  }

  private static func walk(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let isPin = m.frame.flags.contains(.pin)
    switch step {
    case .readPTE:
      guard m.handles[m.frame.handle].count < m.frame.count,
        let (mapping, page) = m.nextAddress(m.frame)
      else { return .next(.putPagemap) }
      (m.frame.mapping, m.frame.page) = (mapping, page)
      let pte = m.mms[m.frame.mm].vmas[mapping].ptes[page]
      m.frame.pte = pte
      let isDenied = m.frame.flags.contains(.write) && !pte.isWritable
      guard pte.kind == .page, !isDenied else { return .next(.putPagemap) }
      m.frame.pfn = pte.pfn
      let type = m.pages[pte.pfn].type
      // folio_is_longterm_pinnable(), and FOLL_PCI_P2PDMA, which nobody here asks for.
      if type == .p2pdma || (type == .coherent && m.frame.flags.contains(.longterm)) {
        return .next(.putPagemap)
      }
      guard m.isDevmap(pte.pfn) else { return .next(.tryGrab) }
      let isRefused =
        m.frame.flags.contains(.longterm) && type == .fsdax && m.obeys(.refusesLongterm)
      guard !isRefused else { return .next(.putPagemap) }
      let wantsPagemap = m.rules.gupTakesPagemap && m.frame.index.rawValue == 0
      return .next(wantsPagemap ? .getPagemap : .tryGrab)

    case .getPagemap:
      guard m.lookUpPagemap(of: m.frame.pfn) else { return .next(.putPagemap) }
      m.frame.index = PageIndex(1)
      return .next(.tryGrab)

    case .tryGrab:
      let owner = m.owner(of: m.frame.pfn)
      guard m.tryGetPage(owner, m.frame.times) else { return .next(.putPagemap) }
      m.holdBriefly(.speculative, of: owner, m.frame.times)
      return .next(isPin ? .addPinBias : .recheckPTE)

    case .addPinBias:
      let owner = m.owner(of: m.frame.pfn)
      // Not a pin before the PTE was read again: until then the page may be anybody's.
      let bias = (m.pinWeight(of: owner) - 1) * m.frame.times
      m.holdBriefly(.speculative, of: owner, bias)
      m.getPage(owner, bias)
      m.addPincount(owner, m.frame.times)
      return .next(.recheckPTE)

    default:
      return recheck(isPin, &m)
    }
  }

  private static func recheck(_ isPin: Bool, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, page) = (m.frame.mm, m.frame.mapping, m.frame.page)
    let rule: Rule = m.frame.pte.isPMD ? .rechecksPMD : .rechecksPTE
    let isSame = m.mms[mm].vmas[mapping].ptes[page] == m.frame.pte
    let owner = m.owner(of: m.frame.pfn)
    guard (isSame || !m.obeys(rule)) && !m.mustUnshare(m.frame.pte, m.frame.flags) else {
      return .next(.undoGrab)
    }
    if isPin {
      m.dropBriefHold(.speculative, of: owner, m.pinWeight(of: owner) * m.frame.times)
      m.ledger.take(.pin, of: owner, m.frame.times)
    } else {
      m.keepBriefHold(.speculative, as: .get, of: owner, m.frame.times)
    }
    m.emit(.grabbed(m.frame.pfn, mm, mapping, page))
    m.record(m.frame.pfn, at: page, in: mapping)
    return .next(.readPTE)
  }
}
