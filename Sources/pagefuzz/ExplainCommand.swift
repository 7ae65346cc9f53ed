// SPDX-License-Identifier: MIT

import Console
import Programs

/// `explain`: what a violating program shows, to somebody who has not seen it before.
enum ExplainCommand: Command {
  static let name = "explain"
  static let summary = "say what a program violates, why, and who held what"
  static let discussion = """
    Prints the invariant in words with its source, the rule to blame and what its repair does to
    the same program, every reference of the page from its birth to the violation, and the steps in
    columns of CPUs.  A program with several violations is explained for the one it expects, or
    else for the first.
    """
  static let options = [Option.format]
  static let operands = [Operand(.path, "a program that violates an invariant")]
  static let examples = [
    Example("pagefuzz explain crashes/v6.1-I27-82c003e1.prog", "one finding")
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let shown = try ViolatingProgram(arguments.operands[0])
    let finding = shown.finding
    let explanation = Explanation(of: finding.violation, finding.identity, in: finding.program)
    if arguments.isJSON {
      var fields: [JSONText.Field] = [
        .init("file", .string(shown.path)), .init("id", .string("\(finding.identity)")),
        .init("protocol", .string(finding.program.variant.name)),
        .init("invariant", .string(finding.identity.invariant.name)),
        .init("cause", .string("\(finding.identity.cause)")),
        .init("step", .count(finding.violation.stepNumber)),
        .init("preemptions", .count(finding.program.preemptionCount)),
      ]
      for section in explanation.sections {
        fields.append(.init(fieldName(section.title), .strings(section.lines)))
      }
      try Output.line(JSONText.object(fields))
      return .success
    }
    try Output.line("\(shown.path): \(finding.identity), protocol \(finding.program.variant.name)")
    for section in explanation.sections {
      try Output.line("\n\(section.title)")
      for line in section.lines { try Output.line("  \(line)") }
    }
    return .success
  }

  /// `Who held what` as a name: `whoHeldWhat`.
  private static func fieldName(_ title: String) -> String {
    let words = title.split(separator: " ")
    return words.enumerated().map { $0 == 0 ? $1.lowercased() : $1.capitalized }.joined()
  }
}
