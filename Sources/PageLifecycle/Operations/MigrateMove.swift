// SPDX-License-Identifier: MIT

/// The driver's part between setup and pages: a destination for every page that may go, and its
/// bytes; `dmirror_migrate_alloc_and_copy()`.
///
/// Registers: count, the slot at hand.
enum MigrateCopy: Body {
  enum Step: UInt8, CaseIterable {
    case nextSlot
    /// `dmirror_devmem_alloc_page()`, `alloc_page_vma()`
    case allocateDevice, allocateRAM, keepDestination
    /// `copy_highpage()`, of each page of a folio
    case copyData
    /// `unlock_page(dpage)`, by a driver that thinks it is done with it
    case unlockEarly
    /// no large page is to be had: `alloc_page_vma()` for each part of the folio
    case fillSmall
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .nextSlot:
      while m.frame.count < m.migration.count {
        // A driver need not fill every slot; with `partial` it leaves out every other one, and on
        // the way back it never makes pages where none are.
        let isLeftOut =
          (m.migration.flags.contains(.partial) && m.frame.count % 2 == 1)
          || (m.migration.isToSystem && m.slot.isEmpty)
        if m.slot.isSelected && !isLeftOut && !m.migration.flags.contains(.unfilled) {
          guard m.slot.isCompound && m.migration.isToSystem else {
            return .next(m.migration.isToSystem ? .allocateRAM : .allocateDevice)
          }
          // RAM has no large folios: what goes there is split, where a process asks for it.
          if m.call.operation != .migrateDeviceRange { return .next(.fillSmall) }
        }
        m.frame.count += 1
      }
      return .finish

    case .allocateDevice:
      return m.enter(
        DeviceAlloc.frame(m.migration.pagemap, folio: m.slot.isCompound),
        then: Step.keepDestination)

    case .allocateRAM:
      let pfn = m.allocateRAM()
      m.cpus[m.current].allocated = pfn
      if !pfn.isNone {
        m.ledger.take(.driver, of: pfn)
        _ = m.tryLockPage(pfn)
      } else {
        m.migration.lacksMemory = true
      }
      return .next(.keepDestination)

    case .fillSmall:
      m.fillCompoundSlot()
      return .next(.nextSlot)

    case .keepDestination:
      if m.slot.isCompound && m.cpus[m.current].allocated.isNone { return .next(.fillSmall) }
      m.slot.destination = m.cpus[m.current].allocated
      m.slot.hasLockedDestination = !m.slot.destination.isNone
      return .next(.copyData)

    case .copyData:
      let (source, destination) = (m.slot.source, m.slot.destination)
      for offset in 0..<(destination.isNone ? 0 : m.slot.span) {
        let copied = source.isNone ? 0 : m.contents(of: PFN(source.position + offset))
        m.store(copied, in: PFN(destination.position + offset))
      }
      if !destination.isNone && !m.obeys(.locksDestination) { return .next(.unlockEarly) }
      m.frame.count += 1
      return .next(.nextSlot)

    case .unlockEarly:
      m.unlockPage(m.slot.destination)
      m.frame.count += 1
      return .next(.nextSlot)
    }
  }
}

/// Moves the identity of each page to its destination, or puts a fresh page where none was;
/// `migrate_vma_pages()`.
///
/// Registers: count, the slot at hand.
enum MigratePages: Body {
  enum Step: UInt8, CaseIterable {
    case nextSlot
    /// `migrate_vma_insert_page()`
    case lockPageTable, recheckPTE, becomeAnonymous, addRmap, getPage, setPTE, unlockPageTable
    /// `folio_migrate_mapping()`: the exact count, in every era, then the identity
    case checkCount, moveIdentity
    /// `migrate_vma_split_unmapped_folio()`: its parts go to pages of their own
    case splitSource, keepParts
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .nextSlot:
      while m.frame.count < m.migration.count {
        let isPartOfFolio =
          m.slot.isSelected && !m.slot.isEmpty && !m.slot.isCompound && m.isLarge(m.slot.source)
        if m.slot.isSelected && m.slot.destination.isNone {
          m.slot.isSelected = false
          if isPartOfFolio { m.keepFolioWhole() }
        }
        if m.slot.isSelected && isPartOfFolio { return .next(.splitSource) }
        if m.slot.isSelected { return .next(m.slot.isEmpty ? .lockPageTable : .checkCount) }
        m.frame.count += 1
      }
      return .finish

    case .splitSource:
      var frame = SplitFolio.frame(m.slot.source, .migration)
      frame.flags = .isUnmapped
      return m.enter(frame, then: Step.keepParts)

    case .keepParts:
      if m.value.isFailure {
        // Its entries are those of pages now: a fault that comes back splits it before it migrates.
        m.cpus[m.current].migration.isBeaten = true
        m.slot.isSelected = false
        m.keepFolioWhole()
      } else {
        m.keepPartsOfFolio()
      }
      return .next(.nextSlot)

    case .checkCount:
      let source = m.slot.source
      m.noteUse(of: source)
      let own: Int32 = source == m.migration.faultPage ? 2 : 1
      let mapped = m.obeys(.unmapsEverywhere) ? 0 : m.pages[source].mapcount
      let extra = own + m.expectedBase(of: source) + mapped
      let isAlone = m.pages[source].refcount == extra && m.pages[source].mapcount == mapped
      guard isAlone else {
        m.slot.isSelected = false
        m.noteBeaten(source)
        m.frame.count += 1
        return .next(.nextSlot)
      }
      m.emit(.migrated(source))
      return .next(.moveIdentity)

    case .moveIdentity:
      m.moveIdentity(from: m.slot.source, to: m.slot.destination)
      m.frame.count += 1
      return .next(.nextSlot)

    default: return insert(step, &m)
    }
  }

  private static func insert(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (mm, mapping) = (m.migration.mm, m.migration.mapping)
    let page = m.migration.page + Int(m.frame.count)
    let destination = m.slot.destination
    switch step {
    case .lockPageTable:
      return m.acquire(.pageTable(mm)) ? .next(.recheckPTE) : .wait

    case .recheckPTE:
      let isFree = (0..<m.slot.span).allSatisfy { offset in
        let kind = m.mms[mm].vmas[mapping].ptes[page + offset].kind
        return kind == .none || (kind == .zero && !m.slot.isCompound)
      }
      guard isFree else {
        m.slot.isSelected = false
        return .next(.unlockPageTable)
      }
      return .next(.becomeAnonymous)

    case .becomeAnonymous:
      m.becomeAnonymous(destination)
      m.makeExclusive(m.entry(for: destination), true)
      return .next(.addRmap)

    case .addRmap:
      m.addRmap(destination)
      return .next(.getPage)

    case .getPage:
      m.getPage(destination)
      m.holdBriefly(.fault, of: destination)
      return .next(.setPTE)

    case .setPTE:
      let pte = m.entry(for: destination)
      m.clearPTE(mm, mapping, page)
      m.dropBriefHold(.fault, of: destination)
      m.addResident(mm, pte, 1)
      m.setPTE(mm, mapping, page, pte)
      for offset in 0..<pte.span {
        m.noteCopy(of: PFN(destination.position + offset), at: (mm, mapping, page + offset))
      }
      return .next(.unlockPageTable)

    default:
      m.release(.pageTable(mm))
      m.frame.count += 1
      return .next(.nextSlot)
    }
  }
}

/// Ends a migration: page tables name the page where it is now, and both pages are let go;
/// `migrate_vma_finalize()`.
///
/// Registers: count, the slot at hand.
enum MigrateFinalize: Body {
  enum Step: UInt8, CaseIterable {
    case nextSlot
    /// of a page that stays where it is: `unlock_page(newpage)`, `put_page(newpage)`
    case unlockUnused, putUnused
    /// `remove_migration_ptes()`
    case restoreEntries
    /// `folio_add_lru()`, `folio_putback_lru()`
    case addToLRU, putbackLRU
    /// `folio_unlock()`, `folio_put()` of the source
    case unlockSource, putSource
    /// `folio_unlock()`, `folio_put()` of the destination
    case unlockDestination, putDestination
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (source, destination) = (m.slot.source, m.slot.destination)
    switch step {
    case .nextSlot: return nextSlot(&m)

    case .unlockUnused:
      m.slot.hasLockedDestination = false
      m.unlockPage(destination)
      return .next(.putUnused)

    case .putUnused:
      m.slot.destination = .none
      return m.enter(PutPage.frame(destination, .driver), then: Step.restoreEntries)

    case .restoreEntries:
      guard !source.isNone else {
        m.frame.count += 1
        return .next(.nextSlot)
      }
      return m.enter(
        RestoreEntries.frame(source, to: destination.isNone ? source : destination),
        then: Step.addToLRU)

    case .addToLRU:
      if !destination.isNone && m.pages[destination].type == .system { m.putOnLRU(destination) }
      let isStaying = destination.isNone || !m.obeys(.leavesMigratedOffLRU)
      return .next(m.slot.isIsolated && isStaying ? .putbackLRU : .unlockSource)

    case .putbackLRU:
      m.putOnLRU(source)
      return .next(.unlockSource)

    case .unlockSource:
      let isCallers = source == m.migration.faultPage && m.migration.isFaultPageLocked
      m.slot.hasLockedSource = false
      if !isCallers { m.unlockPage(source) }
      m.emit(.migrationEnded(source, destination))
      return .next(.putSource)

    case .putSource:
      let holder: Holder = m.slot.isIsolated ? .isolation : .migration
      return m.enter(PutPage.frame(source, holder), then: Step.unlockDestination)

    case .unlockDestination:
      guard !destination.isNone else {
        m.frame.count += 1
        return .next(.nextSlot)
      }
      m.slot.hasLockedDestination = false
      m.unlockPage(destination)
      return .next(.putDestination)

    case .putDestination:
      m.frame.count += 1
      return m.enter(PutPage.frame(destination, .driver), then: Step.nextSlot)
    }
  }

  private static func nextSlot(_ m: inout Machine) -> Transition<Step> {
    while m.frame.count < m.migration.count {
      let slot = m.slot
      let hasMoved = slot.isSelected && !slot.destination.isNone
      if slot.source.isNone {
        if hasMoved, m.pages[slot.destination].type == .system { m.putOnLRU(slot.destination) }
        if !slot.destination.isNone {
          m.emit(.migrationEnded(.none, hasMoved ? slot.destination : .none))
          return .next(.unlockDestination)
        }
      } else if !slot.destination.isNone && !hasMoved {
        return .next(.unlockUnused)
      } else {
        return .next(.restoreEntries)
      }
      m.frame.count += 1
    }
    return .finish
  }
}

extension Machine {
  /// The entry by which an empty slot's new pages are mapped.
  fileprivate mutating func entry(for destination: PFN) -> PTE {
    pages[destination].type == .devicePrivate
      ? .devicePrivate(destination, writable: true, pmd: slot.isCompound)
      : .page(destination, writable: true)
  }

  /// A folio whose new place is no folio: each of its pages has a slot of its own from here.
  fileprivate mutating func fillCompoundSlot() {
    let whole = slot
    slot.before.isPMD = false
    for position in 1..<Limits.migrationPages {
      cpus[current].migration.slots[position] = Migration.Slot(
        isSelected: true, isEmpty: whole.isEmpty, isWritable: whole.isWritable)
      guard !whole.isEmpty else { continue }
      cpus[current].migration.slots[position].source = PFN(whole.source.position + position)
    }
  }

  /// The pages of a folio that was split are locked and held by the migration now.
  fileprivate mutating func keepPartsOfFolio() {
    for position in 1..<Limits.migrationPages {
      cpus[current].migration.slots[position].hasLockedSource = true
    }
  }

  /// A folio that stays is one page again: what was meant for its other pages has no source.
  fileprivate mutating func keepFolioWhole() {
    for position in 1..<Limits.migrationPages {
      cpus[current].migration.slots[position].source = .none
      cpus[current].migration.slots[position].isSelected = false
    }
  }
}
