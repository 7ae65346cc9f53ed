// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// The trace as SVG: a lane for each CPU, a line for each reference from birth to death, the
/// words of the page, and arrows where something passed between calls.
struct Picture {
  private enum Size {
    static let row = 17
    static let letter = 7
    static let gap = 18
    static let number = 54
    static let lifeline = 16
    static let head = 84
  }

  private let explanation: Explanation
  private let items: [TraceTable.Item]
  private var laneX: [CPUID: Int] = [:]
  private var laneWidth: [CPUID: Int] = [:]
  private var lifelineX = 0
  private var wordX: [Int] = []
  private var width = 0
  /// The y of each step.
  private var stepY: [Int: Int] = [:]

  init(of explanation: Explanation) {
    self.explanation = explanation
    items = explanation.trace.items
    layOut()
  }

  /// The references that are drawn: those of the first page that has any.
  private var references: [PageAccount.Reference] {
    explanation.accounts.first?.references ?? []
  }

  private mutating func layOut() {
    let rows = explanation.trace.rows
    var x = Size.number
    for cpu in explanation.trace.cpus {
      let longest = rows.filter { $0.step.cpu == cpu }.map { label($0.action).count }.max() ?? 4
      (laneX[cpu], laneWidth[cpu]) = (x, longest * Size.letter + Size.gap)
      x += longest * Size.letter + 2 * Size.gap
    }
    lifelineX = x
    x += references.count * Size.lifeline + Size.gap
    for (position, column) in TraceTable.Column.allCases.enumerated() {
      wordX.append(x)
      let texts = rows.compactMap { $0.words.isEmpty ? nil : $0.words[position].text.count }
      x += (max(column.title.count, texts.max() ?? 0) + 2) * Size.letter
    }
    width = x
    for item in items {
      let text: String? =
        switch item {
        case .heading(let text): text
        case .violation(let text): "violated \(text)"
        case .row: nil
        }
      width = max(width, Size.number + (text?.count ?? 0) * Size.letter + Size.gap)
    }
    for (position, item) in items.enumerated() {
      if case .row(let row) = item { stepY[row.step.number] = y(of: position) }
    }
  }

  private func y(of position: Int) -> Int { Size.head + position * Size.row }
  private var height: Int { y(of: items.count) + Size.row }

  private func label(_ text: String) -> String {
    guard text.count > ExplanationLimits.label else { return text }
    return text.prefix(ExplanationLimits.label - 3) + "..."
  }

  // MARK: Text

  /// The picture as one element.
  var text: String {
    var content = Markup.element("style", [], Self.style)
    content += Markup.element(
      "defs", [],
      Markup.element(
        "marker",
        [
          ("id", "tip"), ("viewBox", "0 0 8 8"), ("refX", "7"), ("refY", "4"),
          ("markerWidth", "7"), ("markerHeight", "7"), ("orient", "auto"),
        ], Markup.element("path", [("d", "M0,0 L8,4 L0,8 z"), ("fill", "#36c")])))
    content += Markup.element(
      "rect", [("width", "\(width)"), ("height", "\(height)"), ("fill", "#fff")])
    content += header()
    for (position, item) in items.enumerated() { content += "\n" + draw(item, y(of: position)) }
    content += lifelines() + arrows()
    return Markup.element(
      "svg",
      [
        ("xmlns", "http://www.w3.org/2000/svg"), ("width", "\(width)"), ("height", "\(height)"),
        ("viewBox", "0 0 \(width) \(height)"),
      ], content)
  }

  private func text(_ x: Int, _ y: Int, _ text: String, _ kind: String = "") -> String {
    Markup.element(
      "text", [("x", "\(x)"), ("y", "\(y)")] + (kind.isEmpty ? [] : [("class", kind)]),
      Markup.escape(text))
  }

  private func rectangle(_ x: Int, _ y: Int, _ width: Int, _ kind: String) -> String {
    Markup.element(
      "rect",
      [
        ("x", "\(x)"), ("y", "\(y - 12)"), ("width", "\(width)"), ("height", "\(Size.row - 1)"),
        ("class", kind),
      ])
  }

  private func header() -> String {
    let title = "\(explanation.identity), \(explanation.program.variant.name)"
    var content = text(8, 18, title, "title")
    for (cpu, x) in laneX.sorted(by: { $0.key < $1.key }) {
      content += text(x + 8, Size.head - 20, Spelling.cpuOrEnd(cpu), "head")
    }
    for (position, reference) in references.enumerated() {
      let (x, y) = (lifelineX + position * Size.lifeline + 4, Size.head - 18)
      content += Markup.element(
        "text",
        [
          ("x", "\(x)"), ("y", "\(y)"), ("class", "head"), ("transform", "rotate(-50 \(x) \(y))"),
        ], Markup.escape(reference.holder.name))
    }
    for (x, column) in zip(wordX, TraceTable.Column.allCases) {
      content += text(x, Size.head - 20, column.title, "head")
    }
    return content
  }

  private func draw(_ item: TraceTable.Item, _ y: Int) -> String {
    switch item {
    case .heading(let words):
      return rectangle(0, y, width, "band") + text(Size.number, y, words, "line")
    case .violation(let words):
      return rectangle(0, y, width, "alarm") + text(Size.number, y, "violated \(words)", "wrong")
    case .row(let row):
      let kind = row.isNeeded ? "" : "aside"
      var content = text(4, y, "\(row.step.number)", "aside")
      if let x = laneX[row.step.cpu] {
        content += Markup.element(
          "circle",
          [("cx", "\(x)"), ("cy", "\(y - 4)"), ("r", "2.5"), ("class", "dot \(kind)")])
        content += text(x + 8, y, label(row.action), kind)
      }
      for (x, word) in zip(wordX, row.words) {
        if word.isChanged {
          let width = (word.text.count + 1) * Size.letter
          content += rectangle(x - 3, y, width, "changed")
        }
        content += text(x, y, word.text, kind)
      }
      return content
    }
  }

  private func lifelines() -> String {
    // Lines end above what is said of the end.
    let said = items.reversed().prefix { if case .violation = $0 { true } else { false } }.count
    let bottom = items.count - said
    var content = ""
    for (position, reference) in references.enumerated() {
      let x = lifelineX + position * Size.lifeline + 4
      let start = reference.birth.step == 0 ? Size.head - 12 : stepY[reference.birth.step]
      guard let start else { continue }
      let end = reference.death.flatMap { stepY[$0.step] } ?? y(of: bottom) - Size.row
      let kind = reference.blame == nil ? "life" : "life blamed"
      let title = Markup.element(
        "title", [],
        Markup.escape("\(reference.count) \(reference.holder.name), \(reference.birth.text)"))
      content += Markup.element(
        "line",
        [
          ("x1", "\(x)"), ("y1", "\(start - 4)"), ("x2", "\(x)"), ("y2", "\(end - 4)"),
          ("class", kind),
        ], title)
      if reference.death != nil {
        content += Markup.element(
          "line",
          [
            ("x1", "\(x - 4)"), ("y1", "\(end - 4)"), ("x2", "\(x + 4)"), ("y2", "\(end - 4)"),
            ("class", kind),
          ])
      }
    }
    return content
  }

  private func arrows() -> String {
    var content = ""
    for edge in explanation.dependencies.edges.prefix(ExplanationLimits.dependencies) {
      guard let from = point(of: edge.from), let to = point(of: edge.to) else { continue }
      let bow = from.x == to.x ? from.x - Size.gap : (from.x + to.x) / 2
      let path = "M\(from.x),\(from.y) C\(bow),\(from.y) \(bow),\(to.y) \(to.x),\(to.y)"
      let words = ([edge.kind.words] + edge.objects).joined(separator: ", ")
      content += Markup.element(
        "path",
        [("d", path), ("class", "arrow \(edge.kind.rawValue)"), ("marker-end", "url(#tip)")],
        Markup.element("title", [], Markup.escape(words)))
    }
    return content
  }

  private func point(of step: Int) -> (x: Int, y: Int)? {
    guard let y = stepY[step], let x = laneX[explanation.dependencies.calls[step - 1].cpu] else {
      return nil
    }
    return (x, y - 4)
  }

  private static let style = """
    text { font-family: monospace; font-size: 11px; fill: #222; } .title { font-weight: bold; font-size: 13px; }
    .head { font-weight: bold; } .line { fill: #225; font-weight: bold; }
    .band { fill: #eef; } .alarm { fill: #fdd; } .wrong { fill: #900; font-weight: bold; }
    .changed { fill: #ffe9a8; } .aside { fill: #aaa; } .dot { fill: #36c; }
    .life { stroke: #393; stroke-width: 3; } .blamed { stroke: #c00; }
    .arrow { fill: none; stroke: #36c; opacity: 0.55; } .lock { stroke: #c60; }
    .wakeUp { stroke: #093; stroke-width: 2; }
    """
}
