// SPDX-License-Identifier: MIT

import Foundation
import Testing

@testable import PageLifecycle

/// The ledger says who holds a page, the page's words what the kernel counted.  An invariant
/// compares the two; it could not fail if one function wrote both.
@Suite("Two books")
struct TwoBooksTests {
  /// The functions of a source text, each with its own lines.
  struct Function {
    var name: String
    var body: [Substring]

    /// It takes, drops or converts what a holder holds.
    var writesLedger: Bool {
      let writes = #/ledger\.(take|drop|convert)\(|accounts\[[^=]*[-+]?= /#
      return body.contains { $0.contains(writes) }
    }
    /// It assigns a word of `struct page`.
    var writesWords: Bool {
      let word = "refcount|mapcount|pincount|mapping|index|word1|head|flags"
      let pattern = "^ *(m\\.)?pages\\[[^=]*\\](\\.(\(word))(\\.(insert|remove)\\(| [-+]?= )| = )"
      guard let writes = try? Regex(pattern) else { return false }
      return body.contains { $0.contains(writes) }
    }
  }

  static func functions(in text: String) -> [Function] {
    var functions: [Function] = []
    var open: [(indent: Substring, index: Int)] = []
    for line in text.split(separator: "\n") {
      let indent = line.prefix { $0 == " " }
      if let last = open.last, line == last.indent + "}" { open.removeLast() }
      let words = line.drop { $0 == " " }.split(separator: " ")
      if words.contains("func") || words.contains(where: { $0.hasPrefix("init(") }) {
        functions.append(Function(name: String(line.drop { $0 == " " }), body: []))
        open.append((indent, functions.count - 1))
      }
      if let last = open.last { functions[last.index].body.append(line) }
    }
    return functions
  }

  static let engine: [(path: String, text: String)] = {
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Sources/PageLifecycle")
    let paths = FileManager.default.subpaths(atPath: root.path) ?? []
    return paths.filter { $0.hasSuffix(".swift") }.sorted().map { path in
      let bytes = FileManager.default.contents(atPath: root.appendingPathComponent(path).path)
      return (path, String(decoding: bytes ?? Data(), as: UTF8.self))
    }
  }()

  @Test("No function writes both")
  func separation() {
    let functions = Self.engine.flatMap { Self.functions(in: $0.text) }
    #expect(functions.count { $0.writesLedger } >= 6)
    #expect(functions.count { $0.writesWords } >= 12)
    #expect(functions.filter { $0.writesLedger && $0.writesWords }.map(\.name) == [])
  }

  @Test("The protocol's rules do not know the ledger")
  func rules() {
    for name in ["Counting.swift", "Association.swift"] {
      let text = Self.engine.first { $0.path == name }?.text ?? ""
      let code = text.split(separator: "\n").filter { !$0.contains("//") }.joined(separator: "\n")
      #expect(code.contains("pages[pfn].refcount"))
      #expect(!code.contains("ledger"), "\(name)")
    }
    for name in ["ListWords.swift", "PageBlocks.swift", "PageTables.swift"] {
      let text = Self.engine.first { $0.path == name }?.text ?? "ledger"
      let code = text.split(separator: "\n").filter { !$0.contains("//") }.joined(separator: "\n")
      #expect(!code.contains("ledger"), "\(name)")
    }
  }

  @Test("A function that writes both is noticed")
  func canary() throws {
    let text = """
      extension Machine {
        mutating func getPageAndSaySo(_ pfn: PFN) {
          pages[pfn].refcount += 1
          ledger.take(.get, of: pfn)
          touch(pfn)
        }
        mutating func getPage(_ pfn: PFN) {
          pages[pfn].refcount += 1
        }
        mutating func saySo(_ pfn: PFN) {
          ledger.take(.get, of: pfn)
        }
      }
      """
    let both = Self.functions(in: text).filter { $0.writesLedger && $0.writesWords }
    #expect(both.map(\.name) == ["mutating func getPageAndSaySo(_ pfn: PFN) {"])
  }

  @Test("A machine is plain memory: a step has nothing to allocate, a snapshot is an assignment")
  func plain() {
    #expect(_isPOD(Machine.self))
    #expect(_isPOD(Call.self))
    #expect(_isPOD(Violation.self))
    #expect(MemoryLayout<Machine>.size < 12 << 10)
    #expect(!_isPOD(Run.self), "a run keeps results in an array, so this can fail")
  }

  @Test("The engine imports nothing")
  func imports() {
    #expect(Self.engine.count > 30)
    for (path, text) in Self.engine {
      let imports = text.split(separator: "\n").filter { $0.contains(#/^(\w+ )?import /#) }
      #expect(imports.isEmpty, "\(path)")
    }
  }
}
