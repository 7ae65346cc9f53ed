// SPDX-License-Identifier: MIT

extension Machine {
  /// memremap_pages() has run, the files of `boot` exist and are mapped into mm0.
  mutating func initialize(_ boot: Boot) {
    iommu.entriesPerTable = boot.tableEntries
    defer {
      accesses.clear()
      accesses.isKept = boot.races > 0
    }
    for offset in 0..<Limits.ramPages { freeRAMPage(PFN(Limits.devicePages + offset)) }
    if rules.domains.contains(.memory) { mms[MMID(0)].isAlive = true }
    if rules.domains.contains(.fsdax) { initializeDevices(boot) }
    touchedPages = Bits()
    touchedFiles = Bits()
    eventCount = 0
  }

  private mutating func initializeDevices(_ boot: Boot) {
    hasReflink = boot.reflink > 0 && rules.domains.contains(.reflink)
    for position in 0..<min(Int(boot.devicePages), Limits.devicePages) {
      initializeDevicePage(PFN(position))
      if rules.baseHoldsPagemap { ledger.take(.base, of: PFN(position)) }
      freeBlocks.insert(PFN(position))
    }
    (pgmap.state, pgmap.type) = (.live, .fsdax)
    pgmap.own = 1 + Int32(boot.devicePages)
    pgmap.references = pgmap.own
    for id in PagemapID.all where id != .pmem0 { bind(id, isBound: id.rawValue <= boot.devices) }
    for position in 0..<min(Int(boot.files), Limits.files) {
      let file = FileID(position)
      files[file].isAlive = true
      files[file].isLinked = true
      files[file].descriptors = 1
      files[file].size = boot.filePages
      var vma = VMA()
      (vma.kind, vma.file) = (.file, file)
      vma.pages = Bits(rawValue: 1 << UInt64(boot.filePages) - 1)
      mms[MMID(0)].vmas[MappingID(position)] = vma
    }
  }
}

extension Machine {
  /// A device beside the file system's: bound, or to be bound by the program.
  private mutating func bind(_ id: PagemapID, isBound: Bool) {
    pagemaps[id].hasExited = true
    guard isBound else { return }
    pagemaps[id] = DevPagemap()
    pagemaps[id].state = .live
    pagemaps[id].type = id.type(coherent: id == .device1 && rules.hasCoherent)
    for position in id.pages {
      bindPage(PFN(position), pagemaps[id].type)
    }
    pagemaps[id].own = 1 + (pagesHoldPagemap(id) ? 0 : Int32(id.pages.count))
    pagemaps[id].references = pagemaps[id].own
    if id.hasOwnList { listAll(of: id) }
  }
}

// MARK: The file system's blocks

extension Machine {
  /// Hands out a block: the one it was told to if that is free, else the lowest.
  mutating func allocateBlock() -> PFN {
    noteAtomic(.blocks)
    var choice = freeBlocks.first ?? .none
    if blockChoiceCount > 0 {
      let told = blockChoices[0]
      for position in 1..<Limits.blockChoices {
        blockChoices[position - 1] = blockChoices[position]
      }
      blockChoiceCount -= 1
      if freeBlocks.contains(told) { choice = told }
    }
    if !choice.isNone { freeBlocks.remove(choice) }
    return choice
  }

  /// The first of an aligned run of free blocks, taken whole; none if there is no such run.
  mutating func allocateAlignedBlocks() -> PFN {
    noteAtomic(.blocks)
    for start in stride(from: 0, to: Limits.devicePages, by: Limits.pagesPerPMD) {
      let run = UInt64(1 << Limits.pagesPerPMD - 1) << UInt64(start)
      guard freeBlocks.rawValue & run == run else { continue }
      freeBlocks.rawValue &= ~run
      return PFN(start)
    }
    return .none
  }

  /// `ext4_iomap_alloc()`: the page has a written block afterwards, zeroed if it is new.
  mutating func allocateForWrite(_ file: FileID, _ index: PageIndex, pmd: Bool) -> Bool {
    let first = File.firstOfPMD(index)
    let isUntouched = (0..<Limits.pagesPerPMD).allSatisfy { files[file].blocks[first + $0].isHole }
    if pmd && isUntouched {
      let run = allocateAlignedBlocks()
      if !run.isNone {
        for offset in 0..<Limits.pagesPerPMD {
          let pfn = PFN(run.position + offset)
          files[file].blocks[first + offset] = Block(pfn: pfn)
          store(0, in: pfn)
        }
        return true
      }
    }
    if files[file].blocks[index].isHole {
      let pfn = allocateBlock()
      guard !pfn.isNone else { return false }
      files[file].blocks[index] = Block(pfn: pfn, isUnwritten: true)
    }
    initializeBlock(file, index)
    return true
  }

  /// An unwritten block becomes data that reads as zeroes: `ext4_zeroout_es()`.
  mutating func initializeBlock(_ file: FileID, _ index: PageIndex) {
    guard files[file].blocks[index].isUnwritten else { return }
    files[file].blocks[index].isUnwritten = false
    store(0, in: files[file].blocks[index].pfn)
  }

  mutating func chooseBlock(_ pfn: PFN) {
    guard Int(blockChoiceCount) < Limits.blockChoices else { return }
    blockChoices[Int(blockChoiceCount)] = pfn
    blockChoiceCount += 1
  }

  /// Frees one block of a file; from here another file may get it.
  mutating func freeBlock(_ file: FileID, _ index: PageIndex) {
    let pfn = files[file].blocks[index].pfn
    guard !pfn.isNone else { return }
    let isLast = !sharesBlock(file, index)
    files[file].blocks[index] = .hole
    noteAtomic(.blocks)
    guard isLast else { return }
    freeBlocks.insert(pfn)
    emit(.blockFreed(pfn, file, index))
  }
}

// MARK: Lookups

extension File {
  /// The entry that stands for an index: its own, or the PMD entry around it.
  @inline(__always)
  package func entry(at index: PageIndex) -> Entry {
    let entry = entries[index]
    guard entry.kind == .absent else { return entry }
    let first = entries[Self.firstOfPMD(index)]
    return first.isPMD ? first : .absent
  }

  /// Where the entry that stands for an index is kept.
  @inline(__always)
  func home(of index: PageIndex) -> PageIndex {
    let first = Self.firstOfPMD(index)
    return entries[first].isPMD ? first : index
  }

  @inline(__always)
  static func firstOfPMD(_ index: PageIndex) -> PageIndex {
    PageIndex(index.position - index.position % Limits.pagesPerPMD)
  }
}

extension Machine {
  /// ``File/entry(at:)`` of a file in place: it is asked for every page of a file after each step.
  @inline(__always)
  mutating func entry(of file: FileID, at index: PageIndex) -> Entry {
    let entry = files.storage[file.position].entries.storage[index.position]
    guard entry.kind == .absent else { return entry }
    let first = File.firstOfPMD(index).position
    let whole = files.storage[file.position].entries.storage[first]
    return whole.isPMD ? whole : .absent
  }

  /// The mapping and page an address names in an address space, or nil outside every VMA.
  mutating func resolve(_ mm: MMID, _ address: Address) -> (MappingID, PageIndex)? {
    mms.with(mm) { mm in mm.isAlive ? mm.resolve(address) : nil }
  }

  /// `mapping_mapped()`: some VMA maps the file.
  mutating func isMapped(_ file: FileID) -> Bool {
    mms.indices.contains { mm in
      mms[mm].isAlive && mms[mm].vmas.indices.contains { mms[mm].vmas[$0].file == file }
    }
  }

  /// Whether a TLB may still translate to the page through an entry already cleared.
  mutating func hasStaleTranslation(of pfn: PFN) -> Bool {
    cpus.indices.contains { cpu in
      var stale = cpus[cpu].stale
      while let page = stale.popFirst() {
        let pte = cpus[cpu].gathered[page]
        let span = pte.isPMD ? Limits.pagesPerPMD : 1
        if (pte.pfn.position..<pte.pfn.position + span).contains(pfn.position) { return true }
      }
      return false
    }
  }
}
