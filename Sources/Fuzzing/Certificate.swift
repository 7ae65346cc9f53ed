// SPDX-License-Identifier: MIT

import PageLifecycle
package import Programs

/// What every smaller program does: why nothing of a program can be left out.
///
/// Smaller are the program without one line, with one preemption undone or made sooner, with one
/// operand plainer, with one rule more obeyed or one repair less, on a CPU less, and on a machine
/// booted as by default.  Lines are counted from 1 in the order of execution, comments and
/// assertions aside.
package struct Certificate: Equatable, Sendable {
  /// One change, and what is found then.
  package struct Entry: Equatable, Sendable {
    /// `without line 2`, `line 2 not stopped` or `line 2 as load(mm0, file0:0)`.
    package var change: String
    /// Identities in the words of `expect`; none where the program is clean then.
    package var found: [String]

    /// `without line 2: clean`.
    package var text: String {
      "\(change): " + (found.isEmpty ? "clean" : found.joined(separator: "; "))
    }
  }

  package private(set) var entries: [Entry] = []

  /// Executes each smaller program once, and what violates something until its cause is found.
  package init(of program: Program) {
    var plain = program
    plain.lines = program.instructions.map { Line($0) }
    plain.expectation = .unstated
    let cost = Cost(plain)
    var tried: [Program] = []
    for (change, smaller) in plain.smallerPrograms {
      let smaller = smaller.repairingHandles()
      guard Cost(smaller) < cost, !tried.contains(smaller) else { continue }
      tried.append(smaller)
      let found = smaller.violations.map { "\(identity(of: $0, in: smaller))" }
      entries.append(Entry(change: change, found: found))
    }
  }

  /// Whether some smaller program shows an identity too.
  package func contradicts(_ identity: Identity) -> Bool {
    entries.contains { $0.found.contains("\(identity)") }
  }

  // MARK: Text

  private static let title = "Certificate:"
  private static let mark = "- "

  /// Comments of a program: a title, and one a change.
  package var comments: [String] { [Self.title] + entries.map { Self.mark + $0.text } }

  /// The certificate that stands in the comments of a program: the number of each line of the
  /// text, from 1, and what it says; nil where there is none.
  package static func written(in program: Program) -> [(textLine: Int, text: String)]? {
    let comments = program.introduction.map { $0 ?? "" }
    guard let title = comments.firstIndex(of: Self.title) else { return nil }
    let lines = comments[(title + 1)...].prefix { $0.hasPrefix(mark) }
    return zip(lines.indices, lines).map { ($0 + 2, String($1.dropFirst(mark.count))) }
  }

  /// A line that does not hold, as a diff.
  package struct Difference: Equatable, Sendable {
    /// The line of the text, from 1; nil where the line is missing.
    package var textLine: Int?
    package var stated: String?
    package var found: String?

    /// What is stated in some line, and what is found instead.
    package init(textLine: Int? = nil, stated: String?, found: String?) {
      (self.textLine, self.stated, self.found) = (textLine, stated, found)
    }
  }

  /// What is written and does not hold, and what is not written: in the order of the text.
  package func differences(from written: [(textLine: Int, text: String)]) -> [Difference] {
    let wrong = written.filter { line in !entries.contains { $0.text == line.text } }
    let missing = entries.filter { entry in !written.contains { $0.text == entry.text } }
    func isMeant(_ entry: Entry, by text: String) -> Bool { text.hasPrefix("\(entry.change): ") }
    return wrong.map { line in
      let found = entries.first { isMeant($0, by: line.text) }
      return Difference(textLine: line.textLine, stated: line.text, found: found?.text)
    }
      + missing.filter { entry in !wrong.contains { isMeant(entry, by: $0.text) } }
      .map { Difference(textLine: nil, stated: nil, found: $0.text) }
  }
}

extension Program {
  /// Every program one change away, in a fixed order, with the change in words.
  fileprivate var smallerPrograms: [(change: String, program: Program)] {
    lines.indices.flatMap(smallerPrograms(at:)) + otherRules + fewerCPUs + otherBoot
  }

  private func smallerPrograms(at line: Int) -> [(change: String, program: Program)] {
    let instruction = instructions[line]
    var programs = [("without line \(line + 1)", without([line]))]
    func add(_ change: String, _ edit: (inout Instruction) -> Void) {
      var copy = self
      var instruction = instruction
      edit(&instruction)
      copy.lines[line].instruction = instruction
      programs.append(("line \(line + 1) \(change)", copy))
    }
    if let stop = instruction.until {
      add("not stopped") { $0.until = nil }
      if stop.visit > 1 { add("stopped at the first visit") { $0.until?.visit = 1 } }
    }
    for call in instruction.call?.plainerOperands ?? [] {
      add("as \(ProgramPrinter.text(of: call))") { $0.call = call }
    }
    return programs
  }

  private var otherRules: [(change: String, program: Program)] {
    let repaired = variant.repaired.members.map { rule in
      var copy = self
      copy.variant.repaired.remove(rule)
      return ("without +\(rule.name)", copy)
    }
    return repaired
      + variant.broken.members.map { rule in
        var copy = self
        copy.variant.broken.remove(rule)
        return ("without -\(rule.name)", copy)
      }
  }

  private var fewerCPUs: [(change: String, program: Program)] {
    let used = Set(instructions.map(\.cpu)).sorted()
    return used.flatMap { cpu in
      used.prefix { $0 < cpu }.map { lower in
        let words = "cpu\(cpu.rawValue) as cpu\(lower.rawValue)"
        return (words, mapping { $0.cpu == cpu ? lower : $0.cpu })
      }
    }
  }

  private var otherBoot: [(change: String, program: Program)] {
    guard boot != Boot() else { return [] }
    var copy = self
    copy.boot = Boot()
    return [("booted as by default", copy)]
  }
}
