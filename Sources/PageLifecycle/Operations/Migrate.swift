// SPDX-License-Identifier: MIT

/// One migration from collection to the end, with the mmap_lock held by the caller.
///
/// Setup, the driver's copy, pages and finalize, as `dmirror_migrate_to_device()` and
/// `dmirror_devmem_fault()` call them.  Works on the CPU's ``Migration``; the value is the number
/// of pages that moved.
enum Migrate: Body {
  enum Step: UInt8, CaseIterable {
    /// `migrate_vma_setup()`
    case collect, unmap
    /// the driver: allocate and copy
    case copy
    /// `migrate_vma_pages()`
    case pages
    /// `migrate_vma_finalize()`
    case finalize
    case count
  }

  /// The pages were collected by page frame, by the caller.
  static var ofCollectedPages: Frame {
    var frame = Frame(.migrate)
    frame.flags = .isCollected
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    switch step {
    case .collect:
      if m.frame.flags.contains(.isCollected) { return .next(.unmap) }
      return m.enter(Frame(.migrateCollect), then: Step.unmap)
    case .unmap: return m.enter(Frame(.migrateUnmap), then: Step.copy)
    case .copy: return m.enter(Frame(.migrateCopy), then: Step.pages)
    case .pages: return m.enter(Frame(.migratePages), then: Step.finalize)
    case .finalize: return m.enter(Frame(.migrateFinalize), then: Step.count)

    case .count:
      let moved = (0..<Int(m.migration.count)).reduce(0) { moved, position in
        let slot = m.migration.slots[position]
        return slot.isSelected && !slot.destination.isNone ? moved + slot.span : moved
      }
      m.migration.count = 0
      m.value = Outcome(moved)
      return .finish
    }
  }
}

/// A driver migrates a range of one mapping to its device, or back to RAM.
enum MigrateVMA: Body {
  enum Step: UInt8, CaseIterable {
    /// the driver is still there
    case checkDriver
    /// `mmap_read_lock()`
    case lockMM
    /// the checks of `migrate_vma_setup()`
    case setUp
    /// `mmap_read_unlock()`
    case unlockMM
  }

  static func signature(of operation: Procedure) -> Signature? {
    let flags: CallFlags = [
      .selectSystem, .selectPrivate, .selectCoherent, .partial, .unfilled, .pmd,
    ]
    return operation == .migrateToDevice
      ? Signature(
        name: "migrate_to_device",
        parameters: [.pagemap, .mm, .address, .pages(default: 1), .flags(flags)], weight: 9,
        domain: .device, summary: "a driver moves anonymous pages to its device; returns how many")
      : Signature(
        name: "migrate_to_ram",
        parameters: [.pagemap, .mm, .address, .pages(default: 1), .flags(flags)], weight: 5,
        domain: .device, summary: "a driver moves pages of its device back; returns how many")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    guard m.isBound(call.pagemap), let (mapping, page) = m.resolve(call.mm, call.address)
    else { return false }
    let vma = m.mms[call.mm].vmas[mapping]
    // A folio is rare, and what may happen to it is much: nothing comes back from where nothing is.
    guard vma.kind == .anonymous, m.rules.hasPrivateFolios else { return vma.kind == .anonymous }
    let pte = vma.ptes[page]
    let isDevices = !pte.pfn.isNone && PagemapID(of: pte.pfn)?.device == call.pagemap
    let isToDevice = call.operation == .migrateToDevice
    guard !(isToDevice && call.flags.contains(.pmd)) else { return pte.kind == .none || pte.isPMD }
    return isToDevice || isDevices
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let mm = m.call.mm
    switch step {
    case .checkDriver:
      guard m.isBound(m.call.pagemap), m.isServed(m.call.pagemap) else {
        m.value = Outcome(.badHandle)
        return .finish
      }
      return .next(.lockMM)

    case .lockMM:
      return m.lockMM(mm, .shared, then: Step.setUp)

    case .setUp:
      guard let (mapping, page) = m.resolve(mm, m.call.address),
        m.mms[mm].vmas[mapping].kind == .anonymous
      else {
        m.frame.result = Outcome(.invalid)
        return .next(.unlockMM)
      }
      m.migration = Migration()
      (m.migration.mm, m.migration.mapping, m.migration.page) = (mm, mapping, page)
      m.migration.count = max(1, min(m.call.pages, UInt8(Limits.migrationPages)))
      m.migration.pagemap = m.call.pagemap
      m.migration.isToSystem = m.call.operation == .migrateToRAM
      m.migration.flags = m.flagsOfMigration(m.call.flags)
      if m.call.flags.contains(.pmd) { m.migrateWholePMD() }
      return m.enter(Frame(.migrate), then: Step.unlockMM)

    case .unlockMM:
      if !m.frame.result.isFailure { m.frame.result = m.value }
      m.release(.mmap(mm), .shared)
      m.value = m.frame.result
      return .finish
    }
  }
}

extension Machine {
  /// Who asks for compound pages asks for the PMD around an address.
  mutating func migrateWholePMD() {
    guard rules.hasPrivateFolios else { return }
    migration.page = File.firstOfPMD(migration.page)
    migration.count = UInt8(Limits.pagesPerPMD)
    migration.flags.insert(.pmd)
  }

  /// What memremap_pages() holds of a page that moves.
  mutating func migrationBase(of pfn: PFN) -> Int32 {
    let isOfDriver = pages[pfn].type == .devicePrivate || pages[pfn].type == .coherent
    return isOfDriver ? rules.driverBase : 0
  }

  /// What `expected_page_refs()` takes that for.
  mutating func expectedBase(of pfn: PFN) -> Int32 {
    guard !obeys(.expectsOwnBase), pages[pfn].type == .devicePrivate else {
      return migrationBase(of: pfn)
    }
    return 1 - rules.driverBase
  }

  /// Without flags a driver asks for what makes sense: RAM on the way there, and its own kind of
  /// memory on the way back.
  mutating func flagsOfMigration(_ flags: CallFlags) -> CallFlags {
    let select: CallFlags = [.selectSystem, .selectPrivate, .selectCoherent]
    guard flags.isDisjoint(with: select) else { return flags }
    guard migration.isToSystem else { return flags.union(.selectSystem) }
    let isCoherent = boundType(of: migration.pagemap) == .coherent
    return flags.union(isCoherent ? rules.coherentAsk : .selectPrivate)
  }
}

/// A driver empties a chunk of its device: every page in use goes back to RAM, whoever maps it;
/// `migrate_device_range()`.
enum MigrateDeviceRange: Body {
  enum Step: UInt8, CaseIterable {
    /// `folio_get_nontail_page()`, `folio_trylock()`
    case tryGet, tryLock, putSkipped
    /// `migrate_device_unmap()` and the rest
    case migrate, count
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "migrate_device_range", parameters: [.pagemap], weight: 2, domain: .device,
      summary: "a driver moves every page of a chunk back; returns how many")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    call.pagemap.hasDriver && m.pagemaps[call.pagemap].inUse > 0 && m.rules.driverCount == 0
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pagemap = m.call.pagemap
    // Registers: index, the page of the chunk; count, pages in the migration; end, pages moved.
    let offset = m.frame.index.position
    switch step {
    case .tryGet:
      if offset == 0 && m.frame.count == 0 && !begin(&m) { return .finish }
      let isFull = Int(m.frame.count) == Limits.migrationPages
      guard offset < pagemap.pages.count, !isFull else { return .next(.migrate) }
      m.frame.pfn = PFN(pagemap.pages.lowerBound + offset)
      let exists = m.pages[m.frame.pfn].exists
      if exists && m.frame.count > 0 && m.isLarge(m.frame.pfn) { return .next(.migrate) }
      m.frame.index = m.frame.index + 1
      // folio_get_nontail_page()
      guard exists, !m.pages[m.frame.pfn].isTail, m.tryGetPage(m.frame.pfn)
      else { return .next(.tryGet) }
      m.noteSpeculation(m.frame.pfn)
      m.holdBriefly(.migration, of: m.frame.pfn)
      return .next(.tryLock)

    case .tryLock:
      let isLarge = m.isLarge(m.frame.pfn)
      let isAnonymous = m.pages[m.frame.pfn].mapping == .anon
      let hasRoom = !isLarge || m.frame.count == 0
      guard isAnonymous, hasRoom, m.tryLockPage(m.frame.pfn) else { return .next(.putSkipped) }
      if isLarge { m.migration.slots = InlineArray(repeating: Migration.Slot()) }
      m.migration.slots[Int(m.frame.count)] = Migration.Slot(
        source: m.frame.pfn, isSelected: true, before: PTE(isPMD: isLarge), hasLockedSource: true)
      m.frame.count += isLarge ? UInt8(Limits.migrationPages) : 1
      m.migration.count = m.frame.count
      return .next(.tryGet)

    case .putSkipped:
      return m.enter(PutPage.frame(m.frame.pfn, .migration), then: Step.tryGet)

    case .migrate:
      guard m.frame.count > 0 else {
        m.value = Outcome(m.frame.end.position)
        return .finish
      }
      return m.enter(Migrate.ofCollectedPages, then: Step.count)

    case .count:
      m.frame.end = m.frame.end + Int(m.value.rawValue)
      m.frame.count = 0
      guard offset < pagemap.pages.count else {
        m.value = Outcome(m.frame.end.position)
        return .finish
      }
      return .next(.tryGet)
    }
  }

  private static func begin(_ m: inout Machine) -> Bool {
    // It came with counts that tell a free page from one in use.
    guard m.rules.driverCount == 0 else {
      m.value = Outcome(.notSupported)
      return false
    }
    guard m.call.pagemap.hasDriver, m.pagemaps[m.call.pagemap].state != .gone else {
      m.value = Outcome(.noDevice)
      return false
    }
    m.migration = Migration()
    m.migration.pagemap = m.call.pagemap.device
    m.migration.isToSystem = true
    return true
  }
}
