// SPDX-License-Identifier: MIT

/// The grammar of syzkaller's program texts, as far as exports use it.
///
///     program  = { comment | call }
///     call     = [ "rN =" ] name "(" [ arg { "," arg } ] ")" [ "(" property ")" ]
///     arg      = const | resource | result | pointer | data | array | struct
///     pointer  = "&(" const [ "/" const ] ")=" ( "nil" | arg )
///     result   = "<rN=>" const
///     data     = "\"hex\"" [ "/" number ] | "'text'" [ "/" number ]
struct SyzGrammar {
  private var rest: Substring = ""
  private var known: Set<Substring> = []
  private(set) var complaint: String?
  /// Names of the calls, in order.
  private(set) var calls: [String] = []

  init(_ text: String) {
    for line in text.split(separator: "\n") where complaint == nil && !line.hasPrefix("#") {
      rest = line
      readCall()
      if complaint == nil, !rest.isEmpty { fail("'\(rest)' is too much") }
      if let found = complaint { complaint = "\(found) in: \(line)" }
    }
  }

  private mutating func fail(_ message: String) { complaint = complaint ?? message }

  private mutating func take(_ word: String) -> Bool {
    guard rest.hasPrefix(word) else { return false }
    rest = rest.dropFirst(word.count)
    return true
  }

  private mutating func expect(_ word: String) {
    if !take(word) { fail("'\(word)' is expected before '\(rest.prefix(20))'") }
  }

  private mutating func word(_ isPart: (Character) -> Bool) -> Substring {
    let word = rest.prefix(while: isPart)
    rest = rest[word.endIndex...]
    return word
  }

  private mutating func readCall() {
    var name = word { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "$" }
    var result: Substring?
    if take(" = ") {
      guard isResource(name) else { return fail("'\(name)' is no resource") }
      result = name
      name = word { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "$" }
    }
    guard name.first?.isLowercase == true else { return fail("no call") }
    calls.append(String(name))
    expect("(")
    readList(until: ")")
    if take(" (") {
      let property = word { $0 != ")" }
      if property != "async" { fail("unknown property '\(property)'") }
      expect(")")
    }
    if let result { known.insert(result) }
  }

  private mutating func readList(until end: String) {
    if take(end) { return }
    repeat { readArgument() } while complaint == nil && take(", ")
    expect(end)
  }

  private mutating func readArgument() {
    if take("&(") {
      readConst()
      if take("/") { readConst() }
      expect(")=")
      if !take("nil") { readArgument() }
    } else if take("<") {
      let name = word { $0 != "=" }
      if !isResource(name) { fail("'\(name)' is no resource") }
      expect("=>")
      readConst()
      known.insert(name)
    } else if take("{") {
      readList(until: "}")
    } else if take("[") {
      readList(until: "]")
    } else if rest.first == "\"" || rest.first == "'" {
      readData()
    } else if rest.first == "r" {
      let name = word { $0.isLetter || $0.isNumber }
      if !known.contains(name) { fail("'\(name)' is used before it is made") }
    } else {
      readConst()
    }
  }

  private mutating func readData() {
    let quotation = rest.removeFirst()
    let text = word { $0 != quotation }
    if quotation == "\"", text.count % 2 != 0 || text.contains(where: { !$0.isHexDigit }) {
      fail("data that is not hexadecimal")
    }
    expect(String(quotation))
    if take("/"), word(\.isNumber).isEmpty { fail("no size") }
  }

  private mutating func readConst() {
    expect("0x")
    if word(\.isHexDigit).isEmpty { fail("no number") }
  }

  private func isResource(_ name: Substring) -> Bool {
    name.first == "r" && name.count > 1 && name.dropFirst().allSatisfy(\.isNumber)
  }
}
