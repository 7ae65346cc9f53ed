// SPDX-License-Identifier: MIT

import Console
import PageLifecycle

/// What one protocol says and another does not: rules first, then the numbers of the design.
struct ProtocolDifference {
  /// One line of it: a rule and who breaks it, or a number and its two values.
  struct Entry {
    var name: String
    var first: String
    var second: String

    var json: JSONText {
      ["name": .string(name), "first": .string(first), "second": .string(second)]
    }
  }

  var entries: [Entry]

  init(_ first: Variant, _ second: Variant) {
    let (old, new) = (first.rules, second.rules)
    let words = { (rules: Rules, rule: Rule) in rules.obeyed.contains(rule) ? "obeys" : "breaks" }
    entries = Rule.allCases.filter { old.obeyed.contains($0) != new.obeyed.contains($0) }.map {
      Entry(name: $0.name, first: words(old, $0), second: words(new, $0))
    }
    entries += zip(Self.numbers(of: old), Self.numbers(of: new)).compactMap { left, right in
      guard left.value != right.value else { return nil }
      return Entry(name: left.name, first: left.value, second: right.value)
    }
  }

  /// The stored properties of a design, as the compiler knows them: nothing is listed twice.
  private static func numbers(of rules: Rules) -> [(name: String, value: String)] {
    Mirror(reflecting: rules).children.compactMap { child in
      guard let name = child.label, !(child.value is RuleSet) else { return nil }
      if let exempt = child.value as? InvariantSet {
        let names = Invariant.allCases.filter(exempt.contains).map(\.name)
        return (name, names.isEmpty ? "none" : names.joined(separator: " "))
      }
      if let flags = child.value as? CallFlags {
        return (name, CallFlags.named.first { $0.flag == flags }?.name ?? "none")
      }
      return (name, "\(child.value)")
    }
  }
}
