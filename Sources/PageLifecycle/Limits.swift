// SPDX-License-Identifier: MIT

/// One element a page frame: 16 blocks of the FS_DAX device, 16 pages of ordinary RAM, 12 pages of
/// each driver's device, 4 of a device-dax device and 4 of a peer-to-peer pool.
package typealias PerPage<Element> = Table<PFN, Element, 64>
/// One element a device with pages, and one a second chunk of a device with a driver.
package typealias PerPagemap<Element> = Table<PagemapID, Element, 7>
/// One element an inode.
package typealias PerFile<Element> = Table<FileID, Element, 2>
/// One element a page of a file or of a mapping.
package typealias PerFilePage<Element> = Table<PageIndex, Element, 8>
/// One element an address space: the parent and the child it may fork.
package typealias PerMM<Element> = Table<MMID, Element, 2>
/// One element a VMA of one address space.
package typealias PerMapping<Element> = Table<MappingID, Element, 4>
/// One element a CPU: eight for programs, one for the staged end, which must not depend on a
/// program's blocked tasks.
package typealias PerCPU<Element> = Table<CPUID, Element, 9>
/// One element a handle: 16 named ones, and a scratch handle a CPU for calls that release what
/// they took before they return.
package typealias PerHandle<Element> = Table<HandleID, Element, 24>

/// Every capacity of the model; nothing grows past these.
package enum Limits {
  package static let cpuSlots = PerCPU<Void>.count
  package static let cpus = cpuSlots - 1
  package static let files = PerFile<Void>.count
  package static let filePages = PerFilePage<Void>.count
  package static let mms = PerMM<Void>.count
  package static let mappings = PerMapping<Void>.count
  package static let pages = PerPage<Void>.count
  /// RAM allocation fails with -ENOMEM, block allocation with -ENOSPC, when all are in use.
  package static let devicePages = 16
  package static let ramPages = 16
  /// Pages of each of the two devices that have a driver.
  package static let driverPages = 12
  /// Those of them in the first chunk.
  package static let firstChunkPages = 9
  /// Slots of an IOMMU's root, and the most entries of a table below one.
  package static let tableSlots = InlineArray<2, PFN>.count
  package static let tableEntries = 512
  static let firstDriverPage = devicePages + ramPages
  /// Pages of the device-dax device, and of the peer-to-peer pool.
  package static let smallPages = 4
  /// Pages one migrate_vma() call may take.
  package static let migrationPages = 4
  package static let handleSlots = PerHandle<Void>.count
  package static let handles = handleSlots - cpus
  /// Pages that one PMD entry maps (512 on x86-64).
  package static let pagesPerPMD = 4
  /// Pages one gup-like call may take.
  package static let handlePages = 4
  /// References one gup-like call may take of each page (`times=`).
  package static let times = 4095
  /// Procedures a call may have entered and not left.
  package static let stackDepth = 8
  /// Calls that may wait behind an unfinished call of their CPU.  One more is refused: -EAGAIN.
  package static let queuedCalls = 64
  /// Violations kept of one run; later ones are only counted.
  package static let violations = 8
  /// Times a call may retry one fault: then it gives up, and if nobody else could run meanwhile
  /// that is a livelock (I58).
  package static let retries = 8
  /// Atomic steps of one run; then it ends where it is, and says so.
  package static let steps = 1_000_000
  /// Accesses kept of one step for whoever looks for data races; more are left out.
  static let accesses = 32
  /// Block numbers the allocator can be told to hand out next; more are ignored.
  package static let blockChoices = 8

  /// Name and value of each, for `list limits`.
  package static let all: [(name: String, value: Int)] = [
    ("cpus", cpus), ("files", files), ("filePages", filePages), ("mms", mms),
    ("mappings", mappings), ("devicePages", devicePages), ("ramPages", ramPages),
    ("driverPages", driverPages), ("firstChunkPages", firstChunkPages),
    ("smallPages", smallPages), ("migrationPages", migrationPages), ("handles", handles),
    ("handlePages", handlePages), ("pagesPerPMD", pagesPerPMD),
    ("times", times), ("stackDepth", stackDepth), ("queuedCalls", queuedCalls),
    ("violations", violations), ("retries", retries), ("steps", steps),
    ("accesses", accesses), ("blockChoices", blockChoices), ("tableSlots", tableSlots),
    ("tableEntries", tableEntries),
  ]
}
