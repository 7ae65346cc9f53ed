// SPDX-License-Identifier: MIT

/// pread(2) and pwrite(2) of one page of a DAX file; `dax_iomap_rw()`.
enum FileIO: Body {
  enum Step: UInt8, CaseIterable {
    /// `fdget()`
    case getFile
    /// `inode_lock_shared()`, `inode_lock()`
    case lockInode
    /// `ext4_iomap_begin()`
    case iomapBegin
    /// `invalidate_inode_pages2_range()`: `__dax_invalidate_entry()` of what stands for a hole, or
    /// has a page and is not dirty; then `unmap_mapping_pages()`
    case lockPages, examineEntry, unlockToSleep, sleepOnEntry, unlockPages, zapHole
    /// an entry that is kept, and locked, until nobody maps the old page
    case lockToDelete, deleteEntry, unlockDeleted
    /// `dax_copy_to_iter()`, `dax_copy_from_iter()`
    case copy
    /// `i_size_write()`
    case setSize
    /// `inode_unlock()`
    case unlockInode
    /// `fdput()`
    case putFile, leave
  }

  static func signature(of operation: Procedure) -> Signature? {
    operation == .pread
      ? Signature(
        name: "pread", parameters: [.filePage], weight: 2,
        domain: .fsdax, summary: "read a page through the file; returns its byte")
      : Signature(
        name: "pwrite", parameters: [.filePage, .value], weight: 5,
        domain: .fsdax, summary: "write a page through the file")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    ChangeLayout.isUseful(call, in: &m)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (file, index) = (m.call.file, m.call.page)
    let isWrite = m.call.operation == .pwrite
    switch step {
    case .getFile:
      (m.frame.file, m.frame.index) = (file, index)
      return m.enterFile(file) ? .next(.lockInode) : .finish

    case .lockInode:
      return m.acquire(.inode(file), isWrite ? .exclusive : .shared) ? .next(.iomapBegin) : .wait

    case .iomapBegin:
      guard isWrite else { return .next(.copy) }
      let block = m.files[file].blocks[index]
      let isNew = block.isHole || block.isUnwritten
      guard m.pgmap.isAlive, m.allocateForWrite(file, index, pmd: false) else {
        m.frame.result = Outcome(m.pgmap.isAlive ? .noSpace : .noDevice)
        return .next(.unlockInode)
      }
      if isNew { m.frame.pfn = m.files[file].blocks[index].pfn }
      // A fault that has just got the block may not have taken the zero page away yet.
      let replaces = isNew || m.obeys(.writesReplaceHoles) || m.sharesBlock(file, index)
      return .next(replaces ? .lockPages : .copy)

    case .zapHole, .lockPages, .examineEntry, .unlockToSleep, .sleepOnEntry, .unlockPages,
      .lockToDelete, .deleteEntry, .unlockDeleted:
      return invalidate(step, &m)

    case .copy:
      if isWrite { unshare(&m) }
      guard !m.frame.result.isFailure else { return .next(.unlockInode) }
      let block = m.files[file].blocks[index]
      let isData = !block.isHole && !block.isUnwritten && index.rawValue < m.files[file].size
      // `dax_direct_access()` of a device that is gone.
      guard m.pgmap.isAlive || !(isWrite || isData) else {
        m.frame.result = Outcome(.noDevice)
        return .next(.unlockInode)
      }
      if isWrite {
        m.store(m.call.value, in: block.pfn)
        m.files[file].contents[index] = m.call.value
        return .next(.setSize)
      }
      let value = isData ? m.contents(of: block.pfn) : 0
      m.emit(.read(value: value, expected: m.files[file].contents[index], block.pfn))
      m.cpus[m.current].bytes[0] = value
      let isBeyond = index.rawValue >= m.files[file].size
      m.frame.result = Outcome(isBeyond ? 0 : Int(value))
      return .next(.unlockInode)

    case .setSize:
      m.files[file].size = max(m.files[file].size, index.rawValue + 1)
      m.emit(.written(file, index))
      return .next(.unlockInode)

    case .unlockInode:
      m.release(.inode(file), isWrite ? .exclusive : .shared)
      return .next(.putFile)

    case .putFile:
      return m.leaveFile(file, then: Step.leave)

    case .leave:
      m.value = m.frame.result
      return .finish
    }
  }

  /// What is written is the file's own; a kernel that lets go of the entry first does so last.
  private static func unshare(_ m: inout Machine) {
    guard !m.frame.result.isFailure, m.sharesBlock(m.call.file, m.call.page) else { return }
    if !m.unshareBlock(m.call.file, m.call.page) { m.frame.result = Outcome(.noSpace) }
  }

  /// Whether an entry stays: it has a page, and no file but this one has the block.
  ///
  /// Where the block is the write's new one, the entry was made since.  The kernel keeps it where
  /// it is dirty: `__dax_invalidate_entry()` without `trunc`.
  private static func keeps(_ entry: Entry, _ m: inout Machine) -> Bool {
    guard entry.kind == .page, !m.sharesBlock(m.call.file, m.call.page) else { return false }
    return m.frame.pfn.isNone || entry.isDirty || m.obeys(.invalidatesOnlyHoles)
  }

  /// A new block takes the place of a zero page some process may still map.
  ///
  /// Registers: pfn, the block if it is new; count, whether the entry is kept (1) or kept until
  /// nobody maps it (2).
  private static func invalidate(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (file, index) = (m.call.file, m.call.page)
    switch step {
    case .zapHole:
      let range = index.position..<index.position + 1
      let next: Step = m.frame.count == 2 ? .lockToDelete : .copy
      return m.enter(UnmapMappingRange.frame(file, range, []), then: next)

    case .lockToDelete:
      return m.acquire(.pages(file)) ? .next(.deleteEntry) : .wait

    case .deleteEntry:
      m.deleteEntry(file, m.files[file].home(of: index), isReplaced: true)
      unshare(&m)
      m.emit(.entryReleased(file, index))
      return .next(.unlockDeleted)

    case .unlockDeleted:
      m.release(.pages(file))
      return .next(.copy)

    case .lockPages:
      return m.acquire(.pages(file)) ? .next(.examineEntry) : .wait

    case .examineEntry:
      let entry = m.files[file].entry(at: index)
      if entry.isLocked {
        m.waitForEntry(file, index)
        return .next(.unlockToSleep)
      }
      m.frame.count = keeps(entry, &m) ? 1 : 0
      if entry.kind != .absent && m.frame.count == 0 {
        let isReplaced = entry.kind != .page || m.frame.pfn.isNone
        guard !isReplaced || !m.obeys(.holdsEntryWhileUnmapping) else {
          m.files[file].entries[m.files[file].home(of: index)].isLocked = true
          m.touch(file)
          m.frame.count = 2
          return .next(.unlockPages)
        }
        m.deleteEntry(file, m.files[file].home(of: index), isReplaced: isReplaced)
      } else if m.obeys(.holdsEntryWhileUnmapping) {
        unshare(&m)
      }
      if m.obeys(.passesEntryWakeOn) { m.wakeEntry(file, index, all: false) }
      m.emit(.entryReleased(file, index))
      return .next(.unlockPages)

    case .unlockToSleep:
      m.release(.pages(file))
      return .next(.sleepOnEntry)

    case .sleepOnEntry:
      return m.isWokenFromSleep() ? .next(.lockPages) : .wait

    default:
      m.release(.pages(file))
      let isMappedAlready = m.frame.count == 1 && m.obeys(.writesReplaceHoles)
      return .next(isMappedAlready ? .copy : .zapHole)
    }
  }
}
