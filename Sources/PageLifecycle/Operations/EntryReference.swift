// SPDX-License-Identifier: MIT

/// Takes what a DAX entry holds of its pages; the second half of `dax_associate_entry()` in the
/// series of 2022, `pgmap_request_folios()`.
///
/// The caller holds the pages lock and, where each page holds the pgmap while it is used, one
/// reference of the pgmap.  Registers: pfn, the first page; count, the pages.
enum HoldEntry: Body {
  enum Step: UInt8, CaseIterable {
    /// `folio_ref_inc()`
    case getPage
    /// `folio_ref_count() == 1`, looked at again
    case testFirst
    /// `percpu_ref_get()` of a page that was idle
    case getPagemap
    /// `percpu_ref_put()` of the request's own
    case putPagemap
  }

  static func frame(_ first: PFN, count: Int) -> Frame {
    var frame = Frame(.holdEntry)
    frame.pfn = first
    frame.count = UInt8(count)
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let pfn = m.frame.pfn
    let isPerFolio = m.rules.entryPagemap == .perFolio
    switch step {
    case .getPage:
      m.getForFault(pfn)
      m.ledger.take(.entry, of: pfn)
      guard isPerFolio else { return advance(&m) }
      guard m.obeys(.countsFirstReference) else { return .next(.testFirst) }
      return m.pages[pfn].refcount == 1 ? .next(.getPagemap) : advance(&m)

    case .testFirst:
      m.noteUse(of: pfn)
      return m.pages[pfn].refcount == 1 ? .next(.getPagemap) : advance(&m)

    case .getPagemap:
      m.takePageReference(.pmem0)
      return advance(&m)

    case .putPagemap:
      if isPerFolio { m.putPageReference(.pmem0) }
      return .finish
    }
  }

  private static func advance(_ m: inout Machine) -> Transition<Step> {
    m.frame.pfn = PFN(m.frame.pfn.position + 1)
    m.frame.count -= 1
    return .next(m.frame.count == 0 ? .putPagemap : .getPage)
  }
}

/// Drops what a DAX entry holds of its pages and tags it; `dax_zap_entry()` of the same series.
///
/// The caller holds the pages lock.  Registers: file, index, the entry; count, pages done.
enum ReleaseEntry: Body {
  enum Step: UInt8, CaseIterable {
    /// `xas_store()` with DAX_ZAP
    case tagEntry
    /// `put_page()`, `pgmap_release_folios()`; `page_ref_dec()`
    case putNext
    /// `folio_ref_count() == 0`, looked at again
    case testLast
  }

  static func frame(_ file: FileID, _ home: PageIndex) -> Frame {
    var frame = Frame(.releaseEntry)
    frame.file = file
    frame.index = home
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let (file, home) = (m.frame.file, m.frame.index)
    let entry = m.files[file].entries[home]
    switch step {
    case .tagEntry:
      if m.obeys(.tagsWhenDropped) {
        m.files[file].entries[home].isZapped = true
        m.touch(file)
      }
      return .next(.putNext)

    case .putNext:
      guard Int(m.frame.count) < entry.span else { return .finish }
      let pfn = PFN(entry.pfn.position + Int(m.frame.count))
      m.frame.count += 1
      guard !m.rules.entriesPut else {
        return m.enter(PutPage.frame(pfn, .entry), then: Step.testLast)
      }
      m.ledger.drop(.entry, of: pfn)
      m.dropUnnoticed(pfn)
      if m.isIdle(pfn) { m.emit(.wentIdle(pfn)) }
      return .next(.testLast)

    case .testLast:
      let looksAgain = m.rules.entryPagemap == .perFolio && !m.obeys(.dropsPagemapAtLastPut)
      let pfn = PFN(entry.pfn.position + Int(m.frame.count) - 1)
      if looksAgain { m.noteUse(of: pfn) }
      if looksAgain && m.pages[pfn].refcount == 0 { m.putPageReference(.pmem0) }
      return .next(.putNext)
    }
  }
}

extension Machine {
  /// `get_dev_pagemap_many()` for the pages of an entry, or the one of `pgmap_request_folios()`;
  /// false where the pgmap dies.
  mutating func getEntryPagemap(for entry: Entry) -> Bool {
    switch rules.entryPagemap {
    case .never: true
    // An entry that was there before has held it since then.
    case .perEntry: entry.kind == .page || tryGetPageReferences(.pmem0, Int32(entry.span))
    case .perFolio: tryGetPageReferences(.pmem0, 1)
    }
  }

  /// The tag that a page's entry gets when nobody holds the page any more.
  mutating func tagEntry(of pfn: PFN) {
    noteUse(of: pfn)
    guard let file = pages[pfn].mapping.file else { return }
    let home = files[file].home(of: pages[pfn].index)
    guard files[file].entries[home].kind == .page else { return }
    files[file].entries[home].isZapped = true
    touch(file)
  }
}
