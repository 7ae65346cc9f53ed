// SPDX-License-Identifier: MIT

import Console
import Foundation
import Fuzzing
import Programs
import Storage

/// `bench --reductions`: what the reducer makes of fat random programs.
enum ReductionBench {
  static func run(_ count: Int, _ arguments: ParsedArguments) throws -> ExitStatus {
    var trials = ReductionTrial(programs: count)
    var score = ReductionScore()
    while score.results.count < count, let finding = trials.next() {
      score.add(ReductionScore.Result(finding))
    }
    let lengths = arguments.has(BenchCommand.prove) ? FileLengths(of: score) : nil
    let isKept = score.results.allSatisfy { $0.keepsIdentity && $0.isStable }
    let isGood = isKept && score.several.isEmpty && lengths?.longer.isEmpty != false
    if arguments.isJSON {
      try Output.line(JSONText.object(score.json + (lengths?.json ?? [])).line)
    } else {
      try Output.write(score.text + (lengths?.text ?? ""))
    }
    return isGood ? .success : .found
  }

  /// Saves fat programs as they are, and a table of what the reducer makes of them.
  static func save(_ count: Int, to path: String) throws -> ExitStatus {
    let directory = ProgramDirectory(path)
    try directory.prepare()
    var trials = ReductionTrial(programs: count)
    var rows = ["file,identity,callsBefore,callsAfter,preemptionsAfter,programs,executions,kept"]
    while rows.count <= count, let drawn = trials.next() {
      var program = drawn.program
      guard let first = Finding(meantBy: program), case .rules = first.identity.cause else {
        continue
      }
      // Others get it in binary form, which has an end.
      let held = ProgramBinary.decode(ProgramBinary.encode(program))
      guard held.instructions == program.instructions else { continue }
      program.expectation = .violation(Pattern(first.identity))
      let digits = String(rows.count)
      let name = String(repeating: "0", count: 4 - min(4, digits.count)) + digits + ".prog"
      try directory.save(ProgramPrinter.text(of: program), as: name)
      let small = first.minimized()
      let isKept = small.identity == first.identity
      rows.append(
        "\(name),\(first.identity),\(program.callCount),\(small.program.callCount),"
          + "\(small.program.preemptionCount),\(small.reductionRuns.all),"
          + "\(small.reductionRuns.executions),\(isKept ? 1 : 0)")
    }
    let table = Array((rows.joined(separator: "\n") + "\n").utf8)
    try FileSystem.real.writeAtomically(table, to: Path.join(path, "reduced.csv"))
    try Output.line("saved \(rows.count - 1) programs to \(path)")
    return rows.count > count ? .success : .found
  }
}

extension ReductionScore {
  private var kept: Int { results.count(where: \.keepsIdentity) }
  private var limited: Int { results.count { !$0.after.isMinimized } }
  private var variants: Int { Set(results.map(\.before.program.variant.name)).count }
  private var precision: Double { share(pairs.both, of: pairs.sameFile) }
  private var recall: Double { share(pairs.both, of: pairs.sameBug) }

  private func share(_ part: Int, of whole: Int) -> Double {
    whole == 0 ? 1 : Double(part) / Double(whole)
  }

  private func median(_ value: (Result) -> Int) -> Int {
    let values = results.map(value).sorted()
    return values.isEmpty ? 0 : values[values.count / 2]
  }

  private func most(_ value: (Result) -> Int) -> Int { results.map(value).max() ?? 0 }

  fileprivate var json: [JSONText.Field] {
    [
      .init("programs", .count(results.count)), .init("variants", .count(variants)),
      .init("kept", .count(kept)), .init("stable", .count(results.count(where: \.isStable))),
      .init("identities", .count(files.count)),
      .init("identitiesWithSeveralFiles", .count(several.count)),
      .init("pairsOfOneIdentity", .count(pairs.sameBug)),
      .init("pairsOfOneFile", .count(pairs.sameFile)),
      .init("precision", .string(Decimals.two(precision * 100))),
      .init("recall", .string(Decimals.two(recall * 100))),
      .init("callsBefore", .count(median(\.before.callsBefore))),
      .init("callsAfter", .count(median(\.after.program.callCount))),
      .init("callExecutions", .count(median(\.after.reductionRuns.calls))),
      .init("executions", .count(median(\.after.reductionRuns.all))),
      .init("mostExecutions", .count(most(\.after.reductionRuns.all))),
      .init("limited", .count(limited)),
      .init("engineExecutions", .count(median(\.after.reductionRuns.executions))),
    ]
  }

  fileprivate var text: String {
    var lines = [
      "\(kept) of \(results.count) programs of \(variants) variants keep their identity; "
        + "\(results.count(where: \.isStable)) stay as they are when minimized again",
      "calls: \(median(\.before.callsBefore)) before, \(median(\.after.program.callCount)) after, "
        + "in the median",
      "programs tried: \(median(\.after.reductionRuns.calls)) for the calls, "
        + "\(median(\.after.reductionRuns.all)) in all, in the median; "
        + "\(most(\.after.reductionRuns.all)) at most; \(limited) met the limit of "
        + "\(SearchLimits.reductionRuns)",
      "executions of the engine, those that look for causes included: "
        + "\(median(\.after.reductionRuns.executions)) in the median",
      "\(files.count) identities, \(several.count) of them in several files; of "
        + "\(pairs.sameBug) pairs with one identity \(Decimals.two(recall * 100)) % have one file, "
        + "of \(pairs.sameFile) pairs with one file \(Decimals.two(precision * 100)) % have one "
        + "identity",
    ]
    for result in results where !result.after.isMinimized || !result.isStable {
      let word = result.isStable ? "the limit was met" : "minimized again it is another"
      lines += ["  \(word):"] + result.text.split(separator: "\n").dropFirst().map { "      \($0)" }
    }
    for key in several {
      lines.append("  \(key): \(files[key]?.count ?? 0) files")
      for (text, times) in (files[key] ?? [:]).sorted(by: { $0.key < $1.key }) {
        lines.append("    \(times) times")
        lines += text.split(separator: "\n").dropFirst().map { "      \($0)" }
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

/// What exploring says of the length of each file that the reducer made.
private struct FileLengths {
  private(set) var shortest = 0
  private(set) var undecided = 0
  /// Texts that are longer than need be, each with a shorter program.
  private(set) var longer: [(text: String, than: Program)] = []

  init(of score: ReductionScore) {
    var seen: Set<String> = []
    let distinct = score.results.filter { seen.insert($0.text).inserted }
    let states = MinimizeCommand.provenStates
    let processors = ProcessInfo.processInfo.activeProcessorCount
    Threads.run(distinct.count, on: processors) { position in
      Shortness(of: distinct[position].after, states: states)
    } deliver: { position, shortness in
      switch shortness {
      case .shortest: shortest += 1
      case .undecided: undecided += 1
      case .longer(let program): longer.append((distinct[position].text, program))
      }
      return true
    }
  }

  private var decided: Int { shortest + longer.count }

  var json: [JSONText.Field] {
    [.init("decided", .count(decided)), .init("shortest", .count(shortest))]
  }

  var text: String {
    var lines = [
      "\(decided + undecided) files; exploring decides \(decided): \(shortest) of them are as "
        + "short as any program of the same identity"
    ]
    for (text, shorter) in longer {
      lines.append("  longer than need be:")
      lines += text.split(separator: "\n").dropFirst().map { "      \($0)" }
      lines.append("  than:")
      lines += ProgramPrinter.text(of: shorter).split(separator: "\n").map { "      \($0)" }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
