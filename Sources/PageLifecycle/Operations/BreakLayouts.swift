// SPDX-License-Identifier: MIT

/// Waits until no page of a range is busy; `ext4_break_layouts()`, `dax_break_layout()`.
///
/// The caller holds the inode lock and the invalidate lock exclusively; the second is dropped
/// while asleep.  With `final` in the flags it is the wait of an eviction: no locks held, not
/// interruptible.  Registers: file, page ..< end, flags; times, a ``Sleep``; pfn is the busy page.
enum BreakLayouts: Body {
  enum Step: UInt8, CaseIterable {
    /// `mapping_mapped()`
    case checkMapped
    /// `unmap_mapping_pages()`
    case unmapPages
    /// `dax_layout_busy_page_range()`: `xas_lock_irq()`, `xas_for_each()`, `dax_busy_page()`
    case lockPages, examineEntry, unlockPages
    /// `get_unlocked_entry()`: `prepare_to_wait_exclusive()`, `schedule()`
    case unlockToSleep, sleepOnEntry
    /// `___wait_var_event()`: `prepare_to_wait_event()`
    case prepareToWait
    /// `dax_page_is_idle()`
    case testIdle
    /// `signal_pending_state()`
    case testSignal
    /// `ext4_wait_dax_page()`: `filemap_invalidate_unlock()`, `schedule()`,
    /// `filemap_invalidate_lock()`
    case unlockInvalidate, sleep, lockInvalidate
    /// `dax_delete_mapping_range()`
    case lockToDelete, deleteEntry, unlockDeleted
    /// `wait_entry_unlocked_exclusive()`: memory_failure() may have locked one since the scan
    case unlockToAwait, awaitEntry
  }

  /// How it waits for a busy page; who may not gets -EAGAIN.
  enum Sleep: Int32 { case never, interruptibly, uninterruptibly }

  static func frame(_ file: FileID, isFinal: Bool, sleep: Sleep = .interruptibly) -> Frame {
    var frame = Frame(.breakLayouts)
    frame.times = sleep.rawValue
    frame.file = file
    frame.end = PageIndex(Limits.filePages)
    frame.flags = isFinal ? .final : []
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.frame.file
    switch step {
    case .checkMapped:
      m.value = .ok
      return m.isMapped(file) || m.obeys(.scansUnmappedFiles) ? .next(.unmapPages) : .finish

    case .unmapPages:
      m.frame.index = m.frame.page
      m.frame.pfn = .none
      m.frame.count = 0
      let range = m.frame.page.position..<m.frame.end.position
      let flags: CallFlags = m.obeys(.keepsPrivateCopies) ? [] : .evenCows
      return m.enter(UnmapMappingRange.frame(file, range, flags), then: Step.lockPages)

    case .lockPages, .examineEntry, .unlockPages, .unlockToSleep, .sleepOnEntry:
      return scan(step, &m)
    case .prepareToWait, .testIdle, .testSignal, .unlockInvalidate, .sleep, .lockInvalidate:
      return wait(step, &m)

    case .lockToDelete, .deleteEntry, .unlockToAwait, .awaitEntry, .unlockDeleted:
      return delete(step, &m)
    }
  }

  // MARK: dax_delete_mapping_range()

  private static func delete(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.frame.file
    switch step {
    case .lockToDelete:
      m.frame.index = m.frame.page
      return m.acquire(.pages(file)) ? .next(.deleteEntry) : .wait

    case .deleteEntry:
      while m.frame.index < m.frame.end {
        let index = m.frame.index
        m.frame.index = index + 1
        guard m.files[file].entries[index].kind != .absent else { continue }
        guard !m.files[file].entries[index].isLocked else {
          m.frame.index = index
          m.waitForEntry(file, index)
          return .next(.unlockToAwait)
        }
        m.deleteEntry(file, index)
        return .next(.deleteEntry)
      }
      return .next(.unlockDeleted)

    case .unlockToAwait:
      m.release(.pages(file))
      return .next(.awaitEntry)

    case .awaitEntry:
      guard m.isWokenFromSleep() else { return .wait }
      return .next(.lockToDelete)

    default:
      m.release(.pages(file))
      m.value = .ok
      return .finish
    }
  }

  // MARK: dax_layout_busy_page_range()

  private static func scan(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.frame.file
    switch step {
    case .lockPages:
      return m.acquire(.pages(file)) ? .next(.examineEntry) : .wait

    case .examineEntry:
      guard m.frame.index < m.frame.end else { return .next(.unlockPages) }
      let entry = m.files[file].entry(at: m.frame.index)
      if entry.isLocked {
        guard m.obeys(.examinesLockedEntries) else { return advance(&m) }
        m.waitForEntry(file, m.frame.index)
        return .next(.unlockToSleep)
      }
      if entry.kind == .zero || entry.kind == .empty {
        if !m.obeys(.ignoresZeroEntries) { m.emit(.zeroEntryDereferenced(file)) }
      }
      if entry.kind != .absent {
        if m.obeys(.passesEntryWakeOn) { m.wakeEntry(file, m.frame.index, all: false) }
        m.emit(.entryReleased(file, m.frame.index))
      }
      if entry.kind == .page && m.rules.entriesHold {
        // `dax_zap_mappings()`: what the entry holds goes, once for each pass at most.
        let home = m.files[file].home(of: m.frame.index)
        if !entry.isZapped && m.frame.count != home.position + 1 {
          m.frame.count = UInt8(home.position + 1)
          return m.enter(ReleaseEntry.frame(file, home), then: Step.examineEntry)
        }
      }
      if entry.kind == .page && m.obeys(.waitsForIdlePage) {
        let pfn = m.owner(of: m.page(of: entry, at: m.frame.index))
        if m.isBusy(pfn) {
          m.frame.pfn = pfn
          return .next(.unlockPages)
        }
      }
      return advance(&m)

    case .unlockPages:
      m.release(.pages(file))
      if !m.frame.pfn.isNone && m.frame.times == Sleep.never.rawValue {
        m.value = Outcome(.again)
        return .finish
      }
      guard m.frame.pfn.isNone else { return .next(.prepareToWait) }
      let deletes = m.rules.breakDeletesEntries && m.obeys(.deletesEntriesInBreak)
      m.value = .ok
      return deletes ? .next(.lockToDelete) : .finish

    case .unlockToSleep:
      m.release(.pages(file))
      return .next(.sleepOnEntry)

    default:
      guard m.isWokenFromSleep() else { return .wait }
      if !m.obeys(.rescansAfterSleeping) { m.frame.index = m.frame.index + 1 }
      return .next(.lockPages)
    }
  }

  private static func advance(_ m: inout Machine) -> Transition<Step> {
    m.frame.index = m.frame.index + 1
    return .next(.examineEntry)
  }

  // MARK: wait_page_idle()

  private static func wait(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let isFinal = m.frame.flags.contains(.final)
    let isInterruptible = !isFinal && m.frame.times == Sleep.interruptibly.rawValue
    switch step {
    case .prepareToWait:
      m.waitForIdle(m.frame.pfn, interruptible: isInterruptible)
      return .next(.testIdle)

    case .testIdle:
      guard m.isIdle(m.frame.pfn) else { return .next(.testSignal) }
      m.leaveQueue()
      return .next(.checkMapped)

    case .testSignal:
      guard isInterruptible, m.cpus[m.current].isSignalled else {
        return .next(isFinal ? .sleep : .unlockInvalidate)
      }
      m.leaveQueue()
      m.value = Outcome(.interrupted)
      return .finish

    case .unlockInvalidate:
      m.release(.invalidate(m.frame.file))
      return .next(.sleep)

    case .sleep:
      guard m.isWokenFromSleep() else { return .wait }
      return .next(isFinal ? .prepareToWait : .lockInvalidate)

    default:
      return m.acquire(.invalidate(m.frame.file)) ? .next(.prepareToWait) : .wait
    }
  }
}

/// Deletes the DAX entries of a range; `truncate_inode_pages_range()`.
///
/// Registers: file, page ..< end.
enum DeleteEntries: Body {
  enum Step: UInt8, CaseIterable {
    /// `find_get_entries()`
    case findEntry
    /// `__dax_invalidate_entry()`: `xas_lock_irq()`, `get_unlocked_entry()`
    case lockPages, examineEntry
    /// `prepare_to_wait_exclusive()`, `schedule()`
    case unlockToSleep, sleepOnEntry
    /// `dax_disassociate_entry()`, `xas_store()`, `dax_wake_entry()`
    case deleteEntry, unlockPages
  }

  static func frame(_ file: FileID, _ pages: Range<Int>) -> Frame {
    var frame = Frame(.deleteEntries)
    frame.file = file
    frame.index = PageIndex(pages.lowerBound)
    frame.end = PageIndex(pages.upperBound)
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let file = m.frame.file
    switch step {
    case .findEntry:
      while m.frame.index < m.frame.end,
        m.files[file].entry(at: m.frame.index).kind == .absent
      {
        m.frame.index = m.frame.index + 1
      }
      guard m.frame.index < m.frame.end else {
        m.value = .ok
        return .finish
      }
      if m.rules.breakDeletesEntries { m.emit(.entryFoundAfterBreak(file)) }
      return .next(.lockPages)

    case .lockPages:
      return m.acquire(.pages(file)) ? .next(.examineEntry) : .wait

    case .examineEntry:
      guard m.files[file].entry(at: m.frame.index).isLocked else { return .next(.deleteEntry) }
      m.waitForEntry(file, m.frame.index)
      return .next(.unlockToSleep)

    case .unlockToSleep:
      m.release(.pages(file))
      return .next(.sleepOnEntry)

    case .sleepOnEntry:
      return m.isWokenFromSleep() ? .next(.lockPages) : .wait

    case .deleteEntry:
      if m.files[file].entry(at: m.frame.index).kind != .absent {
        m.deleteEntry(file, m.files[file].home(of: m.frame.index))
      } else if m.obeys(.passesEntryWakeOn) {
        m.wakeEntry(file, m.frame.index, all: false)
      }
      m.emit(.entryReleased(file, m.frame.index))
      return .next(.unlockPages)

    case .unlockPages:
      m.release(.pages(file))
      return .next(.findEntry)
    }
  }
}

extension Machine {
  /// The page that an entry names at an index.
  mutating func page(of entry: Entry, at index: PageIndex) -> PFN {
    PFN(entry.pfn.position + (entry.isPMD ? index.position % Limits.pagesPerPMD : 0))
  }

  /// `xas_set_mark()` with PAGECACHE_TAG_DIRTY, of an entry that had its page before.
  mutating func markDirty(_ file: FileID, _ home: PageIndex) {
    files[file].entries[home].isDirty = true
    touch(file)
  }

  /// Removes one entry for good: `dax_disassociate_entry()`, `xas_store(NULL)`, wake all.
  ///
  /// One step, because everything it writes is behind the pages lock and no lock-free reader
  /// looks at `page->mapping` without taking that lock afterwards (DocC `TheModel`).
  mutating func deleteEntry(_ file: FileID, _ home: PageIndex, isReplaced: Bool = false) {
    let entry = files[file].entries[home]
    wakeEntry(file, home, all: true)
    files[file].entries[home] = .absent
    files[file].nrpages -= Int32(entry.span)
    touch(file)
    guard entry.kind == .page else { return }
    if rules.entriesHold && !entry.isZapped { emit(.unzappedEntryDeleted(entry.pfn)) }
    if rules.entryPagemap == .perEntry { putPageReferences(.pmem0, Int32(entry.span)) }
    guard entry.isPMD else { return disassociate(entry.pfn, isReplaced: isReplaced) }
    guard !rules.hasLargeFolios else {
      disassociate(entry.pfn)
      return splitFolio(entry.pfn)
    }
    for offset in 0..<Limits.pagesPerPMD { disassociate(PFN(entry.pfn.position + offset)) }
  }
}
