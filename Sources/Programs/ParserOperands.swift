// SPDX-License-Identifier: MIT

import PageLifecycle
import Spelling

// MARK: Numbers and names

extension Cursor {
  /// Reads digits as one number, written without leading zeros.
  static func decimal(_ text: some StringProtocol) -> Int? {
    guard let value = Int(text), String(value) == text else { return nil }
    return value
  }

  /// Reads `cpu1` or the like; the number must be below a limit.
  func number(
    _ token: Token, _ prefix: String, _ limit: Int, _ kind: String
  ) throws(ProgramError) -> Int {
    try number(token.text[...], at: token.column, prefix, limit, kind)
  }

  private func number(
    _ text: Substring, at column: Int, _ prefix: String, _ limit: Int, _ kind: String
  ) throws(ProgramError) -> Int {
    let expected = "\(prefix)0 to \(prefix)\(limit - 1)"
    guard text.hasPrefix(prefix), let number = Self.decimal(text.dropFirst(prefix.count)),
      number >= 0
    else { throw error("'\(text)' names no \(kind)", at: column, expected: expected) }
    guard number < limit else {
      throw error("there is no \(text)", at: column, expected: expected)
    }
    return number
  }

  /// Reads a number in a range.
  mutating func count(in range: ClosedRange<Int>) throws(ProgramError) -> Int {
    let token = try word(expected: "a number")
    guard let number = Self.decimal(token.text), range.contains(number) else {
      throw error(
        Self.decimal(token.text) == nil
          ? "'\(token.text)' is no number" : "\(token.text) is out of range",
        at: token.column, expected: "\(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// Splits `left:page`, and reads the page.
  private func page(_ token: Token, expected: String) throws(ProgramError) -> (Substring, PageIndex)
  {
    let parts = token.text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw error("'\(token.text)' names no page", at: token.column, expected: expected)
    }
    let column = token.column + parts[0].utf8.count + 1
    guard let number = Self.decimal(parts[1]), (0..<Limits.filePages).contains(number) else {
      throw error(
        Self.decimal(parts[1]) == nil
          ? "'\(parts[1])' is no page" : "there is no page \(parts[1])",
        at: column, expected: "a page from 0 to \(Limits.filePages - 1)")
    }
    return (parts[0], PageIndex(number))
  }

  func address(_ token: Token) throws(ProgramError) -> Address {
    let (left, page) = try page(token, expected: "an address like file0:1 or m2:1")
    guard left.hasPrefix("m") else {
      return Address(
        FileID(try number(left, at: token.column, "file", Limits.files, "file")), page)
    }
    return Address(
      MappingID(try number(left, at: token.column, "m", Limits.mappings, "mapping")), page)
  }

  func filePage(_ token: Token) throws(ProgramError) -> (FileID, PageIndex) {
    let (left, page) = try page(token, expected: "a page of a file like file0:1")
    return (FileID(try number(left, at: token.column, "file", Limits.files, "file")), page)
  }
}

// MARK: Calls

extension Parameter {
  /// Its place may be left empty.
  var isOptional: Bool {
    switch self {
    case .pages, .times, .flags, .entries: true
    default: false
    }
  }

  /// What an error says was expected in its place.
  var hint: String {
    switch self {
    case .mm: "an address space like mm0"
    case .address: "an address like file0:1 or m2:1"
    case .file: "a file like file0"
    case .filePage, .sourcePage: "a page of a file like file0:1"
    case .mapping: "a mapping like m2"
    case .handle: "a handle like h1"
    case .pfn: "a page frame like p3"
    case .pagemap: "a device: \(PagemapID.all.map(\.name).joined(separator: ", "))"
    case .cpu: "a CPU like cpu1"
    case .value: "a byte, 0 to 255"
    case .size: "a size in pages, 0 to \(Limits.filePages)"
    case .pages: "pages=N"
    case .times: "times=N"
    case .iova: "an I/O virtual address like iova0:3"
    case .entries: "entries=N"
    case .flags(let allowed):
      CallFlags.named.filter { allowed.contains($0.flag) }.map(\.name).joined(separator: " or ")
    }
  }
}

extension Cursor {
  /// Reads a call from its handle or name to its closing parenthesis.
  mutating func call(
    _ assigned: UInt32, _ base: Protocol?
  ) throws(ProgramError) -> (Call, isNamed: Bool) {
    var target: Token?
    if second?.text == "=" {
      target = try word(expected: "a handle")
      try require("=")
    }
    let name = try word(expected: "an operation or 'resume'")
    guard let operation = Vocabulary.operation(named: name.text),
      let signature = Vocabulary.signature(operation)
    else {
      let names = Vocabulary.operations.map(Vocabulary.name) + ["resume"]
      let hint = Suggestion.nearest(to: name.text, among: names)
      throw error(
        "there is no operation '\(name.text)'" + (hint.map { "; did you mean '\($0)'?" } ?? ""),
        at: name.column, expected: "an operation; see 'list operations'")
    }
    try require(operation, in: base, name)
    var call = Call(operation)
    for case .pages(let standard) in signature.parameters { call.pages = standard }
    if let target {
      guard signature.yieldsHandle else {
        throw error(
          "\(signature.name) obtains no pages to name", at: target.column,
          expected: "the call without '\(target.text) ='")
      }
      call.handle = HandleID(try number(target, "h", Limits.handles, "handle"))
    }
    try require("(")
    try operands(of: &call, signature, assigned)
    return (call, target != nil)
  }

  /// An operation of a part of the machine that the protocol is without is none of its programs'.
  private func require(
    _ operation: Procedure, in base: Protocol?, _ name: Token
  ) throws(ProgramError) {
    guard let base, !operation.isEnabled(in: base.design.domains) else { return }
    let others = Protocol.all.filter { operation.isEnabled(in: $0.design.domains) }
    throw error(
      "protocol \(base.name) has no '\(name.text)'", at: name.column,
      expected: "an operation of that protocol, or one of the protocols that have it: "
        + others.map(\.name).joined(separator: ", "))
  }

  private mutating func operands(
    of call: inout Call, _ signature: Signature, _ assigned: UInt32
  ) throws(ProgramError) {
    var isFirst = true
    for parameter in signature.parameters where !parameter.isOptional {
      guard next?.text != ")", isFirst || take(",") else {
        throw error(
          "\(signature.name) needs another operand", expected: parameter.hint)
      }
      isFirst = false
      try operand(parameter, of: &call, assigned)
    }
    var given: Set<String> = []
    while !take(")") {
      guard isFirst || take(",") else {
        throw error(
          next == nil ? "the line ends inside the call" : "operands are separated by commas",
          expected: "',' or ')'")
      }
      isFirst = false
      try option(of: &call, signature, &given)
    }
  }

  private func pagemap(_ token: Token) throws(ProgramError) -> PagemapID {
    if let pagemap = PagemapID.all.first(where: { $0.name == token.text }) { return pagemap }
    throw error(
      "there is no device '\(token.text)'", at: token.column, expected: Parameter.pagemap.hint)
  }

  private mutating func operand(
    _ parameter: Parameter, of call: inout Call, _ assigned: UInt32
  ) throws(ProgramError) {
    switch parameter {
    case .value:
      call.value = UInt8(try count(in: 0...255))
      return
    case .size:
      call.value = UInt8(try count(in: 0...Limits.filePages))
      return
    default: break
    }
    let token = try word(expected: parameter.hint)
    switch parameter {
    case .mm: call.mm = MMID(try number(token, "mm", Limits.mms, "address space"))
    case .address: call.address = try address(token)
    case .file: call.file = FileID(try number(token, "file", Limits.files, "file"))
    case .filePage: (call.file, call.page) = try filePage(token)
    case .sourcePage:
      let (file, page) = try filePage(token)
      call.address = Address(file, page)
    case .mapping: call.mapping = MappingID(try number(token, "m", Limits.mappings, "mapping"))
    case .pfn: call.pfn = PFN(try number(token, "p", Limits.pages, "page frame"))
    case .cpu: call.cpu = CPUID(try number(token, "cpu", Limits.cpus, "CPU"))
    case .pagemap: call.pagemap = try pagemap(token)
    case .handle:
      call.handle = HandleID(try number(token, "h", Limits.handles, "handle"))
      guard assigned & 1 << UInt32(call.handle.rawValue) != 0 else {
        throw error(
          "no earlier line assigns \(token.text)", at: token.column,
          expected: "a handle that a line above obtained")
      }
    case .iova: try iova(token, of: &call)
    case .value, .size, .pages, .times, .flags, .entries: break
    }
  }

  private func iova(_ token: Token, of call: inout Call) throws(ProgramError) {
    let parts = token.text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let entry = Self.decimal(parts[1]),
      (0..<Limits.tableEntries).contains(entry)
    else {
      throw error(
        "'\(token.text)' names no I/O virtual address", at: token.column,
        expected: "iova0:0 to iova\(Limits.tableSlots - 1):\(Limits.tableEntries - 1)")
    }
    let slot = try number(parts[0], at: token.column, "iova", Limits.tableSlots, "I/O address")
    call.name(slot: slot, entry: entry)
  }

  /// Reads one of the operands that may be left out.
  private mutating func option(
    of call: inout Call, _ signature: Signature, _ given: inout Set<String>
  ) throws(ProgramError) {
    let options = signature.parameters.filter { $0.isOptional && !$0.hint.isEmpty }
    let expected = (options.map(\.hint) + ["')'"]).joined(separator: ", ")
    let token = try word(expected: expected)
    guard given.insert(token.text).inserted else {
      throw error("'\(token.text)' is given twice", at: token.column, expected: expected)
    }
    for parameter in options {
      switch parameter {
      case .pages(let standard) where token.text == "pages":
        try require("=")
        call.pages = UInt8(try count(in: (standard == 0 ? 0 : 1)...Limits.filePages))
        return
      case .times where token.text == "times":
        try require("=")
        call.times = UInt16(try count(in: 1...Limits.times))
        return
      case .entries where token.text == "entries":
        try require("=")
        call.times = UInt16(try count(in: 1...Limits.tableEntries))
        return
      case .flags(let allowed):
        let match = CallFlags.named.first { $0.name == token.text && allowed.contains($0.flag) }
        guard let match else { continue }
        call.flags.insert(match.flag)
        return
      default: continue
      }
    }
    throw error(
      "\(signature.name) takes no '\(token.text)' here", at: token.column, expected: expected)
  }
}
