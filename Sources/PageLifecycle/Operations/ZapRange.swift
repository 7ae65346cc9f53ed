// SPDX-License-Identifier: MIT

/// Clears the page-table entries of a range of one VMA; `zap_pte_range()`.
///
/// Registers: mm, mapping, page ..< end, flags.  A PMD entry that is touched goes whole.
enum ZapRange: Body {
  enum Step: UInt8, CaseIterable {
    /// `pte_offset_map_lock()`
    case lockPageTable
    /// `ptep_get_and_clear_full()`
    case clearPTE
    /// `folio_remove_rmap_ptes()`
    case removeRmap
    /// `zap_nonpresent_ptes()`: the put of a device-private page, at once
    case putPrivate
    /// `tlb_flush_mmu_tlbonly()`
    case flushTLB
    /// `pte_unmap_unlock()`
    case unlockPageTable
    /// `free_pages_and_swap_cache()`: the queued put
    case putGathered
    /// Only where a specimen flushes too late.
    case flushLate
    /// `__split_huge_pmd()`, where a part of a PMD entry of private pages is zapped
    case getForParts, splitPMD
  }

  static func frame(
    _ mm: MMID, _ mapping: MappingID, _ pages: Range<Int>, _ flags: CallFlags
  ) -> Frame {
    var frame = Frame(.zapRange)
    frame.mm = mm
    frame.mapping = mapping
    frame.page = PageIndex(pages.lowerBound)
    frame.end = PageIndex(pages.upperBound)
    frame.flags = flags
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping) = (m.frame.mm, m.frame.mapping)
    switch step {
    case .lockPageTable:
      guard m.acquire(.pageTable(mm)) else { return .wait }
      m.cpus[m.current].gatherMM = mm
      m.cpus[m.current].gatherMapping = mapping
      return .next(.clearPTE)

    case .clearPTE:
      while m.frame.page < m.frame.end, !isZappable(m.frame.page, &m) {
        m.frame.page = m.frame.page + 1
      }
      guard m.frame.page < m.frame.end else {
        return .next(m.obeys(.flushesBeforePut) ? .flushTLB : .unlockPageTable)
      }
      let pte = m.mms[mm].vmas[mapping].ptes[m.frame.page]
      if m.isPartOfPMD(pte, at: m.frame.page, before: m.frame.end),
        m.obeys(.splitsPMDBeforeZap)
      {
        return .next(.getForParts)
      }
      return .next(clear(m.frame.page, &m) ? .removeRmap : .clearPTE)

    case .removeRmap:
      let gathered = m.cpus[m.current].gathered[m.frame.page]
      m.removeRmap(m.owner(of: gathered.pfn))
      if gathered.kind == .devicePrivate { return .next(.putPrivate) }
      m.frame.page = m.frame.page + 1
      return .next(.clearPTE)

    case .putPrivate:
      let pfn = m.cpus[m.current].gathered[m.frame.page].pfn
      m.cpus[m.current].gathered[m.frame.page] = .none
      m.frame.page = m.frame.page + 1
      return m.enter(PutPage.frame(m.owner(of: pfn), .gather), then: Step.clearPTE)

    case .getForParts, .splitPMD: return .next(splitPMD(step, &m))

    case .flushTLB:
      m.flushTLBs(of: mm)
      return .next(.unlockPageTable)

    case .unlockPageTable:
      m.release(.pageTable(mm))
      m.frame.page = PageIndex(0)
      return .next(.putGathered)

    case .putGathered:
      while m.frame.page.position < Limits.filePages {
        let pte = m.cpus[m.current].gathered[m.frame.page]
        m.frame.page = m.frame.page + 1
        guard pte.kind == .page, m.countsMappings(of: pte.pfn) else { continue }
        m.cpus[m.current].gathered[PageIndex(m.frame.page.position - 1)].kind = .none
        return m.enter(PutPage.frame(m.owner(of: pte.pfn), .gather), then: Step.putGathered)
      }
      if m.cpus[m.current].stale.isEmpty {
        forgetGathered(&m)
        return .finish
      }
      return .next(.flushLate)

    case .flushLate:
      m.flushTLBs(of: mm)
      forgetGathered(&m)
      return .finish
    }
  }

  /// A part of a PMD entry goes: the rest is mapped page by page.
  private static func splitPMD(_ step: Step, _ m: inout Machine) -> Step {
    let (mm, mapping, page) = (m.frame.mm, m.frame.mapping, m.frame.page)
    guard step == .splitPMD else {
      m.getForParts(m.mms[mm].vmas[mapping].ptes[page])
      return .splitPMD
    }
    m.splitPMD(mm, mapping, page)
    return .clearPTE
  }

  private static func isZappable(_ page: PageIndex, _ m: inout Machine) -> Bool {
    let pte = m.mms[m.frame.mm].vmas[m.frame.mapping].ptes[page]
    switch pte.kind {
    case .none: return false
    case .zero, .migration, .devicePrivate: return true
    case .page: return m.pages[pte.pfn].type != .system || m.frame.flags.contains(.evenCows)
    }
  }

  /// Clears one entry, a PMD whole; true when a page has lost a mapping it counts.
  private static func clear(_ page: PageIndex, _ m: inout Machine) -> Bool {
    let (mm, mapping) = (m.frame.mm, m.frame.mapping)
    let pte = m.mms[mm].vmas[mapping].ptes[page]
    if m.isPartOfPMD(pte, at: page, before: m.frame.end) { m.emit(.zappedBeside(pte.pfn)) }
    if m.frame.flags.contains(.forgetsCopies) {
      // Nobody meant the pages of a PMD beyond the range.
      let first = pte.isPMD ? File.firstOfPMD(page) : page
      let end = min(first + pte.span, m.frame.end)
      for position in page.position..<end.position {
        m.mms[mm].vmas[mapping].copies.remove(PageIndex(position))
      }
    }
    m.addResident(mm, pte, -1)
    guard pte.isMapping else {
      m.clearPTE(mm, mapping, page)
      m.frame.page = page + 1
      return false
    }
    m.clearPTE(mm, mapping, page)
    m.cpus[m.current].gathered[page] = pte.wholePMD(at: page)
    if pte.kind == .page { m.cpus[m.current].stale.insert(page) }
    if !m.obeys(.keepsMappingOnZap) && m.pages[pte.pfn].type == .fsdax {
      m.disassociate(m.owner(of: pte.pfn))
    }
    guard m.countsMappings(of: pte.pfn) else {
      m.frame.page = page + 1
      return false
    }
    m.ledger.take(.gather, of: m.owner(of: pte.pfn))
    return true
  }

  private static func forgetGathered(_ m: inout Machine) {
    m.cpus[m.current].gathered = Table(repeating: .none)
    m.value = .ok
  }
}

extension Machine {
  /// Every TLB drops its translations of an address space, other CPUs' unfinished zaps included:
  /// `tlb_finish_mmu()` of a nested gather flushes all.
  mutating func flushTLBs(of mm: MMID) {
    note(.everyone)
    for cpu in cpus.indices where cpus[cpu].gatherMM == mm { cpus[cpu].stale = Bits() }
  }

  /// Takes a page-table entry away, in the ledger and in its file's count.
  mutating func clearPTE(_ mm: MMID, _ mapping: MappingID, _ page: PageIndex) {
    let pte = mms[mm].vmas[mapping].ptes[page]
    let first = pte.isPMD ? File.firstOfPMD(page) : page
    for offset in 0..<pte.span {
      let part = mms[mm].vmas[mapping].ptes[first + offset]
      book(
        part, isFirst: offset == 0, -1, mms[mm].vmas[mapping].file,
        mms[mm].vmas[mapping].filePage(first + offset))
      mms[mm].vmas[mapping].ptes[first + offset] = .none
    }
  }

  /// Writes a page-table entry, in the ledger and in its file's count; `set_pte_at()`.
  mutating func setPTE(_ mm: MMID, _ mapping: MappingID, _ page: PageIndex, _ pte: PTE) {
    let first = pte.isPMD ? File.firstOfPMD(page) : page
    for offset in 0..<pte.span {
      var part = pte
      let namesPages = pte.kind == .page || (pte.isPMD && !pte.pfn.isNone)
      if namesPages { part.pfn = PFN(pte.pfn.position + offset) }
      book(
        part, isFirst: offset == 0, 1, mms[mm].vmas[mapping].file,
        mms[mm].vmas[mapping].filePage(first + offset))
      mms[mm].vmas[mapping].ptes[first + offset] = part
      if part.isMapping { mms[mm].vmas[mapping].backing[first + offset] = part.pfn }
    }
  }

  /// A folio's PMD entry is one mapping of its head; elsewhere each page is mapped.
  private mutating func book(
    _ pte: PTE, isFirst: Bool, _ change: Int, _ file: FileID, _ index: PageIndex
  ) {
    if pte.kind == .migration {
      let entries = Int(ledger.migrationEntries[pte.pfn]) + change
      ledger.migrationEntries[pte.pfn] = UInt8(clamping: entries)
      touch(pte.pfn)
    }
    guard pte.isMapping else { return }
    let owner = owner(of: pte.pfn)
    touch(owner)
    if change > 0, pte.kind == .page, pages[pte.pfn].type == .devicePrivate {
      emit(.privatePageMapped(pte.pfn))
    }
    if isFirst || !pte.isPMD || !pages[owner].isHead {
      if change > 0 { ledger.take(.map, of: owner) } else { ledger.drop(.map, of: owner) }
    }
    guard pages[pte.pfn].type == .fsdax else { return }
    files[file].present[index] = UInt8(Int(files[file].present[index]) + change)
    touch(file)
  }
}

/// Zaps a range of a file from every address space; `unmap_mapping_range()`.
///
/// Registers: file, page ..< end in pages of the file, flags.
enum UnmapMappingRange: Body {
  enum Step: UInt8, CaseIterable {
    /// `i_mmap_lock_read()`
    case lockTree
    /// `vma_interval_tree_foreach()`
    case nextVMA
    /// `i_mmap_unlock_read()`
    case unlockTree
  }

  static func frame(_ file: FileID, _ pages: Range<Int>, _ flags: CallFlags) -> Frame {
    var frame = Frame(.unmapMappingRange)
    frame.file = file
    frame.page = PageIndex(pages.lowerBound)
    frame.end = PageIndex(pages.upperBound)
    frame.flags = flags
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let tree = LockID.mappingTree(m.frame.file)
    switch step {
    case .lockTree: return m.acquire(tree, .shared) ? .next(.nextVMA) : .wait
    case .nextVMA: return nextVMA(&m)
    case .unlockTree:
      m.release(tree, .shared)
      return .finish
    }
  }

  private static func nextVMA(_ m: inout Machine) -> Transition<Step> {
    while Int(m.frame.count) < Limits.mms * Limits.mappings {
      let mm = MMID(Int(m.frame.count) / Limits.mappings)
      let mapping = MappingID(Int(m.frame.count) % Limits.mappings)
      m.frame.count += 1
      let part = m.frame.page.position..<m.frame.end.position
      let file = m.frame.file
      let shown = m.mms.with(mm) { mm in
        mm.isAlive ? mm.pages(of: mapping, showing: file, part) : nil
      }
      guard let shown else { continue }
      return m.enter(ZapRange.frame(mm, mapping, shown, m.frame.flags), then: Step.nextVMA)
    }
    return .next(.unlockTree)
  }
}
