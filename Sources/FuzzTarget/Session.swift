// SPDX-License-Identifier: MIT

import CFarm
import Fuzzing
import Glibc
import PageLifecycle
import Programs

/// What a process of an engine does with its inputs.
final class Session {
  let settings: Settings
  private var harness: Harness
  private var mutator: Mutator
  private var hasComplained = false
  private let tally: Tally

  init(_ line: inout CommandLineWords) {
    var settings = Settings(&line)
    // A minimizer that changed one bug into another would be none.
    if line.flag("minimize_crash") == "1", getenv("PAGEFUZZ_FIND") == nil, let path = line.input,
      let finding = Self.finding(at: path, settings)
    {
      let pattern = Pattern(finding.identity)
      settings.harness.wanted = [.pattern(pattern)]
      setenv("PAGEFUZZ_FIND", "\(pattern)", 1)
      settings.harness.isExact = true
      setenv("PAGEFUZZ_REPAIRS", "own", 1)
      settings.harness.variant = finding.program.variant
      setenv("PAGEFUZZ_PROTOCOL", finding.program.variant.name, 1)
    }
    self.settings = settings
    harness = Harness(settings.harness)
    mutator = Mutator(of: settings.harness.main)
    tally = Tally(settings.tally)
    switch settings.programs {
    case .engine: break
    case .input: serve()
    case .search(let search): run(search, line)
    }
  }

  /// Executes one input; -1 keeps it out of the corpus.
  func test(_ bytes: [UInt8]) -> CInt {
    tally.programs += 1
    guard let program = program(bytes) else { return -1 }
    let (isClean, finding) = execute(program)
    if let finding {
      tally.isFound = true
      Terminal.print(finding.alarm)
      abort()
    }
    return isClean ? 0 : -1
  }

  /// Whether a program violates nothing, and what it shows of what is looked for.
  private func execute(_ program: Program) -> (isClean: Bool, finding: Finding?) {
    let notesStates = settings.notesStates
    let verdict = harness.execute(program) { feature in
      if notesStates { farm_note(Self.fold(feature)) }
    }
    tally.note(harness.steps)
    if settings.printsHash { tellHash(of: program) }
    guard verdict.count > 0 else { return (true, nil) }
    return (false, harness.finding(verdict, in: program))
  }

  func mutate(_ bytes: [UInt8], _ limit: Int, _ seed: UInt64) -> [UInt8] {
    let program = program(bytes) ?? Program(settings.harness.main)
    return mutator.fit(mutator.mutate(program, seed: seed), bytes: limit)
  }

  func cross(
    _ first: [UInt8], _ second: [UInt8], _ limit: Int, _ seed: UInt64
  ) -> [UInt8] {
    guard let first = program(first), let second = program(second) else { return [] }
    return mutator.fit(mutator.cross(first, second, seed: seed), bytes: limit)
  }

  /// Calls of the program of some bytes; none where they are no program.
  func calls(of bytes: [UInt8]) -> Int { program(bytes)?.callCount ?? 0 }

  /// The same bytes without one call of their program; never longer than they were.
  func withoutCall(_ number: Int, in bytes: [UInt8]) -> [UInt8] {
    guard let program = program(bytes) else { return bytes }
    let shorter = ProgramBytes.encode(program.withoutCall(number))
    return shorter.count <= bytes.count ? shorter : bytes
  }

  private func program(_ bytes: [UInt8]) -> Program? {
    do throws(ProgramError) { return try harness.program(of: bytes) } catch {
      if !hasComplained { Terminal.print("pagefuzz: \(error); such inputs are left out\n") }
      hasComplained = true
      return nil
    }
  }

  /// Numbers of features that many programs have lie side by side: they are spread out.
  private static func fold(_ feature: Int) -> Int {
    Int(UInt64(feature) &* 0x9E37_79B9_7F4A_7C15 >> 32) % farm_features()
  }

  private func tellHash(of program: Program) {
    let report = Execution.run(program, hashing: true)
    let digits = String(report.hash, radix: 16)
    let hash = String(repeating: "0", count: 16 - digits.count) + digits
    Terminal.print("pagefuzz: \(report.steps) steps, \(report.endSteps) at the end, hash \(hash)\n")
  }

  private static func finding(at path: String, _ settings: Settings) -> Finding? {
    guard let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: ProgramLimits.bytes + 1)
    bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
    var harness = Harness(settings.harness)
    guard let program = try? harness.program(of: bytes) else { return nil }
    return harness.finding(harness.execute(program) { _ in }, in: program)
  }
}

// MARK: Without an engine

extension Session {
  /// Searches as a campaign does, with the code of this target, and ends the process.
  ///
  /// The engine's own flags `-seed` and `-runs` hold here, too.
  private func run(_ search: Search, _ line: CommandLineWords) -> Never {
    var options = Campaign.Options([settings.harness.main])
    options.seed = line.flag("seed").flatMap { UInt64($0) } ?? 1
    options.search = search
    var campaign = Campaign(options)
    let limit = line.flag("runs").flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 } ?? .max
    while campaign.executions < limit {
      let found = campaign.advance(within: limit).first(where: harness.isWanted)
      tally.executed = campaign.steps + campaign.endSteps
      tally.noteTime()
      tally.isFound = found != nil
      tally.programs = found?.execution ?? campaign.executions
      tally.steps =
        found.map { campaign.sightings[$0.sighting].firstStep } ?? campaign.steps
      guard let found else { continue }
      Terminal.print(found.alarm)
      exit(77)
    }
    Terminal.print("pagefuzz: nothing found in \(campaign.executions) programs\n")
    exit(0)
  }

  /// Executes what it reads, text by text with an empty line behind each, answers `found`, `clean`
  /// or what is wrong with it, and ends the process with its input.
  private func serve() -> Never {
    var text = ""
    while let line = readLine(strippingNewline: true) {
      guard line.isEmpty else {
        text += line + "\n"
        continue
      }
      tally.programs += 1
      answer(Array(text.utf8))
      text = ""
    }
    exit(0)
  }

  private func answer(_ text: [UInt8]) {
    do throws(ProgramError) {
      let finding = execute(try harness.program(of: text)).finding
      if finding != nil { tally.isFound = true }
      Terminal.print(finding == nil ? "clean\n" : "found\n", to: STDOUT_FILENO)
    } catch {
      Terminal.print("\(error)\n", to: STDOUT_FILENO)
    }
  }
}
