// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

/// Draws for property tests: SplitMix64.
struct Draws {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }
  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
  mutating func oneIn(_ n: Int) -> Bool { below(n) == 0 }
  mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  /// Instructions of any kind, decorated with everything text can hold.
  mutating func program() -> Program {
    let count = below(60)
    var program = ProgramBinary.decode(bytes(count))
    for index in program.lines.indices {
      if oneIn(3) { program.lines[index].comment = comment() }
      if case .instruction(let instruction, _) = program.lines[index].statement,
        instruction.call != nil, oneIn(3)
      {
        program.lines[index].statement = .instruction(instruction, result: outcome())
      }
    }
    for _ in 0..<below(4) {
      let place = below(program.lines.count + 1)
      let statement: Line.Statement = oneIn(3) ? .remark : .assertion(assertion())
      program.lines.insert(Line(statement, comment: oneIn(2) ? comment() : nil), at: place)
    }
    for _ in 0..<below(3) { program.introduction.append(oneIn(3) ? nil : comment()) }
    if oneIn(4) { program.variant.repaired.insert(pick(Rule.allCases)) }
    if oneIn(4) { program.variant.broken.insert(pick(Rule.allCases)) }
    if oneIn(4) { program.protocolComment = comment() }
    if oneIn(4) && program.boot != Boot() { program.bootComment = comment() }
    program.expectation = expectation()
    if program.expectation != .unstated && oneIn(2) { program.expectationComment = comment() }
    return program
  }

  mutating func comment() -> String {
    pick(["", "FOLL_GET, held by the pipe", "# twice", "naïve – übergroß", "expect none", "= 1"])
  }

  mutating func outcome() -> Outcome {
    oneIn(2) ? Outcome(pick(Errno.allCases)) : Outcome(rawValue: Int16(below(600) - 300))
  }

  mutating func assertion() -> Assertion {
    let procedure = oneIn(2) ? nil : pick(Vocabulary.procedures)
    if oneIn(4) {
      let state: Assertion.TaskState =
        oneIn(3) ? .idle : oneIn(2) ? .blocked(procedure) : .runnable(procedure)
      return Assertion(CPUID(below(Limits.cpus)), state)
    }
    let page = PageIndex(below(Limits.filePages))
    let file = FileID(below(Limits.files))
    let subject: Assertion.Subject =
      switch below(5) {
      case 0: .filePage(file, page)
      case 1: .page(PFN(below(Limits.pages)))
      case 2: .address(MMID(below(Limits.mms)), Address(file, page))
      case 3: .address(MMID(below(Limits.mms)), Address(MappingID(below(Limits.mappings)), page))
      default: .file(file)
      }
    var claims: [Assertion.Claim] = []
    for _ in 0...below(3) {
      let key = pick(subject.keys)
      claims.append(Assertion.Claim(key, value(of: key)))
    }
    return Assertion(subject, claims)
  }

  mutating func value(of key: Assertion.Key) -> Assertion.Value {
    switch key {
    case .mapping: .mapping(pick([.none, .file0, .file1, .anon]))
    case .block, .pte: oneIn(2) ? .nothing(.none) : .page(PFN(below(Limits.pages)))
    case .entry: oneIn(2) ? pick([.nothing(.zero), .empty]) : .page(PFN(below(Limits.pages)))
    default: .number(Int32(truncatingIfNeeded: next()))
    }
  }

  mutating func expectation() -> Program.Expectation {
    switch below(3) {
    case 0: return .unstated
    case 1: return .none
    default: break
    }
    var pattern = Pattern(pick(Invariant.allCases))
    if oneIn(2) { pattern.type = pick([.system, .fsdax]) }
    if oneIn(2) {
      pattern.blame = Blame(pick([.missing, .extra, .foreign]), pick(Holder.allCases))
    }
    pattern.cause = pick([nil, .unknown, .rules([pick(Rule.allCases)]), .steps(step(), step())])
    pattern.isOpen = oneIn(3)
    return .violation(pattern)
  }

  mutating func step() -> StepName {
    let procedure = pick(Vocabulary.procedures)
    return StepName(procedure, UInt8(below(procedure.stepNames.count)))
  }
}

/// A program of some lines, under v6.1 unless said otherwise.
func program(_ lines: String, under variant: String = "v6.1") throws -> Program {
  try ProgramParser.parse("# pagefuzz program 1\nprotocol \(variant)\n" + lines, file: "t.prog")
}

func run(_ lines: String, under variant: String = "v6.1") throws -> Report {
  Execution.run(try program(lines, under: variant))
}
