// SPDX-License-Identifier: MIT

import Programs

/// One page that needs nothing beside it: no script, no font, no network.
enum Page {
  static func text(of explanation: Explanation, _ name: String) -> String {
    let title = "\(explanation.identity), \(explanation.program.variant.name)"
    var body = Markup.element("h1", [], Markup.escape(title))
    body += "\n" + Markup.element("p", [("class", "file")], Markup.escape(name))
    body +=
      "\n"
      + Markup.element(
        "pre", [], Markup.escape(ProgramPrinter.text(of: explanation.program)))
    let parts = explanation.parts
    let links = parts.map {
      Markup.element("a", [("href", "#\($0.name)")], Markup.escape($0.title))
    }
    body += "\n" + Markup.element("nav", [], links.joined(separator: " "))
    for part in parts {
      body += "\n" + section(part)
      if part.name == "violated" {
        body += "\n" + Markup.element("div", [("class", "picture")], Picture(of: explanation).text)
      }
    }
    let head =
      Markup.element("meta", [("charset", "utf-8")])
      + Markup.element("title", [], Markup.escape(title)) + Markup.element("style", [], style)
    return "<!DOCTYPE html>\n"
      + Markup.element(
        "html", [("lang", "en")],
        Markup.element("head", [], head) + "\n" + Markup.element("body", [], body)) + "\n"
  }

  private static func section(_ part: Part) -> String {
    var content = Markup.element("h2", [], Markup.escape(part.title))
    for sentence in part.sentences {
      content += "\n" + Markup.element("p", [], Markup.escape(sentence))
    }
    if let table = part.table, !table.rows.isEmpty { content += "\n" + text(of: table) }
    return Markup.element("section", [("id", part.name)], content)
  }

  private static func text(of table: Part.Table) -> String {
    let head = table.header.map { Markup.element("th", [], Markup.escape($0)) }.joined()
    var rows = Markup.element("tr", [], head)
    for row in table.rows {
      let isSpanning = row.cells.count == 1
      let cells = row.cells.map { cell in
        var attributes: [(String, String)] = cell.isChanged ? [("class", "changed")] : []
        if isSpanning { attributes.append(("colspan", "\(table.header.count)")) }
        return Markup.element("td", attributes, Markup.escape(cell.text))
      }
      rows += "\n" + Markup.element("tr", [("class", "\(row.kind)")], cells.joined())
    }
    return Markup.element("table", [], rows)
  }

  private static let style = """
    body { font: 14px/1.45 sans-serif; margin: 2em; max-width: 110em; color: #222; }
    pre, table { font: 12px/1.4 monospace; } pre { background: #f4f4f4; padding: 1em; }
    nav a { margin-right: 1em; } .file { color: #666; } .picture { overflow-x: auto; }
    table { border-collapse: collapse; } td, th { padding: 1px 8px; text-align: left; }
    th { border-bottom: 1px solid #999; } .heading td { background: #eef; font-weight: bold; }
    .alarm td { background: #fdd; color: #900; } .aside td { color: #aaa; }
    td.changed { background: #ffe9a8; }
    """
}
