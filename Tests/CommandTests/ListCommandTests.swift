// SPDX-License-Identifier: MIT

import Foundation
import Testing

@Suite("pagefuzz list, and the command line as a whole")
struct ListCommandTests {
  static let subjects: [(String, [String])] = [
    ("operations", ["name", "usage", "summary", "steps"]),
    ("steps", ["procedure", "steps"]),
    ("invariants", ["name", "statement", "source"]),
    ("protocols", ["name", "summary", "source", "knownBugs"]),
    ("rules", ["name", "bug", "meaning", "breaks", "source"]),
    ("specimens", ["name", "protocol", "rule", "breaks", "source"]),
    ("limits", ["name", "value"]),
    ("exports", ["name", "summary", "inexpressible"]),
  ]

  @Test("Every list is one object a line, with the names that are promised", arguments: subjects)
  func list(subject: String, keys: [String]) throws {
    let json = try Invoked.pagefuzz(["list", subject, "--format", "json"])
    #expect(json.status == 0)
    #expect(json.errors.isEmpty)
    let lines = json.output.split(separator: "\n")
    #expect(lines.count > 2)
    for line in lines {
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      #expect(object.map { Set(keys).isSubset(of: $0.keys) } == true, "\(line)")
    }
    let text = try Invoked.pagefuzz(["list", subject])
    #expect(text.status == 0)
    #expect(!text.output.contains("\u{1b}"), "no colour where nobody looks")
  }

  @Test(
    "A wrong command line exits 64, prints nothing, and says what was meant",
    arguments: [
      (["lits"], "did you mean 'list'?"), (["list", "rule"], "did you mean 'rules'?"),
      (["list", "rules", "--formt", "json"], "did you mean '--format'?"),
      ([], "a command is missing"), (["list"], "SUBJECT is missing"),
      (["list", "rules", "limits"], "one argument too many"), (["--seed"], "unknown option"),
      (["completions", "csh"], "one of bash, zsh, fish is expected"),
    ])
  func usage(words: [String], message: String) throws {
    let result = try Invoked.pagefuzz(words)
    #expect(result.status == 64)
    #expect(result.output.isEmpty)
    #expect(result.errors.contains(message), "\(result.errors)")
    #expect(result.errors.contains("--help'"))
  }

  @Test("Every command has help with an example that names it")
  func help() throws {
    let help = try Invoked.pagefuzz(["--help"]).output
    let section = help.split(separator: "\n\n").first { $0.hasPrefix("Commands:") } ?? ""
    let names = section.split(separator: "\n").dropFirst().compactMap { line in
      line.split(separator: " ").first.map(String.init)
    }
    #expect(names.contains("list"))
    for name in names {
      let result = try Invoked.pagefuzz([name, "--help"])
      #expect(result.status == 0)
      #expect(result.output.contains("Examples:"), "\(name)")
      #expect(result.output.contains("pagefuzz \(name)"), "\(name)")
      for line in result.output.split(separator: "\n") {
        #expect(line.count <= 100, "\(name): \(line)")
      }
    }
    #expect(try Invoked.pagefuzz(["--version"]).output.hasPrefix("pagefuzz "))
  }

  @Test("A full disk behind standard output is an error")
  func fullDisk() throws {
    guard FileManager.default.fileExists(atPath: "/dev/full"),
      let result = try Invoked.run("sh", ["-c", "\"$0\" list limits >/dev/full", pagefuzzPath])
    else { return }
    #expect(result.status == 74)
    #expect(result.errors.contains("standard output"))
  }

  private var pagefuzzPath: String { Invoked.pagefuzzURL.path }
}
