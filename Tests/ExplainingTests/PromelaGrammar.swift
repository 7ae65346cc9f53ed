// SPDX-License-Identifier: MIT

/// The grammar of Promela, as far as exports use it.
///
/// Comments and lines of the preprocessor aside: declarations, then processes of `d_step`
/// statements, a guard first, then assignments and assertions; every name is declared, every
/// index in range.
struct PromelaGrammar {
  private var tokens: ArraySlice<Substring> = []
  private var sizes: [Substring: Int] = [:]
  private(set) var complaint: String?
  private(set) var processes: [String] = []
  /// How many atomic statements there are.
  private(set) var statements = 0

  init(_ text: String) {
    tokens = Self.tokens(of: text)[...]
    while complaint == nil, let token = tokens.first {
      switch token {
      case "int", "bool", "byte": readDeclaration()
      case "proctype": readProcess()
      case "init": readInit()
      default: fail("a declaration is expected")
      }
    }
  }

  private static func tokens(of text: String) -> [Substring] {
    let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.joined(separator: "\n")
    var rest = lines[...]
    var tokens: [Substring] = []
    while let letter = rest.first {
      if letter.isWhitespace {
        rest.removeFirst()
      } else if rest.hasPrefix("/*") {
        var tail = rest.dropFirst(2)
        while !tail.isEmpty, !tail.hasPrefix("*/") { tail.removeFirst() }
        rest = tail.dropFirst(2)
      } else if letter.isLetter || letter.isNumber || letter == "_" {
        let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        tokens.append(word)
        rest = rest[word.endIndex...]
      } else {
        let pair = ["->", "==", "&&"].first { rest.hasPrefix($0) }
        tokens.append(rest.prefix(pair?.count ?? 1))
        rest = rest.dropFirst(pair?.count ?? 1)
      }
    }
    return tokens
  }

  private mutating func fail(_ message: String) {
    let place = tokens.prefix(8).joined(separator: " ")
    complaint = complaint ?? "\(message) at: \(place)"
  }

  @discardableResult
  private mutating func take(_ word: Substring) -> Bool {
    guard tokens.first == word else { return false }
    tokens.removeFirst()
    return true
  }

  private mutating func expect(_ words: Substring...) {
    for word in words where complaint == nil && !take(word) { fail("'\(word)' is expected") }
  }

  private mutating func number() -> Int {
    guard let number = tokens.first.flatMap({ Int($0) }) else {
      fail("a number is expected")
      return 0
    }
    tokens.removeFirst()
    return number
  }

  private mutating func readDeclaration() {
    tokens.removeFirst()
    guard let name = tokens.popFirst() else { return fail("a name is expected") }
    sizes[name] = 0
    if take("[") {
      sizes[name] = number()
      expect("]")
    } else if take("=") {
      if !take("false") { _ = number() }
    }
    expect(";")
  }

  private mutating func readVariable() {
    guard let name = tokens.first, let size = sizes[name] else {
      return fail("a declared variable is expected")
    }
    tokens.removeFirst()
    guard size > 0 else { return }
    expect("[")
    if number() >= size { fail("an index is out of range") }
    expect("]")
  }

  private mutating func readCondition() {
    repeat {
      if take("AT") {
        expect("(")
        _ = number()
        expect(")")
      } else if take("!") {
        readVariable()
      } else {
        readVariable()
        if !take("==") { expect(">") }
        _ = number()
      }
    } while complaint == nil && take("&&")
  }

  private mutating func readEffect() {
    if take("assert") {
      expect("(")
      if tokens.dropFirst(4).first == "==",
        tokens.dropFirst(5).first.map({ Int($0) == nil }) == true
      {
        readVariable()
        expect("==")
        readVariable()
      } else {
        readCondition()
      }
      return expect(")")
    }
    readVariable()
    expect("=")
    if take("true") || take("false") { return }
    if tokens.first.map({ Int($0) != nil }) == true {
      _ = number()
      return
    }
    readVariable()
    if !take("+") { expect("-") }
    _ = number()
  }

  private mutating func readProcess() {
    tokens.removeFirst()
    processes.append(String(tokens.popFirst() ?? ""))
    expect("(", ")", "{")
    if tokens.first == "finished", tokens.dropFirst().first == "==" {
      readCondition()
      expect(";")
    }
    while complaint == nil, take("d_step") {
      statements += 1
      expect("{")
      readCondition()
      expect("->")
      repeat { readEffect() } while complaint == nil && take(";")
      expect("}", ";")
    }
    readEffect()
    expect("}")
  }

  private mutating func readInit() {
    expect("init", "{", "atomic", "{")
    while complaint == nil, tokens.first != "skip" {
      if take("run") {
        let name = tokens.popFirst().map(String.init) ?? ""
        if !processes.contains(name) { fail("'\(name)' is no process") }
        expect("(", ")")
      } else {
        readEffect()
      }
      expect(";")
    }
    expect("skip", "}", "}")
  }
}
