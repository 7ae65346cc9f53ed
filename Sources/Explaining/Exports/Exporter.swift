// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// A language a program can be written in.  Add an exporter here; options, help and `list` follow.
package enum Exporter: String, CaseIterable, Sendable {
  case c, syz, promela, mermaid

  /// What it writes, in one line.
  package var summary: String {
    switch self {
    case .c: "a C program in the manner of kselftest, with a thread on each CPU"
    case .syz: "a syzkaller program"
    case .promela: "a model for spin: the steps of this run, in every order"
    case .mermaid: "a sequence diagram"
    }
  }

  /// The whole output, with a newline at its end; `name` is what the program's file is called.
  ///
  /// What the language cannot express is said in a comment that names the line and the reason.
  package func text(of program: Program, name: String) -> String {
    switch self {
    case .c: CProgram(Story(of: program), name).text
    case .syz: SyzProgram(Story(of: program), name).text
    case .promela: PromelaModel(of: program, name).text
    case .mermaid: SequenceDiagram.text(of: program)
    }
  }

  /// Why an operation has no counterpart in this language; nil where it has one, at least for
  /// some operands.
  package func reason(against operation: Procedure) -> String? {
    switch self {
    case .c: CallTable.entry(operation)?.c.reason
    case .syz: CallTable.entry(operation)?.syz.reason
    case .promela, .mermaid: nil
    }
  }

  /// Whether anything is said of an operation: a counterpart, or why there is none.
  package func knows(_ operation: Procedure) -> Bool {
    switch self {
    case .c, .syz: CallTable.entry(operation) != nil
    case .promela, .mermaid: operation.signature != nil
    }
  }
}
