// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import Programs
import Storage

/// `verify`: whether what a file says of all smaller programs is so.
enum VerifyCommand: Command {
  static let prove = Option(
    "prove", "also search again for shorter programs, where the file says there is none")

  static let name = "verify"
  static let summary = "re-check the certificate of a minimized program"
  static let discussion = """
    Executes the program, and each program that is smaller by one change, and compares with what
    the comments of the file say; 'pagefuzz minimize' writes them.  The status is 1 where a line
    does not hold or is missing, and where a smaller program shows the same; 65 where there is no
    certificate.
    """
  static let options = [prove, Option.format, Option.quiet]
  static let operands = [Operand(.path, "minimized programs", isRepeated: true)]
  static let examples = [
    Example("pagefuzz verify small.prog", "can really nothing be left out?"),
    Example("pagefuzz verify --prove small.prog", "and is there no shorter one at all?"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    var status = ExitStatus.success
    Interruption.listen()
    for found in ProgramFiles.expand(arguments.operands) {
      if let status = Interruption.status { return status }
      do {
        let path: String
        do throws(StorageError) { path = try found.get() } catch {
          throw CommandFailure(ExitStatus(error), error.message)
        }
        let file = try VerifiedFile(path, searching: arguments.has(prove))
        if arguments.isJSON {
          try Output.line(file.json.line)
        } else if !arguments.has(.quiet) || !file.isOK {
          try Output.write(file.text)
        }
        status = max(status, file.isOK ? .success : .found)
      } catch let failure as CommandFailure {
        Diagnostics.report(failure.message)
        status = max(status, failure.status)
      }
    }
    return Interruption.status ?? status
  }
}

/// One file whose certificate was checked.
private struct VerifiedFile {
  let path: String
  let entries: Int
  let differences: [Certificate.Difference]
  /// The statement that there is no shorter program: as written, and whether it was searched for.
  let proof: String?
  let isSearched: Bool
  var isOK: Bool { differences.isEmpty }

  init(_ path: String, searching isSearched: Bool) throws {
    let file = try ViolatingProgram(path)
    let (program, identity) = (file.finding.program, file.finding.identity)
    guard let written = Certificate.written(in: program) else {
      throw CommandFailure(
        .invalidInput, "\(path): it carries no certificate; 'pagefuzz minimize' writes one")
    }
    let certificate = Certificate(of: program)
    var differences = certificate.differences(from: written)
    for entry in certificate.entries where entry.found.contains("\(identity)") {
      differences.append(
        .init(stated: "nothing smaller shows \(identity)", found: entry.text))
    }
    let proof = ShortestProof.written(in: program)
    if isSearched {
      guard let proof else {
        throw CommandFailure(
          .invalidInput, "\(path): it states no proof; 'pagefuzz minimize --prove' writes one")
      }
      let found = ShortestProof(
        of: program, showing: identity, states: MinimizeCommand.provenStates
      ).search { Interruption.status == nil }
      if found.text != proof.text {
        differences.append(.init(textLine: proof.textLine, stated: proof.text, found: found.text))
      }
    }
    (self.path, entries, self.differences) = (path, written.count, differences)
    (self.proof, self.isSearched) = (proof?.text, isSearched)
  }

  var text: String {
    let word = isOK ? Style.green("ok  ") : Style.red("FAIL")
    let end = proof == nil ? "" : isSearched ? "; searched again" : "; not searched again"
    var lines = ["\(word)  \(path)  \(entries) smaller programs\(end)"]
    for difference in differences {
      lines.append("  \(path)" + (difference.textLine.map { ":\($0)" } ?? ""))
      lines.append("  - \(difference.stated ?? "no line about it")")
      lines.append("  + \(difference.found ?? "there is no such change")")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  var json: JSONText {
    [
      "file": .string(path), "ok": .boolean(isOK), "entries": .count(entries),
      "differences": .array(
        differences.map { difference in
          [
            "line": difference.textLine.map { .count($0) } ?? nil,
            "stated": .text(difference.stated), "found": .text(difference.found),
          ]
        }),
      "proof": .text(proof), "searched": .boolean(isSearched),
    ]
  }
}

extension ShortestProof.Outcome {
  /// The statement, or what became of it.
  var text: String {
    switch self {
    case .proven(let statement): statement
    case .shorter(let program): "shorter: \(program.size)"
    case .gaveUp(let states): "gave up after \(states) states"
    }
  }
}
