// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// A Mermaid sequence diagram: CPUs speak to pages.
package enum SequenceDiagram {
  /// The whole text, with a newline at its end.
  ///
  /// It has every line, and of the steps those that change a page, sleep, or return; up to a
  /// violation where one is given.
  package static func text(of program: Program, upTo violation: Violation? = nil) -> String {
    var trace = TraceTable(of: program, upTo: violation?.stepNumber ?? .max)
    if let violation { trace.close(with: violation) }
    let shown = trace.rows.filter(isShown)
    var pages: [PFN] = []
    for page in shown.compactMap(\.page) where !pages.contains(page) { pages.append(page) }
    var lines = ["sequenceDiagram", "  %% \(program.variant.name)"]
    lines += trace.cpus.map {
      "  participant \(Spelling.cpuOrEnd($0))x as \(Spelling.cpuOrEnd($0))"
    }
    lines += pages.sorted().map { "  participant \(Spelling.pfn($0))" }
    guard let first = trace.cpus.first else { return lines.joined(separator: "\n") + "\n" }
    let last = pages.max().map(Spelling.pfn) ?? "\(Spelling.cpuOrEnd(first))x"
    let all = "\(Spelling.cpuOrEnd(first))x,\(last)"
    for item in trace.items {
      switch item {
      case .heading(let text): lines.append("  Note over \(all): \(escape(text))")
      case .violation(let text): lines.append("  Note over \(all): violated \(escape(text))")
      case .row(let row) where isShown(row): lines.append("  " + message(of: row))
      case .row: break
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func isShown(_ row: TraceTable.Row) -> Bool {
    row.step.isBlocked || row.step.result != nil || row.words.contains { $0.isChanged }
  }

  private static func message(of row: TraceTable.Row) -> String {
    let cpu = "\(Spelling.cpuOrEnd(row.step.cpu))x"
    let target = row.page.map(Spelling.pfn) ?? cpu
    let changes = zip(TraceTable.Column.allCases, row.words).filter { $0.1.isChanged }.map {
      "\($0.title) \($1.before) to \($1.after)"
    }
    let words = ([row.action] + changes).joined(separator: ", ")
    return "\(cpu)->>\(target): \(row.step.number) \(escape(words))"
  }

  /// Mermaid ends a message at a semicolon and reads `#` as the start of an entity.
  private static func escape(_ text: String) -> String {
    var result = ""
    for letter in text {
      switch letter {
      case ";": result += ","
      case "#": result += "#35;"
      case "<": result += "#lt;"
      case ">": result += "#gt;"
      default: result.append(letter)
      }
    }
    return result
  }
}
