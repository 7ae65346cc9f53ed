// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import PageLifecycle

/// `compare`: which of two searches finds seeded bugs sooner, and whether that is chance.
enum CompareCommand: Command {
  static let seeds = Option("seeds", .number(1...10_000), "how many seeds each is run from [30]")
  static let executions = Option(
    "executions", .number(1...UInt64(Int.max)), "how many programs a run may take [20000]")

  static let name = "compare"
  static let summary = "which of two searches finds seeded bugs sooner"
  static let discussion = """
    Looks for each specimen from the same seeds with both searches, from nothing, and prints the
    median of the steps they needed, the chance that B needs fewer than A (A12: 0.5 is no
    difference), and how likely that is by luck (Mann and Whitney's U).  A run whose programs
    are used up counts as longer than any other.  A search is full, random, or the name of a
    scheduler; 'full-continue' is full without that mechanism.
    """
  static let options = [
    SelfTestCommand.specimen, seeds, executions, Option.format,
  ]
  static let operands = [
    Operand(.text("A", offers: Search.names), "a search"),
    Operand(.text("B", offers: Search.names), "the one to compare it with"),
  ]
  static let examples = [
    Example(
      "pagefuzz compare random full --specimen M-STALEPMD@v6.18", "whether the search pays")
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let searches = try arguments.operands.map(search)
    let specimens = try SelfTestCommand.specimens(of: arguments)
    let count = arguments.number(seeds) ?? 30
    let limit = arguments.count(executions) ?? 20_000
    Interruption.listen()
    for specimen in specimens {
      var comparison = Comparison()
      for seed in 1...count {
        if let status = Interruption.status { return status }
        comparison.first.append(cost(of: specimen, seed, searches[0], limit))
        comparison.second.append(cost(of: specimen, seed, searches[1], limit))
      }
      try arguments.isJSON
        ? Output.line(json(comparison, specimen, searches))
        : Output.line(text(comparison, specimen, searches))
    }
    return .success
  }

  private static func search(_ name: String) throws -> Search {
    if let search = Search(named: name) { return search }
    let near = Suggestion.phrase(for: name, among: Search.names)
    throw CommandFailure(.usage, "compare: no search '\(name)'\(near)")
  }

  private static func cost(
    of specimen: Specimen, _ seed: UInt64, _ search: Search, _ limit: Int
  ) -> Comparison.Cost {
    var test = SelfTest(of: specimen, seed: seed, search: search)
    let outcome = test.run(executions: limit)
    return outcome.found == nil ? nil : outcome.steps
  }

  private static func text(
    _ comparison: Comparison, _ specimen: Specimen, _ searches: [Search]
  ) -> String {
    let sides = zip(searches, [comparison.first, comparison.second]).map { search, costs in
      let median = Comparison.median(of: costs).map(String.init) ?? "no"
      return "\(search.name) \(median) steps (\(costs.count { $0 != nil }) of \(costs.count))"
    }
    let numbers = [comparison.effect, comparison.chance].map(Decimals.two)
    return "\(specimen.name)  \(sides.joined(separator: ", "))  A12 \(numbers[0]), p \(numbers[1])"
  }

  private static func json(
    _ comparison: Comparison, _ specimen: Specimen, _ searches: [Search]
  ) -> JSONText {
    func steps(_ costs: [Comparison.Cost]) -> JSONText {
      .array(costs.map { $0.map(JSONText.count) ?? .null })
    }
    return [
      "specimen": .string(specimen.name), "first": .string(searches[0].name),
      "second": .string(searches[1].name), "firstSteps": steps(comparison.first),
      "secondSteps": steps(comparison.second),
      "effect": .seconds(comparison.effect), "chance": .seconds(comparison.chance),
    ]
  }
}
