// SPDX-License-Identifier: MIT

package import PageLifecycle

/// When each reference of each page was born and died, and in which step.
package struct LedgerHistory: Sendable {
  /// References that one step took or dropped.
  package struct Entry: Equatable, Sendable {
    package var page: PFN
    package var holder: Holder
    /// Positive where references were taken.
    package var change: Int32
    /// References of this kind afterwards.
    package var balance: Int32
    package var step: Int
    package var cpu: CPUID
    package var name: StepName
    package var call: Call
  }
  package private(set) var entries: [Entry] = []

  /// A history nothing has happened in.
  package init() {}

  /// The history of a whole run.
  package init(of program: Program) {
    var history = LedgerHistory()
    _ = Execution.run(program) { step, before, run in
      history.record(step, before, run.machine)
    }
    self = history
  }

  /// Notes what one step changed.
  package mutating func record(_ step: ExecutedStep, _ before: Machine, _ after: Machine) {
    for position in 0..<Limits.pages {
      let page = PFN(position)
      let (old, new) = (before.ledger[page], after.ledger[page])
      guard old != new else { continue }
      for holder in Holder.allCases where old[holder] != new[holder] {
        entries.append(
          Entry(
            page: page, holder: holder, change: new[holder] - old[holder], balance: new[holder],
            step: step.number, cpu: step.cpu, name: step.name, call: step.call))
      }
    }
  }

  /// The pages anybody ever held, in order.
  package var pages: [PFN] {
    (0..<Limits.pages).map { PFN($0) }.filter { page in entries.contains { $0.page == page } }
  }

  /// The history of one page, one line a change, up to a step.
  package func lines(for page: PFN, upTo last: Int = .max) -> [String] {
    let own = entries.filter { $0.page == page && $0.step <= last }
    let rows = own.map { entry in
      let sign = entry.change > 0 ? "+" : ""
      return [
        "step \(entry.step)", Spelling.cpuOrEnd(entry.cpu), "\(sign)\(entry.change)",
        entry.holder.name, "= \(entry.balance)", entry.name.description,
        "in \(ProgramPrinter.text(of: entry.call))",
      ]
    }
    return ["\(Spelling.pfn(page)):"] + Columns.aligned(rows).map { "  " + $0 }
  }

  /// Who still holds one page after a step: `get 2, map 1`.
  package func holders(of page: PFN, after last: Int = .max) -> String {
    let balances = Holder.allCases.compactMap { holder in
      let latest = entries.last { $0.page == page && $0.holder == holder && $0.step <= last }
      return latest.flatMap { $0.balance == 0 ? nil : "\(holder.name) \($0.balance)" }
    }
    return balances.isEmpty ? "nobody" : balances.joined(separator: ", ")
  }
}

/// Text in columns.
package enum Columns {
  /// Pads each cell to the width of its column; the last one is left as it is.
  package static func aligned(_ rows: [[String]]) -> [String] {
    var widths: [Int] = []
    for row in rows {
      for (column, cell) in row.enumerated() {
        if column == widths.count { widths.append(0) }
        widths[column] = max(widths[column], cell.count)
      }
    }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in pad(cell, to: widths[column]) }
      return trimmed(cells.joined(separator: "  "))
    }
  }

  static func pad(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  static func trimmed(_ text: String) -> String {
    var text = text
    while text.last == " " { text.removeLast() }
    return text
  }
}

extension Spelling {
  /// The CPU's name, or `end` for the one that runs the staged end.
  package static func cpuOrEnd(_ cpu: CPUID) -> String {
    cpu == Run.janitor ? "end" : Self.cpu(cpu)
  }
}
