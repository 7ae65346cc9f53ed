// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// The steps of a run in order, each with the words of the page it is about.
package struct TraceTable: Sendable {
  /// A word of a page, as the trace shows it.
  package enum Column: String, CaseIterable, Sendable {
    case page, refcount, mapcount, pins, mapping, entry, freeList

    /// The head of the column.
    package var title: String {
      switch self {
      case .page: "page"
      case .refcount: "ref"
      case .mapcount: "map"
      case .pins: "pins"
      case .mapping: "mapping"
      case .entry: "entry"
      case .freeList: "list"
      }
    }
  }

  /// One word before a step and after it.
  package struct Word: Equatable, Sendable {
    package var before: String
    package var after: String
    package var isChanged: Bool { before != after }
    /// The value, or both where the step changed it: `0>1`.
    package var text: String { isChanged ? "\(before)>\(after)" : after }
  }

  /// One step.
  package struct Row: Sendable {
    package var step: ExecutedStep
    package var page: PFN?
    /// By column; empty where the step is about no page.
    package var words: [Word]
    /// The violation depends on it; see ``Dependencies``.
    package var isNeeded = true

    /// A word of the page, if there is one.
    package subscript(_ column: Column) -> Word? {
      guard !words.isEmpty else { return nil }
      return words[Column.allCases.firstIndex(of: column) ?? 0]
    }

    /// What the CPU did.
    package var action: String {
      var text = "\(step.name.procedure.name): \(step.name.shortName)"
      if step.isBlocked { text += " (blocked)" }
      if let result = step.result { text += " = \(result)" }
      return text
    }
  }

  /// A line of the program or a stage of the end, a step, or the violation.
  package enum Item: Sendable {
    case heading(String)
    case row(Row)
    case violation(String)
  }

  package private(set) var items: [Item] = []
  /// Which CPUs have a column.
  package private(set) var cpus: [CPUID] = []
  private var line: Int?
  private var stage = Run.Stage.lines
  private var violations = 0

  /// The trace of a program, up to a step.
  package init(of program: Program, upTo last: Int = .max) {
    var table = self
    let report = Execution.run(program) { step, before, run in
      guard step.number <= last else { return }
      table.record(step, before, run.machine, program)
    }
    self = table
    if last == .max { addViolations(of: report.verdict) }
    cpus.sort()
  }

  /// The steps, without what stands between them.
  package var rows: [Row] {
    items.compactMap { if case .row(let row) = $0 { row } else { nil } }
  }

  /// Marks the steps a violation depends on.
  mutating func mark(_ dependencies: Dependencies) {
    for index in items.indices {
      guard case .row(var row) = items[index] else { continue }
      row.isNeeded = dependencies.steps.contains(row.step.number)
      items[index] = .row(row)
    }
  }

  /// Ends the trace in a violation that no step of its own shows.
  mutating func close(with violation: Violation) {
    let words = TraceText.words(for: violation)
    let isThere = items.contains { if case .violation(words) = $0 { true } else { false } }
    if !isThere { items.append(.violation(words)) }
  }

  private mutating func record(
    _ step: ExecutedStep, _ before: Machine, _ after: Machine, _ program: Program
  ) {
    if step.line != line || step.stage != stage {
      (line, stage) = (step.line, step.stage)
      items.append(.heading(TraceText.heading(of: step, in: program)))
    }
    if !cpus.contains(step.cpu) { cpus.append(step.cpu) }
    let page = TraceText.touchedPage(step, before, after)
    let words = page.map { page in
      zip(before.words(of: page), after.words(of: page)).map { Word(before: $0, after: $1) }
    }
    items.append(.row(Row(step: step, page: page, words: words ?? [])))
    addViolations(of: after.verdict)
  }

  private mutating func addViolations(of verdict: Verdict) {
    for violation in verdict.all.dropFirst(violations) {
      items.append(.violation(TraceText.words(for: violation)))
    }
    violations = verdict.all.count
  }
}

extension Machine {
  /// What the columns show of a page.
  fileprivate func words(of pfn: PFN) -> [String] {
    let page = pages[pfn]
    return TraceTable.Column.allCases.map { column in
      switch column {
      case .page: Spelling.pfn(pfn)
      case .refcount: "\(page.refcount)"
      case .mapcount: "\(page.mapcount)"
      case .pins: "\(ledger[pfn][.pin])"
      case .mapping: page.mapping.name
      case .entry: entryName(of: pfn)
      case .freeList: listName(of: pfn)
      }
    }
  }

  /// The DAX entry that names a page, with its bits.
  private func entryName(of pfn: PFN) -> String {
    for file in files.indices {
      for index in files[file].entries.indices {
        let entry = files[file].entries[index]
        let pages = entry.pfn.position..<entry.pfn.position + entry.span
        guard entry.kind == .page, pages.contains(pfn.position) else { continue }
        return Spelling.filePage(file, index) + (entry.isPMD ? " pmd" : "")
          + (entry.isLocked ? " locked" : "") + (entry.isZapped ? " zapped" : "")
          + (entry.isDirty ? " dirty" : "")
      }
    }
    return "-"
  }

  /// The list of free pages, or the LRU, that a page is on.
  private func listName(of pfn: PFN) -> String {
    guard pages[pfn].exists || PagemapID(of: pfn) == nil else { return "gone" }
    if freeBlocks.contains(pfn) || freeRAM.contains(pfn) || ledger.listed.contains(pfn) {
      return "free"
    }
    return pages[pfn].flags.contains(.lru) ? "lru" : "-"
  }
}
