// SPDX-License-Identifier: MIT

import Conformance
import Console
import PageLifecycle
import Programs
import Storage

/// `conform`: compares recorded traces of real kernels with the model.
enum ConformCommand: Command {
  static let variant = VariantOption.option("the protocol that models the recorded kernel")
  static let toProgram = Option(
    "to-program", .directory, "also write each sequence as a program that asserts its states")

  static let name = "conform"
  static let summary = "compare recorded traces of real kernels with the model, event by event"
  static let discussion = """
    A recording is a file of JSON Lines, one sequence a line; directories stand for the .jsonl files
    below them.  After every event results, bytes, sleepers and the words of every page are
    compared; the first difference of a sequence is shown with the ledger of the page.
    """
  static let options = [variant, toProgram, Option.format, Option.quiet]
  static let operands = [
    Operand(.path, "recordings, and directories of recordings", isRepeated: true)
  ]
  static let examples = [
    Example("pagefuzz conform traces/v6.1.jsonl --protocol v6.1", "one kernel"),
    Example(
      "pagefuzz conform traces --protocol v6.19 --to-program retold",
      "keep the sequences as programs"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    guard let words = arguments[variant] else {
      throw UsageError("--protocol is missing: it names the model of the recorded kernel")
    }
    let variant = try VariantOption.parse(words)
    var status = ExitStatus.success
    var (agreed, count) = (0, 0)
    Interruption.listen()
    for found in ProgramFiles.expand(arguments.operands, suffix: ".jsonl") {
      switch read(found) {
      case .failure(let failure):
        Diagnostics.report(failure.message)
        status = max(status, failure.status)
      case .success(let (path, recordings)):
        for recording in recordings {
          if let status = Interruption.status { return status }
          let comparison = Conformer(recording, with: variant).compare()
          count += 1
          if comparison.firstDifference == nil { agreed += 1 } else { status = max(status, .found) }
          try report(comparison, path, arguments)
          if let directory = arguments[toProgram] { try save(comparison, in: directory) }
        }
      }
    }
    if !arguments.isJSON, count > 0 {
      try Output.line("\(count) sequences: \(agreed) agree with \(variant.name)")
    }
    return status
  }

  private struct Failure: Error {
    var message: String
    var status: ExitStatus
  }

  private static func read(
    _ found: ProgramFiles.Found
  ) -> Result<(String, [Recording]), Failure> {
    do {
      let path = try found.get()
      let bytes = try ProgramFiles.read(path, limitBytes: limitBytes)
      return .success((path, try Recording.parse(bytes, file: path)))
    } catch let error as StorageError {
      return .failure(Failure(message: error.message, status: ExitStatus(error)))
    } catch {
      return .failure(Failure(message: "\(error)", status: .invalidInput))
    }
  }

  /// A file of recordings of this size is not one.
  private static let limitBytes = 1 << 28

  private static func report(
    _ comparison: Comparison, _ path: String, _ arguments: ParsedArguments
  ) throws {
    if arguments.isJSON { return try Output.line(comparison.json(path)) }
    if comparison.firstDifference != nil || !arguments.has(Option.quiet) {
      try Output.write(comparison.text(path))
    }
  }

  private static func save(_ comparison: Comparison, in directory: String) throws(StorageError) {
    let programs = ProgramDirectory(directory)
    try programs.prepare()
    let program = comparison.programWithExpectation
    try programs.save(
      ProgramPrinter.text(of: program), as: "\(program.variant.base.name)-\(comparison.id).prog")
  }
}

extension Comparison {
  fileprivate func json(_ path: String) -> JSONText {
    [
      "file": .string(path), "id": .string(id), "events": .count(events),
      "ok": .boolean(firstDifference == nil),
      "firstDifference": firstDifference.map { difference in
        [
          "event": .count(difference.event), "operation": .string(difference.operation),
          "subject": .string(difference.subject), "expected": .string(difference.expected),
          "found": .string(difference.found), "ledger": .strings(difference.ledger),
        ]
      } ?? nil,
    ]
  }

  fileprivate func text(_ path: String) -> String {
    guard let difference = firstDifference else {
      return "\(Style.green("ok  "))  \(path)  \(id)  \(events) events\n"
    }
    let lines =
      [
        "\(Style.red("FAIL"))  \(path)  \(id)  event \(difference.event), "
          + "\(difference.operation): \(difference.subject)",
        "  - \(difference.expected)", "  + \(difference.found)",
      ] + difference.ledger.map { "  " + $0 }
    return lines.joined(separator: "\n") + "\n"
  }
}
