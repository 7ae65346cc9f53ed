// SPDX-License-Identifier: MIT

import PageLifecycle
package import Programs

/// What must stay for a run to show the same bug: its signature, and that the same repair ends it.
struct BugTest {
  let identity: Identity

  /// Whether a program shows it.
  func shows(_ program: Program) -> Bool {
    guard has(Execution.run(program).verdict) else { return false }
    guard case .rules(let rules) = identity.cause else { return true }
    var repaired = program
    repaired.variant = program.variant.obeying(RuleSet(rules))
    return !has(Execution.run(repaired).verdict)
  }

  /// Whether a run has its signature.
  func has(_ verdict: Verdict) -> Bool { verdict.all.contains { identity.hasSignature(of: $0) } }
}

/// How far one preemption may move before the bug is gone.
package struct RaceWindow: Sendable {
  /// The index of the line that is preempted, and its text.
  package let line: Int
  package let text: String
  /// The steps of the line if nothing stops it; it can stop before each, or run to its end.
  package let places: [StepName]
  /// Whether the bug shows when it stops there; the last is that it does not stop.
  package private(set) var isOpen: [Bool] = []
  /// The place the program has.
  package let actual: Int

  /// The window of each preemption of a program, in order.
  static func all(of identity: Identity, in program: Program) -> [RaceWindow] {
    var plain = program
    plain.expectation = .unstated
    return program.lines.indices.compactMap { line in
      RaceWindow(line, plain, BugTest(identity: identity))
    }
  }

  private init?(_ line: Int, _ program: Program, _ test: BugTest) {
    guard let instruction = program.lines[line].instruction, let until = instruction.until else {
      return nil
    }
    var undone = program
    undone.lines[line].instruction?.until = nil
    var names: [StepName] = []
    _ = Execution.run(undone) { step, _, _ in
      if step.line == line { names.append(step.name) }
    }
    self.line = line
    text = ProgramPrinter.text(of: Line(instruction))
    places = names
    let stops = Self.stops(before: names)
    guard let actual = stops.firstIndex(of: until) else { return nil }
    self.actual = actual
    isOpen = stops.map { stop in
      var moved = program
      moved.lines[line].instruction?.until = stop
      return test.shows(moved)
    }
    isOpen.append(test.shows(undone))
  }

  private static func stops(before names: [StepName]) -> [StopPoint] {
    var visits: [StepName: UInt16] = [:]
    return names.map { name in
      visits[name, default: 0] += 1
      return StopPoint(name.procedure, name.step, visit: visits[name] ?? 1)
    }
  }

  /// The places around the program's own where the bug shows without a gap.
  package var range: ClosedRange<Int> {
    var (first, last) = (actual, actual)
    while first > 0, isOpen[first - 1] { first -= 1 }
    while last + 1 < isOpen.count, isOpen[last + 1] { last += 1 }
    return first...last
  }

  /// How many places show it, the end of the line among them.
  package var openCount: Int { isOpen.count { $0 } }

  /// A place by name.
  package func name(of place: Int) -> String {
    place < places.count ? "before \(places[place])" : "at the end of the call"
  }
}
