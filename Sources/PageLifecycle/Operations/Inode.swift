// SPDX-License-Identifier: MIT

/// open(2) with O_CREAT: an existing file, or a new empty one.
enum Open: Body {
  enum Step: UInt8, CaseIterable {
    /// `do_filp_open()`
    case open
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "open", parameters: [.file], weight: 1,
      domain: .fsdax, summary: "open a file; an unlinked one comes back new and empty")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.files[call.file].descriptors == 0
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.call.file
    let inode = m.files[file]
    // An inode being evicted, or alive without a name, still occupies its place.
    guard m.pgmap.isAlive else {
      m.value = Outcome(.noDevice)
      return .finish
    }
    guard !inode.isEvicting, !inode.isAlive || inode.isLinked, inode.descriptors < 255 else {
      m.value = Outcome(.busy)
      return .finish
    }
    if !inode.isLinked { m.files[file].size = 0 }
    m.files[file].isAlive = true
    m.files[file].isLinked = true
    m.files[file].descriptors += 1
    m.value = .ok
    return .finish
  }
}

/// close(2): the last use of an unlinked file evicts its inode.
enum Close: Body {
  enum Step: UInt8, CaseIterable {
    /// `filp_close()`
    case close
    /// `iput()`
    case putInode
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "close", parameters: [.file], weight: 3, domain: .fsdax, summary: "close a descriptor")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.files[call.file].descriptors > 0
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .close:
      guard m.files[m.call.file].descriptors > 0 else {
        m.value = Outcome(.badHandle)
        return .finish
      }
      m.files[m.call.file].descriptors -= 1
      return .next(.putInode)

    case .putInode:
      guard m.frame.count == 0 else {
        m.value = .ok
        return .finish
      }
      m.frame.count = 1
      return m.enter(Iput.frame(m.call.file), then: Step.putInode)
    }
  }
}

/// unlink(2): the name goes at once, the inode with its last use.
enum Unlink: Body {
  enum Step: UInt8, CaseIterable {
    /// `lookup_one_qstr_excl()`, `ihold()`
    case lookUp
    /// `inode_lock()` of the file
    case lockInode
    /// `drop_nlink()`
    case dropLink
    /// `inode_unlock()`
    case unlockInode
    /// `iput()`
    case putInode, leave
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "unlink", parameters: [.file], weight: 3, domain: .fsdax,
      summary: "remove a file's name")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.files[call.file].isLinked
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.call.file
    switch step {
    case .lookUp:
      guard m.files[file].isLinked, !m.files[file].isEvicting else {
        m.value = Outcome(m.files[file].isLinked ? .busy : .noEntry)
        return .finish
      }
      guard !m.isUnmounted() else {
        m.value = Outcome(.noDevice)
        return .finish
      }
      m.files[file].isAlive = true
      m.files[file].callers += 1
      return .next(.lockInode)

    case .lockInode:
      return m.acquire(.inode(file)) ? .next(.dropLink) : .wait

    case .dropLink:
      // Two may have looked the name up; the second finds it gone.
      if !m.files[file].isLinked { m.frame.result = Outcome(.noEntry) }
      m.files[file].isLinked = false
      return .next(.unlockInode)

    case .unlockInode:
      m.release(.inode(file))
      return .next(.putInode)

    case .putInode:
      return m.leaveFile(file, then: Step.leave)

    case .leave:
      m.value = m.frame.result
      return .finish
    }
  }
}

extension Machine {
  /// The file system is drained for an unbind, or gone with its device, which is perhaps being
  /// bound again: it is mounted when memremap_pages() has returned.
  mutating func isUnmounted() -> Bool {
    obeys(.drainsBeforeUnbind) && !pgmap.isAlive
  }

  /// A descriptor, a mapping or a call in flight holds the inode.
  mutating func isInUse(_ file: FileID) -> Bool {
    files[file].descriptors > 0 || files[file].callers > 0 || isMapped(file)
  }

  /// `fdget()`: the call holds the file until ``leaveFile(_:then:)``; false without a descriptor.
  mutating func enterFile(_ file: FileID) -> Bool {
    guard files[file].isAlive, files[file].descriptors > 0 else {
      value = Outcome(.badHandle)
      return false
    }
    files[file].callers += 1
    return true
  }

  /// `fdput()`: the last use of an unlinked file evicts its inode.
  mutating func leaveFile<Step: RawRepresentable<UInt8>>(
    _ file: FileID, then step: Step
  ) -> Transition<Step> {
    files[file].callers -= 1
    return enter(Iput.frame(file), then: step)
  }
}

/// Drops a use of an inode; the last use of an unlinked one evicts it.  Register: file.
enum Iput: Body {
  enum Step: UInt8, CaseIterable {
    /// `iput_final()`
    case testLastUse
    case finish
  }

  static func frame(_ file: FileID) -> Frame {
    var frame = Frame(.iput)
    frame.file = file
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    guard step == .testLastUse else { return .finish }
    let file = m.frame.file
    let isUsed = m.files[file].isLinked || m.isInUse(file)
    guard m.files[file].isAlive, !m.files[file].isEvicting, !isUsed else { return .finish }
    // An unmount that has begun evicts the inode itself.
    guard !m.isUnmounted() else { return .finish }
    m.files[file].isEvicting = true
    return m.enter(EvictInode.frame(file), then: Step.finish)
  }
}

/// Takes an inode out of memory, and its blocks from an unlinked file; `ext4_evict_inode()`.
enum EvictInode: Body {
  enum Step: UInt8, CaseIterable {
    /// `I_FREEING`
    case begin
    /// `dax_break_layout_final()`
    case breakLayouts
    /// `truncate_inode_pages_final()`
    case unmap, deleteEntries
    /// `ext4_truncate()`
    case freeBlocks
    /// `clear_inode()`
    case clearInode
  }

  /// The caller has set I_FREEING.
  static func frame(_ file: FileID) -> Frame {
    var frame = Frame(.evictInode)
    frame.file = file
    return frame
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "evict_inode", parameters: [.file], weight: 2,
      domain: .fsdax, summary: "reclaim an unused inode; a linked file keeps its blocks")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.files[call.file].isAlive && !m.isInUse(call.file)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.frame.file.isNone ? m.call.file : m.frame.file
    switch step {
    case .begin:
      guard m.cpus[m.current].depth == 0 else { return .next(.breakLayouts) }
      // The shrinker leaves a file system alone that is being unmounted: `s_umount`.
      guard isUseful(m.call, in: &m), !m.files[file].isEvicting, !m.isUnmounted() else {
        m.value = Outcome(.busy)
        return .finish
      }
      m.frame.file = file
      m.files[file].isEvicting = true
      return .next(.breakLayouts)

    case .breakLayouts:
      guard m.obeys(.waitsAtEviction) else { return .next(.unmap) }
      return m.enter(BreakLayouts.frame(file, isFinal: true), then: Step.unmap)

    case .unmap:
      return m.enter(
        UnmapMappingRange.frame(file, 0..<Limits.filePages, .evenCows), then: Step.deleteEntries)

    case .deleteEntries:
      m.frame.index = PageIndex(0)
      return m.enter(DeleteEntries.frame(file, 0..<Limits.filePages), then: Step.freeBlocks)

    case .freeBlocks:
      guard !m.files[file].isLinked, m.frame.index.position < Limits.filePages else {
        return .next(.clearInode)
      }
      if let busy = m.busyBlock(file, m.frame.index) {
        return m.enter(AwaitIdle.frame(busy), then: Step.freeBlocks)
      }
      m.files[file].contents[m.frame.index] = 0
      m.freeBlock(file, m.frame.index)
      m.frame.index = m.frame.index + 1
      return .next(.freeBlocks)

    case .clearInode:
      m.files[file].isAlive = false
      m.files[file].isEvicting = false
      if !m.files[file].isLinked { m.files[file].size = 0 }
      m.value = .ok
      return .finish
    }
  }
}
