// SPDX-License-Identifier: MIT

/// A shell that can complete our commands.
package enum Shell: String, CaseIterable, Sendable {
  case bash, zsh, fish
}

extension ProgramDescription {
  /// The script that teaches a shell our commands, options and their values.
  package func completions(for shell: Shell) -> String {
    switch shell {
    case .bash: bashCompletions
    case .zsh: zshCompletions
    case .fish: fishCompletions
    }
  }

  /// A command with the names that lead to it, from above.
  private struct Entry {
    var path: [String]
    var command: any Command.Type
  }

  private var entries: [Entry] { Self.entries(below: [], commands) }

  private static func entries(below path: [String], _ commands: [any Command.Type]) -> [Entry] {
    commands.flatMap { command in
      let place = path + [command.name]
      return [Entry(path: place, command: command)] + entries(below: place, command.subcommands)
    }
  }

  private static func quoted(_ text: String) -> String {
    "'" + text.replacing("'", with: #"'\''"#) + "'"
  }
}

// MARK: bash

extension ProgramDescription {
  private var bashCompletions: String {
    var steps = ""
    var values = ""
    var words = bashCase([], commands.map { $0.name } + ["--help", "--version"])
    for entry in entries {
      let command = entry.command
      let place = entry.path.joined(separator: " ")
      steps += "      \(Self.quoted(place))) path=\(Self.quoted(place)) ;;\n"
      for option in command.options {
        guard let kind = option.kind else { continue }
        values += "    \(Self.quoted("\(place) --\(option.name)"))) \(bashAction(kind)) ;;\n"
      }
      let below = command.subcommands.map { $0.name } + command.operands.flatMap(\.kind.offers)
      words += bashCase(entry.path, below + command.options.map { "--\($0.name)" } + ["--help"])
    }
    return """
      # Completions of \(name) for bash.  Load them with: source <(\(name) completions bash)
      _\(name)() {
        local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
        local path="" words="" word
        if [[ $previous == "=" ]]; then previous="${COMP_WORDS[COMP_CWORD-2]}"; fi
        if [[ $current == "=" ]]; then current=""; fi
        COMPREPLY=()
        for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
          case "${path:+$path }$word" in
      \(steps)    esac
        done
        case "$path $previous" in
      \(values)  esac
        case "$path" in
      \(words)  esac
        COMPREPLY=($(compgen -W "$words" -- "$current"))
      }
      complete -o default -F _\(name) \(name)

      """
  }

  private func bashCase(_ path: [String], _ words: [String]) -> String {
    let place = Self.quoted(path.joined(separator: " "))
    return "    \(place)) words=\(Self.quoted(words.joined(separator: " "))) ;;\n"
  }

  private func bashAction(_ kind: ValueKind) -> String {
    switch kind {
    case .directory: #"COMPREPLY=($(compgen -d -- "$current")); return"#
    case .file, .path: #"COMPREPLY=($(compgen -f -- "$current")); return"#
    default:
      "COMPREPLY=($(compgen -W \(Self.quoted(kind.offers.joined(separator: " "))) -- \"$current\"))"
        + "; return"
    }
  }
}

// MARK: zsh

extension ProgramDescription {
  private var zshCompletions: String {
    var text = """
      #compdef \(name)
      # Completions of \(name) for zsh.  Load them with: source <(\(name) completions zsh)
      \(zshFunction(choosing: commands, path: []))
      """
    for entry in entries {
      let below = entry.command.subcommands
      text +=
        below.isEmpty
        ? zshFunction(completing: entry.command, path: entry.path)
        : zshFunction(choosing: below, path: entry.path)
    }
    return text + "compdef _\(name) \(name)\n"
  }

  private func zshName(_ path: [String]) -> String {
    "_" + ([name] + path).joined(separator: "_")
  }

  private func zshFunction(choosing commands: [any Command.Type], path: [String]) -> String {
    let choices = commands.map { "      \(Self.quoted("\($0.name):\($0.summary)"))\n" }.joined()
    let calls = commands.map { "    \($0.name)) \(zshName(path + [$0.name])) ;;\n" }.joined()
    return """
      \(zshName(path))() {
        if (( CURRENT == 2 )); then
          local -a choices=(
      \(choices)    )
          _describe command choices
          return
        fi
        shift words
        (( CURRENT-- ))
        case $words[1] in
      \(calls)  esac
      }

      """
  }

  private func zshFunction(completing command: any Command.Type, path: [String]) -> String {
    var specifications = (command.options + [.help]).map { option in
      let repeats = option.isRepeated ? "*" : ""
      let value = option.kind.map { ":\($0.placeholder):\(zshAction($0))" } ?? ""
      let summary = option.summary.replacing("[", with: #"\["#).replacing("]", with: #"\]"#)
      return "\(repeats)--\(option.name)\(option.kind == nil ? "" : "=")[\(summary)]\(value)"
    }
    for (position, operand) in command.operands.enumerated() {
      let place = operand.isRepeated ? "*" : "\(position + 1)"
      specifications.append("\(place):\(operand.name):\(zshAction(operand.kind))")
    }
    let lines = specifications.map { " \\\n    \(Self.quoted($0))" }.joined()
    return "\(zshName(path))() {\n  _arguments\(lines)\n}\n"
  }

  private func zshAction(_ kind: ValueKind) -> String {
    switch kind {
    case .directory: "_files -/"
    case .file, .path: "_files"
    default: kind.offers.isEmpty ? " " : "(\(kind.offers.joined(separator: " ")))"
    }
  }
}

// MARK: fish

extension ProgramDescription {
  private var fishCompletions: String {
    var text = """
      # Completions of \(name) for fish.  Load them with: \(name) completions fish | source
      complete -c \(name) -f
      complete -c \(name) -n __fish_use_subcommand -l help -d 'show this help'
      complete -c \(name) -n __fish_use_subcommand -l version -d 'show the version'

      """
    for command in commands {
      text += fishWord(command, when: "__fish_use_subcommand")
    }
    for entry in entries {
      let command = entry.command
      let isHere = entry.path.map { "__fish_seen_subcommand_from \($0)" }
        .joined(separator: "; and ")
      let names = command.subcommands.map { $0.name }.joined(separator: " ")
      for below in command.subcommands {
        text += fishWord(below, when: "\(isHere); and not __fish_seen_subcommand_from \(names)")
      }
      guard command.subcommands.isEmpty else { continue }
      let start = "complete -c \(name) -n \(Self.quoted(isHere))"
      for option in command.options + [.help] {
        let value = option.kind.map(fishValue) ?? ""
        text += "\(start) -l \(option.name)\(value) -d \(Self.quoted(option.summary))\n"
      }
      for operand in command.operands {
        text += "\(start)\(fishOperand(operand.kind))\n"
      }
    }
    return text
  }

  private func fishWord(_ command: any Command.Type, when condition: String) -> String {
    "complete -c \(name) -n \(Self.quoted(condition)) -a \(command.name)"
      + " -d \(Self.quoted(command.summary))\n"
  }

  private func fishValue(_ kind: ValueKind) -> String {
    switch kind {
    case .file, .path: " -r -F"
    case .directory: " -x -a '(__fish_complete_directories)'"
    default: " -x" + fishOffers(kind)
    }
  }

  private func fishOperand(_ kind: ValueKind) -> String {
    switch kind {
    case .file, .path, .directory: " -F"
    default: fishOffers(kind)
    }
  }

  private func fishOffers(_ kind: ValueKind) -> String {
    kind.offers.isEmpty ? "" : " -a \(Self.quoted(kind.offers.joined(separator: " ")))"
  }
}
