// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// A part of the machine's state that one step writes and another reads.
enum StateObject: Hashable {
  /// Words of `struct page`, its contents, and the book of who holds it.
  enum Word: String, CaseIterable {
    case refcount, mapcount, pincount, mapping, lists, flags, contents, holders
  }

  case page(PFN, Word)
  case pte(MMID, MappingID, PageIndex)
  case entry(FileID, PageIndex)
  case block(FileID, PageIndex)
  case file(FileID)
  case handle(HandleID)
  case pagemap(PagemapID)
  case process(MMID)

  /// How reports name it.
  var name: String {
    switch self {
    case .page(let pfn, let word): "\(word.rawValue) of \(Spelling.pfn(pfn))"
    case .pte(let mm, let mapping, let page):
      "pte \(Spelling.mm(mm)).\(Spelling.mapping(mapping)):\(page.rawValue)"
    case .entry(let file, let page): "entry \(Spelling.filePage(file, page))"
    case .block(let file, let page): "block of \(Spelling.filePage(file, page))"
    case .file(let file): Spelling.file(file)
    case .handle(let handle): Spelling.handle(handle)
    case .pagemap(let id): "pgmap \(id.name)"
    case .process(let mm): Spelling.mm(mm)
    }
  }

  /// Whether a violation of a subject is about it.
  func isOf(_ subject: Subject) -> Bool {
    switch (self, subject) {
    case (.page(let own, _), .page(let pfn)): own == pfn
    case (.entry(let own, _), .file(let file)), (.block(let own, _), .file(let file)),
      (.file(let own), .file(let file)):
      own == file
    case (.pagemap, .pagemap): true
    default: false
    }
  }

  /// What the registers of a CPU name before its step.
  static func atHand(of cpu: CPUID, in machine: Machine) -> [StateObject] {
    let frame = machine.cpus[cpu].frame
    var objects: [StateObject] = []
    for pfn in [frame.pfn, frame.pte.pfn] where pfn.position < Limits.pages {
      objects += Word.allCases.filter { $0 != .holders }.map { .page(pfn, $0) }
    }
    let call = machine.cpus[cpu].call
    // Registers of a call that has no address are those of nothing.
    let hasAddress =
      frame.procedure == .zapRange || frame.pte.kind != .none
      || call.operation.signature?.parameters.contains(.mm) ?? false
    if hasAddress, frame.mm.position < Limits.mms, frame.mapping.position < Limits.mappings,
      frame.page.position < Limits.filePages
    {
      objects.append(.pte(frame.mm, frame.mapping, frame.page))
    }
    if !frame.file.isNone, frame.index.position < Limits.filePages {
      objects += [.entry(frame.file, frame.index), .block(frame.file, frame.index)]
    }
    if call.usesHandle { objects.append(.handle(call.handle)) }
    return objects
  }

  /// What differs between two states.
  static func changes(from before: Machine, to after: Machine) -> [StateObject] {
    var changes: [StateObject] = []
    for position in 0..<Limits.pages {
      let pfn = PFN(position)
      guard after.changedPage(pfn, since: before) else { continue }
      changes += Word.allCases.filter { $0.differs(of: pfn, before, after) }.map { .page(pfn, $0) }
    }
    for mm in before.mms.indices {
      if before.mms[mm].isAlive != after.mms[mm].isAlive { changes.append(.process(mm)) }
      for mapping in before.mms[mm].vmas.indices {
        let (old, new) = (before.mms[mm].vmas[mapping], after.mms[mm].vmas[mapping])
        for page in old.ptes.indices
        where old.ptes[page] != new.ptes[page]
          || old.pages.contains(page) != new.pages.contains(page)
        {
          changes.append(.pte(mm, mapping, page))
        }
      }
    }
    for file in before.files.indices {
      let (old, new) = (before.files[file], after.files[file])
      let isSame =
        old.isAlive == new.isAlive && old.isLinked == new.isLinked && old.size == new.size
        && old.descriptors == new.descriptors && old.nrpages == new.nrpages
      if !isSame { changes.append(.file(file)) }
      for index in old.entries.indices {
        if old.entries[index] != new.entries[index] { changes.append(.entry(file, index)) }
        if old.blocks[index] != new.blocks[index] { changes.append(.block(file, index)) }
      }
    }
    for handle in before.handles.indices
    where before.handles[handle].state != after.handles[handle].state {
      changes.append(.handle(handle))
    }
    for id in PagemapID.all {
      let (old, new) = (before.pagemaps[id], after.pagemaps[id])
      let isSame =
        old.state == new.state && old.references == new.references && old.firstFree == new.firstFree
      if !isSame { changes.append(.pagemap(id)) }
    }
    return changes
  }
}

extension StateObject.Word {
  fileprivate func differs(of pfn: PFN, _ before: Machine, _ after: Machine) -> Bool {
    let (old, new) = (before.pages[pfn], after.pages[pfn])
    return switch self {
    case .refcount: old.refcount != new.refcount
    case .mapcount: old.mapcount != new.mapcount
    case .pincount: old.pincount != new.pincount
    case .mapping: old.mapping != new.mapping || old.index != new.index
    case .lists: old.word1 != new.word1
    case .flags: old.flags != new.flags || old.exists != new.exists
    case .contents: before.memory[pfn] != after.memory[pfn]
    case .holders: before.ledger[pfn] != after.ledger[pfn]
    }
  }
}
