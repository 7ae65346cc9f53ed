// SPDX-License-Identifier: MIT

/// One page of a file shares the block of another page: FICLONERANGE, `xfs_file_remap_range()`.
///
/// Of two files the lower is locked first.  Registers: pfn, a block that may not be freed yet.
enum Reflink: Body {
  enum Step: UInt8, CaseIterable {
    /// `fdget()` of both, `lock_two_nondirectories()`
    case getFiles, lockFirst, lockSecond
    /// `generic_remap_file_range_prep()`
    case checkRange
    /// `xfs_mmaplock_two_inodes_and_break_dax_layout()`
    case lockFirstInvalidate, breakFirst, checkFirst
    case lockSecondInvalidate, breakSecond, checkSecond
    /// it does not sleep with both locks, and tries again
    case unlockSecondToWait, unlockFirstToWait, lockToBreak, breakAlone, unlockBroken
    /// `xfs_flush_unmap_range()`
    case unmapDestination, deleteDestination, deleteSource
    /// `xfs_reflink_remap_extent()`, `i_size_write()`
    case remap
    /// `xfs_iunlock2_remapping()`
    case unlockSecondInvalidate, unlockFirstInvalidate, unlockSecond, unlockFirst
    /// `fdput()`
    case putDestination, putSource, leave
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "reflink", parameters: [.sourcePage, .filePage], weight: 8, domain: .reflink,
      summary: "FICLONERANGE: the second page of a file shares the block of the first")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    let source = call.address
    return m.hasReflink && !m.files[source.file].blocks[source.page].isHole
      && (source.file != call.file || source.page != call.page)
      && ChangeLayout.isUseful(call, in: &m)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .getFiles, .lockFirst, .lockSecond, .checkRange: return begin(step, &m)
    case .lockFirstInvalidate, .breakFirst, .checkFirst, .lockSecondInvalidate, .breakSecond,
      .checkSecond:
      return breakLayouts(step, &m)
    case .unlockSecondToWait, .unlockFirstToWait, .lockToBreak, .breakAlone, .unlockBroken:
      return wait(step, &m)
    case .unmapDestination, .deleteDestination, .deleteSource, .remap: return remap(step, &m)
    default: return end(step, &m)
    }
  }

  private static func first(_ m: inout Machine) -> FileID {
    m.obeys(.locksInodesInOrder)
      ? min(m.call.file, m.call.address.file) : m.call.address.file
  }

  private static func second(_ m: inout Machine) -> FileID {
    m.obeys(.locksInodesInOrder) ? max(m.call.file, m.call.address.file) : m.call.file
  }

  private static func isOneFile(_ m: inout Machine) -> Bool { first(&m) == second(&m) }

  private static func begin(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let source = m.call.address.file
    switch step {
    case .getFiles:
      guard m.hasReflink else {
        m.value = Outcome(.notSupported)
        return .finish
      }
      guard m.files[source].isAlive, m.files[source].descriptors > 0 else {
        m.value = Outcome(.badHandle)
        return .finish
      }
      guard m.enterFile(m.call.file) else { return .finish }
      m.files[source].callers += 1
      return .next(.lockFirst)

    case .lockFirst:
      guard m.acquire(.inode(first(&m))) else { return .wait }
      return .next(isOneFile(&m) ? .checkRange : .lockSecond)

    case .lockSecond:
      return m.acquire(.inode(second(&m))) ? .next(.checkRange) : .wait

    default:
      let page = m.call.address.page
      let isItself = isOneFile(&m) && page == m.call.page
      guard !isItself, page.rawValue < m.files[source].size, m.pgmap.isAlive else {
        m.frame.result = Outcome(.invalid)
        return .next(.unlockSecond)
      }
      return .next(.lockFirstInvalidate)
    }
  }

  // MARK: xfs_mmaplock_two_inodes_and_break_dax_layout()

  private static func breakLayouts(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .lockFirstInvalidate:
      return m.acquire(.invalidate(first(&m))) ? .next(.breakFirst) : .wait

    case .breakFirst:
      return m.enter(BreakLayouts.frame(first(&m), isFinal: false), then: Step.checkFirst)

    case .checkFirst:
      guard !m.value.isFailure else {
        m.frame.result = m.value
        return .next(.unlockFirstInvalidate)
      }
      return .next(isOneFile(&m) ? .unmapDestination : .lockSecondInvalidate)

    case .lockSecondInvalidate:
      return m.acquire(.invalidate(second(&m))) ? .next(.breakSecond) : .wait

    case .breakSecond:
      let frame = BreakLayouts.frame(second(&m), isFinal: false, sleep: .never)
      return m.enter(frame, then: Step.checkSecond)

    default:
      return .next(m.value.isFailure ? .unlockSecondToWait : .unmapDestination)
    }
  }

  private static func wait(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .unlockSecondToWait:
      if !isOneFile(&m) { m.release(.invalidate(second(&m))) }
      return .next(.unlockFirstToWait)

    case .unlockFirstToWait:
      m.release(.invalidate(first(&m)))
      let busy = m.frame.pfn
      guard !busy.isNone else { return .next(.lockToBreak) }
      m.frame.pfn = .none
      return m.enter(AwaitIdle.frame(busy), then: Step.lockFirstInvalidate)

    case .lockToBreak:
      return m.acquire(.invalidate(second(&m))) ? .next(.breakAlone) : .wait

    case .breakAlone:
      return m.enter(BreakLayouts.frame(second(&m), isFinal: false), then: Step.unlockBroken)

    default:
      m.release(.invalidate(second(&m)))
      guard m.value.isFailure else { return .next(.lockFirstInvalidate) }
      m.frame.result = m.value
      return .next(.unlockSecond)
    }
  }

  // MARK: xfs_reflink_remap_range()

  private static func remap(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (file, index) = (m.call.file, m.call.page)
    let source = m.call.address
    let range = index.position..<index.position + 1
    switch step {
    case .unmapDestination:
      return m.enter(UnmapMappingRange.frame(file, range, []), then: Step.deleteDestination)

    case .deleteDestination:
      return m.enter(DeleteEntries.frame(file, range), then: Step.deleteSource)

    case .deleteSource:
      // Shared extents are mapped by small entries.
      guard m.files[source.file].entry(at: source.page).isPMD else { return .next(.remap) }
      let page = source.page.position
      return m.enter(DeleteEntries.frame(source.file, page..<page + 1), then: Step.remap)

    default:
      if let busy = m.busyBlock(file, index) {
        m.frame.pfn = busy
        return .next(.unlockSecondToWait)
      }
      m.shareBlock(of: source.file, source.page, with: file, index)
      return .next(isOneFile(&m) ? .unlockFirstInvalidate : .unlockSecondInvalidate)
    }
  }

  private static func end(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .unlockSecondInvalidate:
      m.release(.invalidate(second(&m)))
      return .next(.unlockFirstInvalidate)

    case .unlockFirstInvalidate:
      m.release(.invalidate(first(&m)))
      return .next(.unlockSecond)

    case .unlockSecond:
      if !isOneFile(&m) { m.release(.inode(second(&m))) }
      return .next(.unlockFirst)

    case .unlockFirst:
      m.release(.inode(first(&m)))
      return .next(.putDestination)

    case .putDestination: return m.leaveFile(m.call.file, then: Step.putSource)
    case .putSource: return m.leaveFile(m.call.address.file, then: Step.leave)

    default:
      m.value = m.frame.result
      return .finish
    }
  }
}

/// Sleeps until nobody but page tables holds a page; `dax_wait_page_idle_uninterruptible()`.
///
/// The caller has no lock that who holds the page may need.  Register: pfn.
enum AwaitIdle: Body {
  enum Step: UInt8, CaseIterable {
    /// `prepare_to_wait_event()`
    case queueForPage
    /// `dax_page_is_idle()`
    case testPage
    /// `schedule()`
    case sleepOnPage
  }

  static func frame(_ pfn: PFN) -> Frame {
    var frame = Frame(.awaitIdle)
    frame.pfn = pfn
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .queueForPage:
      m.waitForIdle(m.frame.pfn, interruptible: false)
      return .next(.testPage)

    case .testPage:
      guard m.isIdle(m.frame.pfn) else { return .next(.sleepOnPage) }
      m.leaveQueue()
      return .finish

    case .sleepOnPage:
      return m.isWokenFromSleep() ? .next(.queueForPage) : .wait
    }
  }
}

extension Machine {
  /// Another page of a file lies in the block, too; IOMAP_F_SHARED.
  mutating func sharesBlock(_ file: FileID, _ index: PageIndex) -> Bool {
    guard hasReflink else { return false }
    let pfn = files[file].blocks[index].pfn
    guard !pfn.isNone else { return false }
    var owners = 0
    for other in files.indices {
      for position in 0..<Limits.filePages
      where files[other].blocks[PageIndex(position)].pfn == pfn { owners += 1 }
    }
    return owners > 1
  }

  /// `xfs_reflink_remap_extent()`: only a written block is shared, others leave a hole.
  fileprivate mutating func shareBlock(
    of source: FileID, _ page: PageIndex, with file: FileID, _ index: PageIndex
  ) {
    let block = files[source].blocks[page]
    let isData = !block.isHole && !block.isUnwritten
    freeBlock(file, index)
    files[file].blocks[index] = isData ? block : .hole
    files[file].contents[index] = isData ? files[source].contents[page] : 0
    files[file].size = max(files[file].size, index.rawValue + 1)
  }

  /// A page of a shared block gets one of its own with the same contents; false on a full device,
  /// and on one that is gone.
  mutating func unshareBlock(_ file: FileID, _ index: PageIndex) -> Bool {
    guard sharesBlock(file, index) else { return true }
    guard pgmap.isAlive else { return false }
    let copy = allocateBlock()
    guard !copy.isNone else { return false }
    store(contents(of: files[file].blocks[index].pfn), in: copy)
    files[file].blocks[index] = Block(pfn: copy)
    return true
  }

  /// The page of a block that is about to be freed, and that somebody got through another file.
  mutating func busyBlock(_ file: FileID, _ index: PageIndex) -> PFN? {
    guard hasReflink, obeys(.freesOnlyIdleBlocks), index.position < Limits.filePages else {
      return nil
    }
    let pfn = files[file].blocks[index].pfn
    guard !pfn.isNone, !sharesBlock(file, index) else { return nil }
    let owner = owner(of: pfn)
    return isIdle(owner) ? nil : owner
  }

  /// Any page of the file system's device that somebody holds.
  mutating func busyBlock() -> PFN? {
    guard hasReflink, obeys(.freesOnlyIdleBlocks) else { return nil }
    for position in 0..<Limits.devicePages {
      let pfn = PFN(position)
      if pages[pfn].exists && !pages[pfn].isTail && !isIdle(pfn) { return pfn }
    }
    return nil
  }
}
