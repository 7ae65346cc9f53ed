// SPDX-License-Identifier: MIT

/// A load, a store, or only the fault they would take.
///
/// The access itself is one step through the page table or through a stale TLB entry; where the
/// translation does not allow it, the fault is handled and the access tried again.
enum CPUAccess: Body {
  enum Step: UInt8, CaseIterable {
    /// the instruction itself
    case access
    /// `mmap_read_lock()`
    case lockMM
    /// `handle_mm_fault()`
    case handleFault
    /// `mmap_read_unlock()`
    case unlockMM
  }

  static func signature(of operation: Procedure) -> Signature? {
    switch operation {
    case .daxFault:
      Signature(
        name: "dax_fault", parameters: [.mm, .address, .flags([.write, .pmd])], weight: 8,
        domain: .fsdax, otherDomains: .device,
        summary: "take a read or write fault, for a PTE or a PMD")
    case .load:
      Signature(
        name: "load", parameters: [.mm, .address], weight: 5,
        summary: "read the byte at an address; returns it")
    default:
      Signature(
        name: "store", parameters: [.mm, .address, .value], weight: 6,
        summary: "write a byte to an address")
    }
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.resolve(call.mm, call.address) != nil
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let mm = m.call.mm
    switch step {
    case .access:
      if m.call.operation != .daxFault, let value = m.access(m.call) {
        m.value = value
        return .finish
      }
      return .next(.lockMM)

    case .lockMM:
      return m.lockMM(mm, .shared, then: Step.handleFault)

    case .handleFault:
      guard let (mapping, page) = m.resolve(mm, m.call.address) else {
        m.value = Outcome(.sigsegv)
        return .next(.unlockMM)
      }
      var flags = m.call.flags
      if m.call.operation == .store { flags.insert(.write) }
      return m.enter(HandleFault.frame(mm, mapping, page, flags), then: Step.unlockMM)

    case .unlockMM:
      m.release(.mmap(mm), .shared)
      if m.value.isFailure || m.call.operation == .daxFault { return .finish }
      return m.mayRetry() ? .next(.access) : .finish
    }
  }
}

extension Machine {
  /// Counts a fault of this call; false at the limit, where the call gives up.
  ///
  /// That breaks a promise only where nobody else could have run and let the fault through: a
  /// write fault, for one, spins behind a pwrite() that has yet to zap the zero page.
  mutating func mayRetry() -> Bool {
    cpus[current].retries += 1
    // Who may run is asked from outside: it uses no page.
    showAll()
    for cpu in cpus.indices where cpu != current && canRun(cpu) {
      cpus[current].retriesAlone = false
    }
    hideWhatIsGone()
    guard cpus[current].retries > Limits.retries else { return true }
    if cpus[current].retriesAlone { emit(.retriedTooOften) }
    value = Outcome(.fault)
    return false
  }

  /// A fault ends with nothing done and nothing waited for: it will come back as often as it is
  /// let, and keeps the CPU from whom it needs.
  mutating func noteSpin() {
    emit(.retriedTooOften)
    cpus[current].retries = UInt8(Limits.retries)
  }

  /// One load or store, or nil where it faults.
  fileprivate mutating func access(_ call: Call) -> Outcome? {
    let isWrite = call.operation == .store
    guard let (mapping, page) = resolve(call.mm, call.address) else { return nil }
    var pte = mms[call.mm].vmas[mapping].ptes[page]
    var isStale = false
    if (pte.kind != .page && pte.kind != .zero) || (isWrite && !pte.isWritable) {
      guard let old = staleTranslation(call.mm, mapping, page) else { return nil }
      (pte, isStale) = (old, true)
    }
    if isWrite && !pte.isWritable { return nil }
    if isWrite {
      store(call.value, in: pte.pfn)
      remember(
        call.value, at: Origin(mms[call.mm].vmas[mapping], call.mm, mapping, page), pte.pfn)
      return .ok
    }
    let value = pte.kind == .page ? contents(of: pte.pfn) : 0
    if !isStale, let expected = expectedValue(call.mm, mapping, page) {
      emit(.read(value: value, expected: expected, pte.pfn))
    }
    return Outcome(Int(value))
  }

  /// What an address ought to read now; nil of a device whose contents nobody keeps a book of.
  mutating func expectedValue(_ mm: MMID, _ mapping: MappingID, _ page: PageIndex) -> UInt8? {
    let vma = mms[mm].vmas[mapping]
    if vma.isPrivate && vma.copies.contains(page) {
      return vma.unsettled.contains(page) ? nil : vma.copyValues[page]
    }
    switch vma.kind {
    case .file: return files[vma.file].contents[vma.filePage(page)]
    case .anonymous: return 0
    default: return nil
    }
  }

  /// Writes a byte into the ideal book, if the memory it was meant for still is that page.
  mutating func remember(_ value: UInt8, at origin: Origin, _ pfn: PFN) {
    if pages[pfn].type == .fsdax {
      let file = files[origin.file]
      if file.blocks[origin.page].pfn == pfn { files[origin.file].contents[origin.page] = value }
      return
    }
    let vma = mms[origin.mm].vmas[origin.mapping]
    guard vma.backing[origin.page] == pfn, vma.copies.contains(origin.page) else { return }
    mms[origin.mm].vmas[origin.mapping].copyValues[origin.page] = value
    mms[origin.mm].vmas[origin.mapping].unsettled.remove(origin.page)
  }

  /// A translation another CPU has cleared and not yet flushed.
  private mutating func staleTranslation(
    _ mm: MMID, _ mapping: MappingID, _ page: PageIndex
  ) -> PTE? {
    for cpu in cpus.indices {
      guard !cpus[cpu].stale.isEmpty, cpus[cpu].gatherMM == mm,
        cpus[cpu].gatherMapping == mapping, cpus[cpu].stale.contains(page)
      else { continue }
      var pte = cpus[cpu].gathered[page]
      // The gathered entry of a PMD names the first of its pages.
      if pte.isPMD { pte.pfn = PFN(pte.pfn.position + page.position % Limits.pagesPerPMD) }
      return pte
    }
    return nil
  }
}

extension Origin {
  /// Where a page was found: the file's page, or the private copy at an address.
  init(_ vma: VMA, _ mm: MMID, _ mapping: MappingID, _ page: PageIndex) {
    let isCopy = vma.isPrivate && vma.copies.contains(page)
    self.init(
      file: vma.file, mm: mm, mapping: mapping, page: isCopy ? page : vma.filePage(page))
  }
}
