// SPDX-License-Identifier: MIT

// MARK: Of what a step did

extension Machine {
  mutating func violation(by event: Event) -> (Invariant, Subject, Blame?)? {
    switch event {
    case .blockFreed(let pfn, let file, let index):
      let held = ledger[head(of: pfn)]
      if held.isInUse { return (.I27, .page(pfn), blame(forExtra: held)) }
      if files[file].entry(at: index).kind == .page { return (.I27, .page(pfn), nil) }
      if hasStaleTranslation(of: pfn) {
        return (.I27, .page(pfn), Blame(.foreign, .gather))
      }
      return nil
    case .mappingChanged(let pfn, _):
      let isIdle = pages[pfn].refcount == rules.idleCount
      return isIdle ? nil : (.I24, .page(pfn), blame(forExtra: ledger[pfn]))
    case .wentIdle(let pfn):
      for position in 0..<Limits.cpus {
        let wait = cpus[CPUID(position)].wait
        guard wait.kind == .pageIdle, wait.object == pfn.rawValue, !wait.isWoken else { continue }
        let isMisplaced = wait.isKeyedByRefcount != rules.waitsOnRefcount
        return (isMisplaced ? .I60 : .I55, .page(pfn), nil)
      }
      return nil
    case .grabbed(let pfn, let mm, let mapping, let page):
      let pte = mms[mm].vmas[mapping].ptes[page]
      return pte.kind == .page && pte.pfn == pfn ? nil : (.I43, .page(pfn), nil)
    case .longtermGrabbed(let pfn):
      let mustMove = pages[pfn].type == .fsdax || pages[pfn].type == .coherent
      return mustMove ? (.I42, .page(pfn), Blame(.foreign, .pin)) : nil
    case .read(let value, let expected, let pfn):
      return value == expected ? nil : (.I54, pfn.isNone ? .pagemap : .page(pfn), nil)
    case .memoryFailureMissed(let pfn):
      let isAssociated = files.indices.contains { file in
        (0..<Limits.filePages).contains { index in
          let entry = files[file].entry(at: PageIndex(index))
          return entry.kind == .page && entry.pfn == pfn
        }
      }
      // Of a page that files share nobody can tell which it belongs to.
      return isAssociated && !isShared(pfn) ? (.I32, .page(pfn), nil) : nil
    case .pagemapDrained(let id):
      for position in id.pages where ledger[PFN(position)].isInUse {
        return (.I18, .page(PFN(position)), blame(forExtra: ledger[PFN(position)]))
      }
      return pagemaps[id].lookups == 0 ? nil : (.I20, .pagemap, nil)
    case .pagemapLookedUpAfterExit: return (.I21, .pagemap, nil)
    case .vanishedPageUsed(let pfn): return (.I19, .page(pfn), nil)
    case .zeroEntryDereferenced(let file): return (.I33, .file(file), nil)
    case .freedInodeUsed(let file): return (.I64, .file(file), nil)
    case .unzappedEntryDeleted(let pfn): return (.I29, .page(pfn), Blame(.extra, .entry))
    case .mappedWithoutReference(let pfn): return (.I2, .page(pfn), Blame(.missing, .map))
    case .entryFoundAfterBreak(let file): return (.I35, .file(file), nil)
    case .entryReleased(let file, let index):
      return hasForgottenWaiter(file, index) ? (.I57, .file(file), nil) : nil
    case .sleptUnderSpinlock: return (.I59, .task(current), nil)
    case .lockedOutOfOrder: return (.I65, .task(current), nil)
    case .retriedTooOften: return (.I58, .task(current), nil)
    case .callEnded:
      if cpus[current].transients != 0 { return (.I44, .task(current), nil) }
      return cpus[current].lookups == 0 ? nil : (.I20, .pagemap, nil)
    case .resurrected(let pfn): return (.I2, .page(pfn), Blame(.extra, .get))
    case .addressSpaceEnded(let mm):
      let isEmpty = mms[mm].residentFilePages == 0 && mms[mm].residentAnonPages == 0
      return isEmpty ? nil : (.I61, .task(current), nil)
    case .pinnedWritten(let pfn): return (.I41, .page(pfn), Blame(.foreign, .pin))
    default: return violation(byMapping: event)
    }
  }

  /// Of who maps what.
  private mutating func violation(byMapping event: Event) -> (Invariant, Subject, Blame?)? {
    switch event {
    case .mapped(let file, let first, let pages):
      for offset in 0..<Int(pages) {
        let mappings = mappings(of: file, first + offset)
        if mappings.zero && mappings.writable { return (.I68, block(file, first + offset), nil) }
      }
      return nil
    case .written(let file, let index):
      return mappings(of: file, index).zero ? (.I68, block(file, index), nil) : nil
    case .sharedOnItsWay(let pfn):
      return ledger[pfn][.pin] == 0 ? nil : (.I69, .page(pfn), Blame(.foreign, .pin))
    default: return violation(byDevice: event)
    }
  }

  private mutating func block(_ file: FileID, _ index: PageIndex) -> Subject {
    .page(files[file].blocks[index].pfn)
  }

  /// Whether some process maps the zero page at a place of a file, and some may write its page.
  private mutating func mappings(
    of file: FileID, _ index: PageIndex
  ) -> (zero: Bool, writable: Bool) {
    var found = (zero: false, writable: false)
    for mm in mms.indices {
      for mapping in mms[mm].vmas.indices {
        let part = index.position..<index.position + 1
        guard let place = mms[mm].pages(of: mapping, showing: file, part) else { continue }
        let pte = mms[mm].vmas[mapping].ptes[PageIndex(place.lowerBound)]
        if pte.kind == .zero { found.zero = true }
        let isShared = pte.kind == .page && pages[pte.pfn].type == .fsdax
        if isShared && pte.isWritable { found.writable = true }
      }
    }
    return found
  }

  /// Of what a step did to pages of devices, and in migrations.
  private mutating func violation(byDevice event: Event) -> (Invariant, Subject, Blame?)? {
    switch event {
    case .listedTwice(let pfn): return (.I12, .page(pfn), nil)
    case .writtenAfterFree(let pfn): return (.I13, .page(pfn), nil)
    case .gotFreePage(let pfn): return (.I14, .page(pfn), Blame(.extra, .speculative))
    case .usedWithoutReference(let pfn):
      let isGone = ledger.listed.contains(pfn) || !ledger[pfn].isHeld
      return isGone ? (.I14, .page(pfn), nil) : nil
    case .handedOut(let pfn):
      let page = pages[pfn]
      let held = ledger[pfn]
      let passing = held[.speculative] + held[.migration] + held[.base]
      let isFresh =
        page.refcount == 1 + passing && page.mapcount == 0 && page.mapping == .none
        && isOfRequestedOrder(pfn)
      return isFresh ? nil : (.I15, .page(pfn), nil)
    case .freedWithoutOwner(let pfn): return (.I16, .page(pfn), nil)
    case .unchargedOnLRU(let pfn): return (.I17, .page(pfn), nil)
    case .allocatedFromDying: return (.I22, .pagemap, nil)
    case .acceptedForMigration(let pfn), .migrated(let pfn):
      return foreignHolder(of: pfn).map { (.I45, .page(pfn), Blame(.foreign, $0)) }
    case .unlocked(let pfn):
      return isLockedToMove(pfn) ? (.I47, .page(pfn), nil) : nil
    case .migrationEnded(let source, let destination):
      if destination.isNone { verdict.pagesStayed += 1 } else { verdict.pagesMoved += 1 }
      if source.isNone { return nil }
      for position in frames(ofFolio: source) where ledger.migrationEntries[PFN(position)] != 0 {
        return (.I49, .page(PFN(position)), nil)
      }
      let hasLeft = destination.isNone || (ledger[source][.map] == 0 && pages[source].mapcount == 0)
      return hasLeft ? nil : (.I48, .page(source), Blame(.foreign, .map))
    case .privatePageMapped(let pfn): return (.I50, .page(pfn), nil)
    case .zappedBeside(let pfn): return (.I67, .page(pfn), nil)
    case .collected(let pfn, let pagemap, let flags):
      return isSelectable(pfn, pagemap, flags) ? nil : (.I52, .page(pfn), nil)
    case .restored(let pte, let before):
      return pte.isWritable == before.isWritable ? nil : (.I53, .page(pte.pfn), nil)
    default: return violation(byAllocator: event)
    }
  }

  /// Who holds a page besides the migration of the running CPU.
  private mutating func foreignHolder(of pfn: PFN) -> Holder? {
    let held = ledger[pfn]
    let own: Int32 = pfn == migration.faultPage ? 1 : 0
    if held[.faultPage] > own { return .faultPage }
    if held[.migration] + held[.isolation] > 1 { return .migration }
    return [Holder.pin, .get, .speculative, .map, .gather].first { held[$0] != 0 }
  }

  /// Whether a migration in progress has a slot that says so.
  private mutating func isMoving(_ isWanted: (Migration.Slot) -> Bool) -> Bool {
    for cpu in cpus.indices {
      for position in 0..<Int(cpus[cpu].migration.count)
      where isWanted(cpus[cpu].migration.slots[position]) {
        return true
      }
    }
    return false
  }

  private mutating func isLockedToMove(_ pfn: PFN) -> Bool {
    isMoving { slot in
      (slot.source == pfn && slot.hasLockedSource)
        || (slot.destination == pfn && slot.hasLockedDestination)
    }
  }

  /// A page is on its way to a frame that is mapped, and so is the one it comes from.
  mutating func isSourceMapped(of destination: PFN) -> Bool {
    var source = PFN.none
    _ = isMoving { slot in
      guard slot.hasLockedSource && slot.destination == destination else { return false }
      source = slot.source
      return true
    }
    return !source.isNone && ledger[source][.map] != 0
  }

  private mutating func isSelectable(
    _ pfn: PFN, _ pagemap: PagemapID, _ flags: CallFlags
  ) -> Bool {
    guard flags.contains(.pmd) || frames(ofFolio: pfn).count == 1 else { return false }
    return switch pages[pfn].type {
    case .system: flags.contains(.selectSystem)
    case .devicePrivate:
      flags.contains(.selectPrivate) && PagemapID(of: pfn)?.device == pagemap
    case .coherent:
      flags.contains(rules.coherentSelect) && PagemapID(of: pfn)?.device == pagemap
    default: false
    }
  }
}
