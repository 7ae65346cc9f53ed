// SPDX-License-Identifier: MIT

import Console
import Foundation
import Testing

@Suite("Shell completions")
struct CompletionsTests {
  @Test("Every command and option is completed", arguments: Shell.allCases)
  func complete(shell: Shell) {
    let script = sample.completions(for: shell)
    for word in ["campaign", "corpus", "distil"] + Campaign.options.map(\.name) {
      #expect(script.contains(word), "\(word)")
    }
    #expect(script.hasSuffix("\n"))
  }

  @Test("bash offers what fits where the cursor is")
  func bash() throws {
    let cases = [
      ("sample ", "campaign corpus --help --version"), ("sample ca", "campaign"),
      ("sample corpus ", "distil --help"), ("sample corpus distil ", "small large --help"),
      ("sample campaign --format ", "text json"), ("sample campaign --format = j", "json"),
      ("sample campaign --re", "--resume"), ("sample campaign --rule ", "one"),
    ]
    for (line, offers) in cases {
      let words = line.split(separator: " ", omittingEmptySubsequences: false)
      let quoted = words.map { "'\($0)'" }.joined(separator: " ")
      let script = """
        \(sample.completions(for: .bash))
        COMP_WORDS=(\(quoted)); COMP_CWORD=\(words.count - 1)
        _sample; echo "${COMPREPLY[*]}"
        """
      guard let result = try Invoked.run("bash", ["-c", script]) else { return }
      #expect(result.errors.isEmpty)
      #expect(result.output == offers + "\n", "\(line)")
    }
  }

  @Test("The scripts are valid where their shell is installed", arguments: Shell.allCases)
  func syntax(shell: Shell) throws {
    let flags = ["-n", "/dev/stdin"]
    let script = sample.completions(for: shell)
    guard let result = try Invoked.run(shell.rawValue, flags, input: script) else { return }
    #expect(result.status == 0, "\(result.errors)")
  }
}
