// SPDX-License-Identifier: MIT

/// ftruncate(2), and the modes of fallocate(2) that take pages out of a file.
///
/// `ext4_setattr()`, `ext4_punch_hole()`, `ext4_zero_range()`, `ext4_collapse_range()`: inode
/// lock, invalidate lock, break the layouts of the whole inode, then change the file.
enum ChangeLayout: Body {
  enum Step: UInt8, CaseIterable {
    /// `fdget()`, `inode_lock()`
    case getFile, lockInode
    /// the range against `i_size`
    case checkRange
    /// `filemap_invalidate_lock()`
    case lockInvalidate
    /// `ext4_break_layouts()`
    case breakLayouts, checkBroken
    /// `i_size_write()`
    case setSize
    /// `truncate_pagecache()`: `unmap_mapping_range()`, `truncate_inode_pages()`, and again
    case unmapBefore, deleteEntries, unmapAfter
    /// `ext4_free_blocks()`, `ext4_ext_shift_extents()`, `ext4_alloc_file_blocks()`
    case changeBlocks
    /// `filemap_invalidate_unlock()`, `inode_unlock()`
    case unlockInvalidate, unlockInode
    /// `fdput()`
    case putFile, leave
  }

  static func signature(of operation: Procedure) -> Signature? {
    switch operation {
    case .ftruncate:
      Signature(
        name: "ftruncate", parameters: [.file, .size], weight: 6,
        domain: .fsdax, summary: "set the size of a file; what lies beyond is freed")
    case .punchHole:
      Signature(
        name: "punch_hole", parameters: [.filePage, .pages(default: 1)], weight: 8,
        domain: .fsdax, summary: "free the blocks of a range, keeping the size")
    case .zeroRange:
      Signature(
        name: "zero_range", parameters: [.filePage, .pages(default: 1)], weight: 3,
        domain: .fsdax, summary: "make a range read as zeroes, keeping its blocks")
    default:
      Signature(
        name: "collapse_range", parameters: [.filePage, .pages(default: 1)], weight: 2,
        domain: .fsdax, summary: "take a range out of a file; what follows moves down")
    }
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.files[call.file].isAlive && m.files[call.file].descriptors > 0
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.call.file
    switch step {
    case .getFile, .lockInode, .checkRange, .lockInvalidate, .breakLayouts, .checkBroken:
      return begin(step, &m)

    case .setSize:
      if m.call.operation == .ftruncate { m.files[file].size = m.call.value }
      return .next(.unmapBefore)

    case .unmapBefore, .unmapAfter:
      let isPunch = m.call.operation == .punchHole || m.call.operation == .zeroRange
      let flags: CallFlags = isPunch ? [] : [.evenCows, .forgetsCopies]
      let range = m.frame.page.position..<m.frame.end.position
      let next: Step = step == .unmapBefore ? .deleteEntries : .changeBlocks
      return m.enter(UnmapMappingRange.frame(file, range, flags), then: next)

    case .deleteEntries:
      let range = m.frame.page.position..<m.frame.end.position
      let isPunch = m.call.operation == .punchHole || m.call.operation == .zeroRange
      return m.enter(
        DeleteEntries.frame(file, range), then: isPunch ? Step.changeBlocks : .unmapAfter)

    case .changeBlocks:
      let isFreed = m.call.operation != .zeroRange && m.frame.index.position < blocksEnd(&m)
      if isFreed, let busy = m.busyBlock(file, m.frame.index) {
        // Faults go on meanwhile, so that layouts are to be broken once more.
        m.frame.count = 1
        m.release(.invalidate(file))
        return m.enter(AwaitIdle.frame(busy), then: Step.lockInvalidate)
      }
      return changeBlocks(&m) ? .next(.unlockInvalidate) : .next(.changeBlocks)

    case .unlockInvalidate:
      m.release(.invalidate(file))
      return .next(.unlockInode)

    case .unlockInode:
      m.release(.inode(file))
      return .next(.putFile)

    case .putFile:
      return m.leaveFile(file, then: Step.leave)

    case .leave:
      m.value = m.frame.result
      return .finish
    }
  }

  private static func begin(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.call.file
    switch step {
    case .getFile:
      return m.enterFile(file) ? .next(.lockInode) : .finish

    case .lockInode:
      return m.acquire(.inode(file)) ? .next(.checkRange) : .wait

    case .checkRange:
      setRange(&m)
      let isBeyond = m.call.page.rawValue >= m.files[file].size
      if m.call.operation == .punchHole && isBeyond && !m.rules.breaksBeyondEnd {
        return .next(.unlockInode)
      }
      let collapseEnd = m.call.page.rawValue + m.call.pages
      if m.call.operation == .collapseRange && collapseEnd >= m.files[file].size {
        m.frame.result = Outcome(.invalid)
        return .next(.unlockInode)
      }
      return .next(.lockInvalidate)

    case .lockInvalidate:
      return m.acquire(.invalidate(file)) ? .next(.breakLayouts) : .wait

    case .breakLayouts:
      guard m.obeys(.breaksBeforeTruncate) else { return .next(.checkBroken) }
      // What has begun to free blocks is not interrupted any more.
      let sleep: BreakLayouts.Sleep = m.frame.count == 0 ? .interruptibly : .uninterruptibly
      return m.enter(
        BreakLayouts.frame(file, isFinal: false, sleep: sleep), then: Step.checkBroken)

    default:
      guard !m.value.isFailure else {
        m.frame.result = m.value
        return .next(.unlockInvalidate)
      }
      return .next(.setSize)
    }
  }

  /// The pages whose entries go: to the end of the file where later pages move or vanish.
  private static func setRange(_ m: inout Machine) {
    let first = m.call.operation == .ftruncate ? Int(m.call.value) : m.call.page.position
    let isTail = m.call.operation == .ftruncate || m.call.operation == .collapseRange
    let end = isTail ? Limits.filePages : first + Int(m.call.pages)
    m.frame.page = PageIndex(min(first, Limits.filePages))
    m.frame.end = PageIndex(min(end, Limits.filePages))
    m.frame.index = m.frame.page
  }

  /// Where the blocks end that are freed, or zeroed.
  private static func blocksEnd(_ m: inout Machine) -> Int {
    let rangeEnd = min(m.call.page.position + Int(m.call.pages), Limits.filePages)
    return m.call.operation == .ftruncate ? Limits.filePages : rangeEnd
  }

  /// Changes the block of one page; true when the range is done.
  private static func changeBlocks(_ m: inout Machine) -> Bool {
    let file = m.call.file
    let rangeEnd = blocksEnd(&m)
    guard m.frame.index.position < rangeEnd else {
      if m.call.operation == .collapseRange { shiftBlocks(&m) }
      if m.call.operation == .zeroRange {
        m.files[file].size = max(m.files[file].size, UInt8(rangeEnd))
      }
      return true
    }
    let index = m.frame.index
    m.frame.index = index + 1
    m.files[file].contents[index] = 0
    if m.call.operation == .zeroRange {
      if m.sharesBlock(file, index) { m.freeBlock(file, index) }
      m.allocateUnwritten(file, index)
      if !m.files[file].blocks[index].isHole { m.files[file].blocks[index].isUnwritten = true }
    } else {
      m.freeBlock(file, index)
    }
    return false
  }

  /// `ext4_ext_shift_extents()`: the blocks after the range move to its place.
  private static func shiftBlocks(_ m: inout Machine) {
    let file = m.call.file
    let gap = Int(m.call.pages)
    for position in m.call.page.position..<Limits.filePages {
      let isKept = position + gap < Limits.filePages
      m.files[file].blocks[PageIndex(position)] =
        isKept ? m.files[file].blocks[PageIndex(position + gap)] : .hole
      m.files[file].contents[PageIndex(position)] =
        isKept ? m.files[file].contents[PageIndex(position + gap)] : 0
    }
    m.files[file].size -= UInt8(gap)
  }
}

/// fallocate(2) without a mode: blocks for a range, unwritten; `ext4_do_fallocate()`.
enum Fallocate: Body {
  enum Step: UInt8, CaseIterable {
    /// `fdget()`, `inode_lock()`
    case getFile, lockInode
    /// `ext4_alloc_file_blocks()`
    case allocateBlock
    /// `ext4_update_inode_size()`
    case setSize
    /// `inode_unlock()`
    case unlockInode
    /// `fdput()`
    case putFile, leave
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "fallocate", parameters: [.filePage, .pages(default: 1)], weight: 3,
      domain: .fsdax, summary: "allocate unwritten blocks for a range, extending the file")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    ChangeLayout.isUseful(call, in: &m)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.call.file
    switch step {
    case .getFile:
      return m.enterFile(file) ? .next(.lockInode) : .finish

    case .lockInode:
      m.frame.index = m.call.page
      m.frame.end = PageIndex(min(m.call.page.position + Int(m.call.pages), Limits.filePages))
      return m.acquire(.inode(file)) ? .next(.allocateBlock) : .wait

    case .allocateBlock:
      guard m.frame.index < m.frame.end else { return .next(.setSize) }
      if !m.allocateUnwritten(file, m.frame.index) {
        m.frame.result = Outcome(.noSpace)
        return .next(.unlockInode)
      }
      m.frame.index = m.frame.index + 1
      return .next(.allocateBlock)

    case .setSize:
      m.files[file].size = max(m.files[file].size, m.frame.end.rawValue)
      return .next(.unlockInode)

    case .unlockInode:
      m.release(.inode(file))
      return .next(.putFile)

    case .putFile:
      return m.leaveFile(file, then: Step.leave)

    case .leave:
      m.value = m.frame.result
      return .finish
    }
  }
}

extension Machine {
  /// Gives a hole an unwritten block; false when the device is full.
  @discardableResult
  mutating func allocateUnwritten(_ file: FileID, _ index: PageIndex) -> Bool {
    guard files[file].blocks[index].isHole else { return true }
    let pfn = allocateBlock()
    guard !pfn.isNone else { return false }
    files[file].blocks[index] = Block(pfn: pfn, isUnwritten: true)
    return true
  }
}
