// SPDX-License-Identifier: MIT

import Console
import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("JUnit XML")
struct JUnitReportTests {
  @Test("Counts are right, and whatever a message holds reads back")
  func report() throws {
    let message = "a<b & \"c\" >d\n\té🦆"
    var report = JUnitReport(suite: "replay")
    report.cases = [
      .init("a.prog", .passed), .init("b<&>.prog", .failed(message, details: message)),
      .init("c.prog", .broken("no\u{1}such\u{0}file")),
    ]
    let document = try XMLDocument(data: Data(report.text.utf8))
    let suite = try #require(document.rootElement()?.elements(forName: "testsuite").first)
    #expect(suite.attribute(forName: "tests")?.stringValue == "3")
    #expect(suite.attribute(forName: "failures")?.stringValue == "1")
    #expect(suite.attribute(forName: "errors")?.stringValue == "1")
    let cases = suite.elements(forName: "testcase")
    #expect(
      cases.map { $0.attribute(forName: "name")?.stringValue } == [
        "a.prog", "b<&>.prog", "c.prog",
      ])
    let failure = cases[1].elements(forName: "failure").first
    #expect(failure?.attribute(forName: "message")?.stringValue == message)
    #expect(failure?.stringValue == message)
    let error = cases[2].elements(forName: "error").first
    #expect(error?.attribute(forName: "message")?.stringValue == "no\u{fffd}such\u{fffd}file")
  }
}
