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
  /// Files that were saved before their epoch was over.
  private var early: Set<String> = []
  /// Programs one reduction may try; each may cost a process.
  private static let probes = 200

  init(_ directory: CrashDirectory, seed: UInt64) {
    (self.directory, self.seed) = (directory, seed)
  }

  /// Has what was lost kept as it was found, at once, unless its like was before.
  mutating func keepEarly(_ loss: Loss, keep: (_ text: String, _ name: String) -> Void) {
    guard let program = try? ProgramParser.parse(loss.text) else { return }
    let name = Self.name(program, loss.kind)
    guard !seen.contains(Self.key(program, loss.kind)), !directory.has(name) else { return }
    early.insert(name)
    keep(text(of: program, loss, .asFound), name)
  }

  /// Names of what was kept early and is not to stay: something else stands for it.
  mutating func takeSuperseded() -> [String] {
    defer { early = [] }
    return early.sorted()
  }

  /// Has what was lost kept under a name, as small as it gets, unless its like was before; where.
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
    guard !directory.has(raw) || directory.text(of: raw).contains(Self.asFoundMark) else {
      return nil
    }
    keep(text(of: program, loss, .asFound), raw)
    early.insert(raw)
    let (smaller, size) = try reduce(program, loss.kind, &crew)
    // Who was interrupted goes on with what is kept.
    if Interruption.status != nil {
      early.remove(raw)
      return directory.path(of: raw)
    }
    if case .minimal = size, let place { seen.insert(place) }
    let name = Self.name(smaller, loss.kind)
    let isNew = seen.insert(Self.key(smaller, loss.kind)).inserted && !directory.has(name)
    guard isNew || name == raw else { return nil }
    keep(text(of: smaller, loss, size), name)
    early.remove(name)
    hasNews = true
    return directory.path(of: name)
  }

  /// How small a program is.
  private enum Size {
    case asFound
    /// A process of its own survives it.
    case survived
    /// It had so many lines, and some may still be left out.
    case reduced(Int)
    /// It had so many lines, and none can be left out.
    case minimal(Int)

    var words: String {
      switch self {
      case .asFound: Losses.asFoundMark
      case .survived: ", and not again by itself."
      case .reduced(let lines): ", in \(lines) lines; the limit of programs was met."
      case .minimal(let lines):
        ", in \(lines) \(lines == 1 ? "line" : "lines"); no line can be left out."
      }
    }
  }

  private static let asFoundMark = "; as it was found."
  /// What a file of such a program says, and no other.
  static let mark = ": a bug of pagefuzz, not of the kernel."

  private static func key(_ program: Program, _ kind: String) -> String {
    let last = program.instructions.last { $0.call != nil }?.call?.operation
    let name = last.map { Vocabulary.kernelName($0) } ?? "nothing"
    return "\(program.variant.base.name) \(kind) \(name)"
  }

  private static func name(_ program: Program, _ kind: String) -> String {
    ProgramDirectory.name(
      [program.variant.base.name, kind], hash: CrashDirectory.hash(key(program, kind)))
  }

  /// What is saved of a program.
  private func text(of program: Program, _ loss: Loss, _ size: Size) -> String {
    var program = program
    let what =
      switch loss.death {
      case .trap: "The engine trapped in this program"
      case .report: "A sanitizer reported \(loss.kind) in this program"
      case .hang: "The engine did not come to the end of this program"
      case .kill: "The system killed the process that executed this program"
      }
    program.introduction = [
      what + Self.mark,
      "Found with seed \(seed) in execution \(loss.execution)" + size.words,
    ]
    if !loss.report.lines.isEmpty { program.introduction += [nil] + loss.report.lines }
    program.expectation = .unstated
    return ProgramPrinter.text(of: program)
  }

  /// Leaves out lines as long as a worker dies of the rest in the same way.
  private func reduce(
    _ program: Program, _ kind: String, _ crew: inout Crew
  ) throws -> (program: Program, size: Size) {
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
    guard try isDeadly(best) else { return (best, .survived) }
    var size = max(1, best.lines.count / 2)
    var start = 0
    while probes < Self.probes, Interruption.status == nil {
      guard start < best.lines.count else {
        guard size > 1 else { return (best, .minimal(program.lines.count)) }
        (size, start) = (size / 2, 0)
        continue
      }
      var candidate = best
      candidate.lines.removeSubrange(start..<min(start + size, best.lines.count))
      candidate = candidate.repairingHandles()
      if try isDeadly(candidate) { best = candidate } else { start += size }
    }
    return (best, .reduced(program.lines.count))
  }
}
