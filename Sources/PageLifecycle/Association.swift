// SPDX-License-Identifier: MIT

/// The second book, continued: protocol rules that write a page's identity: its mapping,
/// index, word 1 and flags.
extension Machine {
  /// `memremap_pages()` for one page: `__init_zone_device_page()`.
  mutating func initializeDevicePage(_ pfn: PFN, _ type: MemoryType = .fsdax) {
    show(pfn)
    pages[pfn] = Page()
    pages[pfn].exists = true
    pages[pfn].type = type
    pages[pfn].word1 = .pgmap
    pages[pfn].refcount = freeCount(of: type)
    touch(pfn)
  }

  /// Every plain word of a page is written: it begins or ends.
  mutating func notePlainWrites(_ pfn: PFN) {
    for word in PageWord.allCases { note(.write(pfn, word)) }
  }

  /// `memunmap_pages()` takes the struct page away.
  mutating func removeDevicePage(_ pfn: PFN) {
    note(.everyone)
    pages[pfn].exists = false
    hide(pfn)
    touch(pfn)
  }

  /// `dax_associate_entry()`: the page belongs to the file now.
  mutating func associate(_ pfn: PFN, with file: FileID, at index: PageIndex) {
    noteUse(of: pfn)
    // Who has it may have got it through a file that shared the block and does no more.
    let wasLeft = hasReflink && pages[pfn].mapping == .none
    note(.write(pfn, .mapping))
    pages[pfn].mapping = Mapping(file)
    pages[pfn].index = index
    touch(pfn)
    touch(file)
    guard !wasLeft else { return }
    emit(.mappingChanged(pfn, wasFolio: pages[pfn].isHead))
  }

  /// `dax_disassociate_entry()`.
  mutating func disassociate(_ pfn: PFN, isReplaced: Bool = false) {
    noteUse(of: pfn)
    touch(pfn)
    let wasShared = isShared(pfn)
    noteShare(pfn, isShared: wasShared)
    if wasShared && obeys(.keepsShareUntilLast) && pages[pfn].share > 1 {
      pages[pfn].share -= 1
      return
    }
    if let file = pages[pfn].mapping.file { touch(file) }
    pages[pfn].mapping = .none
    pages[pfn].index = PageIndex(0)
    // Whose extent is shared may lose a page that others look at.
    guard !wasShared && !isReplaced else { return }
    emit(.mappingChanged(pfn, wasFolio: pages[pfn].isHead))
  }

  /// `dax_associate_entry()` of a page of a shared extent; where the count is read here and stored
  /// by another step, what that is to store.
  mutating func associateShared(
    _ pfn: PFN, with file: FileID, at index: PageIndex
  ) -> UInt8? {
    noteUse(of: pfn)
    noteShare(pfn, isShared: true)
    touch(pfn)
    touch(file)
    if !isShared(pfn) {
      let hasOwner = pages[pfn].mapping.file != nil
      guard rules.tagsSharedPages || hasOwner else {
        pages[pfn].mapping = Mapping(file)
        pages[pfn].index = index
        return nil
      }
      pages[pfn].mapping = rules.tagsSharedPages ? .shared : .none
      pages[pfn].share = hasOwner && obeys(.countsPreviousOwner) ? 1 : 0
    }
    guard obeys(.countsSharesAtomically) else { return pages[pfn].share + 1 }
    pages[pfn].share += 1
    return nil
  }

  /// The second half of `page->share++`.
  mutating func storeShare(_ pfn: PFN, _ share: UInt8) {
    noteUse(of: pfn)
    note(.write(pfn, .mapping))
    pages[pfn].share = share
    touch(pfn)
  }

  /// Each file has a lock of its own: what tells of all of them is atomic, or a plain write.
  private mutating func noteShare(_ pfn: PFN, isShared: Bool) {
    if isShared && obeys(.countsSharesAtomically) {
      noteAtomic(.page(pfn))
    } else {
      note(.write(pfn, .mapping))
    }
  }

  /// `dax_folio_is_shared()`.
  @inline(__always)
  mutating func isShared(_ pfn: PFN) -> Bool {
    rules.tagsSharedPages
      ? pages[pfn].mapping == .shared : pages[pfn].mapping == .none && pages[pfn].share != 0
  }

  /// `folio->share`; zero of a page that no entries share.
  package func shareCount(of pfn: PFN) -> Int {
    var copy = self
    return copy.isShared(pfn) ? Int(pages[pfn].share) : 0
  }

  /// `dax_folio_init()`: the pages of a PMD entry become one folio.
  mutating func makeFolio(_ head: PFN) {
    noteUse(of: head)
    pages[head].flags.insert(.head)
    touch(head)
    for offset in 1..<Limits.pagesPerPMD {
      let tail = PFN(head.position + offset)
      noteUse(of: tail)
      pages[tail].word1 = .compoundHead
      pages[tail].head = head
      pages[tail].refcount = 0
      touch(tail)
    }
  }

  /// `dax_folio_put()`: they become small pages again, word 1 the pgmap.
  mutating func splitFolio(_ head: PFN) {
    noteUse(of: head)
    pages[head].flags.remove(.head)
    touch(head)
    guard obeys(.splitsFolioOnDelete) else { return }
    for offset in 1..<Limits.pagesPerPMD {
      let tail = PFN(head.position + offset)
      noteUse(of: tail)
      pages[tail].word1 = .pgmap
      pages[tail].head = .none
      note(.write(tail, .mapping))
      pages[tail].mapping = .none
      pages[tail].refcount = rules.idleCount
      touch(tail)
    }
  }

  /// `alloc_pages()`: one page with one reference, or none.
  mutating func allocateRAM() -> PFN {
    noteAtomic(.ram)
    guard let pfn = freeRAM.first else { return .none }
    freeRAM.remove(pfn)
    show(pfn)
    pages[pfn] = Page()
    pages[pfn].exists = true
    pages[pfn].type = .system
    notePlainWrites(pfn)
    pages[pfn].refcount = 1
    memory[pfn] = 0
    touch(pfn)
    return pfn
  }

  /// `free_unref_page()`: back to the allocator, every word cleared.
  mutating func freeRAMPage(_ pfn: PFN) {
    notePlainWrites(pfn)
    noteAtomic(.ram)
    pages[pfn] = Page()
    pages[pfn].exists = true
    pages[pfn].type = .system
    pages[pfn].word1 = .buddy
    freeRAM.insert(pfn)
    hideContents(of: pfn)
    touch(pfn)
  }

  /// `folio_add_new_anon_rmap()` names the owner of a fresh copy; `folio_add_lru_vma()` and the
  /// charge come with it.
  mutating func becomeAnonymous(_ pfn: PFN) {
    noteUse(of: pfn)
    note(.write(pfn, .mapping))
    pages[pfn].mapping = .anon
    pages[pfn].flags.formUnion([.anonExclusive, .charged])
    if pages[pfn].type == .system { pages[pfn].flags.insert(.lru) }
    touch(pfn)
  }

  /// `zone_device_page_init()` and the free path clear what the last user left.
  mutating func clearIdentity(_ pfn: PFN) {
    noteUse(of: pfn)
    note(.write(pfn, .mapping))
    pages[pfn].mapping = .none
    pages[pfn].index = PageIndex(0)
    pages[pfn].flags.subtract([.anonExclusive, .charged])
    touch(pfn)
  }

  /// The free list runs through `zone_device_data`.
  mutating func link(_ pfn: PFN, to next: PFN) {
    noteUse(of: pfn)
    note(.write(pfn, .zoneDeviceData))
    pages[pfn].zoneDeviceData = next
    touch(pfn)
  }

  /// `folio_trylock()`.
  mutating func tryLockPage(_ pfn: PFN) -> Bool {
    noteUse(of: pfn)
    noteAtomic(.page(pfn))
    guard !pages[pfn].flags.contains(.locked) else { return false }
    pages[pfn].flags.insert(.locked)
    touch(pfn)
    return true
  }

  /// `folio_unlock()`; whoever waits becomes runnable.
  mutating func unlockPage(_ pfn: PFN) {
    noteUse(of: pfn)
    noteAtomic(.page(pfn))
    pages[pfn].flags.remove(.locked)
    touch(pfn)
    emit(.unlocked(pfn))
  }

  /// `folio_isolate_lru()`: false where the page is on no list.
  mutating func takeOffLRU(_ pfn: PFN) -> Bool {
    noteUse(of: pfn)
    guard pages[pfn].flags.contains(.lru) else { return false }
    pages[pfn].flags.remove(.lru)
    touch(pfn)
    return true
  }

  /// `folio_add_lru()`.
  mutating func putOnLRU(_ pfn: PFN) {
    noteUse(of: pfn)
    if !pages[pfn].flags.contains(.charged) { emit(.unchargedOnLRU(pfn)) }
    pages[pfn].flags.insert(.lru)
    touch(pfn)
  }

  /// `folio_migrate_mapping()` and `folio_migrate_flags()`: the identity of one page goes over to
  /// another, the charge too.
  mutating func moveIdentity(from source: PFN, to destination: PFN) {
    noteUse(of: source)
    noteUse(of: destination)
    note(.read(source, .mapping))
    note(.write(destination, .mapping))
    pages[destination].mapping = pages[source].mapping
    pages[destination].index = pages[source].index
    pages[destination].flags.insert(.charged)
    pages[source].flags.remove(.charged)
    touch(source)
    touch(destination)
  }

  /// `page_try_share_anon_rmap()`: fork shares the page.
  mutating func share(_ pfn: PFN) {
    noteUse(of: pfn)
    pages[pfn].flags.remove(.anonExclusive)
    touch(pfn)
  }

  /// `folio_try_share_anon_rmap_pte()`: whether the page was one process's alone; nil of a
  /// page that may be pinned, which stays so.
  mutating func tryShare(_ pfn: PFN) -> Bool? {
    noteUse(of: pfn)
    let wasExclusive = pages[pfn].flags.contains(.anonExclusive)
    if wasExclusive && obeys(.keepsPinnedMapped) && maybePinned(pfn) { return nil }
    share(pfn)
    return wasExclusive
  }

  /// ``tryShare(_:)-(PFN)`` of every page that an entry maps.
  mutating func tryShare(_ pte: PTE) -> Bool? {
    var wasExclusive: Bool?
    for position in pte.pfn.position..<pte.pfn.position + pte.span {
      wasExclusive = tryShare(PFN(position))
      if wasExclusive == nil { return nil }
    }
    return wasExclusive
  }

  /// `wp_page_reuse()`: the last user owns it again.
  mutating func makeExclusive(_ pfn: PFN) {
    noteUse(of: pfn)
    pages[pfn].flags.insert(.anonExclusive)
    touch(pfn)
  }

  /// `SetPageHWPoison()`.
  mutating func poison(_ pfn: PFN) {
    noteUse(of: pfn)
    pages[pfn].flags.insert(.hwpoison)
    touch(pfn)
  }
}
