// SPDX-License-Identifier: MIT

import Console
import Programs
import Storage

/// `replay`: runs programs and compares what happens with what each one says.
enum ReplayCommand: Command {
  static let trace = Option("trace", "print every step, in columns of CPUs")
  static let junit = Option("junit", .file, "also write the results as JUnit XML")

  static let hashes = Option(
    "hashes", .file, "compare the states of each program it lists with the hash it lists")

  static let name = "replay"
  static let summary = "run programs and compare with what each one expects"
  static let discussion = """
    Directories stand for the programs below them.  A file that cannot be read, or is no program,
    is reported and the others go on; the highest exit status of all files wins.  A file may have
    several programs one after another; each is named by the line it begins in.  With --quiet only
    what is not as expected is printed.
    """
  static let options = [trace, junit, hashes, Option.format, Option.quiet]
  static let operands = [
    Operand(.path, "programs, and directories of programs", isRepeated: true)
  ]
  static let examples = [
    Example("pagefuzz replay corpus crashes", "every regression"),
    Example("pagefuzz replay --trace found.prog", "one program, step by step"),
    Example("pagefuzz replay corpus --junit results.xml", "for a build server"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    var summary = ReplaySummary()
    var junitReport = JUnitReport(suite: "pagefuzz replay")
    let hashes = try arguments[hashes].map(StateHashes.init(readingFrom:))
    Interruption.listen()
    for found in ProgramFiles.expand(arguments.operands) {
      for replayed in ReplayedProgram.all(found, tracing: arguments.has(trace), hashes) {
        // Results of some of the files must not look like results of all.
        if let status = Interruption.status { return status }
        replayed.complain()
        if arguments.isJSON {
          try Output.line(replayed.json)
        } else if !arguments.has(.quiet) || replayed.status == .found {
          try Output.write(replayed.text)
        }
        summary.add(replayed.status)
        junitReport.cases.append(JUnitReport.Case(replayed.name, replayed.junit))
      }
    }
    if !arguments.isJSON, !arguments.has(.quiet), summary.count > 1 {
      try Output.line(summary.text)
    }
    if let path = arguments[junit] {
      try FileSystem.real.writeAtomically(Array(junitReport.text.utf8), to: path)
    }
    return summary.status
  }
}

/// How many files there were, and the worst that happened.
private struct ReplaySummary {
  var count = 0
  var asExpected = 0
  var unexpected = 0
  var status = ExitStatus.success

  mutating func add(_ outcome: ExitStatus) {
    count += 1
    if outcome == .success { asExpected += 1 }
    if outcome == .found { unexpected += 1 }
    status = max(status, outcome)
  }

  var text: String {
    let unusable = count - asExpected - unexpected
    return "\(count) programs: \(asExpected) as expected, \(unexpected) not, \(unusable) unusable"
  }
}

/// One program, or a file without any, and what became of it.
private struct ReplayedProgram {
  enum Result {
    case ran(Report, trace: [String])
    case noProgram(ProgramError)
    case unreadable(StorageError)
  }
  let path: String
  /// Where it begins in its file, counted from 1; nil where it is all of it.
  let firstLine: Int?
  let result: Result
  let status: ExitStatus

  /// The states the program went through, and those it is listed with.
  private var hash: UInt64?
  private var listedHash: UInt64?

  /// Every program of a file.
  static func all(
    _ found: ProgramFiles.Found, tracing isTracing: Bool, _ hashes: StateHashes?
  ) -> [Self] {
    let path: String
    let bytes: [UInt8]
    do throws(StorageError) {
      path = try found.get()
      bytes = try ProgramFiles.read(path)
    } catch {
      return [Self(error.path, nil, .unreadable(error), nil)]
    }
    do throws(ProgramError) {
      let programs = try ProgramParser.parseAll(bytes, file: path)
      return programs.map { program, firstLine in
        let line = programs.count == 1 ? nil : firstLine
        return Self(path, line, replay(program, path, isTracing), hashes)
      }
    } catch {
      return [Self(path, nil, .noProgram(error), nil)]
    }
  }

  private init(_ path: String, _ firstLine: Int?, _ result: Result, _ hashes: StateHashes?) {
    (self.path, self.firstLine, self.result) = (path, firstLine, result)
    if let hashes, firstLine == nil, case .ran(let report, _) = result, let listed = hashes[path] {
      listedHash = listed
      hash = Execution.run(report.program, hashing: true).hash
    }
    let isHashed = hash == listedHash
    status = isHashed ? Self.status(of: result) : max(.found, Self.status(of: result))
  }

  /// The file, and the line where it has several programs.
  var name: String { path + (firstLine.map { ":\($0)" } ?? "") }

  private static func status(of result: Result) -> ExitStatus {
    switch result {
    case .ran(let report, _): report.isAsExpected() ? .success : .found
    case .noProgram: .invalidInput
    case .unreadable(let error): ExitStatus(error)
    }
  }

  private static func replay(_ program: Program, _ path: String, _ isTracing: Bool) -> Result {
    EngineTrap.blame(path)
    guard isTracing else { return .ran(Execution.run(program), trace: []) }
    let (lines, report) = TraceText.trace(program)
    return .ran(report, trace: lines)
  }

  private static func text(of hash: UInt64) -> String { StateHashes.text(of: hash) }

  /// Why the file could not be used; nil where it was.
  private var complaint: String? {
    switch result {
    case .ran: nil
    case .noProgram(let error): error.description
    case .unreadable(let error): error.message
    }
  }

  func complain() {
    if let complaint { Diagnostics.report(complaint) }
  }

  // MARK: Forms

  var text: String {
    guard case .ran(let report, let trace) = result else { return "" }
    let isAsExpected = status == .success
    let word = isAsExpected ? Style.green("ok  ") : Style.red("FAIL")
    var lines = ["\(word)  \(name)  \(report.steps) steps, found \(report.foundText)"]
    lines += trace.map { "  " + $0 }
    lines += report.differences(in: path, from: firstLine ?? 1).map { "  " + $0 }
    if let hash, let listedHash, hash != listedHash {
      lines += ["  \(name): the states", "  - \(Self.text(of: listedHash))"]
      lines += ["  + \(Self.text(of: hash))"]
    }
    lines += report.notes.map { "  note: \(name): \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }

  var json: JSONText {
    guard case .ran(let report, let trace) = result else {
      return [
        "file": .string(name), "expected": nil, "found": nil, "steps": 0, "ok": false,
        "error": .text(complaint),
      ]
    }
    var fields: [JSONText.Field] = [
      .init("file", .string(name)), .init("expected", .text(report.expectedText)),
      .init("found", .string(report.foundText)), .init("steps", .count(report.steps)),
      .init("ok", .boolean(status == .success)), .init("endSteps", .count(report.endSteps)),
      .init("protocol", .string(report.program.variant.name)),
      .init(
        "failures",
        .array(
          report.failures.map { failure in
            [
              "line": .count((firstLine ?? 1) - 1 + failure.textLine),
              "text": .string(failure.text),
              "expected": .string(failure.expected), "found": .string(failure.found),
            ]
          })),
      .init("notes", .strings(report.notes)),
    ]
    if let hash { fields.append(.init("hash", .string(Self.text(of: hash)))) }
    if !trace.isEmpty { fields.append(.init("trace", .strings(trace))) }
    return .object(fields)
  }

  var junit: JUnitReport.Outcome {
    guard case .ran(let report, _) = result else { return .broken(complaint ?? "") }
    guard status != .success else { return .passed }
    let differences = report.differences(in: path, from: firstLine ?? 1)
    return .failed(differences.first ?? "", details: differences.joined(separator: "\n"))
  }
}

extension Report {
  /// What the program says must be found; nil where it says nothing.
  fileprivate var expectedText: String? {
    switch program.expectation {
    case .unstated: nil
    case .none: "none"
    case .violation(let pattern): pattern.description
    }
  }

  /// The identities of what was found.
  fileprivate var foundText: String {
    let found = identities().map(\.description)
    return found.isEmpty ? "none" : found.joined(separator: "; ")
  }

  /// Everything that is not as the program says, as a diff with places.
  fileprivate func differences(in path: String, from firstLine: Int) -> [String] {
    var lines: [String] = []
    for failure in failures {
      lines += [
        "\(path):\(firstLine - 1 + failure.textLine): \(failure.text)", "- \(failure.expected)",
        "+ \(failure.found)",
      ]
    }
    if let (expected, found) = expectationDifference() {
      let place = firstLine - 1 + program.textLine(of: program.lines.count)
      lines += ["\(path):\(place): the expectation", "- expect \(expected)", "+ expect \(found)"]
    }
    return lines
  }
}
