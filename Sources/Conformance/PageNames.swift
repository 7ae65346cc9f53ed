// SPDX-License-Identifier: MIT

import PageLifecycle

/// Which page frame of the model each name of a recording stands for.
struct PageNames {
  private(set) var bound: [String: PFN] = [:]

  /// Binds a new name, or checks an old one; false where the name or the page is taken.
  mutating func bind(_ name: String, to pfn: PFN) -> Bool {
    if let old = bound[name] { return old == pfn }
    guard !bound.values.contains(pfn) else { return false }
    bound[name] = pfn
    return true
  }

  /// A page of RAM that is listed no more was freed; its frame may get a new name.
  mutating func forgetAll(but pages: [String: Recording.PageState?]) {
    bound = bound.filter { name, pfn in
      PagemapID(of: pfn) != nil || pages.keys.contains(name)
    }
  }

  func words(for pfn: PFN) -> String {
    let name = bound.filter { $0.value == pfn }.keys.sorted().first
    return name.map { "page \($0) (p\(pfn.rawValue))" } ?? "p\(pfn.rawValue)"
  }
}

/// An address as recordings write it: `m0:1` in p0, `p1.m0:1` in the child.
struct MappedAddress: Hashable {
  var mm: MMID
  var mapping: MappingID
  var page: PageIndex

  init?(_ text: String) {
    let isChild = text.hasPrefix("p1.")
    let parts = text.dropFirst(isChild ? 3 : 0).split(separator: ":")
    guard parts.count == 2, let mapping = Translation.number(parts[0], after: "m"),
      let page = Int(parts[1]), mapping < Limits.mappings, page < Limits.filePages
    else { return nil }
    mm = MMID(isChild ? 1 : 0)
    (self.mapping, self.page) = (MappingID(mapping), PageIndex(page))
  }

  init(_ mm: MMID, _ mapping: MappingID, _ page: PageIndex) {
    (self.mm, self.mapping, self.page) = (mm, mapping, page)
  }

  var text: String { "\(mm.rawValue == 1 ? "p1." : "")m\(mapping.rawValue):\(page.rawValue)" }
}

/// What a recorder can see of the page tables.
///
/// It looks for a mapping where the parent has it.  Once the parent gives its name to a new
/// mapping, what the child still has at the old address is seen no more.
struct RecordedView {
  private var hidden: Set<MappingID> = []
  private var hasChild = false

  /// Follows what the processes do to mappings.
  mutating func note(_ event: Recording.Event) {
    switch event.op {
    case "fork":
      hasChild = true
      hidden = []
    case "exit": hasChild = false
    case "mmap":
      if hasChild, let mapping = event.args.mapping.flatMap(Translation.mapping) {
        hidden.insert(mapping)
      }
    default: break
    }
  }

  /// Every address seen whose page-table entry is of a kind.
  func addresses(in machine: Machine, where isWanted: (PTE) -> Bool) -> [String] {
    var found: [String] = []
    for mm in machine.mms.indices where machine.mms[mm].isAlive {
      for mapping in machine.mms[mm].vmas.indices
      where mm.rawValue == 0 || !hidden.contains(mapping) {
        let vma = machine.mms[mm].vmas[mapping]
        for page in vma.ptes.indices where !vma.isFree && isWanted(vma.ptes[page]) {
          found.append(MappedAddress(mm, mapping, page).text)
        }
      }
    }
    return found
  }

  /// What a recording would show of a page.
  func state(of pfn: PFN, in machine: Machine) -> Recording.PageState {
    let page = machine.pages[pfn]
    return Recording.PageState(
      ref: page.refcount, map: page.mapcount, mapping: page.mapping != .none,
      mappedAt: addresses(in: machine) { $0.isMapping && $0.pfn == pfn }.sorted(),
      hwpoison: page.flags.contains(.hwpoison))
  }
}

extension Machine {
  /// What recordings call a kind of page.
  func kindName(of pfn: PFN) -> String {
    switch pages[pfn].type {
    case .fsdax: "fsdax"
    case .system: "anon"
    case .devicePrivate: "device_private"
    default: pages[pfn].type.name
    }
  }

  /// Blocks without a file, and device pages on a free list.
  var freeDevicePages: Bits<PFN> {
    Bits(rawValue: freeBlocks.rawValue | ledger.listed.rawValue)
  }

  /// The bytes a call that has returned read.
  func bytesRead(by call: Call, on cpu: CPUID) -> [UInt8] {
    let count = call.operation == .pipeRead ? Int(cpus[cpu].value.rawValue) : 1
    return (0..<max(0, min(count, Limits.handlePages))).map { cpus[cpu].bytes[$0] }
  }

  /// The name recordings have for a lock somebody waits for.
  func lockName(_ object: UInt8) -> String {
    switch LockID(rawValue: object).kind {
    case .inode: "inode_lock"
    case .mmap: "mmap_lock"
    case .invalidate: "invalidate_lock"
    case .pageTable: "page_table_lock"
    case .pages: "pages_lock"
    case .driver: "driver_lock"
    case .mappingTree: "i_mmap_lock"
    case .iommu: "iommu_lock"
    case .zone: "zone_lock"
    }
  }
}

extension Recording.PageState: CustomStringConvertible {
  /// The same state with addresses in order, and nothing left out.
  var canonical: Self {
    Self(
      ref: ref, map: map, mapping: mapping, mappedAt: mappedAt.sorted(),
      hwpoison: hwpoison ?? false)
  }

  package var description: String {
    let places = mappedAt.isEmpty ? "nowhere" : mappedAt.joined(separator: " ")
    let poison = hwpoison == true ? " hwpoison" : ""
    return "ref=\(ref) map=\(map) mapping=\(mapping ? "set" : "none") mapped at \(places)\(poison)"
  }
}
