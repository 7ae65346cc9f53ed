// SPDX-License-Identifier: MIT

import Console
import Explaining

/// `explain`: what a violating program shows, to somebody who has not seen it before.
enum ExplainCommand: Command {
  static let format = Option(
    "format", .choice(Renderer.allCases.map(\.rawValue)), "how it is printed; by default text")
  /// `--svg` for `--format svg`.
  static let shorthands = Renderer.allCases.filter { $0 != .text && $0 != .json }
    .map { Option($0.rawValue, $0.summary) }

  static let name = "explain"
  static let summary = "say what a program violates, why, who held what, and how close it was"
  static let discussion = """
    Tells the invariant in words with its source; the rules to blame and what their repair does to
    the same program; every reference of the page from its birth to the violation; how far each
    preemption may move, how many ordering constraints the bug needs, and how often a random
    schedule of the same calls shows it; what had to come first; what other protocols do with the
    same program; and the steps in columns of CPUs.  A program with several violations is explained
    for the one it expects, or else for the first.
    """
  static let options = [format] + shorthands
  static let operands = [Operand(.path, "a program that violates an invariant")]
  static let examples = [
    Example("pagefuzz explain crashes/v6.1-I27-82c003e1.prog", "one finding"),
    Example("pagefuzz explain --html crashes/v6.1-I27-82c003e1.prog >i27.html", "for a browser"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let given = shorthands.filter(arguments.has).map(\.name) + arguments.all(format)
    guard given.count <= 1 else {
      throw UsageError("one format at a time: \(given.joined(separator: ", "))")
    }
    let renderer = given.first.flatMap(Renderer.init(rawValue:)) ?? .text
    let shown = try ViolatingProgram(arguments.operands[0])
    let finding = shown.finding
    let explanation = Explanation(of: finding.violation, finding.identity, in: finding.program)
    try Output.write(renderer.print(explanation, of: shown.path))
    return .success
  }
}
