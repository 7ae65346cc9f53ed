// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// Fat random programs with several bugs active at once: what the reducer is measured with.
package struct ReductionTrial: Sendable {
  /// Calls of the programs.
  package static let calls = 64...256
  /// Variants that have a part in the programs at least, where there are so many programs.
  package static let variants = 30

  /// Every protocol repaired with several rules broken, and, where it has bugs, as released, with
  /// some of them repaired, and with one rule more that is broken.
  private let variants: [Variant]
  /// Programs of each variant so far, and the most that it may have.
  private var shares: [Int]
  private let share: Int
  private var generators: [Generator]
  private var execution: RandomExecution
  private var number: UInt64 = 0

  /// Trials that end after some programs.
  package init(programs: Int) {
    variants = Protocol.all.flatMap(Self.variants)
    shares = variants.map { _ in 0 }
    share = max(1, programs / Self.variants)
    generators = variants.map { variant in
      var options = Generator.Options()
      options.domains = variant.base.design.domains
      options.boot.devices = variant.base.isOfKernel ? 2 : 0
      if options.domains.contains(.iommu) { options.boot.tableEntries = 4 }
      return Generator(options)
    }
    execution = RandomExecution()
  }

  /// A program, and the violation of its lines that is shown last; nil where none is found.
  package mutating func next() -> Finding? {
    for _ in 0..<Self.draws {
      number += 1
      let position = Int(number) % variants.count
      guard shares[position] < share, let finding = draw(position) else { continue }
      shares[position] += 1
      return finding
    }
    return nil
  }

  private mutating func draw(_ position: Int) -> Finding? {
    var stream = Random.stream(seed: Self.seed, .calls, number)
    var schedule = Random.stream(seed: Self.seed, .schedule, number)
    let (variant, generator) = (variants[position], generators[position])
    let boot = generator.options.boot
    var scheduler = RandomWalk(burst: 1 << schedule.below(6))
    let calls = Self.calls.lowerBound + schedule.below(Self.calls.count)
    execution.execute(
      .boot(variant.rules, boot), calls: calls, generator, &scheduler, &stream, &schedule)
    guard let violation = execution.run.machine.verdict.all.last else { return nil }
    let program = Program(variant, boot: boot, instructions: execution.instructions)
    guard program.callCount >= Self.calls.lowerBound else { return nil }
    let identity = identity(of: violation, in: program)
    // Where no rule explains it, two of one identity need not be one bug.
    guard case .rules = identity.cause else { return nil }
    return Finding(violation, identity, program)
  }

  private static func variants(of base: Protocol) -> [Variant] {
    let rules = Rule.allCases.filter { $0.isMeaningful(in: base.design) }
    guard !rules.isEmpty else { return [] }
    let known = base.knownBugSet
    var random = Random.stream(seed: seed, .protocols, UInt64(rules.count))
    func some(_ count: Int) -> RuleSet {
      RuleSet((0..<count).map { _ in rules[random.below(rules.count)] })
    }
    let specimens = (0..<3).map { _ in Variant(base, broken: some(3), isRepaired: true) }
    guard !known.members.isEmpty else { return specimens }
    let repairs = known.members.filter { _ in random.oneIn(2) }
    return [
      Variant(base), Variant(base, repaired: RuleSet(repairs)),
      Variant(base, broken: some(1).subtracting(known)),
    ] + specimens
  }

  private static let seed: UInt64 = 1
  /// Programs drawn in vain before there is taken to be none.
  private static let draws = 200_000
}

/// What became of the programs of one bug.
package struct ReductionScore: Sendable {
  /// One program, and what was made of it.
  package struct Result: Sendable {
    package var before: Finding
    package var after: Finding
    /// The text of the small program, with what it expects.
    package var text: String
    /// Reducing the small program changes nothing.
    package var isStable: Bool

    /// Reduces a program.
    package init(_ finding: Finding) {
      before = finding
      after = finding.minimized()
      var program = after.program
      program.expectation = .violation(Pattern(after.identity))
      text = ProgramPrinter.text(of: program)
      isStable = after.minimized().program == after.program
    }

    /// The small program shows the same bug.
    package var keepsIdentity: Bool { after.identity == before.identity }
    /// One bug of one protocol: its files should be one.
    package var key: String {
      let variant = before.program.variant
      return "\(variant.base.name)\(variant.isRepaired ? "+repaired" : "") \(before.identity)"
    }
  }

  /// In the order they were added.
  package private(set) var results: [Result] = []
  /// How often each text was the result, by bug.
  package private(set) var files: [String: [String: Int]] = [:]

  /// Nothing yet.
  package init() {}

  /// Counts one more program.
  package mutating func add(_ result: Result) {
    results.append(result)
    files[result.key, default: [:]][result.text, default: 0] += 1
  }

  /// Bugs with more than one file, in order.
  package var several: [String] { files.filter { $0.value.count > 1 }.keys.sorted() }

  /// Pairs of programs: of one bug, with one file, and both.
  package var pairs: (sameBug: Int, sameFile: Int, both: Int) {
    func pairs(_ counts: some Sequence<Int>) -> Int { counts.reduce(0) { $0 + $1 * ($1 - 1) / 2 } }
    var texts: [String: Int] = [:]
    for (text, count) in files.values.joined() { texts[text, default: 0] += count }
    return (
      pairs(files.values.map { $0.values.reduce(0, +) }), pairs(texts.values),
      pairs(files.values.flatMap(\.values))
    )
  }
}
