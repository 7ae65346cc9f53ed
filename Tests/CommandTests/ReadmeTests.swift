// SPDX-License-Identifier: MIT

import Foundation
import Testing

@Suite("README's arguments")
struct ReadmeTests {
  /// One argument: its title, and command lines with what is said behind each.
  struct Argument: Sendable, CustomTestStringConvertible {
    var title: String
    var lines: [String]
    var commands: [(words: String, outcome: String)] {
      lines.filter { $0.hasPrefix("pagefuzz ") }.map { line in
        let parts = line.components(separatedBy: "  # ")
        return (parts[0].trimmingCharacters(in: .whitespaces), parts.dropFirst().joined())
      }
    }
    var testDescription: String { title }
  }

  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static let arguments: [Argument] = {
    let path = root.appendingPathComponent("README.md").path
    let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    let parts = text.components(separatedBy: "\n## The arguments it settles\n")
    let section = parts[parts.count - 1].components(separatedBy: "\n## ")[0]
    return section.components(separatedBy: "\n### ").dropFirst().map { part in
      let lines = part.components(separatedBy: "\n")
      return Argument(title: lines[0], lines: lines.dropFirst().filter { !$0.isEmpty })
    }
  }()

  @Test("There is one for each of the five documents the project comes from, of ten lines at most")
  func complete() {
    #expect(Self.arguments.map { String($0.title.prefix(5)) } == (0..<5).map { "[00\($0)]" })
    for argument in Self.arguments {
      #expect(argument.lines.count <= 10, "\(argument.title)")
      #expect(argument.commands.count >= 3, "\(argument.title)")
    }
  }

  @Test("Its commands do what is said behind them", arguments: arguments)
  func commands(of argument: Argument) throws {
    for (words, outcome) in argument.commands {
      let program = "'\(Invoked.pagefuzzURL.path)'"
      let line = "cd '\(Self.root.path)' && \(program) \(words.dropFirst("pagefuzz ".count))"
      let result = try #require(try Invoked.run("sh", ["-c", line]))
      #expect(result.status == (words.contains(" fuzz ") ? 1 : 0), "\(words): \(result.errors)")
      let said = outcome.components(separatedBy: ";")[0]
      let broken = said.matches(of: /I[0-9]+/).map { String($0.output) }
      for name in broken {
        let found = try Regex("(?m)^(ok|found|new) .*\\b\(name)\\b")
        #expect(result.output.contains(found), "\(words)")
      }
      if said.contains("none") {
        #expect(result.output.contains("found none"), "\(words)")
      } else if said.contains("complete, clean") {
        #expect(result.output.contains(", complete"), "\(words)")
        #expect(result.output.contains("0 invariants violated"), "\(words)")
      } else {
        #expect(!broken.isEmpty, "\(words) says nothing")
      }
    }
  }
}
