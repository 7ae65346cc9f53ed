// SPDX-License-Identifier: MIT

import PageLifecycle
import Spelling

// MARK: Results and stops

extension Cursor {
  /// Reads what a call is stated to return.
  mutating func outcome() throws(ProgramError) -> Outcome {
    let expected = "a number or an error like -EAGAIN"
    let token = try word(expected: expected)
    if let errno = Errno.allCases.first(where: { $0.name == token.text }) { return Outcome(errno) }
    guard let number = Self.decimal(token.text), let value = Int16(exactly: number),
      value != Run.unfinished
    else {
      let hint = Suggestion.nearest(to: token.text, among: Errno.allCases.map(\.name))
      throw error(
        "'\(token.text)' is no result" + (hint.map { "; did you mean '\($0)'?" } ?? ""),
        at: token.column, expected: expected)
    }
    return Outcome(rawValue: value)
  }

  /// Reads `step`, `procedure.step`, each with an optional `#n`.
  mutating func stopPoint(of call: Call?) throws(ProgramError) -> StopPoint {
    let token = try word(expected: "a step, or procedure.step")
    let parts = token.text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    var visit = 1
    if parts.count == 2 {
      guard let number = Self.decimal(parts[1]), (1...ProgramLimits.visits).contains(number) else {
        throw error(
          "'\(parts[1])' is no visit", at: token.column + parts[0].utf8.count + 1,
          expected: "1 to \(ProgramLimits.visits)")
      }
      visit = number
    }
    let words = parts[0].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let name =
      words.count == 2
      ? try qualifiedStep(words[0], words[1], token.column)
      : try plainStep(String(parts[0]), of: call, token.column)
    return StopPoint(name.procedure, name.step, visit: UInt16(visit))
  }

  private func qualifiedStep(
    _ name: String, _ step: String, _ column: Int
  ) throws(ProgramError) -> StepName {
    guard let procedure = Vocabulary.procedure(named: name) else {
      let names = Vocabulary.procedures.map(Vocabulary.name)
      let hint = Suggestion.nearest(to: name, among: names)
      throw error(
        "there is no procedure '\(name)'" + (hint.map { "; did you mean '\($0)'?" } ?? ""),
        at: column, expected: "procedure.step")
    }
    let steps = Vocabulary.steps(procedure)
    guard let index = steps.firstIndex(of: step) else {
      throw error(
        "\(Vocabulary.name(procedure)) has no step '\(step)'", at: column + name.utf8.count + 1,
        expected: steps.joined(separator: ", "))
    }
    return StepName(procedure, UInt8(index))
  }

  /// A step of the call's own procedure, or one that only one procedure has.
  private func plainStep(
    _ step: String, of call: Call?, _ column: Int
  ) throws(ProgramError) -> StepName {
    if let own = call?.operation, let index = Vocabulary.steps(own).firstIndex(of: step) {
      return StepName(own, UInt8(index))
    }
    let owners = Vocabulary.procedures.filter { Vocabulary.steps($0).contains(step) }
    if owners.count == 1, let index = Vocabulary.steps(owners[0]).firstIndex(of: step) {
      return StepName(owners[0], UInt8(index))
    }
    guard owners.isEmpty else {
      let names = owners.map { "\(Vocabulary.name($0)).\(step)" }
      throw error(
        "several procedures have a step '\(step)'", at: column,
        expected: names.joined(separator: " or "))
    }
    let own = call.map { Vocabulary.steps($0.operation) } ?? []
    throw error(
      "there is no step '\(step)'", at: column,
      expected: own.isEmpty ? "procedure.step" : own.joined(separator: ", ") + ", or procedure.step"
    )
  }
}

// MARK: Assertions

extension Cursor {
  /// Reads what follows `assert`.
  mutating func assertion() throws(ProgramError) -> Assertion {
    let token = try word(expected: "file0:0, p3, mm0.m1:2, file0 or cpu1")
    guard !token.text.hasPrefix("cpu") else { return try taskAssertion(token) }
    let subject = try subject(token)
    var claims: [Assertion.Claim] = []
    repeat { claims.append(try claim(about: subject)) } while !isAtEnd
    return Assertion(subject, claims)
  }

  private mutating func taskAssertion(_ token: Token) throws(ProgramError) -> Assertion {
    let cpu = CPUID(try number(token, "cpu", Limits.cpus, "CPU"))
    let state = try word(expected: "idle, blocked or runnable")
    var procedure: Procedure?
    if state.text != "idle", let name = next {
      _ = try word(expected: "a procedure")
      guard let match = Vocabulary.procedure(named: name.text) else {
        let names = Vocabulary.procedures.map(Vocabulary.kernelName)
        let hint = Suggestion.nearest(to: name.text, among: names)
        throw error(
          "there is no procedure '\(name.text)'" + (hint.map { "; did you mean '\($0)'?" } ?? ""),
          at: name.column, expected: "a procedure like break_layouts")
      }
      procedure = match
    }
    try requireEnd()
    switch state.text {
    case "idle": return Assertion(cpu, .idle)
    case "blocked": return Assertion(cpu, .blocked(procedure))
    case "runnable": return Assertion(cpu, .runnable(procedure))
    default:
      throw error(
        "'\(state.text)' is no state of a CPU", at: state.column,
        expected: "idle, blocked or runnable")
    }
  }

  private func subject(_ token: Token) throws(ProgramError) -> Assertion.Subject {
    let parts = token.text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2 {
      let mm = Token(text: String(parts[0]), column: token.column, isWord: true)
      let address = Token(
        text: String(parts[1]), column: token.column + mm.text.utf8.count + 1, isWord: true)
      return .address(
        MMID(try number(mm, "mm", Limits.mms, "address space")), try self.address(address))
    }
    if token.text.contains(":") {
      let (file, page) = try filePage(token)
      return .filePage(file, page)
    }
    if token.text.hasPrefix("file") {
      return .file(FileID(try number(token, "file", Limits.files, "file")))
    }
    guard token.text.hasPrefix("p") else {
      throw error(
        "'\(token.text)' is nothing to assert about", at: token.column,
        expected: "file0:0, p3, mm0.m1:2, file0 or cpu1")
    }
    return .page(PFN(try number(token, "p", Limits.pages, "page frame")))
  }

  private mutating func claim(about subject: Assertion.Subject) throws(ProgramError)
    -> Assertion.Claim
  {
    let names = subject.keys.map { "\($0)=" }.joined(separator: ", ")
    let token = try word(expected: names)
    guard let key = Assertion.Key(rawValue: token.text), subject.keys.contains(key) else {
      throw error(
        "\(subject) has no '\(token.text)'", at: token.column, expected: names)
    }
    try require("=")
    let value = try word(expected: "a value")
    let (match, expected) = try self.value(of: key, value)
    guard let match else {
      throw error("'\(value.text)' is no value of '\(key)'", at: value.column, expected: expected)
    }
    return Assertion.Claim(key, match)
  }

  private func value(
    of key: Assertion.Key, _ token: Token
  ) throws(ProgramError) -> (Assertion.Value?, expected: String) {
    switch key {
    case .mapping:
      let mappings: [Mapping] = [.none, .file0, .file1, .anon, .shared]
      let match = mappings.first { $0.name == token.text }
      return (match.map { .mapping($0) }, mappings.map(\.name).joined(separator: ", "))
    case .block, .entry, .pte:
      if token.text == "none" { return (.nothing(.none), "") }
      if token.text == "zero" && key != .block { return (.nothing(.zero), "") }
      if token.text == "empty" && key == .entry { return (.empty, "") }
      guard token.text.hasPrefix("p") else {
        let words = key == .entry ? "none, empty, zero" : key == .pte ? "none, zero" : "none"
        return (nil, "\(words) or a page frame like p3")
      }
      return (.page(PFN(try number(token, "p", Limits.pages, "page frame"))), "")
    default:
      let number = Self.decimal(token.text).flatMap { Int32(exactly: $0) }
      return (number.map { .number($0) }, "a number")
    }
  }
}

// MARK: Expectations

extension Cursor {
  /// Reads what follows `expect`.
  mutating func expectation() throws(ProgramError) -> Program.Expectation {
    let expected = "none, or an invariant like I27"
    let first = try word(expected: expected)
    if first.text == "none" {
      try requireEnd()
      return .none
    }
    guard let invariant = Invariant(name: first.text) else {
      throw error("there is no invariant '\(first.text)'", at: first.column, expected: expected)
    }
    var pattern = Pattern(invariant)
    while !isAtEnd { try readPart(of: &pattern) }
    return .violation(pattern)
  }

  private mutating func readPart(of pattern: inout Pattern) throws(ProgramError) {
    let expected = "a memory type, a blame like foreign-get, cause=RULE or ..."
    let token = try word(expected: expected)
    if token.text == "..." {
      pattern.isOpen = true
      return try requireEnd()
    }
    if token.text == "cause", pattern.cause == nil {
      try require("=")
      let words = try word(expected: "a rule")
      guard let cause = Cause(parsing: words.text) else {
        throw error(
          "'\(words.text)' is no cause", at: words.column,
          expected: "unknown, one rule, two joined by +, or two steps joined by /")
      }
      pattern.cause = cause
    } else if let type = MemoryType.allCases.first(where: { $0.name == token.text }),
      pattern.type == nil, pattern.blame == nil, pattern.cause == nil
    {
      pattern.type = type
    } else if let blame = Blame(parsing: token.text), pattern.blame == nil, pattern.cause == nil {
      pattern.blame = blame
    } else {
      throw error("'\(token.text)' is not expected here", at: token.column, expected: expected)
    }
  }
}
