// SPDX-License-Identifier: MIT

package import PageLifecycle

/// A run in CPU columns, one row an atomic step: what `replay --trace` prints.
package struct TraceText {
  /// One row: a step, or a heading of a line or stage.
  private enum Row {
    case step(ExecutedStep, PageState?)
    case heading(String)
  }

  private struct PageState {
    var page: PFN
    var words: Page
  }

  private var rows: [Row] = []
  private var cpus: [CPUID] = []
  private var line: Int?
  private var stage = Run.Stage.lines
  private var violations = 0

  /// The trace of a run, with its report.
  package static func trace(_ program: Program) -> (lines: [String], report: Report) {
    var trace = TraceText()
    let report = Execution.run(program) { step, before, run in
      trace.record(step, before, run.machine, program)
    }
    trace.addViolations(of: report.verdict)
    return (trace.lines(), report)
  }

  /// The rows of a run.
  package static func lines(of program: Program) -> [String] { trace(program).lines }

  private mutating func record(
    _ step: ExecutedStep, _ before: Machine, _ after: Machine, _ program: Program
  ) {
    if step.line != line || step.stage != stage {
      (line, stage) = (step.line, step.stage)
      rows.append(.heading(Self.heading(of: step, in: program)))
    }
    if !cpus.contains(step.cpu) { cpus.append(step.cpu) }
    let page = Self.touchedPage(step, before, after)
    rows.append(.step(step, page.map { PageState(page: $0, words: after.pages[$0]) }))
    addViolations(of: after.verdict)
  }

  private mutating func addViolations(of verdict: Verdict) {
    for violation in verdict.all.dropFirst(violations) {
      rows.append(.heading("violated \(Self.words(for: violation))"))
    }
    violations = verdict.all.count
  }

  /// The line or the stage that a step belongs to, as a heading of a trace.
  package static func heading(of step: ExecutedStep, in program: Program) -> String {
    if let line = step.line {
      var line = program.lines[line]
      line.comment = nil
      return "> " + ProgramPrinter.text(of: line)
    }
    return switch step.stage {
    case .settling: "-- settling: runnable tasks run"
    case .releasing: "-- releasing: handles let go"
    case .unmapping: "-- unmapping: every process ends"
    case .evicting: "-- evicting: every inode goes"
    case .unbinding: "-- unbinding: memunmap_pages()"
    case .lines, .ended: "-- the end"
    }
  }

  /// The page a step changed, or else the one its procedure has at hand.
  package static func touchedPage(
    _ step: ExecutedStep, _ before: Machine, _ after: Machine
  ) -> PFN? {
    let changed = (0..<Limits.pages).map { PFN($0) }.filter { after.changedPage($0, since: before) }
    let hands = [after.cpus[step.cpu].frame, before.cpus[step.cpu].frame].flatMap {
      [$0.pfn, $0.pte.kind == .page ? $0.pte.pfn : .none]
    }
    let atHand = hands.first { $0.position < Limits.pages }
    if let atHand, changed.contains(atHand) { return atHand }
    return changed.first ?? atHand
  }

  // MARK: Layout

  /// The table under its header.
  private func lines() -> [String] {
    let columns = cpus.sorted()
    let table = rows.compactMap { row -> [String]? in
      guard case .step(let step, let page) = row else { return nil }
      return cells(step, page, columns)
    }
    let header = ["#"] + columns.map(Spelling.cpuOrEnd) + ["page", "ref", "map", "mapping"]
    var aligned = Columns.aligned([header] + table)
    var lines = [aligned.removeFirst()]
    var next = aligned.makeIterator()
    for row in rows {
      switch row {
      case .heading(let text): lines.append(text)
      case .step: if let line = next.next() { lines.append(line) }
      }
    }
    return lines
  }

  private func cells(
    _ step: ExecutedStep, _ page: PageState?, _ columns: [CPUID]
  ) -> [String] {
    var text = "\(Vocabulary.name(step.name.procedure)): \(step.name.shortName)"
    if step.isBlocked { text += " (blocked)" }
    if let result = step.result { text += " = \(result)" }
    var cells = ["\(step.number)"] + columns.map { $0 == step.cpu ? text : "" }
    if let page {
      cells += [
        Spelling.pfn(page.page), "\(page.words.refcount)", "\(page.words.mapcount)",
        page.words.mapping.name,
      ]
    }
    return cells
  }

  // MARK: Violations

  /// The line that was crossed, in words: invariant, sentence, object, who is to blame.
  package static func words(for violation: Violation) -> String {
    var text = "\(violation.invariant.name) at step \(violation.stepNumber)"
    text += ": \(violation.invariant.statement) \(subject(of: violation))"
    if let blame = violation.blame {
      let kind =
        switch blame.kind {
        case .missing: "too few"
        case .extra: "too many"
        case .foreign: "still held by"
        }
      text += "; \(kind) '\(blame.holder.name)'"
    }
    if let race = violation.race { text += "; \(race.words)" }
    return text
  }

  private static func subject(of violation: Violation) -> String {
    switch violation.subject {
    case .page(let pfn): "Page \(Spelling.pfn(pfn)), \(violation.type.name)"
    case .file(let file): "File \(Spelling.file(file))"
    case .task(let cpu): "The task on \(Spelling.cpuOrEnd(cpu))"
    case .pagemap: "The pgmap"
    }
  }
}

extension DataRace {
  /// The word, what is done to it, and by which step of whom else.
  package var words: String {
    let (second, first) = (writes.second ? "write" : "read", writes.first ? "write" : "read")
    return "its \(second) of \(word.name) is not ordered behind the \(first) by "
      + "\(Spelling.cpuOrEnd(cpu)) in \(StepName(procedure, step))"
  }
}
