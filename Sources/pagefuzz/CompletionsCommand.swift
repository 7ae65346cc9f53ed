// SPDX-License-Identifier: MIT

import Console

/// `completions`: the command line, as a shell wants to know it.
enum CompletionsCommand: Command {
  static let name = "completions"
  static let summary = "print a script that completes commands and options in a shell"
  static let operands = [
    Operand(.choice(Shell.allCases.map(\.rawValue)), named: "SHELL", "the shell")
  ]
  static let examples = [
    Example("source <(pagefuzz completions bash)", "complete in this shell"),
    Example("pagefuzz completions fish | source", "the same for fish"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    for shell in arguments.operands.compactMap(Shell.init(rawValue:)) {
      try Output.write(Main.program.completions(for: shell))
    }
    return .success
  }
}
