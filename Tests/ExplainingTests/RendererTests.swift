// SPDX-License-Identifier: MIT

import Explaining
import Foundation
import Fuzzing
import Programs
import Testing

@Suite("An explanation is printed")
struct RendererTests {
  @Test("as text, in parts that follow one another")
  func text() throws {
    let text = Renderer.text.print(try Samples.explanation(Samples.unbind), of: "a.prog")
    let titles = [
      "Violated", "Because", "Who held what", "Race window", "What had to come first",
      "Under other protocols", "Step by step",
    ]
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines.filter { titles.contains($0) } == titles)
    #expect(text.hasPrefix("a.prog: I18 fsdax foreign-gather cause=drainsBeforeUnbind"))
    #expect(text.contains("still there: may not be here"))
    #expect(text.contains("Source: "))
    #expect(!text.contains("\t") && !text.contains("\u{1b}"))
  }

  @Test("as JSON on one line, with the names the documentation gives")
  func json() throws {
    let text = Renderer.json.print(try Samples.explanation(Samples.unbind), of: "a.prog")
    #expect(text.split(separator: "\n").count == 1)
    let found = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    let object = try #require(found)
    let names = [
      "file", "id", "protocol", "invariant", "cause", "operation", "step", "preemptions",
      "statement", "source", "violated", "rules", "ledger", "windows", "depth", "hitRate",
      "before", "protocols", "trace",
    ]
    #expect(Set(object.keys) == Set(names))
    let article = try String(
      contentsOf: Samples.root.appendingPathComponent(
        "Sources/Explaining/Explaining.docc/Explaining.md"), encoding: .utf8)
    for name in names { #expect(article.contains("`\(name)`"), "\(name)") }
    #expect((object["trace"] as? [[String: Any]])?.count == 40)
    #expect((object["depth"] as? [String: Any])?["constraints"] as? Int == 2)
  }

  @Test(
    "as XML that is well-formed and fetches nothing",
    arguments: [Renderer.svg, .html], [Samples.unbind, Samples.unmapped, Samples.sleeper])
  func markup(renderer: Renderer, sample: String) throws {
    let text = renderer.print(try Samples.explanation(sample), of: "a <b> & \"c\".prog")
    let check = MarkupCheck(text)
    #expect(check.complaint == nil)
    #expect(check.elements.contains("svg"))
    #expect(!check.elements.contains { ["script", "img", "link", "iframe"].contains($0) })
    let addresses = check.values.filter { $0.contains("//") }
    #expect(addresses == ["http://www.w3.org/2000/svg"])
    #expect(text.components(separatedBy: "http").count == 2)
    #expect(!text.contains("url(http") && !text.contains("@import"))
  }

  @Test("The check of well-formedness finds what is not")
  func check() {
    for text in [
      "<a>", "<a></b>", "<a b></a>", "<a b=\"1\" b=\"2\"/>", "<a>&</a>", "<a/><b/>", "x",
      "<a b=\"<\"/>", "</a>",
    ] {
      #expect(MarkupCheck(text).complaint != nil, "\(text)")
    }
    #expect(MarkupCheck("<!DOCTYPE html>\n<a b=\"1\">&amp;<c/></a>\n").complaint == nil)
  }

  @Test("as a picture with a lane for each CPU, a line for each reference, and arrows")
  func picture() throws {
    let explanation = try Samples.explanation(Samples.unbind)
    let text = Renderer.svg.print(explanation, of: "a.prog")
    for words in [
      ">cpu0<", ">cpu1<", "zapRange: clearPTE", "life blamed", "arrow lock", ">gather<",
    ] {
      #expect(text.contains(words), "\(words)")
    }
    let dots = text.components(separatedBy: "<circle").count - 1
    #expect(dots == explanation.trace.rows.count)
  }

  @Test("as a sequence diagram whose participants are declared")
  func mermaid() throws {
    let text = Renderer.mermaid.print(try Samples.explanation(Samples.unbind), of: "a.prog")
    let lines = text.split(separator: "\n").map { $0.drop { $0 == " " } }
    #expect(lines.first == "sequenceDiagram")
    let participants = Set(
      lines.filter { $0.hasPrefix("participant ") }.map { $0.split(separator: " ")[1] })
    #expect(participants.count == 3)
    for line in lines where line.contains("->>") {
      let ends = line.prefix { $0 != ":" }.split(separator: "->>")
      #expect(ends.count == 2 && ends.allSatisfy(participants.contains), "\(line)")
      #expect(!line.dropFirst(line.prefix { $0 != ":" }.count).contains(";"), "\(line)")
    }
    #expect(text.contains("violated I18"))
  }
}
