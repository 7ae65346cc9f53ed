// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import Programs
import Storage

/// `minimize`: the smallest program that shows the same violation, and why it is the smallest.
enum MinimizeCommand: Command {
  static let output = Option("output", .file, "write the program there instead of printing it")

  static let prove = Option(
    "prove", "also try every shorter program, and state the bounds of the search")

  static let name = "minimize"
  static let summary = "make a violating program as small as it gets"
  static let discussion = """
    Drops calls, preemptions, repairs and CPUs, and makes operands plainer, as long as the
    violation keeps its identity: invariant, memory, holder and cause.  What a program shows beside
    that may change.  The certificate says what each smaller program does; minimizing twice changes
    nothing, and 'pagefuzz verify' checks the certificate.  A program with several violations is
    minimized for the one it expects, or else for the first.
    """
  static let options = [output, prove, Option.format]
  static let operands = [Operand(.path, "a program that violates an invariant")]
  static let examples = [
    Example("pagefuzz minimize fat.prog", "print the smallest program"),
    Example("pagefuzz minimize fat.prog --output small.prog", "keep it in a file"),
    Example("pagefuzz minimize --prove fat.prog", "and show that no program is shorter"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let clock = Stopwatch()
    let file = try ViolatingProgram(arguments.operands[0])
    let before = file.finding.program
    let finding = file.finding.minimized()
    let certificate = Certificate(of: finding.program)
    let proof = arguments.has(prove) ? proof(of: finding, in: file.path) : nil
    if let status = Interruption.status { return status }

    let path = arguments[output]
    let text = finding.text(
      file: path ?? file.path, certificate: certificate.comments + (proof.map { [$0] } ?? []))
    if let path { try FileSystem.real.writeAtomically(Array(text.utf8), to: path) }
    if arguments.isJSON {
      try Output.line(
        json(before, finding, certificate, proof, clock.cpuSeconds, isSaved: path != nil).line)
    } else if path == nil {
      try Output.write(text)
    } else {
      try Output.line(
        "\(before.size); now \(finding.program.size), after \(finding.reductionRuns.all) programs")
    }
    if !finding.isMinimized {
      Diagnostics.report("\(file.path): the limit of programs was met; it may get smaller yet")
    }
    return .success
  }

  /// States a search for shorter programs may visit.
  static let provenStates = 4_000_000

  /// The statement that there is no shorter program; nil, and a message, where it cannot be made.
  private static func proof(of finding: Finding, in path: String) -> String? {
    Interruption.listen()
    let search = ShortestProof(
      of: finding.program, showing: finding.identity, states: provenStates)
    let outcome = search.search { Interruption.status == nil }
    if case .proven(let statement) = outcome { return statement }
    if case .shorter(let program) = outcome {
      Diagnostics.report(
        "\(path): no proof: \(program.size) break \(finding.identity.invariant.name), too, "
          + "as another bug:\n\(ProgramPrinter.text(of: program))")
    } else {
      Diagnostics.report("\(path): no proof: the search \(outcome.text)")
    }
    return nil
  }

  private static func json(
    _ before: Program, _ finding: Finding, _ certificate: Certificate,
    _ proof: String?, _ seconds: Double, isSaved: Bool
  ) -> JSONText {
    var fields: [JSONText.Field] = [
      .init("id", .string("\(finding.identity)")),
      .init("callsBefore", .count(before.callCount)),
      .init("callsAfter", .count(finding.program.callCount)),
      .init("preemptionsBefore", .count(before.preemptionCount)),
      .init("preemptionsAfter", .count(finding.program.preemptionCount)),
      .init("executions", .count(finding.reductionRuns.all)),
      .init("callExecutions", .count(finding.reductionRuns.calls)),
      .init("engineExecutions", .count(finding.reductionRuns.executions)),
      .init("converged", .boolean(finding.isMinimized)),
      .init(
        "certificate",
        .array(
          certificate.entries.map {
            ["change": .string($0.change), "found": .strings($0.found)]
          })),
      .init("proof", .text(proof)),
      .init("cpuSeconds", .seconds(seconds)),
    ]
    if !isSaved {
      fields.append(.init("program", .string(ProgramPrinter.text(of: finding.program))))
    }
    return .object(fields)
  }
}
