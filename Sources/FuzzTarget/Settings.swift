// SPDX-License-Identifier: MIT

import Fuzzing
import Glibc
import PageLifecycle
import Programs

/// The words a process was started with.
struct CommandLineWords {
  var words: [String]

  init(_ words: [String]) { self.words = words }

  init(count: Int, _ pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) {
    words = (0..<count).compactMap { pointers[$0].map { String(cString: $0) } }
  }

  /// The words as C has them; they stay for the life of the process.
  func pointers() -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    let pointers = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(
      capacity: words.count + 1)
    for (position, word) in words.enumerated() { pointers[position] = strdup(word) }
    pointers[words.count] = nil
    return pointers
  }

  /// Removes `--name=value` and yields the value; the last one counts.
  ///
  /// One dash will do: a farm knows no other flags.
  mutating func take(_ name: String) -> String? {
    let starts = ["--\(name)=", "-\(name)="]
    let values = words.dropFirst().compactMap { word in
      starts.first { word.hasPrefix($0) }.map { String(word.dropFirst($0.count)) }
    }
    words.removeAll { word in starts.contains { word.hasPrefix($0) } }
    return values.last
  }

  /// The value of an engine's own flag, `-name=value`.
  func flag(_ name: String) -> String? {
    words.last { $0.hasPrefix("-\(name)=") }.map { String($0.dropFirst(name.utf8.count + 2)) }
  }

  /// The last word that is no flag.
  var input: String? { words.dropFirst().last { !$0.hasPrefix("-") } }
}

/// What this target may be told beyond the engine's own flags: `--name=value`, or the variable
/// `PAGEFUZZ_NAME` of the environment, which also reaches the processes an engine starts.
struct Settings {
  /// One of them.
  struct Option {
    var name: String
    var help: String
  }

  static let options = [
    Option(
      name: "protocol",
      help: "every program runs under it, as 'pagefuzz fuzz --protocol' has it "
        + "[what it names; v6.1 where programs are made from nothing]"),
    Option(
      name: "find",
      help: "abort only at these, separated by commas: a bug or rule (M-MAPPED), an invariant "
        + "(I27), an identity, known bugs ('known') [any]"),
    Option(name: "ignore", help: "do not abort at these [nothing]"),
    Option(
      name: "repairs",
      help: "'any': also abort at what is found once other bugs are repaired, for each may hide "
        + "another; 'own': only at what a program shows as it is [any; own where libFuzzer "
        + "minimizes]"),
    Option(name: "mutator", help: "'typed', or 'bytes': the engine's own [typed]"),
    Option(name: "features", help: "what guides beside edges: 'states' or 'none' [states]"),
    Option(name: "print", help: "'hash': print steps and hash of every input [nothing]"),
    Option(
      name: "programs",
      help: "who makes them: the 'engine', a search as 'pagefuzz compare' names it (which obeys "
        + "-seed and -runs), or 'input': texts from there, an empty line behind each [engine]"),
    Option(name: "tally", help: "a file that counts what is executed, see FuzzTarget.md [none]"),
  ]

  var harness = Harness.Options()
  var isTyped = true
  var notesStates = true
  var printsHash = false
  var programs = Source.engine
  var tally: String?

  /// Where programs come from.
  enum Source {
    case engine, input
    case search(Search)
  }

  /// Reads settings, takes them out of the words, and leaves them in the environment.
  init(_ line: inout CommandLineWords) {
    if line.words.contains("--help") { Self.end(0, Self.help) }
    var values: [String: String] = [:]
    for option in Self.options {
      let variable = "PAGEFUZZ_" + option.name.uppercased()
      if let value = line.take(option.name) { setenv(variable, value, 1) }
      values[option.name] = getenv(variable).map { String(cString: $0) }
    }
    if let text = values["protocol"], !text.isEmpty { harness.variant = Self.variant(text) }
    harness.wanted = Self.quarries(values["find"] ?? "any", "find")
    harness.ignored = Self.quarries(values["ignore"] ?? "", "ignore")
    harness.isExact = Self.choice(values["repairs"], ["any", "own"], "repairs") == 1
    isTyped = Self.choice(values["mutator"], ["typed", "bytes"], "mutator") == 0
    notesStates = Self.choice(values["features"], ["states", "none"], "features") == 0
    printsHash = Self.choice(values["print"], ["nothing", "hash"], "print") == 1
    programs = Self.source(values["programs"] ?? "engine")
    tally = values["tally"]
  }

  private static func source(_ word: String) -> Source {
    switch word {
    case "engine", "": return .engine
    case "input": return .input
    default:
      guard let search = Search(named: word) else {
        end(64, "--programs='\(word)' is not engine, input or a search of 'pagefuzz compare'\n")
      }
      return .search(search)
    }
  }

  private static func variant(_ text: String) -> Variant {
    do throws(Variant.UnknownWord) {
      return try Variant.parse(text.split(separator: " "))
    } catch {
      end(64, "--protocol='\(text)': '\(error.word)' is not \(error.expected)\n")
    }
  }

  private static func quarries(_ text: String, _ option: String) -> [Harness.Quarry] {
    text.split(separator: ",").map(String.init).filter { $0 != "any" }.map { word in
      guard let quarry = Harness.Quarry(parsing: word) else {
        end(
          64,
          "--\(option)='\(word)' is no bug, rule, invariant or identity; see 'pagefuzz list'\n")
      }
      return quarry
    }
  }

  private static func choice(_ value: String?, _ words: [String], _ option: String) -> Int {
    guard let value, !value.isEmpty else { return 0 }
    guard let position = words.firstIndex(of: value) else {
      end(64, "--\(option)='\(value)' is not one of \(words.joined(separator: ", "))\n")
    }
    return position
  }

  private static var help: String {
    "Options of this target; those of the engine begin with one dash, see -help=1.\n\n"
      + options.map { "  --\($0.name)=...  \($0.help)\n" }.joined()
      + "\nEach may be given in the environment, too: PAGEFUZZ_PROTOCOL and so on.\n"
      + "Inputs are programs as text, or in binary form: 'pagefuzz corpus import' and 'export'\n"
      + "turn directories of one into the other.\n"
  }

  static func end(_ status: CInt, _ text: String) -> Never {
    Terminal.print(status == 0 ? text : "pagefuzz: " + text)
    exit(status)
  }
}

/// Standard error or output, unbuffered: the process may end at any time.
enum Terminal {
  static func print(_ text: String, to file: CInt = STDERR_FILENO) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}
