// SPDX-License-Identifier: MIT

extension Machine {
  /// What protocols tell pages apart by, in few bits: the counts up to three, two and one, who is
  /// said to own it, and which of locked, exclusive, free and compound it is.
  ///
  /// Below ``abstractStates``.
  @inline(__always)
  package mutating func abstractState(of pfn: PFN) -> Int {
    let page = pages[pfn]
    let references = Int(max(0, min(page.refcount, 3)))
    let mappings = Int(max(0, min(page.mapcount, 2)))
    let isPinned = page.refcount >= Page.pinBias || page.pincount != 0
    let isFree = freeBlocks.contains(pfn) || freeRAM.contains(pfn)
    var state = references | mappings << 2
    if isPinned { state |= 1 << 4 }
    if page.mapping != .none { state |= 1 << 5 }
    if page.flags.contains(.locked) { state |= 1 << 6 }
    if page.flags.contains(.anonExclusive) { state |= 1 << 7 }
    if isFree { state |= 1 << 8 }
    if page.isTail || page.isHead { state |= 1 << 9 }
    return state
  }

  /// How many abstract states there are room for.
  package static var abstractStates: Int { 1 << 10 }

  /// The same of what a procedure works on, an entry of a file or a page, in fewer words.
  ///
  /// Below ``abstractObjects``.
  package mutating func abstractState(of frame: Frame) -> Int {
    guard frame.file.position < Limits.files else {
      return frame.pfn.isNone ? 0 : abstractState(of: frame.pfn) & 63
    }
    let index = PageIndex(frame.index.position % Limits.filePages)
    let isHole = files.with(frame.file) { $0.blocks[index].isHole }
    let readsZeroes = !isHole && mapsZeroPage(at: index, of: frame.file)
    return files.with(frame.file) { file in
      let entry = file.entry(at: index)
      var state = 64 | Int(entry.kind.rawValue)
      if entry.isLocked { state |= 4 }
      if !isHole { state |= 8 }
      if file.present[index] > 0 { state |= 16 }
      if readsZeroes { state |= 32 }
      return state
    }
  }

  /// Some process has the zero page where it maps a page of a file.
  private mutating func mapsZeroPage(at index: PageIndex, of file: FileID) -> Bool {
    for mm in 0..<Limits.mms where mms.storage[mm].isAlive {
      for mapping in 0..<Limits.mappings {
        let offset = mms.storage[mm].vmas.storage[mapping].offset.position
        let isShown =
          mms.storage[mm].vmas.storage[mapping].kind == .file
          && mms.storage[mm].vmas.storage[mapping].file == file && offset <= index.position
        guard isShown else { continue }
        let page = index.position - offset
        if mms.storage[mm].vmas.storage[mapping].ptes.storage[page].kind == .zero { return true }
      }
    }
    return false
  }

  /// How many of those there are room for.
  package static var abstractObjects: Int { 1 << 7 }
}
