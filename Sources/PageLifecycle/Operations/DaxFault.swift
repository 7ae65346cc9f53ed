// SPDX-License-Identifier: MIT

/// A fault on a page of a DAX file; `dax_iomap_fault()` under the file's invalidate lock.
///
/// Registers: mm, mapping, page, file, index, flags; pte is what will be mapped.
enum DaxFault: Body {
  enum Step: UInt8, CaseIterable {
    /// `filemap_invalidate_lock_shared()`
    case lockInvalidate
    /// `i_size_read()`
    case checkSize
    /// `grab_mapping_entry()`: `xas_lock_irq()`, `get_unlocked_entry()`
    case lockPages, findEntry
    /// the entry is locked: `prepare_to_wait_exclusive()`, `schedule()`
    case unlockToSleep, sleepOnEntry
    /// `dax_lock_entry()`
    case lockEntry, unlockGrabbed
    /// a PMD entry without a page in the way of a small one: `unmap_mapping_pages()`,
    /// `xas_lock_irq()`, `dax_disassociate_entry()`, `xas_store()`, `dax_wake_entry()`
    case zapZeroPMD, lockToDowngrade, downgradeEntry, unlockDowngraded
    /// `ext4_iomap_begin()`
    case iomapBegin
    /// `dax_fault_cow_page()`
    case allocateCopy, copyData
    /// `unmap_mapping_pages()` of a zero entry that is replaced
    case zapZeroPage
    /// `dax_insert_entry()`: `xas_lock_irq()`, `dax_associate_entry()`, `xas_store()`, and of a
    /// fault that writes `xas_set_mark()`
    case lockToInsert, getPagemap, associate, getEntryPages, storeEntry, unlockInserted
    /// a zapped entry that holds again: the tag goes, and who waits for its pages looks again
    case clearTag, wakeWaiters
    /// `folio_ref_inc()`, where mappings are counted
    case getPage
    /// `vmf_insert_mixed()`, `finish_fault()`; `insert_page_into_pte_locked()`: `folio_get()` first
    case lockPageTable, checkPTE, takeMapReference, addRmap, setPTE, unlockPageTable
    /// `folio_put()` of the fault's reference, or of an unused copy
    case putPage
    /// `dax_unlock_entry()`: `xas_store()`, `dax_wake_entry()`
    case lockToUnlock, unlockEntry, unlockPages
    /// `filemap_invalidate_unlock_shared()`
    case unlockInvalidate
    /// `page->share++` of two files at once
    case storeShare
  }

  static func frame(
    _ mm: MMID, _ mapping: MappingID, _ page: PageIndex, _ flags: CallFlags, file: FileID
  ) -> Frame {
    var frame = Frame(.daxFaultIO)
    (frame.mm, frame.mapping, frame.page, frame.flags) = (mm, mapping, page, flags)
    frame.file = file
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .lockInvalidate, .checkSize, .lockPages, .findEntry, .unlockToSleep, .sleepOnEntry,
      .lockEntry, .unlockGrabbed:
      return grab(step, &m)
    case .zapZeroPMD, .lockToDowngrade, .downgradeEntry, .unlockDowngraded:
      return downgrade(step, &m)
    case .iomapBegin, .allocateCopy, .copyData, .zapZeroPage: return prepare(step, &m)
    case .lockToInsert, .getPagemap, .associate, .getEntryPages, .storeEntry, .storeShare,
      .clearTag,
      .wakeWaiters, .unlockInserted, .getPage:
      return insert(step, &m)
    case .lockPageTable, .checkPTE, .takeMapReference, .addRmap, .setPTE, .unlockPageTable,
      .putPage:
      return map(step, &m)
    case .lockToUnlock, .unlockEntry, .unlockPages, .unlockInvalidate:
      return release(step, &m)
    }
  }

  private static func isCopy(_ m: inout Machine) -> Bool {
    m.mms[m.frame.mm].vmas[m.frame.mapping].isPrivate && m.frame.flags.contains(.write)
  }

  // MARK: grab_mapping_entry()

  private static func grab(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.frame.file
    switch step {
    case .lockInvalidate:
      guard m.acquire(.invalidate(file), .shared) else { return .wait }
      m.frame.index = m.mms[m.frame.mm].vmas[m.frame.mapping].filePage(m.frame.page)
      return .next(.checkSize)

    case .checkSize:
      guard m.files[file].isAlive, m.frame.index.rawValue < m.files[file].size else {
        m.frame.result = Outcome(.sigbus)
        return .next(.unlockInvalidate)
      }
      if !canMapPMD(&m) { m.frame.flags.remove(.pmd) }
      return .next(.lockPages)

    case .lockPages:
      return m.acquire(.pages(file)) ? .next(.findEntry) : .wait

    case .findEntry:
      if m.frame.flags.contains(.pmd), hasSmallEntry(&m) { m.frame.flags.remove(.pmd) }
      let entry = m.files[file].entry(at: m.frame.index)
      guard !entry.isLocked else {
        m.waitForEntry(file, m.frame.index)
        return .next(.unlockToSleep)
      }
      return .next(.lockEntry)

    case .unlockToSleep:
      m.release(.pages(file))
      return .next(.sleepOnEntry)

    case .sleepOnEntry:
      return m.isWokenFromSleep() ? .next(.lockPages) : .wait

    case .lockEntry:
      let home = m.files[file].home(of: m.frame.index)
      if m.files[file].entry(at: m.frame.index).kind == .absent {
        let isPMD = m.frame.flags.contains(.pmd)
        let place = isPMD ? File.firstOfPMD(m.frame.index) : m.frame.index
        m.files[file].entries[place] = Entry(kind: .empty, isLocked: true, isPMD: isPMD)
        m.files[file].nrpages += isPMD ? Int32(Limits.pagesPerPMD) : 1
      } else {
        m.files[file].entries[home].isLocked = true
      }
      m.touch(file)
      return .next(.unlockGrabbed)

    default:
      m.release(.pages(file))
      let entry = m.files[file].entry(at: m.frame.index)
      let isInTheWay = entry.isPMD && entry.kind != .page && !m.frame.flags.contains(.pmd)
      guard isInTheWay else { return .next(.iomapBegin) }
      return .next(entry.kind == .zero ? .zapZeroPMD : .lockToDowngrade)
    }
  }

  /// Replaces a locked PMD entry that stands for no page by a small empty one.
  private static func downgrade(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.frame.file
    let first = File.firstOfPMD(m.frame.index)
    switch step {
    case .zapZeroPMD:
      let range = first.position..<first.position + Limits.pagesPerPMD
      return m.enter(UnmapMappingRange.frame(file, range, []), then: Step.lockToDowngrade)

    case .lockToDowngrade:
      return m.acquire(.pages(file)) ? .next(.downgradeEntry) : .wait

    case .downgradeEntry:
      m.frame.flags.remove(.pmd)
      m.wakeEntry(file, first, all: m.obeys(.wakesAllOfReplaced))
      m.files[file].entries[first] = .absent
      m.files[file].entries[m.frame.index] = Entry(kind: .empty, isLocked: true)
      m.files[file].nrpages -= Int32(Limits.pagesPerPMD) - 1
      m.touch(file)
      return .next(.unlockDowngraded)

    default:
      m.release(.pages(file))
      return .next(.iomapBegin)
    }
  }

  /// `dax_fault_check_fallback()`: the whole PMD lies in the VMA and in the file.
  private static func canMapPMD(_ m: inout Machine) -> Bool {
    let vma = m.mms[m.frame.mm].vmas[m.frame.mapping]
    let first = File.firstOfPMD(m.frame.page).position
    let end = File.firstOfPMD(m.frame.index).position + Limits.pagesPerPMD
    let isMapped = (first..<first + Limits.pagesPerPMD).allSatisfy {
      vma.pages.contains(PageIndex($0)) && vma.ptes[PageIndex($0)].kind == .none
    }
    return m.frame.flags.contains(.pmd) && !vma.isPrivate && isMapped
      && vma.offset.position % Limits.pagesPerPMD == 0 && end <= Int(m.files[m.frame.file].size)
      && !sharesPMD(&m)
  }

  /// Shared extents are mapped by small entries.
  private static func sharesPMD(_ m: inout Machine) -> Bool {
    let first = File.firstOfPMD(m.frame.index)
    return (0..<Limits.pagesPerPMD).contains { m.sharesBlock(m.frame.file, first + $0) }
  }

  private static func hasSmallEntry(_ m: inout Machine) -> Bool {
    let first = File.firstOfPMD(m.frame.index)
    return (0..<Limits.pagesPerPMD).contains {
      let entry = m.files[m.frame.file].entries[first + $0]
      return entry.kind != .absent && !entry.isPMD
    }
  }

  // MARK: The block behind the page

  private static func prepare(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (file, index) = (m.frame.file, m.frame.index)
    switch step {
    case .iomapBegin:
      guard m.pgmap.isAlive else { return fail(.sigbus, &m) }
      let isCopying = isCopy(&m)
      let existing = m.files[file].entry(at: index)
      let isShared = m.sharesBlock(file, index)
      if m.frame.flags.contains(.write) && !isCopying && !isShared {
        guard m.allocateForWrite(file, index, pmd: existing.isPMD) else {
          return fail(.sigbus, &m)
        }
      }
      let block = m.files[file].blocks[index]
      let isData = !block.isHole && !block.isUnwritten
      m.frame.pfn = isData ? block.pfn : .none
      if isCopying { return .next(.allocateCopy) }
      let wantsZero = !isData
      if existing.isPMD && existing.kind != .page && !isUniform(file, index, &m) {
        return .next(existing.kind == .zero ? .zapZeroPMD : .lockToDowngrade)
      }
      m.frame.count = existing.isPMD ? 1 : 0
      let isRemapped = existing.kind == .page && isShared
      if existing.kind == .zero && !wantsZero || isRemapped { return .next(.zapZeroPage) }
      return .next(.lockToInsert)

    case .allocateCopy:
      let copy = m.allocateRAM()
      guard !copy.isNone else { return fail(.noMemory, &m) }
      m.holdBriefly(.fault, of: copy)
      m.frame.pte = .page(copy, writable: true)
      return .next(.copyData)

    case .copyData:
      guard m.frame.pfn.isNone || m.pgmap.isAlive else {
        m.frame.result = Outcome(.sigbus)
        return .next(.putPage)
      }
      m.store(m.frame.pfn.isNone ? 0 : m.contents(of: m.frame.pfn), in: m.frame.pte.pfn)
      return .next(.lockPageTable)

    default:
      let first = m.frame.count == 1 ? File.firstOfPMD(index) : index
      let end = first.position + (m.frame.count == 1 ? Limits.pagesPerPMD : 1)
      return m.enter(
        UnmapMappingRange.frame(file, first.position..<end, []), then: Step.lockToInsert)
    }
  }

  /// All pages of the PMD are one aligned run of written blocks, or none is.
  private static func isUniform(
    _ file: FileID, _ index: PageIndex, _ m: inout Machine
  ) -> Bool {
    let first = File.firstOfPMD(index)
    let base = m.files[file].blocks[first]
    let hasData = !base.isHole && !base.isUnwritten
    return (0..<Limits.pagesPerPMD).allSatisfy { offset in
      guard !m.sharesBlock(file, first + offset) else { return false }
      let block = m.files[file].blocks[first + offset]
      guard hasData else { return block.isHole || block.isUnwritten }
      let isAligned = base.pfn.position % Limits.pagesPerPMD == 0
      return isAligned && !block.isUnwritten && block.pfn.position == base.pfn.position + offset
    }
  }

  private static func fail(_ errno: Errno, _ m: inout Machine) -> Transition<Step> {
    m.frame.result = Outcome(errno)
    return .next(.lockToUnlock)
  }

  // MARK: dax_insert_entry()

  private static func insert(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (file, index) = (m.frame.file, m.frame.index)
    let home = m.files[file].home(of: index)
    let entry = m.files[file].entries[home]
    let isWritable = m.frame.flags.contains(.write)
    switch step {
    case .lockToInsert:
      guard m.acquire(.pages(file)) else { return .wait }
      return .next(holdsEntry(entry, &m) ? .getPagemap : .associate)

    case .getPagemap:
      guard m.getEntryPagemap(for: entry) else {
        m.release(.pages(file))
        return fail(.sigbus, &m)
      }
      return .next(.associate)

    case .associate:
      if m.sharesBlock(file, index) { return share(&m) }
      guard entry.kind != .page else {
        if isWritable { m.markDirty(file, home) }
        return .next(holdsEntry(entry, &m) ? .getEntryPages : .unlockInserted)
      }
      guard !m.frame.pfn.isNone else { return .next(.storeEntry) }
      m.note(.acquire(.blocks))
      let first =
        entry.isPMD ? PFN(m.frame.pfn.position - (index.position - home.position)) : m.frame.pfn
      m.frame.pfn = first
      if entry.isPMD && m.rules.hasLargeFolios { m.makeFolio(first) }
      if entry.isPMD && !m.rules.hasLargeFolios {
        for offset in 0..<Limits.pagesPerPMD {
          m.associate(PFN(first.position + offset), with: file, at: home + offset)
        }
      } else {
        m.associate(first, with: file, at: home)
      }
      return .next(holdsEntry(entry, &m) ? .getEntryPages : .storeEntry)

    case .storeShare:
      m.storeShare(m.frame.pfn, m.frame.count)
      return storeSharedEntry(&m)

    case .getEntryPages, .clearTag, .wakeWaiters: return hold(step, &m)

    case .storeEntry:
      let kind: Entry.Kind = m.frame.pfn.isNone ? .zero : .page
      m.files[file].entries[home] = Entry(
        kind: kind, isLocked: true, isPMD: entry.isPMD, isDirty: isWritable, pfn: m.frame.pfn)
      m.touch(file)
      return .next(.unlockInserted)

    case .unlockInserted:
      m.release(.pages(file))
      guard entry.kind == .page else {
        m.frame.pte = PTE(kind: .zero, isPMD: entry.isPMD && m.frame.flags.contains(.pmd))
        return .next(.lockPageTable)
      }
      let mapsPMD = entry.isPMD && m.frame.flags.contains(.pmd)
      let offset = mapsPMD || !entry.isPMD ? 0 : index.position - home.position
      m.frame.pfn = PFN(entry.pfn.position + offset)
      m.frame.pte = .page(m.frame.pfn, writable: isWritable, pmd: mapsPMD)
      return .next(m.rules.countsMappings ? .getPage : .lockPageTable)

    default:
      m.getForFault(m.owner(of: m.frame.pfn))
      m.holdBriefly(.fault, of: m.owner(of: m.frame.pfn))
      return .next(.lockPageTable)
    }
  }

  /// A page of a shared extent is mapped along with others or, to be written, copied: XFS copies
  /// before it takes the lock and changes the extent when the page is mapped.
  private static func share(_ m: inout Machine) -> Transition<Step> {
    let (file, index) = (m.frame.file, m.frame.index)
    let old = m.files[file].entries[index]
    let isWrite = m.frame.flags.contains(.write)
    guard !isWrite || m.unshareBlock(file, index) else {
      m.release(.pages(file))
      return fail(.sigbus, &m)
    }
    m.frame.pfn = m.files[file].blocks[index].pfn
    if old.kind == .page { m.disassociate(old.pfn, isReplaced: true) }
    if isWrite { m.note(.release(.blocks)) }
    if let count = m.associateShared(m.frame.pfn, with: file, at: index) {
      m.frame.count = count
      return .next(.storeShare)
    }
    return storeSharedEntry(&m)
  }

  private static func storeSharedEntry(_ m: inout Machine) -> Transition<Step> {
    let wasDirty = m.files[m.frame.file].entries[m.frame.index].isDirty
    m.files[m.frame.file].entries[m.frame.index] = Entry(
      kind: .page, isLocked: true, isDirty: wasDirty || m.frame.flags.contains(.write),
      pfn: m.frame.pfn)
    return .next(.unlockInserted)
  }

  /// What an entry holds of its pages, in protocols where it does.
  private static func hold(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.frame.file
    let home = m.files[file].home(of: m.frame.index)
    let entry = m.files[file].entries[home]
    switch step {
    case .getEntryPages:
      let first = entry.kind == .page ? entry.pfn : m.frame.pfn
      let next: Step = entry.kind == .page ? .clearTag : .storeEntry
      return m.enter(HoldEntry.frame(first, count: entry.span), then: next)

    case .clearTag:
      m.files[file].entries[home].isZapped = false
      m.touch(file)
      return .next(.wakeWaiters)

    default:
      for offset in 0..<entry.span { m.wakePageWaiters(PFN(entry.pfn.position + offset)) }
      return .next(.unlockInserted)
    }
  }

  /// Whether this fault makes the entry hold its pages: a new one, and a zapped one once more.
  private static func holdsEntry(_ entry: Entry, _ m: inout Machine) -> Bool {
    guard m.rules.entriesHold, !m.frame.pfn.isNone else { return false }
    guard entry.kind == .page else { return true }
    let isAgain = entry.isZapped && m.obeys(.refaultTakesReference)
    return isAgain || !m.obeys(.takesEntryReferenceOnce)
  }

  // MARK: The page table

  private static func map(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping, page) = (m.frame.mm, m.frame.mapping, m.frame.page)
    let pte = m.frame.pte
    let holdsFault = pte.kind == .page && m.countsMappings(of: pte.pfn)
    switch step {
    case .lockPageTable:
      return m.acquire(.pageTable(mm)) ? .next(.checkPTE) : .wait

    case .checkPTE:
      let present = m.mms[mm].vmas[mapping].ptes[page]
      let first = pte.isPMD ? File.firstOfPMD(page) : page
      let isEmpty = (0..<pte.span).allSatisfy {
        m.mms[mm].vmas[mapping].ptes[first + $0].kind == .none
      }
      guard isEmpty else {
        if present.kind == pte.kind && present.pfn == pte.pfn && pte.isWritable {
          for position in 0..<Limits.filePages
          where position == page.position
            || (present.isPMD && File.firstOfPMD(PageIndex(position)) == File.firstOfPMD(page))
          {
            m.mms[mm].vmas[mapping].ptes[PageIndex(position)].isWritable = true
          }
          m.emitMapped(present)
        }
        return .next(.unlockPageTable)
      }
      if isCopy(&m) {
        m.becomeAnonymous(pte.pfn)
      }
      // A copy is mapped with the reference it was allocated with.
      guard holdsFault else { return .next(.setPTE) }
      return .next(isCopy(&m) ? .addRmap : .takeMapReference)

    case .takeMapReference:
      if m.obeys(.getsBeforeMapping) { m.getPage(m.owner(of: pte.pfn)) }
      m.holdBriefly(.fault, of: m.owner(of: pte.pfn))
      return .next(.addRmap)

    case .addRmap:
      m.addRmap(m.owner(of: pte.pfn))
      return .next(.setPTE)

    case .setPTE:
      if isCopy(&m) {
        m.keepCopy(of: pte.pfn, at: (mm, mapping, page), writable: true)
        m.frame.pte.kind = .none
      } else {
        if holdsFault { m.dropBriefHold(.fault, of: m.owner(of: pte.pfn)) }
        m.addResident(mm, pte, 1)
        m.setPTE(mm, mapping, page, pte)
        m.emitMapped(pte)
      }
      return .next(.unlockPageTable)

    case .unlockPageTable:
      m.release(.pageTable(mm))
      return .next(m.frame.pte.kind == .page && holdsFault ? .putPage : .lockToUnlock)

    default:
      return m.enter(PutPage.frame(m.owner(of: pte.pfn), .fault), then: Step.lockToUnlock)
    }
  }

  // MARK: dax_unlock_entry()

  private static func release(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (file, index) = (m.frame.file, m.frame.index)
    switch step {
    case .lockToUnlock:
      return m.acquire(.pages(file)) ? .next(.unlockEntry) : .wait

    case .unlockEntry:
      m.files[file].entries[m.files[file].home(of: index)].isLocked = false
      if m.obeys(.wakesOnEntryUnlock) { m.wakeEntry(file, index, all: false) }
      m.emit(.entryReleased(file, index))
      m.touch(file)
      return .next(.unlockPages)

    case .unlockPages:
      m.release(.pages(file))
      return .next(.unlockInvalidate)

    default:
      m.release(.invalidate(file), .shared)
      m.value = m.frame.result
      return .finish
    }
  }
}

extension Machine {
  /// The running fault has set a page-table entry, or made it writable.
  fileprivate mutating func emitMapped(_ pte: PTE) {
    let first = pte.isPMD ? File.firstOfPMD(frame.index) : frame.index
    emit(.mapped(frame.file, first, pages: UInt8(pte.span)))
  }
}
