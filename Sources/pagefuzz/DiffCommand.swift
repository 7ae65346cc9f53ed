// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import PageLifecycle
import Programs

/// `diff`: what a patch changes, whether it means to or not.
enum DiffCommand: Command {
  static let calls = Option("calls", .number(1...255), "calls of the longest program [3]")

  static let name = "diff"
  static let summary = "shortest programs on which two protocols differ"
  static let discussion = """
    Runs the same calls under both, fewest first: each whole, or until it sleeps.  For each
    operation the first program is shown on which it returns something else, sleeps under one and
    not the other, changes a page's counts or mapping differently, or leads to other broken
    invariants.  Quote a protocol with repaired or broken rules: 'v6.18+repaired -rechecksPTE'.
    """
  static let options = [
    calls, ExploreCommand.pages, ExploreCommand.files, ExploreCommand.devices, ExploreCommand.cpus,
    ExploreCommand.operation, ExploreCommand.states, Option.format, Option.quiet,
  ]
  static let operands = [
    Operand(.text("A", offers: Protocol.all.map(\.name)), "a protocol"),
    Operand(.text("B", offers: Protocol.all.map(\.name)), "the one to compare it with"),
  ]
  static let examples = [
    Example("pagefuzz diff v6.1 v6.18", "what v6.15 changed for fsdax"),
    Example("pagefuzz diff v6.18 v6.18+repaired --calls 4", "what the repairs change"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let first = try VariantOption.parse(arguments.operands[0])
    let second = try VariantOption.parse(arguments.operands[1])
    let exploration = try Exploration(arguments)
    var bounds = exploration.bounds
    bounds.calls = arguments.count(calls) ?? 3
    let alphabet = Alphabet(
      pages: Int(exploration.boot.filePages), files: Int(exploration.boot.files),
      operations: try Exploration.operations(arguments.all(ExploreCommand.operation)))
    var search = DifferenceSearch(first, second, exploration.boot, alphabet, within: bounds)
    Interruption.listen()
    if !arguments.isJSON { try tellRules(first, second) }
    let differences = search.search { _ in Interruption.status == nil }
    for difference in differences {
      try arguments.isJSON
        ? Output.line(json(difference, first, exploration.boot))
        : tell(difference, first, second, exploration.boot)
    }
    if !arguments.isJSON {
      try Output.line(
        "\(differences.count) differences in \(search.programs) programs of at most "
          + "\(bounds.calls) calls" + (search.isComplete ? "" : "; not all were tried"))
    }
    if let status = Interruption.status { return status }
    return differences.isEmpty ? .success : .found
  }

  /// The rules one obeys and the other breaks, and the numbers that differ.
  private static func tellRules(_ first: Variant, _ second: Variant) throws {
    for entry in ProtocolDifference(first, second).entries {
      try Output.line(
        "\(entry.name): \(first.name) \(entry.first), \(second.name) \(entry.second)")
    }
  }

  private static func tell(
    _ difference: Difference, _ first: Variant, _ second: Variant, _ boot: Boot
  ) throws {
    try Output.line("\n\(difference.kind.rawValue) of \(difference.operation.name)")
    try Output.line("  \(first.name): \(difference.first.isEmpty ? "sleeps" : difference.first)")
    try Output.line("  \(second.name): \(difference.second.isEmpty ? "sleeps" : difference.second)")
    for line in program(difference, first, boot).lines {
      try Output.line("    \(ProgramPrinter.text(of: line))")
    }
  }

  private static func json(
    _ difference: Difference, _ first: Variant, _ boot: Boot
  ) -> JSONText {
    [
      "kind": .string(difference.kind.rawValue), "operation": .string(difference.operation.name),
      "first": .string(difference.first), "second": .string(difference.second),
      "calls": .count(difference.instructions.count),
      "program": .string(ProgramPrinter.text(of: program(difference, first, boot))),
    ]
  }

  private static func program(_ difference: Difference, _ variant: Variant, _ boot: Boot) -> Program
  {
    Program(variant, boot: boot, instructions: difference.instructions)
  }
}
