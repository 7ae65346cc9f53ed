// SPDX-License-Identifier: MIT

import Console
import Foundation
import Testing

@Suite("JSON, one object a line")
struct JSONTextTests {
  @Test("Keys keep their order, and equal values are equal bytes")
  func order() {
    let value: JSONText = [
      "file": .string("a.prog"), "expected": nil, "steps": 12, "ok": true,
      "seed": .unsigned(.max), "list": [1, "two", []], "empty": [:],
    ]
    #expect(
      value.line == """
        {"file":"a.prog","expected":null,"steps":12,"ok":true,"seed":18446744073709551615,\
        "list":[1,"two",[]],"empty":{}}
        """)
  }

  @Test("Whatever a string holds, the line is one line and reads back")
  func strings() throws {
    var texts = (0...0x2f).compactMap(UnicodeScalar.init).map(String.init)
    texts += ["\u{7f}", "\\", "é", "🦆", "\u{2028}", "\r\n", "e\u{301}\n", "\u{10ffff}"]
    for text in texts {
      let line = JSONText.strings([text]).line
      #expect(!line.contains { $0.isNewline })
      let read = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String]
      #expect(read?.first.map { Array($0.utf8) } == Array(text.utf8))
    }
  }

  @Test(
    "Seconds have three decimals",
    arguments: [
      (0, "0.000"), (1.5, "1.500"), (0.0004, "0.000"), (59.9996, "60.000"), (-0.25, "-0.250"),
      (12.034, "12.034"), (.nan, "null"), (.infinity, "null"), (1e300, "null"),
    ])
  func seconds(value: Double, text: String) { #expect(JSONText.seconds(value).line == text) }
}
