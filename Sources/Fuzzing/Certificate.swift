// SPDX-License-Identifier: MIT

import PageLifecycle
package import Programs

/// What every smaller program does: why nothing of a program can be left out.
package struct Certificate: Equatable, Sendable {
  /// One part left out, and what is found then.
  package struct Entry: Equatable, Sendable {
    /// `without line 2`, or `line 2 not stopped`.
    package var change: String
    /// Identities in the words of `expect`; none where the program is clean then.
    package var found: [String]
  }

  package private(set) var entries: [Entry] = []

  /// Runs a program without each of its lines, and with each of its preemptions undone.
  ///
  /// Lines are counted from 1 in the order of execution, comments and assertions aside.
  package init(of program: Program) {
    var plain = program
    plain.lines = program.instructions.map { Line($0) }
    plain.expectation = .unstated
    for line in plain.lines.indices {
      var smaller = plain
      smaller.lines.remove(at: line)
      note("without line \(line + 1)", smaller)
      guard plain.lines[line].instruction?.until != nil else { continue }
      var undone = plain
      undone.lines[line].instruction?.until = nil
      note("line \(line + 1) not stopped", undone)
    }
  }

  private mutating func note(_ change: String, _ program: Program) {
    let program = program.repairingHandles()
    let found = program.violations.map { "\(identity(of: $0, in: program))" }
    entries.append(Entry(change: change, found: found))
  }

  /// Whether some smaller program shows an identity too.
  package func contradicts(_ identity: Identity) -> Bool {
    entries.contains { $0.found.contains("\(identity)") }
  }

  /// One sentence a change.
  package var lines: [String] {
    entries.map {
      "\($0.change): " + ($0.found.isEmpty ? "clean" : $0.found.joined(separator: "; "))
    }
  }
}
