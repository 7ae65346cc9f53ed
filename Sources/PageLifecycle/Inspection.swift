// SPDX-License-Identifier: MIT

/// What reports read of a machine that is not at hand to change.
extension Machine {
  /// A lock as it stands.
  package func lockState(_ lock: LockID) -> RWLock {
    var copy = self
    return copy[lock: lock]
  }

  /// The refcount a page ought to have: its idle count and the weights of its holders.
  package func referencesDue(of pfn: PFN) -> Int32 {
    var copy = self
    return copy.expectedReferences(of: pfn)
  }

  /// The mapping and the page in it that an address names now; nil outside every mapping.
  package func place(of address: Address, in mm: MMID) -> (MappingID, PageIndex)? {
    var copy = self
    return copy.resolve(mm, address)
  }
}

extension LockID {
  /// Every lock of a machine, in the lock order.
  package static let all: [LockID] = {
    let files = (0..<Limits.files).map { FileID($0) }
    let mms = (0..<Limits.mms).map { MMID($0) }
    let trees = (0..<4).map { LockID(.mappingTree, UInt8($0)) }
    let devices = PagemapID.all.filter { $0 == $0.device }
    return files.map(Self.inode) + mms.map(Self.mmap) + files.map(Self.invalidate)
      + mms.map(Self.pageTable) + files.map(Self.pages) + devices.map(Self.driver) + trees
      + [iommu, zone]
  }()

  /// The kernel's name of the lock, and whose it is.
  package var name: String {
    switch kind {
    case .inode: "i_rwsem of file\(index)"
    case .mmap: "mmap_lock of mm\(index)"
    case .invalidate: "invalidate_lock of file\(index)"
    case .pageTable: "page-table lock of mm\(index)"
    case .pages: "i_pages lock of file\(index)"
    case .driver: "driver lock of \(PagemapID(rawValue: index).name)"
    case .mappingTree: index < 2 ? "i_mmap_rwsem of file\(index)" : "i_mmap_rwsem of no file"
    case .iommu: "pgd_lock"
    case .zone: "lru_lock"
    }
  }
}
