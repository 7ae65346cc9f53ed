// SPDX-License-Identifier: MIT

/// One entry of a page table.
package struct PTE: Equatable, Sendable {
  package enum Kind: UInt8, Sendable {
    case none, page, zero
    /// Not present, but a mapping: the page lies in a device the CPU cannot reach.
    case devicePrivate
    /// Not present: the page is on its way, and locked.
    case migration
  }
  package var kind = Kind.none
  package var pfn = PFN.none
  package var isWritable = false
  /// Of a migration entry: the page was this process's alone.
  package var isExclusive = false
  /// Part of a PMD entry; all pages of the PMD change together.
  package var isPMD = false

  /// Pages it maps.
  package var span: Int { isPMD ? Limits.pagesPerPMD : 1 }
  /// The entry with the first page of its PMD.
  func wholePMD(at page: PageIndex) -> PTE {
    var whole = self
    if isPMD { whole.pfn = PFN(pfn.position - page.position % Limits.pagesPerPMD) }
    return whole
  }

  /// The migration entry in its place.
  var onItsWay: PTE {
    .migration(pfn, writable: isWritable, exclusive: isExclusive, pmd: isPMD)
  }

  /// It counts as a mapping of its page.
  @inline(__always)
  package var isMapping: Bool { kind == .page || kind == .devicePrivate }

  package static let none = PTE()
  package static func page(_ pfn: PFN, writable: Bool, pmd: Bool = false) -> PTE {
    PTE(kind: .page, pfn: pfn, isWritable: writable, isPMD: pmd)
  }
  /// The shared zero page, read-only.
  package static let zero = PTE(kind: .zero)
  /// `make_writable_device_private_entry()` and its readable sister.
  package static func devicePrivate(_ pfn: PFN, writable: Bool, pmd: Bool = false) -> PTE {
    PTE(kind: .devicePrivate, pfn: pfn, isWritable: writable, isPMD: pmd)
  }
  /// `make_writable_migration_entry()` and its sisters.
  package static func migration(
    _ pfn: PFN, writable: Bool, exclusive: Bool, pmd: Bool = false
  ) -> PTE {
    PTE(kind: .migration, pfn: pfn, isWritable: writable, isExclusive: exclusive, isPMD: pmd)
  }
}

/// `struct vm_area_struct`: one mapping, and the page table below it.
package struct VMA: Sendable {
  /// What is mapped.
  package enum Kind: UInt8, Sendable {
    case none, file, anonymous
    /// A device-dax character device, its pages in order.
    case deviceDAX
    /// Pages of a peer-to-peer pool.
    case p2pdma
  }
  package var kind = Kind.none
  /// The mapped file; none where there is none.
  package var file = FileID.none
  package var offset = PageIndex(0)
  /// The pages mapped: munmap may leave holes.
  package var pages = Bits<PageIndex>()
  package var isPrivate = false
  /// `vma->anon_vma` was set up by a first private write; fork copies the page table then.
  package var hasAnonVMA = false
  package var ptes = PerFilePage<PTE>(repeating: .none)
  /// What a private mapping's own copies ought to read: the ideal book of data.
  package var copies = Bits<PageIndex>()
  package var copyValues = PerFilePage<UInt8>(repeating: 0)
  /// Copies of which nobody promises what they read until they are written: a FOLL_GET user
  /// wrote the shared page while it was being copied.
  package var unsettled = Bits<PageIndex>()
  /// The page each of them lies in, also while no entry names it.
  package var backing = PerFilePage<PFN>(repeating: .none)

  @inline(__always)
  package func filePage(_ page: PageIndex) -> PageIndex { offset + page.position }
  @inline(__always)
  package var isFree: Bool { kind == .none }
}

/// `struct mm_struct`.
package struct MM: Sendable {
  package var isAlive = false
  package var lock = RWLock()
  /// One page-table lock for the whole address space.
  package var pageTableLock = RWLock()
  /// MMF_HAS_PINNED.
  package var hasPinned = false
  /// `mm->write_protect_seq`; odd while fork write-protects.
  package var writeProtectSequence: UInt8 = 0
  /// MM_FILEPAGES and MM_ANONPAGES.
  package internal(set) var residentFilePages: Int32 = 0
  package internal(set) var residentAnonPages: Int32 = 0
  package var vmas = PerMapping<VMA>(repeating: VMA())
}

extension MM {
  /// The mapping and page an address names, or nil outside every VMA.
  mutating func resolve(_ address: Address) -> (MappingID, PageIndex)? {
    guard address.isFilePage else {
      let isMapped = vmas.with(address.mapping) { !$0.isFree && $0.pages.contains(address.page) }
      return isMapped ? (address.mapping, address.page) : nil
    }
    for mapping in vmas.indices {
      let page = vmas.with(mapping) { vma -> PageIndex? in
        guard vma.file == address.file, address.page >= vma.offset else { return nil }
        let page = PageIndex(address.page.position - vma.offset.position)
        return vma.pages.contains(page) ? page : nil
      }
      if let page { return (mapping, page) }
    }
    return nil
  }

  /// The pages of a mapping that show a part of a file; nil where it shows none of them.
  mutating func pages(of mapping: MappingID, showing file: FileID, _ part: Range<Int>)
    -> Range<Int>?
  {
    vmas.with(mapping) { vma in
      guard vma.file == file else { return nil }
      let first = max(0, part.lowerBound - vma.offset.position)
      let end = min(Limits.filePages, part.upperBound - vma.offset.position)
      return first < end ? first..<end : nil
    }
  }
}

/// A virtual address, as a program names it.
package struct Address: Hashable, Sendable {
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  /// The first mapping of a file's page.
  package init(_ file: FileID, _ page: PageIndex) {
    rawValue = 0x80 | file.rawValue << 3 | page.rawValue
  }
  /// A page of one mapping.
  package init(_ mapping: MappingID, _ page: PageIndex) {
    rawValue = mapping.rawValue << 3 | page.rawValue
  }
  package var isFilePage: Bool { rawValue & 0x80 != 0 }
  package var file: FileID { FileID(rawValue: rawValue >> 3 & 1) }
  package var mapping: MappingID { MappingID(rawValue: rawValue >> 3 & 3) }
  package var page: PageIndex { PageIndex(rawValue: rawValue & 7) }
}

/// A value entry of a DAX inode's `i_pages`.
package struct Entry: Equatable, Sendable {
  package enum Kind: UInt8, Sendable { case absent, empty, zero, page }
  package var kind = Kind.absent
  package var isLocked = false
  /// Stands for all pages of its PMD; kept at the first of them.
  package var isPMD = false
  /// DAX_ZAP: the reference of the entry was dropped, the file still has the page.
  package var isZapped = false
  /// PAGECACHE_TAG_DIRTY: a fault that writes has had it, and nothing was written back since.
  package var isDirty = false
  package var pfn = PFN.none

  /// Pages it stands for.
  package var span: Int { isPMD ? Limits.pagesPerPMD : 1 }

  package static let absent = Entry()
}

/// A block of a file, as the file system's extent tree has it.
package struct Block: Equatable, Sendable {
  package var pfn = PFN.none
  /// Allocated, but reads as zeroes until first written.
  package var isUnwritten = false
  package var isHole: Bool { pfn.isNone }
  package static let hole = Block()
}

/// An inode with its address space.
package struct File: Sendable {
  /// The inode is in memory.
  package var isAlive = false
  /// A directory entry names it.
  package var isLinked = false
  package var isEvicting = false
  package var descriptors: UInt8 = 0
  /// Calls that work on the file now; each holds `struct file` by `fdget()`.
  package var callers: UInt8 = 0
  /// `i_size` in pages.
  package var size: UInt8 = 0
  package var inodeLock = RWLock()
  package var invalidateLock = RWLock()
  /// `i_pages.xa_lock`.
  package var pagesLock = RWLock()
  /// `mapping->nrpages`.
  package internal(set) var nrpages: Int32 = 0
  package internal(set) var entries = PerFilePage<Entry>(repeating: .absent)
  package var blocks = PerFilePage<Block>(repeating: .hole)
  /// What the file ought to read: the ideal book of data.
  package var contents = PerFilePage<UInt8>(repeating: 0)
  /// PTEs that map a device page at each offset, counted by the operations that set them.
  package var present = PerFilePage<UInt8>(repeating: 0)
}

/// The pages a gup-like call obtained, until they are put.
package struct Handle: Sendable {
  /// While it is being filled, or emptied, or its holder waits for memory, nobody but that call may
  /// use it.
  package enum State: UInt8, Sendable { case unused, filling, failed, held, released }
  package var state = State.unused
  package var holder = Holder.get
  package var isLongterm = false
  package var isWritable = false
  package var count: UInt8 = 0
  /// Pages already given back: a reader takes them from the front.
  package var released: UInt8 = 0
  package var times: Int32 = 1
  /// PFN.none is the zero page, which is never counted.
  package var pages = InlineArray<4, PFN>(repeating: .none)
  package var origins = InlineArray<4, Origin>(repeating: Origin())
}

/// The memory a reference was obtained for, whatever its page is used for later.
package struct Origin: Equatable, Sendable {
  package var file = FileID.none
  package var mm = MMID(0)
  package var mapping = MappingID(0)
  package var page = PageIndex(0)
}
