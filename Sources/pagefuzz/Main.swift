// SPDX-License-Identifier: MIT

import Console
import Foundation
import Storage

/// Where the process begins: reads the command line, runs one command, ends with its status.
@main
enum Main {
  static let program = ProgramDescription(
    name: "pagefuzz", version: "pagefuzz 0.1.0",
    summary: "search the interleavings of the Linux page lifecycle for broken promises",
    commands: commands, examples: examples)

  static func main() {
    EngineTrap.watch()
    let words = Array(CommandLine.arguments.dropFirst())
    if words == [Worker.name] { Worker.run() }
    exit(run(words).rawValue)
  }

  /// Runs one command line; everything that goes wrong becomes a message and a status.
  private static func run(_ words: [String]) -> ExitStatus {
    do {
      switch try Invocation.resolve(words, in: program) {
      case .print(let text):
        try Output.write(text.hasSuffix("\n") ? text : text + "\n")
        return .success
      case .run(let command, let arguments):
        return try command.run(arguments)
      }
    } catch let error as UsageError {
      Diagnostics.print(error.text(program: program.name))
      return .usage
    } catch let error as CommandFailure {
      Diagnostics.report(error.message)
      return error.status
    } catch let error as StorageError {
      Diagnostics.report(error.message)
      return ExitStatus(error)
    } catch {
      Diagnostics.report("\(error)")
      return .engineTrap
    }
  }
}

extension ExitStatus {
  /// The status that a failure of a file or directory ends a command with.
  init(_ error: StorageError) {
    self =
      switch error.kind {
      case .invalid: .invalidInput
      case .missing: .missingInput
      case .cannotCreate: .cannotCreate
      case .inputOutput: .inputOutput
      }
  }
}
