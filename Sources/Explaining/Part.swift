// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// One part of an explanation, in words and in at most one table: what text and HTML print.
package struct Part: Sendable {
  /// What a row of a table is.
  package enum Kind: Sendable {
    case plain
    /// It spans the table.
    case heading
    /// What went wrong.
    case alarm
    /// It has nothing to do with the violation.
    case aside
  }

  /// One cell, and whether a step changed it.
  package struct Cell: Sendable {
    package var text: String
    package var isChanged = false
  }

  package struct Row: Sendable {
    package var kind = Kind.plain
    package var cells: [Cell]
  }

  package struct Table: Sendable {
    package var header: [String]
    package var rows: [Row] = []
  }

  /// A word for links.
  package var name: String
  package var title: String
  package var sentences: [String] = []
  package var table: Table?
}

extension Explanation {
  /// Every part in order: what is violated, why, who held what, and how close it was.
  package var parts: [Part] {
    [violated, because, ledger, window, slice, elsewhere, steps]
  }

  private var violated: Part {
    let step = StepName(violation.procedure, violation.step)
    return Part(
      name: "violated", title: "Violated",
      sentences: [
        "\(TraceText.words(for: violation)).", "Source: \(violation.invariant.source)",
        "The step was \(step) on \(Spelling.cpuOrEnd(violation.cpu)).",
      ])
  }

  private var because: Part {
    var sentences: [String] = []
    if case .rules = identity.cause {
    } else {
      sentences.append(
        "No repair of one rule or two makes it clean; the last steps that met are "
          + "\(identity.cause).")
    }
    for blame in blames {
      for rule in blame.rules {
        sentences.append(
          "\(program.variant.name) does not obey '\(rule.name)' (\(rule.info.bug)): "
            + "\(rule.info.meaning).  Source: \(rule.info.source)")
      }
      sentences += blame.known.map { "Known of \(program.variant.base.name): \($0)." }
      let outcome =
        blame.remaining.isEmpty
        ? "clean" : "rid of it, and shows \(blame.remaining.joined(separator: "; "))"
      sentences.append("The same program under \(blame.variant) is \(outcome).")
    }
    return Part(name: "because", title: "Because", sentences: sentences)
  }

  private var ledger: Part {
    var table = Part.Table(header: ["page", "holder", "count", "taken", "dropped", "in"])
    for account in accounts {
      for reference in account.references {
        var end = reference.death?.text ?? "-"
        if let heir = reference.successor { end += ", becomes \(heir.name)" }
        if let blame = reference.blame { end = "still there: \(blame.words)" }
        let call = reference.birth.step == 0 ? "" : ProgramPrinter.text(of: reference.birth.call)
        let cells = [
          Spelling.pfn(account.page), reference.holder.name, "\(reference.count)",
          reference.birth.text, end, call,
        ]
        table.rows.append(
          Part.Row(
            kind: reference.blame == nil ? .plain : .alarm, cells: cells.map { .init(text: $0) }))
      }
    }
    var sentences = accounts.map(\.balance)
    if let blame = violation.blame { sentences.append(words(of: blame)) }
    return Part(name: "ledger", title: "Who held what", sentences: sentences, table: table)
  }

  private func words(of blame: Blame) -> String {
    switch blame.kind {
    case .missing: "One '\(blame.holder.name)' is held that the refcount does not have."
    case .extra: "The refcount has a '\(blame.holder.name)' that nobody holds, or holds twice."
    case .foreign: "A '\(blame.holder.name)' is held where none may be."
    }
  }

  private var window: Part {
    var sentences: [String] = []
    if windows.isEmpty { sentences.append("No line is preempted.") }
    var table = Part.Table(header: ["line", "may stop", "to", "places", "of"])
    for window in windows {
      let cells = [
        window.text, window.name(of: window.range.lowerBound),
        window.name(of: window.range.upperBound), "\(window.openCount)", "\(window.isOpen.count)",
      ]
      table.rows.append(Part.Row(cells: cells.map { .init(text: $0) }))
    }
    sentences += [depthSentence, rateSentence]
    return Part(
      name: "window", title: "Race window", sentences: sentences,
      table: windows.isEmpty ? nil : table)
  }

  private var depthSentence: String {
    switch depth.constraints {
    case nil:
      return "Depth: more than \(ExplanationLimits.depth) ordering constraints, or more than "
        + "\(depth.schedules) schedules showed."
    case 0: return "Depth 0: whichever CPU goes first, it shows."
    case let constraints?:
      return "Depth \(constraints): that many ordering constraints between CPUs make it certain "
        + "(\(depth.schedules) schedules tried).  A PCT run of that depth finds it at least once in "
        + "\(depth.guarantee ?? 1)."
    }
  }

  private var rateSentence: String {
    let share: String
    switch rate.oneIn {
    case nil: share = "No random run of the same calls showed it"
    case HitRate.rarest: share = "Less than one random run of the same calls in 10^15 shows it"
    case let count? where count >= 100:
      share = "One random run of the same calls in \(count) shows it"
    default:
      let tenths = (rate.perMillion + 500) / 1000
      share = "\(tenths / 10).\(tenths % 10) % of random runs of the same calls show it"
    }
    guard let interval = rate.interval else {
      return "\(share): counted over every interleaving, each CPU that can run equally likely at "
        + "every step (\(rate.states) choices)."
    }
    return "\(share): \(rate.hits) of \(rate.sampled ?? 0) schedules drawn with seed "
      + "\(ExplanationLimits.sampleSeed), each CPU that can run equally likely at every step; between "
      + "\(interval.lowerBound) and \(interval.upperBound) in a million, with 95 % confidence."
  }

  private var slice: Part {
    let count = dependencies.steps.count
    var table = Part.Table(header: ["step", "then", "by", "of what"])
    for edge in dependencies.edges.prefix(ExplanationLimits.dependencies) {
      let cells = [
        "\(edge.from) \(cpu(of: edge.from))", "\(edge.to) \(cpu(of: edge.to))",
        edge.kind.words, edge.objects.joined(separator: ", "),
      ]
      table.rows.append(Part.Row(cells: cells.map { .init(text: $0) }))
    }
    let more = dependencies.edges.count - ExplanationLimits.dependencies
    var sentences = [
      "\(count) of \(dependencies.stepCount) steps come before the violation in the sense that "
        + "something passed from one to the next.  These passed between calls:"
    ]
    if dependencies.edges.isEmpty { sentences = ["Nothing passed between calls."] }
    if more > 0 { sentences.append("\(more) more are left out here.") }
    return Part(
      name: "before", title: "What had to come first", sentences: sentences,
      table: dependencies.edges.isEmpty ? nil : table)
  }

  private func cpu(of step: Int) -> String { Spelling.cpuOrEnd(dependencies.calls[step - 1].cpu) }

  private var elsewhere: Part {
    var table = Part.Table(header: ["protocol", "as it was", "repaired"])
    for outcome in protocols {
      let repaired = outcome.repaired == outcome.shipped ? "the same" : outcome.repaired.text
      table.rows.append(
        Part.Row(
          cells: [outcome.name, outcome.shipped.text, repaired].map { .init(text: $0) }))
    }
    return Part(name: "elsewhere", title: "Under other protocols", table: table)
  }

  private var steps: Part {
    let columns = TraceTable.Column.allCases
    var table = Part.Table(
      header: ["#"] + trace.cpus.map(Spelling.cpuOrEnd) + columns.map(\.title))
    for item in trace.items {
      switch item {
      case .heading(let text): table.rows.append(.init(kind: .heading, cells: [.init(text: text)]))
      case .violation(let text):
        table.rows.append(.init(kind: .alarm, cells: [.init(text: "violated \(text)")]))
      case .row(let row):
        let actions = trace.cpus.map { $0 == row.step.cpu ? row.action : "" }
        let words = row.words.map { Part.Cell(text: $0.text, isChanged: $0.isChanged) }
        let number = "\(row.step.number)" + (row.isNeeded ? "" : " -")
        table.rows.append(
          .init(
            kind: row.isNeeded ? .plain : .aside,
            cells: [.init(text: number)] + actions.map { .init(text: $0) } + words))
      }
    }
    return Part(
      name: "steps", title: "Step by step",
      sentences: [
        "0>1 is a word the step changed; a step marked - could be left out of the story."
      ],
      table: table)
  }
}

extension Dependencies.Kind {
  /// What was handed over, in words.
  var words: String {
    switch self {
    case .lock: "lock handed over"
    case .wakeUp: "made runnable"
    case .word: "written, then used"
    }
  }
}
