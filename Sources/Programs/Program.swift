// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Calls on simulated CPUs and their interleaving, with what is expected of them.
///
/// The order of lines is the order of events.  Grammar and meaning: DocC `TextFormat`.
package struct Program: Equatable, Sendable {
  /// What a program says a run of it finds.
  package enum Expectation: Equatable, Sendable {
    case unstated
    case none
    case violation(Pattern)
  }

  /// The version of the text form written and understood.
  package static let formatVersion = 1

  /// Comments and blank lines before the protocol; nil is a blank line.
  package var introduction: [String?] = []
  package var variant: Variant
  package var boot: Boot
  package var lines: [Line]
  package var expectation: Expectation
  /// Comments behind the words of the header and of the expectation.
  package var protocolComment: String?
  package var bootComment: String?
  package var expectationComment: String?

  /// A program of lines.
  package init(
    _ variant: Variant, boot: Boot = Boot(), lines: [Line] = [],
    expectation: Expectation = .unstated
  ) {
    self.variant = variant
    self.boot = boot
    self.lines = lines
    self.expectation = expectation
  }

  /// A program of nothing but instructions: what fuzzers make.
  package init(
    _ variant: Variant, boot: Boot = Boot(), instructions: [Instruction],
    expectation: Expectation = .unstated
  ) {
    self.init(variant, boot: boot, lines: instructions.map { Line($0) }, expectation: expectation)
  }

  /// The instructions in order, without what is stated about them.
  package var instructions: [Instruction] { lines.compactMap(\.instruction) }
  /// How many calls it starts.
  package var callCount: Int { instructions.count { $0.call != nil } }
  /// How many lines stop before their call ends.
  package var preemptionCount: Int { instructions.count { $0.until != nil } }

  /// The number of a line in the canonical text, counted from 1.
  package func textLine(of index: Int) -> Int {
    1 + introduction.count + 1 + (boot == Boot() ? 0 : 1) + index + 1
  }

  /// A machine booted as the program says.
  package func machine() -> Machine { Machine(variant.rules, boot) }
}

/// One line of a program: an event, a statement about the state, or a comment of its own.
package struct Line: Equatable, Sendable {
  /// What a line says, apart from its comment.
  package enum Statement: Equatable, Sendable {
    /// A call or its continuation; `result` is what the call is stated to return.
    case instruction(Instruction, result: Outcome?)
    case assertion(Assertion)
    /// Nothing but the comment; without one it is a blank line.
    case remark
  }
  package var statement: Statement
  /// What follows `#`.
  package var comment: String?

  /// A line of any kind.
  package init(_ statement: Statement, comment: String? = nil) {
    self.statement = statement
    self.comment = comment
  }

  /// A line that executes something.
  package init(_ instruction: Instruction, result: Outcome? = nil, comment: String? = nil) {
    self.init(.instruction(instruction, result: result), comment: comment)
  }

  /// The instruction of the line, if it has one.
  package var instruction: Instruction? {
    get {
      guard case .instruction(let instruction, _) = statement else { return nil }
      return instruction
    }
    set {
      guard let newValue, case .instruction(_, let result) = statement else { return }
      statement = .instruction(newValue, result: result)
    }
  }
}

// MARK: Handles

extension Call {
  /// The call reads or releases the handle it names.
  package var usesHandle: Bool { Vocabulary.usesHandle(operation) }
  /// The call leaves what it obtained in the handle it names.
  package var yieldsHandle: Bool { Vocabulary.signature(operation)?.yieldsHandle ?? false }
}

extension Program {
  /// Repairs handles after lines were deleted or moved, so that the result is a program again.
  ///
  /// A handle no earlier line assigns becomes the one assigned last before; where none is, the
  /// call is deleted.
  package func repairingHandles() -> Program {
    var repaired = self
    var assigned: UInt32 = 0
    var last: HandleID?
    repaired.lines.removeAll { line in
      guard let call = line.instruction?.call, call.usesHandle else {
        if let call = line.instruction?.call, call.yieldsHandle {
          assigned |= 1 << UInt32(call.handle.rawValue)
          last = call.handle
        }
        return false
      }
      return assigned & 1 << UInt32(call.handle.rawValue) == 0 && last == nil
    }
    (assigned, last) = (0, nil)
    for index in repaired.lines.indices {
      guard var instruction = repaired.lines[index].instruction, var call = instruction.call
      else { continue }
      if call.usesHandle, assigned & 1 << UInt32(call.handle.rawValue) == 0, let last {
        call.handle = last
        instruction.call = call
        repaired.lines[index].instruction = instruction
      }
      if call.yieldsHandle {
        assigned |= 1 << UInt32(call.handle.rawValue)
        last = call.handle
      }
    }
    return repaired
  }
}
