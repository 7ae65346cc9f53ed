// SPDX-License-Identifier: MIT

/// Folds the words of one object into 64 bits.
struct Digest {
  private(set) var value: UInt64

  init(_ kind: UInt64, _ position: Int) {
    value = (kind << 32 | UInt64(position)) &* 0xD6E8_FEB8_6659_FD93
  }

  @inline(__always)
  mutating func mix(_ word: UInt64) {
    value = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
    value ^= value >> 29
  }
  @inline(__always)
  mutating func mix(_ word: Int32) { mix(UInt64(UInt32(bitPattern: word))) }
  @inline(__always)
  mutating func mix(_ a: UInt8, _ b: UInt8, _ c: UInt8 = 0, _ d: UInt8 = 0) {
    mix(UInt64(a) | UInt64(b) << 8 | UInt64(c) << 16 | UInt64(d) << 24)
  }
  @inline(__always)
  mutating func mix(_ flag: Bool) { mix(flag ? 1 : UInt64(2)) }
}

extension Machine {
  /// A hash of everything a later step can depend on, combined by XOR from one hash an object.
  ///
  /// Equal on every machine and in every build; verdicts, counters of steps and the bytes a
  /// call has read are no part of it.
  package var stateHash: UInt64 {
    var copy = self
    return copy.hashState()
  }

  /// ``stateHash`` of a machine that is at hand to change.
  package mutating func hashState() -> UInt64 {
    var hash: UInt64 = 0
    for position in 0..<Limits.pages { hash ^= digest(PFN(position)) }
    for position in 0..<Limits.files { hash ^= digest(FileID(position)) }
    for position in 0..<Limits.mms { hash ^= digest(MMID(position)) }
    // What a handle held that holds nothing now is read by nobody.
    for position in 0..<Limits.handleSlots {
      let handle = HandleID(position)
      let state = handles[handle].state
      if state == .held || state == .filling { hash ^= digest(handle) }
    }
    for position in 0..<Limits.cpuSlots where cpus[CPUID(position)].isActive {
      hash ^= digest(CPUID(position))
    }
    var rest = Digest(9, 0)
    rest.mix(freeBlocks.rawValue)
    rest.mix(freeRAM.rawValue)
    rest.mix(ledger.listed.rawValue)
    rest.mix(ledger.idle.rawValue)
    rest.mix(blockChoiceCount, pageChoiceCount, isEnding ? 1 : 0)
    for position in 0..<Int(blockChoiceCount) { rest.mix(UInt64(blockChoices[position].rawValue)) }
    for position in 0..<Int(pageChoiceCount) { rest.mix(UInt64(pageChoices[position].rawValue)) }
    for position in 0..<4 {
      rest.mix(
        UInt64(mappingTrees[position].writer) | UInt64(mappingTrees[position].readers.rawValue) << 8
      )
    }
    // A second chunk that was never bound is no part of the machine.
    for id in pagemaps.indices where id.device == id || pagemaps[id].type != .invalid {
      hash ^= digest(id)
    }
    if !rules.domains.isDisjoint(with: .mechanisms) { hash ^= digestOfSeeds() }
    if rules.hasPrivateFolios { rest.mix(ledger.folios.rawValue) }
    return hash ^ rest.value
  }

  /// The state of domains that released kernels' protocols are without.
  private mutating func digestOfSeeds() -> UInt64 {
    var digest = Digest(7, 0)
    for lock in [iommu.lock, zoneLock] {
      digest.mix(UInt64(lock.writer) | UInt64(lock.readers.rawValue) << 8)
    }
    for slot in 0..<2 {
      digest.mix(UInt64(iommu.roots[slot].rawValue))
      for word in 0..<8 { digest.mix(iommu.present[slot].words[word]) }
      digest.mix(Int32(ledger.tables.counted[slot]))
      digest.mix(Int32(ledger.tables.upgrading[slot]))
    }
    for pages in [iommu.unflushed, iommu.tables, ledger.blocks, lruPages, isolatedPages] {
      digest.mix(pages.rawValue)
    }
    return digest.value
  }

  private mutating func digest(_ id: PagemapID) -> UInt64 {
    let pgmap = pagemaps[id]
    var digest = Digest(6, id.position)
    digest.mix(pgmap.references)
    digest.mix(pgmap.lookups)
    digest.mix(pgmap.own)
    digest.mix(pgmap.inUse)
    digest.mix(
      pgmap.state.rawValue, pgmap.type.rawValue, pgmap.hasExited ? 1 : 0, pgmap.firstFree.rawValue)
    digest.mix(
      UInt64(pgmap.lock.writer) | (pgmap.isRemoving ? 1 << 8 : 0)
        | (pgmap.isUnbinding ? 1 << 9 : 0) | UInt64(pgmap.allocating) << 16)
    return digest.value
  }

  private mutating func digest(_ pfn: PFN) -> UInt64 {
    let page = pages[pfn]
    var digest = Digest(1, pfn.position)
    digest.mix(page.refcount)
    digest.mix(page.mapcount)
    digest.mix(page.pincount)
    digest.mix(
      page.mapping.rawValue, page.index.rawValue, page.word1.rawValue, page.head.rawValue)
    digest.mix(page.flags.rawValue, page.type.rawValue, page.exists ? 1 : 0, memory[pfn])
    digest.mix(page.zoneDeviceData.rawValue, ledger.migrationEntries[pfn])
    let counts = ledger.accounts[pfn].counts
    for position in 0..<Holder.count { digest.mix(counts[position]) }
    return digest.value
  }

  private mutating func digest(_ file: FileID) -> UInt64 {
    let inode = files[file]
    var digest = Digest(2, file.position)
    digest.mix(
      inode.isAlive ? 1 : 0, inode.isLinked ? 1 : 0, inode.isEvicting ? 1 : 0, inode.descriptors)
    digest.mix(inode.size, inode.callers)
    digest.mix(inode.nrpages)
    for lock in [inode.inodeLock, inode.invalidateLock, inode.pagesLock] {
      digest.mix(UInt64(lock.writer) | UInt64(lock.readers.rawValue) << 8)
    }
    for position in 0..<Limits.filePages {
      let index = PageIndex(position)
      let (entry, block) = (inode.entries[index], inode.blocks[index])
      digest.mix(
        entry.kind.rawValue,
        (entry.isLocked ? 1 : 0) | (entry.isZapped ? 2 : 0) | (entry.isDirty ? 4 : 0),
        entry.isPMD ? 1 : 0, entry.pfn.rawValue)
      digest.mix(
        block.pfn.rawValue, block.isUnwritten ? 1 : 0, inode.contents[index], inode.present[index])
    }
    return digest.value
  }

  private mutating func digest(_ mm: MMID) -> UInt64 {
    let space = mms[mm]
    var digest = Digest(3, mm.position)
    digest.mix(space.isAlive ? 1 : 0, space.hasPinned ? 1 : 0, space.writeProtectSequence)
    digest.mix(space.residentFilePages)
    digest.mix(space.residentAnonPages)
    for lock in [space.lock, space.pageTableLock] {
      digest.mix(UInt64(lock.writer) | UInt64(lock.readers.rawValue) << 8)
    }
    for position in 0..<Limits.mappings {
      let mapping = MappingID(position)
      let vma = space.vmas[mapping]
      guard !vma.isFree else { continue }
      digest.mix(UInt64(mapping.rawValue) << 8 | 0xFF)
      digest.mix(
        vma.file.rawValue, vma.offset.rawValue, vma.isPrivate ? 1 : 0, vma.hasAnonVMA ? 1 : 0)
      digest.mix(vma.pages.rawValue | vma.copies.rawValue << 32)
      digest.mix(UInt64(vma.kind.rawValue) | UInt64(vma.unsettled.rawValue) << 8)
      for page in 0..<Limits.filePages {
        let page = PageIndex(page)
        digest.mix(Self.bits(vma.ptes[page]) << 16 | UInt64(vma.copyValues[page]))
        digest.mix(UInt64(vma.backing[page].rawValue))
      }
    }
    return digest.value
  }

  private static func bits(_ pte: PTE) -> UInt64 {
    UInt64(pte.kind.rawValue) | UInt64(pte.pfn.rawValue) << 8
      | (pte.isWritable ? 1 << 16 : 0) | (pte.isPMD ? 1 << 17 : 0) | (pte.isExclusive ? 1 << 18 : 0)
  }

  private mutating func digest(_ handle: HandleID) -> UInt64 {
    let held = handles[handle]
    var digest = Digest(4, handle.position)
    digest.mix(held.state.rawValue, held.holder.rawValue, held.count, held.released)
    digest.mix(held.times)
    digest.mix(held.isLongterm)
    digest.mix(held.isWritable)
    for position in 0..<Int(held.count) {
      let origin = held.origins[position]
      digest.mix(UInt64(held.pages[position].rawValue))
      digest.mix(
        origin.file.rawValue, origin.mm.rawValue, origin.mapping.rawValue, origin.page.rawValue)
    }
    return digest.value
  }

  private mutating func digest(_ cpu: CPUID) -> UInt64 {
    let state = cpus[cpu]
    var digest = Digest(5, cpu.position)
    digest.mix(
      state.depth, state.retries,
      (state.isSignalled ? 1 : 0) | (state.retriesAlone ? 0 : 2) | (state.droppedPin ? 4 : 0),
      state.hasInterruptsOff ? 1 : 0)
    digest.mix(
      state.wait.kind.rawValue, state.wait.object, state.wait.mode.rawValue, state.wait.place)
    digest.mix(
      state.wait.isWoken ? 1 : 0, state.wait.isInterruptible ? 1 : 0, state.isAsleep ? 1 : 0,
      state.spinlocks)
    digest.mix(Int32(state.value.rawValue))
    digest.mix(state.transients)
    digest.mix(Int32(state.lookups))
    mix(state.call, into: &digest)
    mix(state.frame, into: &digest)
    for level in 0..<Int(state.depth) { mix(state.stack[level], into: &digest) }
    digest.mix(state.gatherMM.rawValue, state.gatherMapping.rawValue)
    digest.mix(UInt64(state.stale.rawValue))
    if state.migration.count > 0 { mix(state.migration, into: &digest) }
    digest.mix(UInt64(state.allocated.rawValue))
    for page in state.gathered.indices where state.gathered[page].kind != .none {
      digest.mix(UInt64(page.rawValue) << 32 | Self.bits(state.gathered[page]))
    }
    return digest.value
  }

  private func mix(_ migration: Migration, into digest: inout Digest) {
    digest.mix(
      migration.count, migration.mm.rawValue, migration.mapping.rawValue, migration.page.rawValue)
    digest.mix(
      migration.pagemap.rawValue,
      (migration.isToSystem ? 1 : 0) | (migration.isBeaten ? 2 : 0)
        | (migration.lacksMemory ? 4 : 0),
      migration.faultPage.rawValue,
      migration.isFaultPageLocked ? 1 : 0)
    digest.mix(UInt64(migration.flags.rawValue))
    for position in 0..<Int(migration.count) {
      let slot = migration.slots[position]
      digest.mix(
        slot.source.rawValue, slot.destination.rawValue, slot.isSelected ? 1 : 0,
        (slot.isEmpty ? 1 : 0) | (slot.isWritable ? 2 : 0) | (slot.isIsolated ? 4 : 0))
      digest.mix(Self.bits(slot.before))
    }
  }

  private func mix(_ call: Call, into digest: inout Digest) {
    digest.mix(
      call.operation.rawValue, call.mm.rawValue, call.address.rawValue, call.file.rawValue)
    digest.mix(call.page.rawValue, call.mapping.rawValue, call.handle.rawValue, call.pfn.rawValue)
    digest.mix(call.cpu.rawValue, call.value, call.pages, call.pagemap.rawValue)
    digest.mix(UInt64(call.times) | UInt64(call.flags.rawValue) << 16)
  }

  private func mix(_ frame: Frame, into digest: inout Digest) {
    digest.mix(
      frame.procedure.rawValue, frame.step, frame.mm.rawValue, frame.mapping.rawValue)
    digest.mix(frame.page.rawValue, frame.end.rawValue, frame.file.rawValue, frame.index.rawValue)
    digest.mix(frame.pfn.rawValue, frame.holder.rawValue, frame.handle.rawValue, frame.count)
    digest.mix(Self.bits(frame.pte) | UInt64(frame.pagemap.rawValue) << 32)
    digest.mix(frame.times)
    digest.mix(
      UInt64(frame.flags.rawValue) | UInt64(UInt16(bitPattern: frame.result.rawValue)) << 16)
  }
}
