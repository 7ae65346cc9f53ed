// SPDX-License-Identifier: MIT

import Console
import Explaining
import Programs
import Storage

/// `export`: a program in somebody else's language.
enum ExportCommand: Command {
  static let language = Option(
    "to", .choice(Exporter.allCases.map(\.rawValue)), "the language; see 'pagefuzz list exports'")
  static let output = Option("output", .file, "write it there instead of printing it")

  static let name = "export"
  static let summary = "write a program in another language: C, syzkaller, Promela, Mermaid"
  static let discussion =
    Exporter.allCases.map { "\($0.rawValue): \($0.summary)." }.joined(separator: "\n") + """


      What a language cannot express is said in a comment that names the line and the reason.
      """
  static let options = [language, output]
  static let operands = [Operand(.path, "a program")]
  static let examples = [
    Example("pagefuzz export crashes/v6.1-I27-82c003e1.prog --to c >test.c", "for a real kernel"),
    Example("pagefuzz export crashes/v6.1-I27-82c003e1.prog --to promela", "for spin"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    guard let exporter = arguments[language].flatMap(Exporter.init(rawValue:)) else {
      throw UsageError("--to is missing: \(language.usage)")
    }
    let path = arguments.operands[0]
    let bytes: [UInt8]
    do throws(StorageError) { bytes = try ProgramFiles.read(path) } catch {
      throw CommandFailure(ExitStatus(error), error.message)
    }
    let program: Program
    do throws(ProgramError) { program = try ProgramParser.parse(bytes, file: path) } catch {
      throw CommandFailure(.invalidInput, error.description)
    }
    EngineTrap.blame(path)
    let text = exporter.text(of: program, name: path)
    if let place = arguments[output] {
      try FileSystem.real.writeAtomically(Array(text.utf8), to: place)
    } else {
      try Output.write(text)
    }
    return .success
  }
}
