// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Why a program violates an invariant.
package enum Cause: Hashable, Sendable {
  /// The smallest set of rules whose repair makes the program clean, in the order of ``Rule``.
  case rules([Rule])
  /// No repair does: the last two conflicting steps before the violation.
  case steps(StepName, StepName)
  case unknown
}

/// What makes two violations the same bug: signature and cause.
///
/// Where and in which step it showed is reported, and no part of it.
package struct Identity: Hashable, Sendable {
  package var invariant: Invariant
  package var type: MemoryType
  package var blame: Blame?
  package var cause: Cause

  /// An identity of its parts.
  package init(_ invariant: Invariant, _ type: MemoryType, _ blame: Blame?, _ cause: Cause) {
    (self.invariant, self.type, self.blame, self.cause) = (invariant, type, blame, cause)
  }

  /// The identity of a violation whose cause is known.
  package init(of violation: Violation, cause: Cause) {
    self.init(violation.invariant, violation.type, violation.blame, cause)
  }

  /// Whether a violation shows the same thing, whatever its cause.
  package func hasSignature(of violation: Violation) -> Bool {
    violation.invariant == invariant && violation.type == type && violation.blame == blame
  }
}

/// The part of an identity a program states; what it leaves out matches anything.
///
/// With a cause and no `...` it is complete: then a type or a blame left out means none.
package struct Pattern: Hashable, Sendable {
  package var invariant: Invariant
  package var type: MemoryType?
  package var blame: Blame?
  package var cause: Cause?
  /// The words end in `...`.
  package var isOpen: Bool

  /// A pattern of the parts that are stated.
  package init(
    _ invariant: Invariant, type: MemoryType? = nil, blame: Blame? = nil, cause: Cause? = nil,
    isOpen: Bool = false
  ) {
    (self.invariant, self.type, self.blame, self.cause) = (invariant, type, blame, cause)
    self.isOpen = isOpen
  }

  /// The complete pattern that matches one identity only.
  package init(_ identity: Identity) {
    self.init(
      identity.invariant, type: identity.type == .invalid ? nil : identity.type,
      blame: identity.blame, cause: identity.cause)
  }

  /// Whether every part is stated.
  package var isComplete: Bool { cause != nil && !isOpen }

  /// Whether an identity has every part that is stated.
  package func matches(_ identity: Identity) -> Bool {
    guard identity.invariant == invariant else { return false }
    let matchesType = type.map { $0 == identity.type } ?? (!isComplete || identity.type == .invalid)
    let matchesBlame =
      blame.map { $0 == identity.blame } ?? (!isComplete || identity.blame == nil)
    return matchesType && matchesBlame && (cause.map { $0 == identity.cause } ?? true)
  }

  /// Whether a violation of any cause could match.
  package func mayMatch(_ violation: Violation) -> Bool {
    matches(Identity(of: violation, cause: cause ?? .unknown))
  }
}

extension Blame {
  /// Reads a name as ``name`` writes it.
  init?(parsing text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    let kinds: [Kind] = [.missing, .extra, .foreign]
    guard parts.count == 2, let kind = kinds.first(where: { "\($0)" == parts[0] }),
      let holder = Holder.allCases.first(where: { $0.name == parts[1] })
    else { return nil }
    self.init(kind, holder)
  }
}

// MARK: Text

extension Cause: CustomStringConvertible {
  package var description: String {
    switch self {
    case .rules(let rules): rules.map(\.name).joined(separator: "+")
    case .steps(let first, let second): "\(first)/\(second)"
    case .unknown: "unknown"
    }
  }

  /// Reads a cause as ``description`` writes it.
  init?(parsing text: String) {
    if text == "unknown" {
      self = .unknown
      return
    }
    let steps = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    if steps.count == 2, let first = StepName(parsing: steps[0]),
      let second = StepName(parsing: steps[1])
    {
      self = .steps(first, second)
      return
    }
    var rules: [Rule] = []
    for word in text.split(separator: "+", omittingEmptySubsequences: false) {
      guard let rule = Rule(name: String(word)), !rules.contains(rule) else { return nil }
      rules.append(rule)
    }
    guard (1...ProgramLimits.causeRules).contains(rules.count) else { return nil }
    self = .rules(rules.sorted { $0.rawValue < $1.rawValue })
  }
}

extension Identity: CustomStringConvertible {
  /// The words `expect` would use.
  package var description: String { Pattern(self).description }
}

extension Pattern: CustomStringConvertible {
  package var description: String {
    var words = [invariant.name]
    if let type { words.append(type.name) }
    if let blame { words.append(blame.name) }
    if let cause { words.append("cause=\(cause)") }
    if isOpen { words.append("...") }
    return words.joined(separator: " ")
  }
}
