// SPDX-License-Identifier: MIT

/// The specification, continued: blocks that files share.
extension Machine {
  /// I26: what a page knows of the entries that name it, while no file's entries change.
  mutating func violationOfSharing() -> (Invariant, PFN)? {
    for file in files.indices where files[file].pagesLock.writer != 0 { return nil }
    for position in 0..<Limits.devicePages {
      let pfn = PFN(position)
      guard pages[pfn].exists, !pages[pfn].isTail else { continue }
      let entries = countEntries(of: pfn)
      let isKnown =
        isShared(pfn)
        ? entries == Int(pages[pfn].share) : entries == 0 || pages[pfn].mapping.file != nil
      guard isKnown && (entries <= 1 || isShared(pfn)) else { return (.I26, pfn) }
    }
    return nil
  }

  private mutating func countEntries(of pfn: PFN) -> Int {
    var entries = 0
    for file in files.indices {
      for position in 0..<Limits.filePages {
        let entry = entry(of: file, at: PageIndex(position))
        if entry.kind == .page && page(of: entry, at: PageIndex(position)) == pfn { entries += 1 }
      }
    }
    return entries
  }
}
