// SPDX-License-Identifier: MIT

/// mmap(2) of a DAX file at a free place of an address space; `ext4_file_mmap()`.
enum Mmap: Body {
  enum Step: UInt8, CaseIterable {
    /// `mmap_write_lock()`
    case lockMM
    /// `vma_link()`
    case linkVMA
    /// `mmap_write_unlock()`
    case unlockMM
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "mmap",
      parameters: [
        .mm, .mapping, .filePage, .pages(default: UInt8(Limits.pagesPerPMD)), .flags(.isPrivate),
      ], weight: 4, domain: .fsdax, summary: "map pages of a file, shared or private")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.mms[call.mm].isAlive && m.mms[call.mm].vmas[call.mapping].isFree
      && m.files[call.file].isAlive && m.files[call.file].descriptors > 0
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let mm = m.call.mm
    switch step {
    case .lockMM:
      return m.lockMM(mm, then: Step.linkVMA)

    case .linkVMA:
      m.frame.result = link(&m)
      return .next(.unlockMM)

    case .unlockMM:
      m.release(.mmap(mm))
      m.value = m.frame.result
      return .finish
    }
  }

  private static func link(_ m: inout Machine) -> Outcome {
    let call = m.call
    let end = call.page.position + Int(call.pages)
    guard call.pages > 0, end <= Limits.filePages else { return Outcome(.invalid) }
    guard m.files[call.file].isAlive, m.files[call.file].descriptors > 0 else {
      return Outcome(.badHandle)
    }
    guard m.mms[call.mm].vmas[call.mapping].isFree else { return Outcome(.busy) }
    var vma = VMA()
    (vma.kind, vma.file) = (.file, call.file)
    vma.offset = call.page
    vma.pages = Bits(rawValue: 1 << UInt64(call.pages) - 1)
    vma.isPrivate = call.flags.contains(.isPrivate)
    m.mms[call.mm].vmas[call.mapping] = vma
    return .ok
  }
}

/// munmap(2): the page-table entries go, then the VMA, then its use of the file.
enum Munmap: Body {
  enum Step: UInt8, CaseIterable {
    /// `mmap_write_lock()`
    case lockMM
    /// `unmap_vmas()`
    case zap
    /// `unlink_file_vma()`
    case lockTree, unlinkVMA
    /// `mmap_write_unlock()`
    case unlockMM
    /// `____fput()`
    case putFile
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "munmap", parameters: [.mm, .address, .pages(default: 0)], weight: 7,
      summary: "remove a mapping, or some pages of it")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.resolve(call.mm, call.address) != nil
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let mm = m.call.mm
    switch step {
    case .lockMM:
      return m.lockMM(mm, then: Step.zap)

    case .zap:
      guard let (mapping, pages) = m.range(mm, m.call.address, Int(m.call.pages)) else {
        return .next(.unlockMM)
      }
      m.frame.mapping = mapping
      m.frame.file = m.mms[mm].vmas[mapping].file
      m.frame.page = PageIndex(pages.lowerBound)
      m.frame.end = PageIndex(pages.upperBound)
      let flags: CallFlags = [.evenCows, .forgetsCopies]
      return m.enter(ZapRange.frame(mm, mapping, pages, flags), then: Step.lockTree)

    case .lockTree:
      return m.lockTree(of: mm, m.frame.mapping) ? .next(.unlinkVMA) : .wait

    case .unlinkVMA:
      m.unlink(mm, m.frame.mapping, m.frame.page.position..<m.frame.end.position)
      return .next(.unlockMM)

    case .unlockMM:
      m.release(.mmap(mm))
      return .next(.putFile)

    case .putFile:
      guard !m.frame.file.isNone else {
        m.value = .ok
        return .finish
      }
      let file = m.frame.file
      m.frame.file = .none
      return m.enter(Iput.frame(file), then: Step.putFile)
    }
  }
}

/// mremap(2) of a whole mapping to another address; the page table moves along.
enum Mremap: Body {
  enum Step: UInt8, CaseIterable {
    /// `mmap_write_lock()`
    case lockMM
    /// `move_ptes()`: `pte_offset_map_lock()`, `ptep_get_and_clear()`, `set_pte_at()`
    case lockPageTable, clearPTE, setPTE
    /// `flush_tlb_range()`, `pte_unmap_unlock()`
    case flushTLB, unlockPageTable
    /// `mmap_write_unlock()`
    case unlockMM
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "mremap", parameters: [.mm, .mapping], weight: 1,
      summary: "move a mapping to another address")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.mms[call.mm].isAlive && !m.mms[call.mm].vmas[call.mapping].isFree
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping) = (m.call.mm, m.call.mapping)
    switch step {
    case .lockMM:
      return m.lockMM(mm, then: Step.lockPageTable)

    case .lockPageTable:
      return m.acquire(.pageTable(mm)) ? .next(.clearPTE) : .wait

    case .clearPTE:
      while m.frame.page.position < Limits.filePages {
        let pte = m.mms[mm].vmas[mapping].ptes[m.frame.page]
        guard pte.kind == .none else {
          m.frame.pte = pte.wholePMD(at: m.frame.page)
          if isCounted(&m) { m.holdBriefly(.fault, of: m.owner(of: m.frame.pte.pfn)) }
          m.clearPTE(mm, mapping, m.frame.page)
          return .next(.setPTE)
        }
        m.frame.page = m.frame.page + 1
      }
      return .next(.flushTLB)

    case .setPTE:
      if isCounted(&m) { m.dropBriefHold(.fault, of: m.owner(of: m.frame.pte.pfn)) }
      m.setPTE(mm, mapping, m.frame.page, m.frame.pte)
      m.frame.page = m.frame.page + m.frame.pte.span
      return .next(.clearPTE)

    case .flushTLB:
      m.flushTLBs(of: mm)
      return .next(.unlockPageTable)

    case .unlockPageTable:
      m.release(.pageTable(mm))
      return .next(.unlockMM)

    case .unlockMM:
      m.release(.mmap(mm))
      m.value = .ok
      return .finish
    }
  }
}

extension Mremap {
  /// The mapping's reference is nobody's while its entry is on the way.
  private static func isCounted(_ m: inout Machine) -> Bool {
    m.frame.pte.isMapping && m.countsMappings(of: m.frame.pte.pfn)
  }
}

/// madvise(MADV_DONTNEED): the page-table entries go, the mapping stays.
enum MadviseDontneed: Body {
  enum Step: UInt8, CaseIterable {
    /// `mmap_read_lock()`
    case lockMM
    /// `zap_page_range_single()`
    case zap
    /// `mmap_read_unlock()`
    case unlockMM
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "madvise_dontneed", parameters: [.mm, .address, .pages(default: 1)], weight: 6,
      summary: "zap the page-table entries of a range")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.resolve(call.mm, call.address) != nil
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let mm = m.call.mm
    switch step {
    case .lockMM:
      return m.lockMM(mm, .shared, then: Step.zap)

    case .zap:
      guard let (mapping, pages) = m.range(mm, m.call.address, Int(m.call.pages)) else {
        m.frame.result = Outcome(.noMemory)
        return .next(.unlockMM)
      }
      let vma = m.mms[mm].vmas[mapping]
      let isWhole = pages.allSatisfy { vma.pages.contains(PageIndex($0)) }
      if !isWhole || pages.count < Int(m.call.pages) { m.frame.result = Outcome(.noMemory) }
      let flags: CallFlags = [.evenCows, .forgetsCopies]
      return m.enter(ZapRange.frame(mm, mapping, pages, flags), then: Step.unlockMM)

    case .unlockMM:
      m.release(.mmap(mm), .shared)
      m.value = m.frame.result
      return .finish
    }
  }
}

extension Machine {
  /// The pages a call names in one mapping; zero pages stand for the whole mapping.
  mutating func range(_ mm: MMID, _ address: Address, _ pages: Int) -> (MappingID, Range<Int>)? {
    guard mms[mm].isAlive else { return nil }
    if let (mapping, page) = resolve(mm, address) {
      guard pages > 0 else { return (mapping, 0..<Limits.filePages) }
      return (mapping, page.position..<min(page.position + pages, Limits.filePages))
    }
    // The first page is gone, later ones of the range may not be.
    guard !address.isFilePage, !mms[mm].vmas[address.mapping].isFree else { return nil }
    let first = address.page.position
    let end = pages == 0 ? Limits.filePages : min(first + pages, Limits.filePages)
    return (address.mapping, first..<end)
  }

  /// `i_mmap_lock_write()`: whoever goes through the VMAs of a file is done with this one.
  mutating func lockTree(of mm: MMID, _ mapping: MappingID) -> Bool {
    let vma = mms[mm].vmas[mapping]
    guard vma.kind == .file || vma.kind == .deviceDAX else { return true }
    return acquire(.mappingTree(vma))
  }

  /// Takes pages out of a VMA; the VMA itself goes with the last of them.
  mutating func unlink(_ mm: MMID, _ mapping: MappingID, _ pages: Range<Int>) {
    let vma = mms[mm].vmas[mapping]
    if vma.kind == .file || vma.kind == .deviceDAX { release(.mappingTree(vma)) }
    for page in pages { mms[mm].vmas[mapping].pages.remove(PageIndex(page)) }
    if mms[mm].vmas[mapping].pages.isEmpty { mms[mm].vmas[mapping] = VMA() }
  }
}
