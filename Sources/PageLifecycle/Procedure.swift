// SPDX-License-Identifier: MIT

/// Every procedure, once: what programs call, and what those calls enter.
///
/// Add an operation here and in the two switches; names, operands, parser, generator and
/// `list` follow from the ``Signature`` in its own file.
package enum Procedure: UInt8, CaseIterable, Hashable, Sendable {
  case idle
  // What a program may call.
  case mmap, munmap, mremap, fork, exit
  case daxFault, load, store
  case gup, gupFast, pinUserPages, pinUserPagesFast, vmsplice
  case putPage, unpinUserPages, releasePages, pipeRead
  case directIO, processVMReadv
  case madviseDontneed, madviseHwpoison, memoryFailure
  case open, close, unlink, evictInode
  case ftruncate, fallocate, punchHole, zeroRange, collapseRange, pread, pwrite
  case folioTryGet, dmaRead, dmaWrite
  case memremapPages, memunmapPages
  case signal, nextBlock, convertUnwritten
  case mmapAnonymous, mmapDeviceDAX, mmapP2PDMA
  case driverAlloc, driverFree, migrateToDevice, migrateToRAM, migrateDeviceRange
  case deviceRead, deviceWrite, nextPage
  // What only other procedures enter.
  case handleFault, daxFaultIO, zapRange, unmapMappingRange, breakLayouts, deleteEntries
  case gupSlow, longtermPin, gupFastWalk, dropPage, putPages, iput, killPage
  case migrate, migrateCollect, migrateUnmap, migrateCopy, migratePages, migrateFinalize
  case restoreEntries, privateFault, deviceDAXFault, deviceAlloc
  case holdEntry, releaseEntry
  // Later, so that the numbers of those above stay.
  case allocPages, folioAlloc, freePages
  case iommuMap, iommuUnmap
  case getPage, pinPage, lruAdd, isolatePage
  case dropStoredPin
  case splitFolio
  case reclaim
  case reflink, awaitIdle
}

extension Procedure {
  /// The type that holds the steps; the run loop switches in ``resume(_:)`` instead.
  var body: any Body.Type {
    switch self {
    case .idle: Idle.self
    case .mmap: Mmap.self
    case .munmap: Munmap.self
    case .mremap: Mremap.self
    case .fork: Fork.self
    case .exit: Exit.self
    case .daxFault, .load, .store: CPUAccess.self
    case .gup, .gupFast, .pinUserPages, .pinUserPagesFast, .vmsplice: GetUserPages.self
    case .putPage, .unpinUserPages, .releasePages, .putPages, .driverFree: PutPages.self
    case .pipeRead: PipeRead.self
    case .directIO, .processVMReadv: ShortPin.self
    case .madviseDontneed: MadviseDontneed.self
    case .madviseHwpoison, .memoryFailure: MemoryFailure.self
    case .open: Open.self
    case .close: Close.self
    case .unlink: Unlink.self
    case .evictInode: EvictInode.self
    case .ftruncate, .punchHole, .zeroRange, .collapseRange: ChangeLayout.self
    case .fallocate: Fallocate.self
    case .pread, .pwrite: FileIO.self
    case .folioTryGet: FolioTryGet.self
    case .dmaRead, .dmaWrite: DMA.self
    case .memremapPages: MemremapPages.self
    case .memunmapPages: MemunmapPages.self
    case .signal: Signal.self
    case .nextBlock: NextBlock.self
    case .convertUnwritten: ConvertUnwritten.self
    case .mmapAnonymous, .mmapDeviceDAX: MmapMemory.self
    case .mmapP2PDMA: MmapP2PDMA.self
    case .driverAlloc: DriverAlloc.self
    case .migrateToDevice, .migrateToRAM: MigrateVMA.self
    case .migrateDeviceRange: MigrateDeviceRange.self
    case .deviceRead, .deviceWrite: DeviceAccess.self
    case .nextPage: NextPage.self
    case .migrate: Migrate.self
    case .migrateCollect: MigrateCollect.self
    case .migrateUnmap: MigrateUnmap.self
    case .migrateCopy: MigrateCopy.self
    case .migratePages: MigratePages.self
    case .migrateFinalize: MigrateFinalize.self
    case .restoreEntries: RestoreEntries.self
    case .privateFault: PrivateFault.self
    case .deviceDAXFault: DeviceDAXFault.self
    case .deviceAlloc: DeviceAlloc.self
    case .allocPages, .folioAlloc: AllocPages.self
    case .freePages: FreePages.self
    case .iommuMap: IOMMUMap.self
    case .iommuUnmap: IOMMUUnmap.self
    case .getPage, .pinPage: PinPage.self
    case .lruAdd: LRUAdd.self
    case .isolatePage: IsolatePage.self
    case .dropStoredPin: DropStoredPin.self
    case .splitFolio: SplitFolio.self
    case .handleFault: HandleFault.self
    case .daxFaultIO: DaxFault.self
    case .zapRange: ZapRange.self
    case .unmapMappingRange: UnmapMappingRange.self
    case .breakLayouts: BreakLayouts.self
    case .deleteEntries: DeleteEntries.self
    case .gupSlow: GupSlow.self
    case .longtermPin: LongtermPin.self
    case .gupFastWalk: GupFast.self
    case .dropPage: PutPage.self
    case .iput: Iput.self
    case .killPage: KillPage.self
    case .holdEntry: HoldEntry.self
    case .releaseEntry: ReleaseEntry.self
    case .reclaim: Reclaim.self
    case .reflink: Reflink.self
    case .awaitIdle: AwaitIdle.self
    }
  }

  @inline(__always)
  func resume(_ m: inout Machine) -> Progress {
    switch self {
    case .idle: Idle.resume(&m)
    case .mmap: Mmap.resume(&m)
    case .munmap: Munmap.resume(&m)
    case .mremap: Mremap.resume(&m)
    case .fork: Fork.resume(&m)
    case .exit: Exit.resume(&m)
    case .daxFault, .load, .store: CPUAccess.resume(&m)
    case .gup, .gupFast, .pinUserPages, .pinUserPagesFast, .vmsplice: GetUserPages.resume(&m)
    case .putPage, .unpinUserPages, .releasePages, .putPages, .driverFree: PutPages.resume(&m)
    case .pipeRead: PipeRead.resume(&m)
    case .directIO, .processVMReadv: ShortPin.resume(&m)
    case .madviseDontneed: MadviseDontneed.resume(&m)
    case .madviseHwpoison, .memoryFailure: MemoryFailure.resume(&m)
    case .open: Open.resume(&m)
    case .close: Close.resume(&m)
    case .unlink: Unlink.resume(&m)
    case .evictInode: EvictInode.resume(&m)
    case .ftruncate, .punchHole, .zeroRange, .collapseRange: ChangeLayout.resume(&m)
    case .fallocate: Fallocate.resume(&m)
    case .pread, .pwrite: FileIO.resume(&m)
    case .folioTryGet: FolioTryGet.resume(&m)
    case .dmaRead, .dmaWrite: DMA.resume(&m)
    case .memremapPages: MemremapPages.resume(&m)
    case .memunmapPages: MemunmapPages.resume(&m)
    case .signal: Signal.resume(&m)
    case .nextBlock: NextBlock.resume(&m)
    case .convertUnwritten: ConvertUnwritten.resume(&m)
    case .mmapAnonymous, .mmapDeviceDAX: MmapMemory.resume(&m)
    case .mmapP2PDMA: MmapP2PDMA.resume(&m)
    case .driverAlloc: DriverAlloc.resume(&m)
    case .migrateToDevice, .migrateToRAM: MigrateVMA.resume(&m)
    case .migrateDeviceRange: MigrateDeviceRange.resume(&m)
    case .deviceRead, .deviceWrite: DeviceAccess.resume(&m)
    case .nextPage: NextPage.resume(&m)
    case .migrate: Migrate.resume(&m)
    case .migrateCollect: MigrateCollect.resume(&m)
    case .migrateUnmap: MigrateUnmap.resume(&m)
    case .migrateCopy: MigrateCopy.resume(&m)
    case .migratePages: MigratePages.resume(&m)
    case .migrateFinalize: MigrateFinalize.resume(&m)
    case .restoreEntries: RestoreEntries.resume(&m)
    case .privateFault: PrivateFault.resume(&m)
    case .deviceDAXFault: DeviceDAXFault.resume(&m)
    case .deviceAlloc: DeviceAlloc.resume(&m)
    case .handleFault: HandleFault.resume(&m)
    case .daxFaultIO: DaxFault.resume(&m)
    case .zapRange: ZapRange.resume(&m)
    case .unmapMappingRange: UnmapMappingRange.resume(&m)
    case .breakLayouts: BreakLayouts.resume(&m)
    case .deleteEntries: DeleteEntries.resume(&m)
    case .gupSlow: GupSlow.resume(&m)
    case .longtermPin: LongtermPin.resume(&m)
    case .gupFastWalk: GupFast.resume(&m)
    case .dropPage: PutPage.resume(&m)
    case .iput: Iput.resume(&m)
    case .killPage: KillPage.resume(&m)
    case .holdEntry: HoldEntry.resume(&m)
    case .releaseEntry: ReleaseEntry.resume(&m)
    case .reclaim: Reclaim.resume(&m)
    default: resumeOfSeeds(&m)
    }
  }

  /// ``resume(_:)`` of procedures of page tables, blocks, pins beside lists, and shared files.
  private func resumeOfSeeds(_ m: inout Machine) -> Progress {
    switch self {
    case .allocPages, .folioAlloc: AllocPages.resume(&m)
    case .freePages: FreePages.resume(&m)
    case .iommuMap: IOMMUMap.resume(&m)
    case .iommuUnmap: IOMMUUnmap.resume(&m)
    case .getPage, .pinPage: PinPage.resume(&m)
    case .lruAdd: LRUAdd.resume(&m)
    case .isolatePage: IsolatePage.resume(&m)
    case .dropStoredPin: DropStoredPin.resume(&m)
    case .splitFolio: SplitFolio.resume(&m)
    case .reflink: Reflink.resume(&m)
    case .awaitIdle: AwaitIdle.resume(&m)
    default: preconditionFailure("a procedure without steps")
    }
  }
}

extension Procedure {
  /// How a program calls it; nil where it cannot.
  package var signature: Signature? { body.signature(of: self) }
  /// The name in program texts: the signature's, or the procedure's own.
  package var name: String { signature?.name ?? String(describing: self) }
  /// The names of its steps, in order.
  package var stepNames: [String] { body.stepNames }
  /// Whether a generator may expect a call to do something in this state.
  package static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    call.operation.body.isUseful(call, in: &m)
  }
  /// Whether a call may be expected to do something in a state that is not at hand to change.
  package static func isUseful(_ call: Call, in m: Machine) -> Bool {
    var copy = m
    return isUseful(call, in: &copy)
  }
  /// What programs may call, in order.
  package static let operations = Procedure.allCases.filter { $0.signature != nil }
}

/// What an idle CPU's frame holds; it has no steps to execute.
enum Idle: Body {
  enum Step: UInt8, CaseIterable { case nothing }
  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> { .finish }
}
