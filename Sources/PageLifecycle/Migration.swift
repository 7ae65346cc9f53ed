// SPDX-License-Identifier: MIT

/// `struct migrate_vma`: what one migration has collected, page by page.
package struct Migration: Sendable {
  /// One element of the arrays `src` and `dst`.
  package struct Slot: Sendable {
    /// The page that goes, and the page that comes.
    package var source = PFN.none
    package var destination = PFN.none
    /// MIGRATE_PFN_MIGRATE: the page is still meant to move; at the end, it has.
    package var isSelected = false
    /// Nothing is there yet: the destination is a fresh page.
    package var isEmpty = false
    /// MIGRATE_PFN_WRITE.
    package var isWritable = false
    /// The collected page was taken off its LRU list.
    package var isIsolated = false
    /// What the page-table entry was before; a PMD entry where a folio goes whole, or comes to
    /// where nothing is.
    package var before = PTE.none
    /// The migration has locked the page, and not let go yet.
    package var hasLockedSource = false
    package var hasLockedDestination = false

    /// MIGRATE_PFN_COMPOUND: the slot stands for the pages of a PMD, the others are left empty.
    package var isCompound: Bool { before.isPMD }
    /// Pages it stands for.
    package var span: Int { before.span }
  }
  package var slots = InlineArray<4, Slot>(repeating: Slot())
  package var count: UInt8 = 0
  package var mm = MMID(0)
  package var mapping = MappingID(0)
  package var page = PageIndex(0)
  /// The driver that migrates; it owns the device pages.
  package var pagemap = PagemapID.device0
  /// The pages go to ordinary RAM.
  package var isToSystem = false
  /// The page whose CPU fault asks for the migration.
  package var faultPage = PFN.none
  /// The caller of the fault holds its lock.
  package var isFaultPageLocked = false
  /// A page stayed because of somebody who will let go of it without this migration's help.
  package var isBeaten = false
  /// There was no page to move one to.
  package var lacksMemory = false
  /// `pgmap_owner` and the SELECT flags, or what the driver leaves out.
  package var flags: CallFlags = []
}
