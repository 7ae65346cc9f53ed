// SPDX-License-Identifier: MIT

/// Results in the XML that build servers read; nothing in it depends on the clock.
package struct JUnitReport: Equatable, Sendable {
  /// How one case ended.
  package enum Outcome: Equatable, Sendable {
    case passed
    /// It ran, and something else was expected.
    case failed(String, details: String)
    /// It could not be run.
    case broken(String)
  }

  /// One file, usually.
  package struct Case: Equatable, Sendable {
    /// What was run.
    package var name: String
    /// How it ended.
    package var outcome: Outcome
    /// What build servers list it under; nil for the suite's own name.
    package var group: String?
    /// What was run and how it ended.
    package init(_ name: String, _ outcome: Outcome, in group: String? = nil) {
      (self.name, self.outcome, self.group) = (name, outcome, group)
    }
  }

  /// What the cases have in common.
  package var suite: String
  /// What was run, in order.
  package var cases: [Case] = []
  /// A report without cases.
  package init(suite: String) { self.suite = suite }

  /// The document.
  package var text: String {
    var failures = 0
    var errors = 0
    var body = ""
    for entry in cases {
      let group = quoted(entry.group ?? suite)
      let opening = "    <testcase classname=\(group) name=\(quoted(entry.name))"
      switch entry.outcome {
      case .passed: body += "\(opening)/>\n"
      case .failed(let message, let details):
        failures += 1
        let element = "<failure message=\(quoted(message))>\(XMLText.escaped(details))</failure>"
        body += "\(opening)>\n      \(element)\n    </testcase>\n"
      case .broken(let message):
        errors += 1
        body += "\(opening)>\n      <error message=\(quoted(message))/>\n    </testcase>\n"
      }
    }
    let counts = "tests=\"\(cases.count)\" failures=\"\(failures)\" errors=\"\(errors)\""
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      <testsuites \(counts)>
        <testsuite name=\(quoted(suite)) \(counts)>
      \(body)  </testsuite>
      </testsuites>

      """
  }

  private func quoted(_ text: String) -> String {
    "\"" + XMLText.escaped(text, inAttribute: true) + "\""
  }
}
