// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// Which calls of a program can have to do with a violation: those that changed what it is about,
/// those that changed what these changed, and so on.
///
/// Objects are page frames, page-table entries, offsets of files, handles and devices.  Locks and
/// whole address spaces are none: everybody uses them.
struct Relevance {
  private enum Object: Hashable {
    case page(PFN)
    case pte(MMID, MappingID, PageIndex)
    case offset(FileID, PageIndex)
    case file(FileID)
    case mm(MMID)
    case handle(HandleID)
    case pagemap(PagemapID)
    case task(CPUID)
  }

  /// What each call changed or named, by the line that started it.
  private var objects: [Int: Set<Object>] = [:]

  /// The lines of a program that began a call with nothing to do with a violation.
  ///
  /// nil where the violation cannot be placed.
  static func unrelatedLines(of program: Program, to violation: Violation) -> [Int]? {
    var relevance = Relevance()
    var violating: Int?
    var callLines = PerCPU<Int>(repeating: -1)
    let instructions = program.instructions
    _ = Execution.run(program) { step, before, run in
      if let line = step.line, instructions[line].call == step.call { callLines[step.cpu] = line }
      let line = step.cpu == Run.janitor ? -1 : callLines[step.cpu]
      if step.number == violation.stepNumber { violating = line }
      guard line >= 0, !step.isBlocked else { return }
      relevance.objects[line, default: []].formUnion(changes(from: before, to: run.machine))
    }
    var needed: Set<Object> = []
    if let violating, violating >= 0 { needed.formUnion(relevance.objects[violating] ?? []) }
    switch violation.subject {
    case .page(let pfn): needed.insert(.page(pfn))
    case .file(let file): needed.insert(.file(file))
    case .task(let cpu): needed.formUnion(relevance.objects[callLines[cpu]] ?? [])
    case .pagemap: needed.formUnion(PagemapID.all.map { .pagemap($0) })
    }
    guard !needed.isEmpty else { return nil }
    return relevance.unrelated(to: needed, violating, instructions)
  }

  private func unrelated(
    to needed: Set<Object>, _ violating: Int?, _ instructions: [Instruction]
  ) -> [Int] {
    let calls = instructions.indices.filter { instructions[$0].call != nil }
    var needed = needed
    var related = Set(violating.map { [$0] } ?? [])
    var isGrowing = true
    while isGrowing {
      isGrowing = false
      for line in calls where !related.contains(line) {
        guard let own = objects[line], !own.isDisjoint(with: needed) else { continue }
        related.insert(line)
        needed.formUnion(own)
        isGrowing = true
      }
    }
    return calls.filter { !related.contains($0) }
  }

  private static func changes(from before: Machine, to after: Machine) -> Set<Object> {
    var changes: Set<Object> = []
    for position in 0..<Limits.pages {
      let pfn = PFN(position)
      if after.changedPage(pfn, since: before) { changes.insert(.page(pfn)) }
    }
    for mm in before.mms.indices {
      if before.mms[mm].isAlive != after.mms[mm].isAlive { changes.insert(.mm(mm)) }
      for mapping in before.mms[mm].vmas.indices {
        let (old, new) = (before.mms[mm].vmas[mapping], after.mms[mm].vmas[mapping])
        for page in old.ptes.indices
        where old.ptes[page] != new.ptes[page]
          || old.pages.contains(page) != new.pages.contains(page)
        {
          changes.insert(.pte(mm, mapping, page))
        }
      }
    }
    for file in before.files.indices {
      let (old, new) = (before.files[file], after.files[file])
      if old.isLinked != new.isLinked || old.descriptors != new.descriptors || old.size != new.size
      {
        changes.insert(.file(file))
      }
      for index in old.entries.indices
      where old.entries[index] != new.entries[index] || old.blocks[index] != new.blocks[index] {
        changes.insert(.offset(file, index))
      }
    }
    for handle in before.handles.indices
    where before.handles[handle].state != after.handles[handle].state {
      changes.insert(.handle(handle))
    }
    for id in PagemapID.all where before.pagemaps[id].state != after.pagemaps[id].state {
      changes.insert(.pagemap(id))
    }
    return changes
  }
}
