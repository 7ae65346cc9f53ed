// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import PageLifecycle
import Programs
import Storage

/// What a campaign tells while it runs and at its end, as text or as JSON.
struct FuzzReport {
  /// Seconds between two looks at the status.
  static let interval = 0.5

  /// When each sighting was made, in seconds of the processor.
  var cpuSeconds: [Int: Double] = [:]
  /// Programs kept for what they reach.
  var corpusPrograms = 0
  private let isJSON: Bool
  private let isQuiet: Bool
  private var progress: Progress
  private var nextLook = 0.0
  private var nextLine = lineInterval

  /// Seconds between two lines where there is no terminal.
  private static let lineInterval = 60.0

  init(isJSON: Bool, isQuiet: Bool) {
    (self.isJSON, self.isQuiet) = (isJSON, isQuiet)
    progress = Progress(isQuiet: isQuiet)
  }

  func begin(_ campaign: Campaign, _ directory: CrashDirectory) throws {
    guard !isJSON else { return }
    let protocols = campaign.options.variants.map(\.name).joined(separator: ", ")
    let known = directory.known.count
    try Output.line(
      "seed \(campaign.options.seed), protocols \(protocols), \(known) known findings")
  }

  /// Replaces the status, now and then; where it cannot be replaced, a line is written every minute.
  mutating func show(_ wall: Double, screen: () -> [String], line: () -> String) {
    guard !isQuiet else { return }
    if progress.isShown {
      guard wall >= nextLook else { return }
      nextLook = wall + Self.interval
      progress.show(screen())
    } else if wall >= nextLine {
      nextLine += Self.lineInterval
      Diagnostics.report(line())
    }
  }

  /// Removes the status, before anything else is printed.
  mutating func clear() { progress.clear() }

  /// Tells a program that the engine did not survive.
  mutating func tellLoss(_ loss: Losses.Loss, _ path: String) throws {
    progress.clear()
    guard !isJSON else {
      let line: JSONText = [
        "engine": .string(loss.kind), "execution": .count(loss.execution),
        "program": .string(path),
      ]
      return try Output.line(line)
    }
    try Output.line("")
    try Output.line("\(Style.red("engine")) \(path)")
    try Output.line("  a worker died (\(loss.kind)) in execution \(loss.execution)")
  }

  /// Prints what could not be saved, so that it is not lost.
  func lose(_ unsaved: [String: String]) {
    for (name, text) in unsaved.sorted(by: { $0.key < $1.key }) {
      Diagnostics.report("\(name) could not be saved; this is it:")
      Diagnostics.print(text)
    }
  }

  /// Tells a finding the moment it is saved.
  mutating func tell(_ finding: Finding, _ path: String, _ campaign: Campaign) throws {
    progress.clear()
    let sighting = campaign.sightings[finding.sighting]
    guard !isJSON else {
      return try Output.line(violation(sighting, finding.sighting, path))
    }
    let known = finding.knownBugs.map { "known bug of \(sighting.base): \($0.source)" }
    var lines = ["", "\(Style.red("new")) \(path)", "  \(finding.identity)"]
    lines.append("  \(finding.identity.invariant.statement)")
    lines += known.map { "  \($0)" }
    lines.append("")
    lines.append("    protocol \(finding.program.variant.name)")
    lines += finding.program.lines.map { "    " + ProgramPrinter.text(of: $0) }
    let counts = finding.stepCounts
    lines.append("")
    lines.append(
      "  \(finding.program.size), "
        + "\(counts.lines) steps; execution \(sighting.firstExecution)")
    for line in lines { try Output.line(line) }
  }

  /// The summary, which is the last line of JSON.
  mutating func end(
    _ campaign: Campaign, _ directory: CrashDirectory, wall: Double, cpu: Double
  ) throws {
    progress.clear()
    guard !isJSON else {
      return try Output.line(summary(campaign, directory, cpu, wall))
    }
    try Output.line("")
    for sighting in campaign.sightings where sighting.programs > 0 {
      let word = sighting.isKnown ? "known" : "new  "
      try Output.line(
        "\(word)  \(sighting.programs) programs  \(sighting.base)  \(sighting.identity)  "
          + directory.path(of: sighting))
    }
    for loss in directory.losses { try Output.line("engine  \(directory.path(of: loss))") }
    let steps = campaign.steps + campaign.endSteps
    let rate = cpu > 0 ? Double(steps) / cpu / 1e6 : 0
    let coverage = campaign.coverage
    try Output.line(
      "\(campaign.executions) programs, \(campaign.violating) violating, \(campaign.steps) steps, "
        + "\(campaign.endSteps) of staged ends, \(coverage.features) features, "
        + "\(coverage.states) states")
    try Output.line(
      "\(Decimals.two(wall)) s, \(Decimals.two(cpu)) s of CPU, \(Decimals.two(rate)) million steps a CPU-second"
    )
  }

  private func summary(
    _ campaign: Campaign, _ directory: CrashDirectory, _ cpu: Double, _ wall: Double
  ) -> JSONText {
    let sightings = campaign.sightings.indices.filter { campaign.sightings[$0].programs > 0 }
    return [
      "protocol": .string(campaign.options.variants.map(\.name).joined(separator: ",")),
      "seed": .unsigned(campaign.options.seed), "executions": .count(campaign.executions),
      "steps": .count(campaign.steps), "endSteps": .count(campaign.endSteps),
      "cpuSeconds": .seconds(cpu), "wallSeconds": .seconds(wall),
      "states": .count(campaign.coverage.states),
      "features": .count(campaign.coverage.features),
      "corpus": .count(corpusPrograms),
      "violating": .count(campaign.violating),
      "violations": .array(
        sightings.map { position in
          let sighting = campaign.sightings[position]
          return violation(sighting, position, directory.path(of: sighting))
        }),
      "engineDeaths": .strings(directory.losses.map { directory.path(of: $0) }),
    ]
  }

  private func violation(
    _ sighting: Campaign.Sighting, _ position: Int, _ path: String
  ) -> JSONText {
    [
      "id": .string("\(sighting.identity)"), "protocol": .string(sighting.base),
      "invariant": .string(sighting.identity.invariant.name),
      "cause": .string("\(sighting.identity.cause)"),
      "operation": .string(Vocabulary.kernelName(sighting.place.procedure)),
      "step": .string(sighting.place.shortName), "known": .boolean(sighting.isKnown),
      "firstExecution": .count(sighting.firstExecution),
      "firstStep": .count(sighting.firstStep),
      "cpuSeconds": cpuSeconds[position].map { .seconds($0) } ?? .null,
      "program": .string(path),
      "minimized": .boolean(sighting.isKnown || sighting.isMinimized),
      "programs": .count(sighting.programs),
    ]
  }
}
