// SPDX-License-Identifier: MIT

/// Who holds pages allocates memory and has to reclaim an inode for it: `prune_icache_sb()`.
///
/// Until that returns he cannot let go of what he holds.
enum Reclaim: Body {
  enum Step: UInt8, CaseIterable {
    /// `__alloc_pages_direct_reclaim()` of a task that has pages
    case checkHandle
    /// `inode_lru_isolate()`, I_FREEING, `dispose_list()`
    case isolateInode
    /// the allocation is made
    case leave
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "reclaim", parameters: [.handle, .file], weight: 2, domain: .fsdax,
      summary: "the holder of a handle allocates memory, and reclaims an unused inode for it")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.handles[call.handle].state == .held && isListed(call, &m)
  }

  /// `inode_lru` has inodes with a name only: without one, `iput_final()` evicts at the last use.
  private static func isListed(_ call: Call, _ m: inout Machine) -> Bool {
    m.files[call.file].isLinked && EvictInode.isUseful(call, in: &m)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (handle, file) = (m.call.handle, m.call.file)
    switch step {
    case .checkHandle:
      guard m.handles[handle].state == .held else {
        m.value = Outcome(.badHandle)
        return .finish
      }
      m.handles[handle].state = .filling
      return .next(.isolateInode)

    case .isolateInode:
      m.value = Outcome(.busy)
      guard isListed(m.call, &m), !m.files[file].isEvicting, !m.isUnmounted(),
        !m.obeys(.reclaimsIdleInodes) || !m.hasBusyPage(file)
      else { return .next(.leave) }
      m.files[file].isEvicting = true
      return m.enter(EvictInode.frame(file), then: Step.leave)

    case .leave:
      m.handles[handle].state = .held
      return .finish
    }
  }
}

extension Machine {
  /// Somebody holds a page of a file that nobody has open or mapped.
  fileprivate mutating func hasBusyPage(_ file: FileID) -> Bool {
    for position in 0..<Limits.filePages {
      let entry = files[file].entry(at: PageIndex(position))
      guard entry.kind == .page else { continue }
      if !isIdle(owner(of: page(of: entry, at: PageIndex(position)))) { return true }
    }
    return false
  }
}
