// SPDX-License-Identifier: MIT

import Programs

/// How an explanation is printed.  Add a renderer here; options, help and completions follow.
package enum Renderer: String, CaseIterable, Sendable {
  case text, json, svg, html, mermaid

  /// What it prints, in one line.
  package var summary: String {
    switch self {
    case .text: "words and tables for a terminal"
    case .json: "one object on one line"
    case .svg: "a picture: CPU columns, references as lines, what passed between calls"
    case .html: "one page with the picture and every table, needing nothing else"
    case .mermaid: "a sequence diagram"
    }
  }

  /// The whole output, with a newline at its end; `name` is what the program's file is called.
  package func print(_ explanation: Explanation, of name: String) -> String {
    switch self {
    case .text: TextReport.text(of: explanation, name)
    case .json: JSONReport.object(of: explanation, name).line + "\n"
    case .svg: Picture(of: explanation).text + "\n"
    case .html: Page.text(of: explanation, name)
    case .mermaid: SequenceDiagram.text(of: explanation.program, upTo: explanation.violation)
    }
  }
}

/// Text for a terminal.
enum TextReport {
  static func text(of explanation: Explanation, _ name: String) -> String {
    var lines = ["\(name): \(explanation.identity), protocol \(explanation.program.variant.name)"]
    for part in explanation.parts {
      lines += ["", part.title] + (part.sentences + table(part.table)).map { "  " + $0 }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func table(_ table: Part.Table?) -> [String] {
    guard let table, !table.rows.isEmpty else { return [] }
    let isSpanning: (Part.Row) -> Bool = { $0.cells.count == 1 }
    let plain = table.rows.filter { !isSpanning($0) }
    var aligned = Columns.aligned([table.header] + plain.map { $0.cells.map(\.text) })[...]
    var lines = [aligned.removeFirst()]
    for row in table.rows {
      if isSpanning(row) {
        lines.append(row.cells[0].text)
      } else if let line = aligned.popFirst() {
        lines.append(line)
      }
    }
    return lines
  }
}
