// SPDX-License-Identifier: MIT

extension ProgramDescription {
  /// What `--help` prints, for the program or for the command at the end of a path.
  package func help(for path: [any Command.Type]) -> String {
    guard let command = path.last else { return programHelp }
    let words = ([name] + path.map { $0.name }).joined(separator: " ")
    var text = "\(sentence(command.summary))\n\n"
    if command.subcommands.isEmpty {
      text += "Usage: \(usage(of: command, words))\n"
    } else {
      text += "Usage: \(words) COMMAND\n"
      text += section("Commands", command.subcommands.map { ($0.name, $0.summary) })
    }
    if !command.discussion.isEmpty { text += "\n\(command.discussion)\n" }
    text += section("Arguments", command.operands.map { ($0.usage, $0.explanation) })
    text += section("Options", (command.options + [.help]).map { ($0.usage, $0.summary) })
    return text + section("Examples", command.examples.map { ($0.line, $0.purpose) })
  }

  private var programHelp: String {
    var text = "\(sentence(summary))\n\nUsage: \(name) COMMAND\n"
    text += section("Commands", commands.map { ($0.name, $0.summary) })
    text += section(
      "Options",
      [("--help", "show this help, or that of a command"), ("--version", "show the version")])
    text += section("Examples", examples.map { ($0.line, $0.purpose) })
    return text
      + section("Exit status", ExitStatus.allCases.map { (String($0.rawValue), $0.meaning) })
  }

  private func usage(of command: any Command.Type, _ words: String) -> String {
    let options = command.options.map { "[\($0.usage)]" }
    let parts = [words] + command.operands.map(\.usage) + options
    var lines = [""]
    for part in parts {
      if lines[lines.count - 1].count + part.count > 78 { lines.append("        ") }
      lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + part
    }
    return lines.joined(separator: "\n")
  }

  private func section(_ title: String, _ rows: [(String, String)]) -> String {
    guard !rows.isEmpty else { return "" }
    let longest = rows.map(\.0.count).filter { $0 <= 34 }.max() ?? 0
    let lines = rows.map { left, right in
      let isLong = left.count > longest
      let gap = isLong ? "\n" + String(repeating: " ", count: longest + 2) : ""
      let padding = String(repeating: " ", count: isLong ? 0 : longest - left.count)
      return "  \(left)\(padding)\(gap)  \(right)"
    }
    return "\n\(title):\n" + lines.joined(separator: "\n") + "\n"
  }

  private func sentence(_ words: String) -> String {
    words.prefix(1).uppercased() + words.dropFirst() + "."
  }
}
