// SPDX-License-Identifier: MIT

import Foundation

/// What a worker said when it died: a sanitizer's report, or the reason of a trap.
struct DeathReport {
  /// What a sanitizer calls it, in one word with dashes; nil where none did.
  let kind: String?
  /// The lines of it that say the same in every run, without addresses; at most
  /// ``mostLines``.
  let lines: [String]

  private static let mostLines = 32
  private static let mostCharacters = 160
  private static let decorations = ["  0x", "=>", "====", "----"]

  /// A worker said nothing.
  static let none = DeathReport("")

  /// What a worker said on standard error.
  init(_ text: String) {
    var lines: [String] = []
    var kind: String?
    var isSaid = false
    for line in text.split(separator: "\n").map(String.init) {
      if kind == nil { kind = Self.kind(in: line) }
      // What follows the stack is the memory around.
      if line.hasPrefix("Address ") { isSaid = true }
      let isDetail =
        isSaid && kind == nil || Self.decorations.contains { line.hasPrefix($0) }
        || line.hasPrefix("    #") && !Self.isTelling(line)
      guard kind != nil || !isDetail && lines.count < Self.mostLines else { continue }
      lines.append(String(Self.withoutNumbers(line).prefix(Self.mostCharacters)))
      if kind != nil { break }
    }
    (self.kind, self.lines) = (kind, lines)
  }

  /// `SUMMARY: AddressSanitizer: use-after-poison FILE:LINE in FUNCTION`
  private static func kind(in line: String) -> String? {
    let parts = line.split(separator: ":", maxSplits: 2)
    guard parts.count == 3, parts[0] == "SUMMARY", parts[1].hasSuffix("Sanitizer") else {
      return nil
    }
    if line.contains("leaked in") { return "leak" }
    // The same race is one or the other, by which access the runtime saw last.
    if ["data race", "Swift access race"].contains(where: line.contains) { return "data-race" }
    let words = parts[2].split(separator: " ").prefix { !$0.contains("/") && $0 != "in" }
    let word = words.joined(separator: "-").filter { $0.isLetter || $0 == "-" }
    if ["ILL", "TRAP"].contains(word) { return "trap" }
    return word.isEmpty ? "report" : word.lowercased()
  }

  /// A frame of the engine; who called it is in the program.
  private static func isTelling(_ frame: String) -> Bool {
    frame.contains("/Sources/PageLifecycle/")
  }

  private static var numbers: Regex<Substring> {
    #/ \((?:pid=\d+|[^ ()]+\+0x[0-9a-f]+|BuildId: [0-9a-f]+)\)/#
  }

  /// Without addresses and numbers of processes and threads, which differ from run to run.
  private static func withoutNumbers(_ line: String) -> String {
    let line = line.replacing(Self.numbers, with: "").replacing(#/\(tid=\d+, /#, with: "(")
    return line.split(separator: " ", omittingEmptySubsequences: false).compactMap { word in
      if word.hasPrefix("0x") { return nil }
      if word.hasPrefix("=="), word.hasSuffix("==ERROR:") { return "ERROR:" }
      guard let mangled = word.range(of: "$s"), mangled.lowerBound == word.startIndex else {
        return word.range(of: "/Sources/").map { "Sources/" + word[$0.upperBound...] }
          ?? String(word)
      }
      return Demangled.name(of: String(word))
    }.joined(separator: " ")
  }
}

/// Names of Swift as a reader knows them.
private enum Demangled {
  @_silgen_name("swift_demangle")
  private static func demangle(
    _ name: UnsafePointer<CChar>, _ length: Int, _ buffer: UnsafeMutablePointer<CChar>?,
    _ size: UnsafeMutablePointer<Int>?, _ flags: UInt32
  ) -> UnsafeMutablePointer<CChar>?

  /// The name behind a mangled one, without types of parameters; the mangled one where there is
  /// none.
  static func name(of mangled: String) -> String {
    guard let text = demangle(mangled, mangled.utf8.count, nil, nil, 0) else { return mangled }
    defer { free(text) }
    return String(cString: text)
  }
}
