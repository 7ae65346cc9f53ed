// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs
import Storage

/// Programs that the engine did not survive: bugs of ours, saved and minimized like any other.
struct Losses {
  /// An execution that is left out, for workers died of it.
  struct Loss {
    var execution: Int
    var death: Crew.Death
    /// The program; empty where nobody knows it.
    var text: String
    /// What the worker said.
    var report = DeathReport.none

    /// In one word: what a sanitizer calls it, or how the worker died.
    var kind: String { report.kind ?? death.rawValue }
  }

  /// How often workers must die of one execution before it is left out: somebody else may have
  /// killed them.
  static func deaths(_ death: Crew.Death) -> Int { death == .kill ? 5 : 2 }

  /// Something new was saved.
  private(set) var hasNews = false
  private let directory: CrashDirectory
  private let seed: UInt64
  private var seen: Set<String> = []
  /// Programs one reduction may try; each may cost a process.
  private static let probes = 200

  init(_ directory: CrashDirectory, seed: UInt64) {
    (self.directory, self.seed) = (directory, seed)
  }

  /// Has what was lost kept under a name, unless its like was before; where.
  mutating func save(
    _ loss: Loss, _ crew: inout Crew, keep: (_ text: String, _ name: String) -> Void
  ) throws -> String? {
    guard let program = try? ProgramParser.parse(loss.text) else {
      Diagnostics.report(
        "execution \(loss.execution) is left out: workers die of it (\(loss.kind))")
      return nil
    }
    // What a sanitizer found in one place is one mistake, whatever else the program does.
    let summary = loss.report.kind.flatMap { _ in loss.report.lines.last }
    let place = summary.map { "\(program.variant.base.name) \($0)" }
    if let place, seen.contains(place) { return nil }
    guard seen.insert(Self.key(program, loss.kind)).inserted else { return nil }
    let raw = Self.name(program, loss.kind)
    if directory.has(raw) { return nil }
    keep(text(of: program, loss, reduced: nil), raw)
    let (smaller, isMinimal) = try reduce(program, loss.kind, &crew)
    if isMinimal, let place { seen.insert(place) }
    let name = Self.name(smaller, loss.kind)
    defer { if name != raw { try? directory.remove(raw) } }
    let isNew = seen.insert(Self.key(smaller, loss.kind)).inserted && !directory.has(name)
    guard isNew || name == raw else { return nil }
    let lines = isMinimal ? program.lines.count : nil
    keep(text(of: smaller, loss, reduced: lines), name)
    hasNews = true
    return directory.path(of: name)
  }

  private static func key(_ program: Program, _ kind: String) -> String {
    let last = program.instructions.last { $0.call != nil }?.call?.operation
    let name = last.map { Vocabulary.kernelName($0) } ?? "nothing"
    return "\(program.variant.base.name) \(kind) \(name)"
  }

  private static func name(_ program: Program, _ kind: String) -> String {
    ProgramDirectory.name(
      [program.variant.base.name, kind], hash: CrashDirectory.hash(key(program, kind)))
  }

  /// What is saved of a program, which had so many lines before it was minimal; nil if it is not.
  private func text(of program: Program, _ loss: Loss, reduced lines: Int?) -> String {
    var program = program
    let what =
      switch loss.death {
      case .trap: "The engine trapped in this program"
      case .report: "A sanitizer reported \(loss.kind) in this program"
      case .hang: "The engine did not come to the end of this program"
      case .kill: "The system killed the process that executed this program"
      }
    program.introduction = [
      "\(what): a bug of pagefuzz, not of the kernel.",
      "Found with seed \(seed) in execution \(loss.execution)"
        + (lines.map { ", in \($0) \($0 == 1 ? "line" : "lines"); no line can be left out." }
          ?? "; as it was found."),
    ]
    if !loss.report.lines.isEmpty { program.introduction += [nil] + loss.report.lines }
    program.expectation = .unstated
    return ProgramPrinter.text(of: program)
  }

  /// Leaves out lines as long as a worker dies of the rest in the same way.
  private func reduce(
    _ program: Program, _ kind: String, _ crew: inout Crew
  ) throws -> (program: Program, isMinimal: Bool) {
    var probes = 0
    func isDeadly(_ candidate: Program) throws -> Bool {
      probes += 1
      var isSame = false
      _ = try crew.perform(
        [.probe(ProgramPrinter.text(of: candidate))], nil, whenDone: { _, _ in },
        whenDead: { _, death, announced in
          isSame = (announced.report.kind ?? death.rawValue) == kind
          return nil
        })
      return isSame
    }
    var best = program
    guard try isDeadly(best) else { return (best, false) }
    var size = max(1, best.lines.count / 2)
    var start = 0
    while probes < Self.probes, Interruption.status == nil {
      guard start < best.lines.count else {
        guard size > 1 else { return (best, true) }
        (size, start) = (size / 2, 0)
        continue
      }
      var candidate = best
      candidate.lines.removeSubrange(start..<min(start + size, best.lines.count))
      candidate = candidate.repairingHandles()
      if try isDeadly(candidate) { best = candidate } else { start += size }
    }
    return (best, false)
  }
}
