// SPDX-License-Identifier: MIT

/// fork(2): mm1 becomes a copy of mm0; `dup_mmap()`, `copy_page_range()`.
///
/// The page table of a VMA is copied only where it has private copies: the child faults shared
/// file pages in by itself.
enum Fork: Body {
  enum Step: UInt8, CaseIterable {
    /// `mmap_write_lock()` of the parent
    case lockMM
    /// `raw_write_seqcount_begin(&mm->write_protect_seq)`
    case beginWriteProtect
    /// `vm_area_dup()`
    case copyVMA
    /// `copy_pte_range()`: `pte_offset_map_lock()`
    case lockPageTable
    /// `copy_present_pte()`
    case copyPTE
    /// `folio_dup_file_rmap_pte()`, `folio_try_dup_anon_rmap_pte()`
    case dupRmap, setChildPTE
    /// `copy_present_page()` of a pinned page
    case allocateCopy, copyData, setCopiedPTE
    /// `pte_unmap_unlock()`
    case unlockPageTable
    /// `raw_write_seqcount_end(&mm->write_protect_seq)`
    case endWriteProtect
    /// `mmap_write_unlock()` of the child, which nobody could change before
    case unlockChild
    /// `mmap_write_unlock()`
    case unlockMM
    /// `mmput()` of a child that could not be copied whole
    case putChild, leave
  }

  static let parent = MMID(0)
  static let child = MMID(1)

  static func signature(of operation: Procedure) -> Signature? {
    Signature(name: "fork", parameters: [], weight: 3, summary: "mm1 becomes a copy of mm0")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.mms[parent].isAlive && !m.mms[child].isAlive
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .lockMM:
      return m.lockMM(parent, then: Step.beginWriteProtect)

    case .beginWriteProtect:
      // Whoever still walks the page table of a child that has exited keeps its place.
      let isFree = m.mms[child].pageTableLock.isFree && m.mms[child].lock.isFree
      guard !m.mms[child].isAlive, isFree else {
        m.frame.result = Outcome(.busy)
        return .next(.unlockMM)
      }
      m.mms[parent].writeProtectSequence &+= 1
      m.mms[child] = MM()
      m.mms[child].isAlive = true
      // `mmap_write_lock_nested()`: nobody else knows the child yet, so this cannot wait.
      m.mms[child].lock.writer = m.current.rawValue + 1
      m.mms[child].hasPinned = m.mms[parent].hasPinned
      return .next(.copyVMA)

    case .copyVMA:
      while m.frame.mapping.position < Limits.mappings, !m.frame.result.isFailure {
        let vma = m.mms[parent].vmas[m.frame.mapping]
        if !vma.isFree {
          copyVMA(vma, &m)
          if vma.hasAnonVMA { return .next(.lockPageTable) }
        }
        m.frame.mapping = MappingID(m.frame.mapping.position + 1)
      }
      return .next(.endWriteProtect)

    case .lockPageTable:
      m.frame.page = PageIndex(0)
      return m.acquire(.pageTable(parent)) ? .next(.copyPTE) : .wait

    case .copyPTE, .dupRmap, .setChildPTE, .allocateCopy, .copyData, .setCopiedPTE:
      return copyPage(step, &m)

    case .unlockPageTable:
      m.release(.pageTable(parent))
      m.frame.mapping = MappingID(m.frame.mapping.position + 1)
      return .next(.copyVMA)

    case .endWriteProtect:
      m.mms[parent].writeProtectSequence &+= 1
      return .next(.unlockChild)

    case .unlockChild:
      m.release(.mmap(child))
      return .next(.unlockMM)

    case .unlockMM:
      m.release(.mmap(parent))
      // Another's child is not this call's to put.
      let isOurs = m.frame.result == Outcome(.noMemory)
      return isOurs ? .next(.putChild) : leave(&m)

    case .putChild:
      return m.enter(Exit.frame(child), then: Step.leave)

    case .leave:
      return leave(&m)
    }
  }

  private static func leave(_ m: inout Machine) -> Transition<Step> {
    m.value = m.frame.result
    return .finish
  }

  /// What the child reads at an address is what the parent read when its entry was copied.
  private static func keepBook(_ page: PageIndex, _ m: inout Machine) {
    let mapping = m.frame.mapping
    guard m.mms[parent].vmas[mapping].copies.contains(page) else { return }
    m.mms[child].vmas[mapping].copies.insert(page)
    m.mms[child].vmas[mapping].copyValues[page] = m.mms[parent].vmas[mapping].copyValues[page]
    if m.mms[parent].vmas[mapping].unsettled.contains(page) {
      m.mms[child].vmas[mapping].unsettled.insert(page)
    }
  }

  private static func copyVMA(_ vma: VMA, _ m: inout Machine) {
    var copy = vma
    copy.ptes = Table(repeating: .none)
    // Its private copies come with their entries; who zaps may be quicker.
    (copy.copies, copy.unsettled) = (Bits(), Bits())
    m.mms[child].vmas[m.frame.mapping] = copy
  }

  private static func copyPage(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mapping, page) = (m.frame.mapping, m.frame.page)
    let pte = m.frame.pte
    switch step {
    case .copyPTE:
      while m.frame.page.position < Limits.filePages {
        let pte = m.mms[parent].vmas[mapping].ptes[m.frame.page]
        guard pte.kind == .none else { return beginPage(pte, &m) }
        m.frame.page = m.frame.page + 1
      }
      return .next(.unlockPageTable)

    case .dupRmap:
      for offset in 0..<span(&m) { keepBook(page + offset, &m) }
      let owner = m.owner(of: pte.pfn)
      if m.countsMappings(of: pte.pfn) {
        m.getPage(owner)
        m.holdBriefly(.fault, of: owner)
        m.addRmap(owner)
      }
      if m.pages[owner].mapping == .anon {
        m.makeExclusive(pte, false)
        for offset in 0..<pte.span {
          m.mms[parent].vmas[mapping].ptes[page + offset].isWritable = false
        }
        m.frame.pte.isWritable = false
      }
      return .next(.setChildPTE)

    case .setChildPTE:
      if pte.isMapping && m.countsMappings(of: pte.pfn) {
        m.dropBriefHold(.fault, of: m.owner(of: pte.pfn))
      }
      m.addResident(child, pte, 1)
      m.setPTE(child, mapping, page, pte)
      return nextPage(&m)

    case .allocateCopy:
      m.frame.pfn = m.allocateRAM()
      guard !m.frame.pfn.isNone else {
        m.frame.result = Outcome(.noMemory)
        return .next(.unlockPageTable)
      }
      m.holdBriefly(.fault, of: m.frame.pfn)
      return .next(.copyData)

    case .copyData:
      keepBook(page, &m)
      m.mms[child].vmas[mapping].backing[page] = m.frame.pfn
      m.store(m.contents(of: pte.pfn), in: m.frame.pfn)
      return .next(.setCopiedPTE)

    default:
      m.becomeAnonymous(m.frame.pfn)
      m.addRmap(m.frame.pfn)
      m.dropBriefHold(.fault, of: m.frame.pfn)
      m.addResident(child, .page(m.frame.pfn, writable: true), 1)
      m.setPTE(child, mapping, page, .page(m.frame.pfn, writable: true))
      return nextPage(&m)
    }
  }

  private static func beginPage(_ pte: PTE, _ m: inout Machine) -> Transition<Step> {
    m.frame.pte = pte
    if pte.kind == .migration {
      // A page on its way is shared from now on.
      if pte.isExclusive { m.emit(.sharedOnItsWay(pte.pfn)) }
      m.frame.pte.isWritable = false
      m.frame.pte.isExclusive = false
      for offset in 0..<pte.span {
        m.mms[parent].vmas[m.frame.mapping].ptes[m.frame.page + offset].isWritable = false
        m.mms[parent].vmas[m.frame.mapping].ptes[m.frame.page + offset].isExclusive = false
      }
    }
    guard pte.isMapping else {
      for offset in 0..<span(&m) { keepBook(m.frame.page + offset, &m) }
      return .next(.setChildPTE)
    }
    guard pte.kind == .page else { return .next(.dupRmap) }
    m.noteUse(of: pte.pfn)
    let isOwn =
      m.pages[pte.pfn].mapping == .anon
      && m.pages[pte.pfn].flags.contains(.anonExclusive)
    let mayBePinned = m.mms[parent].hasPinned && m.maybePinned(pte.pfn)
    if isOwn && mayBePinned && m.obeys(.copiesPinnedPagesAtFork) { return .next(.allocateCopy) }
    return .next(.dupRmap)
  }

  private static func nextPage(_ m: inout Machine) -> Transition<Step> {
    m.frame.page = m.frame.page + span(&m)
    return .next(.copyPTE)
  }

  /// Pages of the entry just copied; a file's PMD entry is copied page by page.
  private static func span(_ m: inout Machine) -> Int {
    m.frame.pte.kind == .page ? 1 : m.frame.pte.span
  }
}

/// exit(2) of a process: everything it maps goes; `exit_mmap()`.
enum Exit: Body {
  enum Step: UInt8, CaseIterable {
    /// `mmap_write_lock()`
    case lockMM
    /// `unmap_vmas()`, `unlink_file_vma()`
    case zapVMA, lockTree, unlinkVMA
    /// `mmput()`
    case unlockMM
    /// `fput()` of every file that was mapped
    case putFiles
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(name: "exit", parameters: [.mm], weight: 2, summary: "end a process")
  }

  /// `mmput()` of the last user.
  static func frame(_ mm: MMID) -> Frame {
    var frame = Frame(.exit)
    frame.mm = mm
    return frame
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.mms[call.mm].isAlive && call.mm != Fork.parent
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let mm = m.frame.mm
    switch step {
    case .lockMM:
      return m.lockMM(mm, then: Step.zapVMA)

    case .zapVMA:
      while m.frame.mapping.position < Limits.mappings {
        let mapping = m.frame.mapping
        guard m.mms[mm].vmas[mapping].isFree else {
          let flags: CallFlags = [.evenCows, .forgetsCopies]
          return m.enter(
            ZapRange.frame(mm, mapping, 0..<Limits.filePages, flags), then: Step.lockTree)
        }
        m.frame.mapping = MappingID(mapping.position + 1)
      }
      return .next(.unlockMM)

    case .lockTree:
      return m.lockTree(of: mm, m.frame.mapping) ? .next(.unlinkVMA) : .wait

    case .unlinkVMA:
      m.unlink(mm, m.frame.mapping, 0..<Limits.filePages)
      return .next(.zapVMA)

    case .unlockMM:
      m.mms[mm].isAlive = false
      m.emit(.addressSpaceEnded(mm))
      m.mms[mm].hasPinned = false
      m.release(.mmap(mm))
      return .next(.putFiles)

    case .putFiles:
      guard Int(m.frame.count) < Limits.files else {
        m.value = .ok
        return .finish
      }
      m.frame.count += 1
      return m.enter(Iput.frame(FileID(Int(m.frame.count) - 1)), then: Step.putFiles)
    }
  }
}
