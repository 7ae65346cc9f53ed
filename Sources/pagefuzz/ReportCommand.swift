// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import PageLifecycle
import Programs
import Storage

/// `report`: one page about a campaign, which needs nothing beside itself.
enum ReportCommand: Command {
  static let crashes = Option("crashes", .directory, "where its findings are kept [crashes]")

  static let format = Option(
    "format", .choice(["html", "junit", "plot"]), "what is printed [html]")

  static let name = "report"
  static let summary = "one HTML page about a campaign that is kept"
  static let discussion = """
    Prints a page that needs nothing beside itself: what the campaign is about, how far it came,
    what it found, with the programs, and how what it reached grew.  The campaign may be running.

    'junit' is for build servers: a test case for each invariant of each protocol, which fails where
    something new was found, with the programs.  'plot' is AFL++'s plot_data.
    """
  static let options = [format, crashes]
  static let operands = [Operand(.directory, named: "STATE", "the directory it is kept in")]
  static let examples = [
    Example("pagefuzz report .pagefuzz > night.html", "what the night has brought"),
    Example("pagefuzz report --format junit .pagefuzz > night.xml", "the same for a build server"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let path = arguments.operands[0]
    guard let contents = try StateDirectory.contents(of: path) else {
      throw StorageError(
        .missing, path: path, operation: "report", reason: "no campaign is kept there",
        remedy: "name the directory that fuzz was given as --state")
    }
    let about: CampaignText
    do throws(CampaignText.Mismatch) { about = try CampaignText(contents.about) } catch {
      throw StateDirectory.damaged(path, error.reason)
    }
    let campaign = try about.campaign(contents, path)
    let plotPath = Path.join(path, "plot_data")
    if arguments[format] == "plot" {
      let plot = try ProgramFiles.read(plotPath, limitBytes: plotLimitBytes)
      try Output.write(String(decoding: plot, as: UTF8.self))
      return .success
    }
    let directory = try CrashDirectory(reading: arguments[crashes] ?? "crashes")
    if arguments[format] == "junit" {
      try Output.write(CampaignCases(campaign: campaign, directory: directory).report.text)
      return .success
    }
    let plot = (try? ProgramFiles.read(plotPath, limitBytes: plotLimitBytes)) ?? []
    let page = CampaignPage(
      campaign: campaign, directory: directory, plot: Plot(String(decoding: plot, as: UTF8.self)))
    try Output.write(page.text)
    return .success
  }

  private static let plotLimitBytes = 1 << 24
}

/// What build servers are told: a case for each invariant that a protocol claims.
private struct CampaignCases {
  var campaign: Campaign
  var directory: CrashDirectory

  var report: JUnitReport {
    var report = JUnitReport(suite: "pagefuzz campaign")
    for base in bases {
      for invariant in Invariant.allCases where !base.design.exempt.contains(invariant) {
        let name = "\(invariant.name) \(invariant.statement)"
        report.cases.append(.init(name, outcome(of: invariant, on: base), in: base.name))
      }
    }
    return report
  }

  private var bases: [Protocol] {
    let names = Set(campaign.options.variants.map(\.base.name))
    return Protocol.all.filter { names.contains($0.name) }
  }

  private func outcome(of invariant: Invariant, on base: Protocol) -> JUnitReport.Outcome {
    let news = campaign.sightings.filter { sighting in
      sighting.programs > 0 && !sighting.isKnown && sighting.base == base.name
        && sighting.identity.invariant == invariant
    }
    guard !news.isEmpty else { return .passed }
    let details = news.map { sighting in
      "\(sighting.identity), in \(sighting.place), first in program \(sighting.firstExecution)\n"
        + (directory.text(of: sighting) ?? "\(directory.path(of: sighting)) cannot be read\n")
    }
    let identities = news.map { "\($0.identity)" }.joined(separator: "; ")
    return .failed("new: \(identities)", details: details.joined(separator: "\n"))
  }
}

/// The page.
private struct CampaignPage {
  var campaign: Campaign
  var directory: CrashDirectory
  var plot: Plot

  var text: String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8"><title>pagefuzz campaign</title>
    <style>
    body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
    table { border-collapse: collapse } td, th { text-align: left; padding: .15em 1.2em .15em 0 }
    td { vertical-align: top } pre { background: #f4f4f4; padding: .6em; overflow: auto }
    svg { background: #f4f4f4 } .new { color: #b00020; font-weight: 600 }
    @media (prefers-color-scheme: dark) {
    body { background: #161616; color: #ddd } pre, svg { background: #262626 } }
    </style></head><body>
    <h1>pagefuzz campaign</h1>
    \(table(facts))
    <h2>What it reached</h2>
    \(plot.svg)
    <h2>What it found</h2>
    \(findings)
    \(losses)
    </body></html>

    """
  }

  private var facts: [(String, String)] {
    let coverage = campaign.coverage
    let kinds = zip(Footprint.Kind.allCases, coverage.footprint.counts).map { kind, count in
      ("features: \(kind.name)", "\(count) of \(kind.capacity)")
    }
    return [
      ("protocols", campaign.options.variants.map(\.name).joined(separator: ", ")),
      ("seed", "\(campaign.options.seed)"), ("programs", "\(campaign.executions)"),
      ("steps", "\(campaign.steps), and \(campaign.endSteps) of staged ends"),
      ("states", "about \(coverage.states)"),
    ] + kinds + [
      ("to go on from", "\(campaign.checkpoints) programs"),
      ("last new feature", "in program \(campaign.lastDiscovery)"),
      ("violating", "\(campaign.violating) programs"),
    ]
  }

  private func table(_ rows: [(String, String)]) -> String {
    let lines = rows.map {
      "<tr><th>\(XMLText.escaped($0))</th><td>\(XMLText.escaped($1))</td></tr>"
    }
    return "<table>\n\(lines.joined(separator: "\n"))\n</table>"
  }

  private var findings: String {
    let all = campaign.sightings.filter { $0.programs > 0 }
    guard !all.isEmpty else { return "<p>No invariant was violated.</p>" }
    let ordered = all.filter { !$0.isKnown } + all.filter(\.isKnown)
    return ordered.map(section).joined(separator: "\n")
  }

  /// Programs that the engine did not survive.
  private var losses: String {
    let all = directory.losses.map { name in
      "<details open><summary><span class=\"new\">\(XMLText.escaped(name))</span></summary>\n"
        + "<pre>\(XMLText.escaped(directory.text(of: name)))</pre></details>"
    }
    guard !all.isEmpty else { return "" }
    return "<h2>What the engine did not survive</h2>\n" + all.joined(separator: "\n")
  }

  private func section(_ sighting: Campaign.Sighting) -> String {
    let word = sighting.isKnown ? "known" : "<span class=\"new\">new</span>"
    let title = XMLText.escaped("\(sighting.base): \(sighting.identity)")
    let program = directory.text(of: sighting).map { "<pre>\(XMLText.escaped($0))</pre>" } ?? ""
    return """
      <details\(sighting.isKnown ? "" : " open")><summary>\(word) \(title)</summary>
      <p>\(XMLText.escaped(sighting.identity.invariant.statement)) Violated in
      \(XMLText.escaped("\(sighting.place)")), by \(sighting.programs) programs, first in
      \(sighting.firstExecution).</p>
      \(program)</details>
      """
  }
}

/// How features and violations grew, from `plot_data`.
private struct Plot {
  private var rows: [(seconds: Double, features: Double, crashes: Double)] = []

  init(_ text: String) {
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: ",").map { $0.filter { !" %".contains($0) } }
      guard words.count == 13, let seconds = Double(words[0]), let crashes = Double(words[7]),
        let features = Double(words[12])
      else { continue }
      rows.append((seconds, features, crashes))
    }
  }

  /// One curve each, over the time that was worked.
  var svg: String {
    guard let last = rows.last, rows.count > 1, last.seconds > 0 else {
      return "<p>Too short for a curve.</p>"
    }
    let most = rows.map(\.features).max() ?? 1
    let mostCrashes = max(1, rows.map(\.crashes).max() ?? 1)
    func points(_ value: (Double) -> Double, _ height: (Int) -> Double) -> String {
      rows.indices.map { row in
        "\(Int(rows[row].seconds / last.seconds * 780) + 10),\(Int(210 - value(height(row)) * 190))"
      }.joined(separator: " ")
    }
    let features = points({ $0 / max(1, most) }, { rows[$0].features })
    let crashes = points({ $0 / mostCrashes }, { rows[$0].crashes })
    return """
      <svg viewBox="0 0 800 220" role="img" aria-label="features and violations over time">
      <polyline points="\(features)" fill="none" stroke="#3367d6" stroke-width="2"/>
      <polyline points="\(crashes)" fill="none" stroke="#b00020" stroke-width="2"/></svg>
      <p>Over \(Int(last.seconds)) s: features, blue, to \(Int(most)); new violations, red,
      to \(Int(mostCrashes)).</p>
      """
  }
}
