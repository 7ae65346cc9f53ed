// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@testable import Fuzzing

/// Random programs, each with the run that drew it.
struct Drawn {
  var program: Program
  var hash: UInt64
  var verdict: Verdict

  /// Programs of any size under a variant, as a campaign draws them.
  static func programs(_ variant: Variant, count: Int, calls: Int = 10) -> [Drawn] {
    var options = Generator.Options()
    options.domains = variant.base.design.domains
    var generator = Generator(options)
    var execution = RandomExecution()
    return (1...count).map { number in
      var planning = Random.stream(seed: 5, .protocols, UInt64(number))
      var stream = Random.stream(seed: 5, .calls, UInt64(number))
      var schedule = Random.stream(seed: 5, .schedule, UInt64(number))
      generator.options.boot = number % 2 == 0 ? Boot() : .full
      generator.reswarm(&planning)
      var scheduler = RandomWalk(burst: 1 << (number % 6))
      execution.execute(
        .boot(variant.rules, generator.options.boot), calls: calls, generator, &scheduler,
        &stream, &schedule)
      return Drawn(
        program: Program(
          variant, boot: generator.options.boot, instructions: execution.instructions),
        hash: execution.run.machine.stateHash, verdict: execution.run.machine.verdict)
    }
  }
}

@Suite("Random programs")
struct GeneratorTests {
  @Test("Each prints, parses back to itself, and does what it did", arguments: Protocol.all)
  func roundTrip(base: Protocol) throws {
    for drawn in Drawn.programs(Variant(base), count: 150) {
      let text = drawn.program.description
      let parsed = try ProgramParser.parse(Array(text.utf8), file: "drawn.prog")
      #expect(parsed.instructions == drawn.program.instructions, "\(text)")
      #expect(parsed.repairingHandles() == parsed, "a handle nobody assigned: \(text)")
      let report = Execution.run(parsed)
      #expect(report.machine.stateHash == drawn.hash, "\(text)")
      #expect(report.verdict.all == drawn.verdict.all, "\(text)")
    }
  }

  @Test("Every operation is drawn, but none that uses a handle before there is one")
  func everyOperation() {
    var boot = Boot.full
    boot.reflink = 1
    for operation in Procedure.operations where operation.signature?.weight != 0 {
      let usesHandle = operation.signature?.parameters.contains(.handle) ?? false
      var options = Generator.Options()
      (options.boot, options.domains) = (boot, .all)
      options.operations = usesHandle ? [operation, .load] : [operation]
      let generator = Generator(options)
      var random = Random(seed: 9)
      var machine = Machine(Variant(Protocol.all[0]).rules, boot)
      for _ in 0..<20 {
        let drawn = generator.call(for: &machine, on: CPUID(0), &random).operation
        #expect(drawn == (usesHandle ? .load : operation))
      }
    }
  }

  /// How often each operation comes, of 4,000 calls that a machine with everything could start.
  private static func shares(
    of operations: [Procedure] = Procedure.operations, evenly: Bool
  ) -> [Procedure: Double] {
    var options = Generator.Options()
    (options.boot, options.operations) = (.full, operations)
    var generator = Generator(options)
    generator.useEverything(evenly: evenly)
    var random = Random(seed: 2)
    var machine = Machine(Variant(Protocol.all[0]).rules, .full)
    let drawn = (0..<4_000).map { _ in
      generator.call(for: &machine, on: CPUID(0), &random).operation
    }
    return Dictionary(drawn.map { ($0, 1 / 4_000) }, uniquingKeysWith: +)
  }

  @Test("Each comes as often as it weighs, or evenly as often as any other")
  func even() throws {
    // Their operands are useful, whatever they are.
    let operations: [Procedure] = [.punchHole, .pwrite, .zeroRange, .pread]
    let weights = operations.map { Double($0.signature?.weight ?? 0) }
    let (weighed, even) = (
      Self.shares(of: operations, evenly: false), Self.shares(of: operations, evenly: true)
    )
    for (operation, weight) in zip(operations, weights) {
      let share = try #require(weighed[operation])
      #expect(abs(share - weight / weights.reduce(0, +)) < 0.03, "\(operation)")
      #expect(abs(try #require(even[operation]) - 0.25) < 0.03, "\(operation)")
    }
  }

  @Test("As it weighs, all comes that comes evenly, what few operands are useful for, too")
  func all() {
    let (weighed, even) = (Self.shares(evenly: false), Self.shares(evenly: true))
    #expect(Set(even.keys).isStrictSubset(of: weighed.keys))
    #expect(even.count > 30)
    #expect((even[.mremap] ?? 0) > (weighed[.mremap] ?? 0), "what weighs little comes more often")
  }

  @Test("What is useful for few operands comes as often as it weighs, unless drawn evenly")
  func persistence() {
    // Few mappings are there to be moved, and every address is mapped.
    let operations: [Procedure] = [.mremap, .load]
    let weighed = Self.shares(of: operations, evenly: false)
    #expect(abs((weighed[.mremap] ?? 0) - 1 / 6) < 0.03, "mremap weighs 1, load 5")
    #expect((Self.shares(of: operations, evenly: true)[.mremap] ?? 1) < 0.4)
  }

  @Test("Operands are within the machine, and calls are typed")
  func ranges() {
    for drawn in Drawn.programs(Variant(Protocol.all[0]), count: 100) {
      for call in drawn.program.instructions.compactMap(\.call) {
        #expect(call.handle.position < Limits.handles)
        #expect(call.page.position < Int(drawn.program.boot.filePages))
        #expect(call.file.position < Int(drawn.program.boot.files))
      }
    }
  }

  @Test("A call that is to meet another one is about its page, and its file")
  func meeting() {
    var other = Call(.pwrite)
    (other.file, other.page) = (FileID(1), PageIndex(2))
    var options = Generator.Options()
    options.boot = .full
    options.operations = [.pwrite, .punchHole, .load]
    let generator = Generator(options)
    var random = Random(seed: 3)
    var machine = Machine(Variant(Protocol.all[0]).rules, .full)
    var loads = 0
    for _ in 0..<200 {
      let call = generator.call(for: &machine, on: CPUID(0), meeting: other, &random)
      if call.operation == .load {
        #expect(call.address.page == other.page)
        loads += 1
      } else {
        #expect(call.file == other.file && call.page == other.page)
      }
    }
    #expect(loads > 20)
  }
}
