// SPDX-License-Identifier: MIT

import PageLifecycle
import Spelling

/// Reads program texts; the grammar is in DocC `TextFormat`.
package struct ProgramParser {
  private var introduction: [String?] = []
  private var program: Program?
  private var hasBoot = false
  private var hasExpectation = false
  /// Handles some line names, and those an earlier line assigns.
  var named: UInt32 = 0
  var assigned: UInt32 = 0
  /// Lines that obtain pages and name no handle.
  private var unnamed: [Int] = []

  /// Reads a program; the file's name is used in errors only.
  package static func parse(
    _ text: some StringProtocol, file: String = "program"
  ) throws(ProgramError) -> Program {
    try parse(Array(text.utf8), file: file)
  }

  /// Reads a program from the bytes of a file.
  package static func parse(
    _ bytes: [UInt8], file: String
  ) throws(ProgramError) -> Program {
    let texts = try texts(in: bytes, file: file)
    guard texts.count == 1 else {
      throw ProgramError(
        file: file, line: texts[1].firstLine, column: 1, "a second program begins here",
        expected: "one; 'replay' and 'corpus' read files of several")
    }
    return try read(texts[0], file: file)
  }

  /// Reads the programs of a file that has them one after another, and where each begins.
  ///
  /// So `cat` of several files is one file of them all.
  package static func parseAll(
    _ bytes: [UInt8], file: String
  ) throws(ProgramError) -> [(program: Program, firstLine: Int)] {
    var programs: [(program: Program, firstLine: Int)] = []
    for text in try texts(in: bytes, file: file) {
      programs.append((try read(text, file: file), text.firstLine))
    }
    return programs
  }

  /// The lines of one program, and the number of the first, counted from 1.
  private typealias Text = (lines: ArraySlice<ArraySlice<UInt8>>, firstLine: Int)

  /// Each program begins with its version.
  private static func texts(
    in bytes: [UInt8], file: String
  ) throws(ProgramError) -> [Text] {
    guard bytes.count <= ProgramLimits.bytes else {
      throw ProgramError(
        file: file, line: 1, column: 1, "the text has \(bytes.count) bytes",
        expected: "at most \(ProgramLimits.bytes)")
    }
    guard !bytes.isEmpty else {
      throw ProgramError(
        file: file, line: 1, column: 1, "the file is empty", expected: firstLineHint)
    }
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    let begins = lines.indices.dropFirst().filter { lines[$0].starts(with: firstWords.utf8) }
    return zip([0] + begins, begins + [lines.count]).map { (lines[$0..<$1], $0 + 1) }
  }

  private static func read(_ text: Text, file: String) throws(ProgramError) -> Program {
    var parser = ProgramParser()
    for (position, line) in text.lines.enumerated() {
      let number = text.firstLine + position
      guard position < ProgramLimits.lines else {
        throw ProgramError(
          file: file, line: number, column: 1, "the text has \(text.lines.count) lines",
          expected: "at most \(ProgramLimits.lines)")
      }
      let content = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      try checkEncoding(content, file: file, line: number)
      if position == 0 {
        try checkVersion(content, file: file, line: number)
      } else {
        try parser.read(Cursor(content, file: file, line: number))
      }
    }
    return try parser.finish(file: file, line: text.firstLine + text.lines.count)
  }

  private static let firstWords = "# pagefuzz program"
  private static let firstLineHint = "'# pagefuzz program \(Program.formatVersion)' as first line"

  private static func checkEncoding(
    _ bytes: ArraySlice<UInt8>, file: String, line: Int
  ) throws(ProgramError) {
    if let index = bytes.firstIndex(where: { $0 < 32 && $0 != 9 || $0 == 127 }) {
      throw ProgramError(
        file: file, line: line, column: index - bytes.startIndex + 1,
        "this is a control byte, number \(bytes[index])", expected: "text")
    }
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var column = 1
    while true {
      switch decoder.decode(&iterator) {
      case .scalarValue(let scalar): column += UTF8.width(scalar)
      case .emptyInput: return
      case .error:
        throw ProgramError(
          file: file, line: line, column: column, "this byte is not UTF-8", expected: "text")
      }
    }
  }

  private static func checkVersion(
    _ bytes: ArraySlice<UInt8>, file: String, line: Int
  ) throws(ProgramError) {
    let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
    guard words.count == 4, words[..<3] == ["#", "pagefuzz", "program"] else {
      throw ProgramError(
        file: file, line: line, column: 1, "this is not a pagefuzz program", expected: firstLineHint
      )
    }
    guard words[3] == "\(Program.formatVersion)" else {
      let column = words[3].utf8.distance(
        from: words[3].base.utf8.startIndex, to: words[3].startIndex)
      throw ProgramError(
        file: file, line: line, column: column + 1,
        "version '\(words[3])' of the program text is not understood",
        expected: "version \(Program.formatVersion)")
    }
  }

  // MARK: Lines

  private mutating func read(_ cursor: Cursor) throws(ProgramError) {
    var cursor = cursor
    guard !cursor.isBlank else { return keepRemark(cursor.comment) }
    let first = try cursor.word(expected: "protocol, boot, cpuN, assert or expect")
    if hasExpectation {
      throw cursor.error(
        first.text == "expect" ? "a second expectation" : "nothing may follow 'expect'",
        at: first.column, expected: "'expect' once, as the last line")
    }
    guard program != nil else {
      guard first.text == "protocol" else {
        throw cursor.error(
          "the protocol is missing", at: first.column,
          expected: "'protocol' before '\(first.text)'")
      }
      return try readProtocol(&cursor)
    }
    switch first.text {
    case "protocol": throw cursor.error("a second protocol", at: first.column, expected: "one")
    case "boot": try readBoot(&cursor, first)
    case "expect": try readExpectation(&cursor)
    case "assert":
      let assertion = try cursor.assertion()
      program?.lines.append(Line(.assertion(assertion), comment: cursor.comment))
    default:
      guard first.text.hasPrefix("cpu") else {
        let hint = Suggestion.nearest(to: first.text, among: ["assert", "expect", "cpu0", "boot"])
        throw cursor.error(
          "'\(first.text)' begins no line" + (hint.map { "; did you mean '\($0)'?" } ?? ""),
          at: first.column, expected: "cpuN, assert or expect")
      }
      try readInstruction(&cursor, CPUID(cursor.number(first, "cpu", Limits.cpus, "CPU")))
    }
  }

  private mutating func keepRemark(_ comment: String?) {
    guard program != nil else { return introduction.append(comment) }
    if hasExpectation && comment == nil { return }
    program?.lines.append(Line(.remark, comment: comment))
  }

  private mutating func readProtocol(_ cursor: inout Cursor) throws(ProgramError) {
    var words: [Token] = []
    while !cursor.isAtEnd { words.append(try cursor.word(expected: "a rule")) }
    do throws(Variant.UnknownWord) {
      program = Program(try Variant.parse(words.map { Substring($0.text) }))
    } catch {
      let column = words.first { $0.text == error.word }?.column
      let bases = Protocol.all.map(\.name)
      let hint = Suggestion.nearest(to: error.word, among: bases + Rule.allCases.map(\.name))
      throw cursor.error(
        error.word.isEmpty
          ? "the protocol has no name"
          : "'\(error.word)' is unknown" + (hint.map { "; did you mean '\($0)'?" } ?? ""),
        at: column, expected: error.expected)
    }
    program?.protocolComment = cursor.comment
  }

  private static let bootHint =
    "files=, filePages=, devicePages=, devices=, tableEntries=, reflink= or races="

  private mutating func readBoot(_ cursor: inout Cursor, _ word: Token) throws(ProgramError) {
    guard !hasBoot, let program, !program.lines.contains(where: { $0.statement != .remark }) else {
      throw cursor.error(
        hasBoot ? "a second 'boot'" : "'boot' comes too late", at: word.column,
        expected: "'boot' once, before the first event")
    }
    hasBoot = true
    var boot = Boot()
    while !cursor.isAtEnd {
      let key = try cursor.word(expected: Self.bootHint)
      if key.text == "tableEntries" {
        try cursor.require("=")
        boot.tableEntries = UInt16(try cursor.count(in: 1...Limits.tableEntries))
        continue
      }
      let limit: (range: ClosedRange<Int>, path: WritableKeyPath<Boot, UInt8>)
      switch key.text {
      case "files": limit = (0...Limits.files, \.files)
      case "filePages": limit = (1...Limits.filePages, \.filePages)
      case "devicePages": limit = (1...Limits.devicePages, \.devicePages)
      case "devices": limit = (0...PagemapID.bootDevices, \.devices)
      case "reflink": limit = (0...1, \.reflink)
      case "races": limit = (0...1, \.races)
      default:
        throw cursor.error(
          "'\(key.text)' is nothing to boot with", at: key.column,
          expected: Self.bootHint)
      }
      try cursor.require("=")
      boot[keyPath: limit.path] = UInt8(try cursor.count(in: limit.range))
    }
    // Comments before it join the introduction: in the canonical text 'boot' comes first.
    self.program?.introduction += program.lines.map(\.comment)
    self.program?.lines = []
    self.program?.boot = boot
    self.program?.bootComment = cursor.comment
  }

  private mutating func readExpectation(_ cursor: inout Cursor) throws(ProgramError) {
    program?.expectation = try cursor.expectation()
    program?.expectationComment = cursor.comment
    hasExpectation = true
  }

  private mutating func readInstruction(
    _ cursor: inout Cursor, _ cpu: CPUID
  ) throws(ProgramError) {
    var instruction = Instruction(cpu, nil)
    var result: Outcome?
    if cursor.next?.text == "resume", cursor.second?.text != "(" {
      _ = cursor.take("resume")
    } else {
      let (call, isNamed) = try cursor.call(assigned, program?.variant.base)
      instruction.call = call
      if call.usesHandle || isNamed { named |= 1 << UInt32(call.handle.rawValue) }
      if isNamed { assigned |= 1 << UInt32(call.handle.rawValue) }
      if call.yieldsHandle && !isNamed { unnamed.append(program?.lines.count ?? 0) }
      if cursor.take("=") { result = try cursor.outcome() }
    }
    if cursor.take("until") { instruction.until = try cursor.stopPoint(of: instruction.call) }
    try cursor.requireEnd(
      expected: instruction.until == nil ? "'until' or the end of the line" : "the end of the line")
    program?.lines.append(Line(instruction, result: result, comment: cursor.comment))
  }

  /// Gives each call that names no handle the lowest one no line names.
  private mutating func finish(file: String, line: Int) throws(ProgramError) -> Program {
    guard var program else {
      throw ProgramError(
        file: file, line: line, column: 1, "the text ends without a protocol",
        expected: "'protocol NAME'")
    }
    program.introduction = introduction + program.introduction
    for index in unnamed {
      let free = (0..<Limits.handles).first { named & 1 << UInt32($0) == 0 }
      let handle = HandleID(free ?? Limits.handles - 1)
      named |= 1 << UInt32(handle.rawValue)
      program.lines[index].instruction?.call?.handle = handle
    }
    return program
  }
}
