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
    let block = files.with(frame.file) { $0.blocks[index] }
    let isShared = hasReflink && !block.isHole && isInAnotherFile(block.pfn, than: frame.file)
    return files.with(frame.file) { file in
      let entry = file.entry(at: index)
      var state = 64 | Int(entry.kind.rawValue)
      if entry.isLocked { state |= 4 }
      if !block.isHole { state |= 8 }
      if file.present[index] > 0 { state |= 16 }
      if isShared { state |= 32 }
      return state
    }
  }

  /// A block belongs to another file, too, which has locks of its own.
  private func isInAnotherFile(_ block: PFN, than file: FileID) -> Bool {
    for other in 0..<Limits.files where other != file.position {
      for index in 0..<Limits.filePages
      where files.storage[other].blocks.storage[index].pfn == block { return true }
    }
    return false
  }

  /// How many of those there are room for.
  package static var abstractObjects: Int { 1 << 7 }
}
