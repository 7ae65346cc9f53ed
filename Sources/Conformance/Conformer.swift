// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// The first place where the model does not do what the kernel did.
package struct Difference: Equatable, Sendable {
  /// The index of the event in the recording.
  package var event: Int
  /// The operation of the event.
  package var operation: String
  /// What is compared: a result, a task, a page, an address.
  package var subject: String
  package var expected: String
  package var found: String
  /// Who took and dropped references of the page, where it is about one.
  package var ledger: [String] = []
}

/// What comparing one recording showed.
package struct Comparison: Sendable {
  package var id: String
  package var events: Int
  /// nil where the model agrees after every event.
  package var firstDifference: Difference?
  /// The sequence as a program, with assertions for what changed.
  package var program: Program

  /// The program with what a run of it finds: kernels broke promises while they were recorded.
  package var programWithExpectation: Program {
    var stated = program
    stated.expectation =
      Execution.run(program).identities().first.map { .violation(Pattern($0)) } ?? .none
    return stated
  }
}

/// Executes a recorded sequence on the model, and compares after every event.
///
/// Choices of the recorded file system and driver are no rule of the page lifecycle, and are taken
/// from the recording: which free block or device page an allocation returns, and whether a
/// neighbouring unwritten block is zeroed.  They show only later, when a page is mapped; so a
/// sequence is executed again from its start with what was learnt, until it agrees or nothing more
/// can be learnt.
package struct Conformer {
  /// Executions after which a recording is given up; each learns one choice.
  private static let limitPasses = 64

  private let recording: Recording
  private let variant: Variant

  /// A comparison of one recording with one protocol.
  package init(_ recording: Recording, with variant: Variant) {
    self.recording = recording
    self.variant = variant
  }

  /// Compares, learning choices on the way.
  package func compare() -> Comparison {
    var choices = Choices()
    var pass = Rehearsal(recording, variant, choices)
    pass.rehearse()
    for _ in 1..<Self.limitPasses {
      guard pass.firstDifference != nil, let learnt = pass.lesson, learnt != choices else { break }
      choices = learnt
      pass = Rehearsal(recording, variant, choices)
      pass.rehearse()
    }
    return pass.comparison
  }
}

/// One line of a rehearsal: an event, and the position of the line within it.
struct LineKey: Hashable {
  var event: Int
  var line: Int
}

/// What the recorded file system and driver chose, by the line that made them choose.
struct Choices: Equatable {
  /// The blocks, or device pages, handed out, in order.
  var blocks: [LineKey: [PFN]] = [:]
  /// The unwritten blocks it zeroed.
  var conversions: [LineKey: [FilePage]] = [:]

  struct FilePage: Hashable {
    var file: FileID
    var index: PageIndex
  }
}
