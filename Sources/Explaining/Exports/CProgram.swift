// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// A program in C, in the manner of kselftest.
///
/// A thread on each CPU makes that CPU's calls, when a process beside them tells it to.  Where the
/// model sleeps, or stops a call on its way, the next line begins while the call is unfinished.
struct CProgram {
  private let story: Story
  private let name: String
  private let translations: [Translation?]

  init(_ story: Story, _ name: String) {
    (self.story, self.name) = (story, name)
    translations = story.translations(\.c)
  }

  var text: String {
    // Names in comments call nothing.
    let calls = translations.compactMap { $0?.code }.joined(separator: "\n") + boot
    return [head, settings, CParts.needed(by: calls), functions + table + boot, CParts.main]
      .joined(separator: "\n")
  }

  // MARK: What comes first

  private var head: String {
    var lines = ["\(name), exported by pagefuzz", ""] + story.introduction
    lines += [
      "",
      "Pass: every call whose result can be compared returns, or sleeps, as a correct kernel's.",
      "Fail: one does not, or the kernel has warned.  Skip: something is missing.",
      "PAGEFUZZ_DAX names a directory on a DAX file system (default /mnt/dax).",
    ]
    if story.usesPMD { lines.append("A page of the program is a quarter of a PMD here.") }
    return "// SPDX-License-Identifier: MIT\n/*\n"
      + lines.map { Self.trimmed(" * \(Self.comment($0))") }.joined(separator: "\n")
      + "\n */"
  }

  private var settings: String {
    let cpus = (story.cpus.last?.position ?? 0) + 1
    return """
      #define _GNU_SOURCE
      #define LINES \(story.events.count)
      #define CPUS \(cpus)
      #define PAGES \(Limits.filePages)
      #define FILES \(story.program.boot.files)
      #define FILE_PAGES \(story.program.boot.filePages)
      #define STRIDE \(story.usesPMD ? 2 * 1024 * 1024 / Limits.pagesPerPMD : 4096)L
      #define IS_EMPTY \(translations.contains { $0?.code != nil } ? 0 : 1)
      """ + "\n" + CParts.common
  }

  // MARK: The lines

  private var functions: String {
    var text = ""
    for item in story.items {
      switch item {
      case .words(let line, let words):
        let isStatement = words.hasPrefix("assert")
        text += "\n/* line \(line): \(Self.comment(words))"
        text += isStatement ? "\n * not expressible: no program reads these words */" : " */"
        text += "\n"
      case .event(let index): text += function(story.events[index], translations[index])
      }
    }
    return text
  }

  private func function(_ event: Story.Event, _ translation: Translation?) -> String {
    var notes: [String] = []
    var code = "0"
    if event.call == nil {
      notes.append("the thread of this CPU goes on by itself; what follows waits for nothing")
    } else if let call = translation?.code {
      code = call
      notes += (translation?.notes ?? []).map { "differs: \($0)" }
    } else {
      notes.append(
        "not expressible: \((translation?.notes ?? ["unknown"]).joined(separator: "; "))")
    }
    if event.call != nil {
      notes.append("\(event.shown.text); a correct kernel: \(event.correct.text)")
    }
    if let until = event.instruction.until {
      notes.append(
        "preemption point: the next line is to begin while this call stands before "
          + "\(StepName(until.procedure, until.step)), visit \(until.visit); widen that place with a "
          + "delay or a breakpoint")
    }
    let lines = ["line \(event.textLine): \(event.text)"] + notes
    return "\n/* " + lines.map(Self.comment).joined(separator: "\n * ") + " */\n"
      + "static long line_\(event.textLine)(void)\n{\n\treturn \(code);\n}\n"
  }

  private var table: String {
    var text = "\nstatic const struct line lines[LINES + 1] = {\n"
    for (event, translation) in zip(story.events, translations) {
      let isCompared =
        translation?.code != nil && translation?.isComparable == true && !event.isStopped
        && event.correct != .unknown
      let words = [
        "\(event.instruction.cpu.rawValue)", "\(event.call?.mm.rawValue ?? 0)",
        event.isStopped ? "1" : "0", isCompared ? "1" : "0", Self.number(event.correct),
        Self.number(event.shown), "line_\(event.textLine)", "\"\(Self.quoted(event.text))\"",
      ]
      text += "\t{ \(words.joined(separator: ", ")) },\n"
    }
    return text + "\t{ -1, 0, 0, 0, 0, 0, NULL, NULL },\n};\n"
  }

  private var boot: String {
    let files = story.program.boot.files > 0 ? "\tmake_files();\n" : ""
    let pipes = translations.contains { $0?.code?.contains("hold_pages(") ?? false }
    return "\nstatic void set_up(void)\n{\n\tcatch_signals();\n" + files
      + (pipes ? "\tmake_pipes();\n" : "") + "}\n"
  }

  // MARK: C's spelling

  private static func number(_ observation: Story.Observation) -> String {
    switch observation {
    case .returned(let outcome): "\(outcome.rawValue)"
    case .sleeps: "SLEEPS"
    case .stopped, .unknown: "UNKNOWN"
    }
  }

  /// Text that cannot end a comment or begin another.
  private static func comment(_ text: String) -> String {
    text.replacing("*/", with: "* /").replacing("/*", with: "/ *")
  }

  private static func trimmed(_ text: String) -> String {
    var text = text
    while text.last == " " { text.removeLast() }
    return text
  }

  /// Text between quotation marks: printable ASCII, nothing that C reads as more.
  private static func quoted(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case "?": result += "\\?"
      case " "..."~": result.unicodeScalars.append(scalar)
      default: result += "."
      }
    }
    return result
  }
}
