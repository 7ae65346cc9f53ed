// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import PageLifecycle
import Programs

/// `selftest`: every seeded bug must be found, by an invariant it declares, from nothing.
enum SelfTestCommand: Command {
  static let specimen = Option(
    "specimen", .text("NAME", offers: Specimen.all.map(\.name)),
    "a seeded bug; @v6.18: all of a protocol, M-SKIP: one in all of them [all]",
    isRepeated: true)
  static let executions = Option(
    "executions", .number(1...UInt64(Int.max)), "how many programs each may take [200000]")
  static let seed = Option("seed", .number(), "where all randomness begins [1]")
  static let markdown = Option("markdown", "print the kill matrix as a Markdown table")

  static let name = "selftest"
  static let summary = "find every seeded bug from nothing, and none in what is correct"
  static let discussion = """
    A specimen is a protocol with one rule broken, and the invariants that must show it.  Each is
    fuzzed on its own, without corpus and without known findings, until a declared invariant breaks
    or the programs are used up.  Then each protocol with all known bugs repaired is fuzzed for as
    long, and must stay clean.  At the end come the invariants that no specimen needed.
    """
  static let options = [specimen, executions, seed, markdown, Option.format]
  static let examples = [
    Example("pagefuzz selftest", "everything"),
    Example("pagefuzz selftest --specimen M-MAPPED@v6.1 --seed 7", "one bug, another seed"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let specimens = try specimens(of: arguments)
    let limit = arguments.count(executions) ?? 200_000
    let seed = arguments.number(seed) ?? 1
    var matrix = KillMatrix()
    Interruption.listen()
    for specimen in specimens {
      if let status = Interruption.status { return status }
      let clock = Stopwatch()
      var test = SelfTest(of: specimen, seed: seed)
      let row = KillMatrix.Row(specimen, test.run(executions: limit), clock.cpuSeconds)
      matrix.rows.append(row)
      if arguments.isJSON {
        try Output.line(row.json)
      } else if !arguments.has(markdown) {
        try Output.line(row.text)
      }
    }
    var isClean = true
    for base in Protocol.all where arguments.all(specimen).isEmpty {
      if let status = Interruption.status { return status }
      var test = SelfTest(ofRepaired: base, seed: seed)
      let outcome = test.run(executions: limit)
      isClean = isClean && outcome.undeclared == nil
      try tell(base, outcome, arguments)
    }
    if arguments.has(markdown) { for line in matrix.markdown { try Output.line(line) } }
    if !arguments.isJSON { for line in matrix.summary { try Output.line(line) } }
    return isClean && matrix.isComplete ? .success : .found
  }

  /// The specimens the command line names, or all.
  static func specimens(of arguments: ParsedArguments) throws -> [Specimen] {
    let words = arguments.all(specimen)
    func names(_ word: String, _ specimen: Specimen) -> Bool {
      let base = "@" + specimen.variant.base.name
      return [specimen.name, base, specimen.rule.info.bug].contains(word)
    }
    if let unknown = words.first(where: { word in !Specimen.all.contains { names(word, $0) } }) {
      let near = Suggestion.phrase(for: unknown, among: Specimen.all.map(\.name))
      throw CommandFailure(.usage, "no specimen '\(unknown)'\(near); see 'list specimens'")
    }
    return Specimen.all.filter { specimen in
      words.isEmpty || words.contains { names($0, specimen) }
    }
  }

  private static func tell(
    _ base: Protocol, _ outcome: SelfTest.Outcome, _ arguments: ParsedArguments
  ) throws {
    let name = Variant(base, isRepaired: true).name
    let shown = outcome.shown.map(\.name)
    if arguments.isJSON {
      let line: JSONText = [
        "protocol": .string(name), "clean": .boolean(outcome.undeclared == nil),
        "invariants": .strings(shown), "executions": .count(outcome.executions),
        "steps": .count(outcome.steps),
      ]
      return try Output.line(line)
    }
    let verdict = shown.isEmpty ? "clean" : "shows \(shown.joined(separator: ", "))"
    try Output.line("\(name): \(verdict), \(outcome.executions) programs, \(outcome.steps) steps")
    guard let finding = outcome.undeclared?.minimized() else { return }
    try Output.write(finding.text(file: "found.prog"))
  }
}

/// Which specimen was caught by which invariant.
struct KillMatrix {
  /// One specimen.
  struct Row {
    let specimen: Specimen
    let outcome: SelfTest.Outcome
    let seconds: Double
    init(_ specimen: Specimen, _ outcome: SelfTest.Outcome, _ seconds: Double) {
      (self.specimen, self.outcome, self.seconds) = (specimen, outcome, seconds)
    }

    var isFound: Bool { outcome.found != nil }
    private var declared: String { specimen.breaks.map(\.name).joined(separator: ", ") }

    var text: String {
      let cost = "\(outcome.executions) programs, \(outcome.steps) steps"
      guard let found = outcome.found else {
        return "MISSED  \(specimen.name)  declares \(declared); \(cost)"
      }
      let others = outcome.shown.filter { !specimen.breaks.contains($0) }.map(\.name)
      let beside = others.isEmpty ? "" : "; undeclared \(others.joined(separator: ", "))"
      return "found   \(specimen.name)  \(found.invariant.name), \(cost)\(beside)"
    }

    var json: JSONText {
      [
        "specimen": .string(specimen.name), "found": .boolean(isFound),
        "invariant": .text(outcome.found?.invariant.name),
        "declared": .strings(specimen.breaks.map(\.name)),
        "shown": .strings(outcome.shown.map(\.name)),
        "executions": .count(outcome.executions), "steps": .count(outcome.steps),
        "cpuSeconds": .seconds(seconds),
      ]
    }
  }

  var rows: [Row] = []

  var isComplete: Bool { rows.allSatisfy(\.isFound) }

  /// A line for each rule: in how many protocols it was found, by what, and how soon.
  var markdown: [String] {
    ["| bug | rule broken | found | by | programs, median | most |"]
      + ["|---|---|---|---|---|---|"]
      + Rule.allCases.compactMap { rule in
        let all = rows.filter { $0.specimen.rule == rule }
        guard !all.isEmpty else { return nil }
        let found = all.filter(\.isFound)
        let invariants = Invariant.allCases.filter { invariant in
          found.contains { $0.outcome.found?.invariant == invariant }
        }
        let programs = found.map(\.outcome.executions).sorted()
        let median = programs.isEmpty ? "" : "\(programs[programs.count / 2])"
        return "| \(rule.info.bug) | `\(rule.name)` | \(found.count) of \(all.count) | "
          + "\(invariants.map(\.name).joined(separator: ", ")) | \(median) | "
          + "\(programs.last.map(String.init) ?? "") |"
      }
  }

  /// The last lines: how many were found, and what nobody needed.
  var summary: [String] {
    guard !rows.isEmpty else { return [] }
    let steps = rows.filter(\.isFound).map(\.outcome.steps).sorted()
    let median = steps.isEmpty ? 0 : steps[steps.count / 2]
    let used = rows.compactMap(\.outcome.found?.invariant)
    let idle = Invariant.allCases.filter { !used.contains($0) }.map(\.name)
    return [
      "\(steps.count) of \(rows.count) specimens found, after \(median) steps in the median",
      "no specimen was found by \(idle.joined(separator: ", "))",
    ]
  }
}
