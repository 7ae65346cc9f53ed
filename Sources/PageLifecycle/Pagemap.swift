// SPDX-License-Identifier: MIT

/// The pages of one device, or one chunk of them: `struct dev_pagemap`.
package struct PagemapID: TableIndex {
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
}

extension PagemapID {
  /// The FS_DAX device with the file system.
  package static let pmem0 = PagemapID(0)
  /// Two devices whose drivers migrate pages to them and back.
  package static let device0 = PagemapID(1)
  package static let device1 = PagemapID(2)
  /// A device-dax device, MEMORY_DEVICE_GENERIC.
  package static let dax0 = PagemapID(3)
  /// A pool of PCI peer-to-peer memory.
  package static let p2p0 = PagemapID(4)

  /// The second chunks of the two devices with a driver; a device and its first chunk share a name.
  package static let device0Chunk1 = PagemapID(5)
  package static let device1Chunk1 = PagemapID(6)

  package static let all = (0..<PerPagemap<Void>.count).map { PagemapID($0) }
  /// Devices a machine may be booted with beside the file system's: all but second chunks.
  package static let bootDevices = 4

  /// Program texts use this name.
  package var name: String {
    switch self {
    case .pmem0: "pmem0"
    case .device0: "d0"
    case .device1: "d1"
    case .dax0: "dax0"
    case .device0Chunk1: "d0c1"
    case .device1Chunk1: "d1c1"
    default: "p2p0"
    }
  }

  /// Whose driver hands its pages out: a chunk's device, or itself.
  @inline(__always)
  package var device: PagemapID {
    switch self {
    case .device0Chunk1: .device0
    case .device1Chunk1: .device1
    default: self
    }
  }
  /// What a driver binds when the first chunk of its device has no free page left.
  package var secondChunk: PagemapID? {
    switch self {
    case .device0: .device0Chunk1
    case .device1: .device1Chunk1
    default: nil
    }
  }

  /// The page frames it binds; between pmem0 and d0 lies ordinary RAM.
  @inline(__always)
  package var pages: Range<Int> {
    switch self {
    case .pmem0: 0..<Limits.devicePages
    case .device0: Self.chunk(0, 0..<Limits.firstChunkPages)
    case .device1: Self.chunk(1, 0..<Limits.firstChunkPages)
    case .device0Chunk1: Self.chunk(0, Limits.firstChunkPages..<Limits.driverPages)
    case .device1Chunk1: Self.chunk(1, Limits.firstChunkPages..<Limits.driverPages)
    case .dax0: Limits.pages - 2 * Limits.smallPages..<Limits.pages - Limits.smallPages
    default: Limits.pages - Limits.smallPages..<Limits.pages
    }
  }

  private static func chunk(_ device: Int, _ pages: Range<Int>) -> Range<Int> {
    let first = Limits.firstDriverPage + device * Limits.driverPages
    return first + pages.lowerBound..<first + pages.upperBound
  }

  /// The device, or the chunk, a page frame belongs to; nil for RAM.
  @inline(__always)
  package init?(of pfn: PFN) {
    let position = pfn.position
    guard position >= Limits.devicePages else { self = .pmem0; return }
    guard position >= Limits.firstDriverPage else { return nil }
    let offset = position - Limits.firstDriverPage
    guard offset >= 2 * Limits.driverPages else {
      let isSecond = offset % Limits.driverPages >= Limits.firstChunkPages
      if offset < Limits.driverPages {
        self = isSecond ? .device0Chunk1 : .device0
      } else {
        self = isSecond ? .device1Chunk1 : .device1
      }
      return
    }
    self = position < Limits.pages - Limits.smallPages ? .dax0 : .p2p0
  }

  /// A driver hands its pages out and takes them back.
  package var hasDriver: Bool { device == .device0 || device == .device1 }
  /// A device that a driver can be asked for pages of.
  package var isDriven: Bool { self == .device0 || self == .device1 }
  /// What `memremap_pages()` is asked for; the two drivers know two kinds of memory.
  package func type(coherent: Bool) -> MemoryType {
    switch self {
    case .pmem0: .fsdax
    case .device0, .device1, .device0Chunk1, .device1Chunk1: coherent ? .coherent : .devicePrivate
    case .dax0: .generic
    default: .p2pdma
    }
  }
}

/// `struct dev_pagemap`, its percpu reference, and the free list of who owns its pages.
package struct DevPagemap: Sendable {
  package enum State: UInt8, Sendable { case gone, live, dying }
  package var state = State.gone
  package var type = MemoryType.invalid
  /// The sum over all CPUs of `pgmap->ref`, memremap's own references included.
  package internal(set) var references: Int32 = 0
  /// Lookups that still have to put theirs: the ledger's side.
  package var lookups: Int32 = 0
  /// memremap's own references: the ledger's side.
  package var own: Int32 = 0
  /// References of pages that are in use: the ledger's side.
  package var inUse: Int32 = 0
  /// `percpu_ref_exit()` has run.
  package var hasExited = false
  /// The driver's lock, or the pool's; a device's second chunk has none of its own.
  package var lock = RWLock()
  /// The free list of the device: its first page; `zone_device_data` names the next.
  package var firstFree = PFN.none
  /// Pages taken off the list that do not hold the pgmap yet, and faults in progress.
  package var allocating: UInt8 = 0
  /// The driver hands out no more pages.
  package var isRemoving = false
  /// memunmap_pages() has begun and not returned: the driver core's device lock keeps binds off.
  package var isUnbinding = false
  /// `dax_alive()`: its driver has bound it whole and lets go of nothing yet.
  var isAlive: Bool { state == .live && !isRemoving }
  /// It may be bound anew.
  var mayBeBound: Bool { state == .gone && hasExited && !isUnbinding }
}
