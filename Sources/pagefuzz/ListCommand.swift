// SPDX-License-Identifier: MIT

import Console
import Explaining
import Fuzzing
import PageLifecycle
import Programs

/// `list`: what the engine knows, printed from the code that acts on it.
enum ListCommand: Command {
  static let difference = Option(
    "diff", .text("A", offers: Protocol.all.map(\.name)),
    "with 'protocols': what differs between A and B")

  static let name = "list"
  static let summary =
    "print operations, invariants, protocols, rules, specimens, limits or exports"
  static let discussion = """
    Everything is printed from the tables the engine itself reads.  'steps' lists the names that
    'until' may stop a call at, with those of the procedures that calls enter.
    """
  static let options = [
    difference, .format,
  ]
  static let operands = [
    Operand(.choice(Subject.allCases.map(\.rawValue)), named: "SUBJECT", "what to list"),
    Operand(
      .text("B", offers: Protocol.all.map(\.name)), "what --diff compares A with",
      isOptional: true),
  ]
  static let examples = [
    Example("pagefuzz list invariants", "everything that must hold, and where it comes from"),
    Example("pagefuzz list specimens --format json", "every seeded bug, one object a line"),
    Example("pagefuzz list protocols --diff v6.1 v6.18", "the rules and numbers that differ"),
  ]

  /// What can be listed.
  enum Subject: String, CaseIterable {
    case operations, steps, invariants, protocols, rules, specimens, limits, exports

    fileprivate var entries: [Entry] {
      switch self {
      case .operations: Procedure.operations.compactMap(Entry.operation)
      case .steps: Procedure.allCases.filter { $0 != .idle }.map(Entry.steps)
      case .invariants: Invariant.allCases.map(Entry.invariant)
      case .protocols: Protocol.all.map(Entry.protocol)
      case .rules: Rule.allCases.map(Entry.rule)
      case .specimens: Specimen.all.map(Entry.specimen)
      case .limits:
        (Limits.all + ProgramLimits.all + SearchLimits.all + ExplanationLimits.all)
          .map { Entry.limit($0.name, $0.value) }
      case .exports: Exporter.allCases.map(Entry.export)
      }
    }
  }

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let subject = arguments.operands.first.flatMap(Subject.init(rawValue:))
    if let first = arguments[difference] {
      guard subject == .protocols, arguments.operands.count == 2 else {
        throw UsageError("--diff compares two protocols: list protocols --diff A B")
      }
      return try compare(first, arguments.operands[1], isJSON: arguments.isJSON)
    }
    guard arguments.operands.count == 1 else {
      throw UsageError("one argument too many: '\(arguments.operands[1])'")
    }
    let entries = subject?.entries ?? []
    for entry in entries {
      try arguments.isJSON ? Output.line(entry.json) : Output.line(entry.text)
    }
    return .success
  }
}

extension ListCommand {
  private static func compare(
    _ first: String, _ second: String, isJSON: Bool
  ) throws -> ExitStatus {
    let variants = try [first, second].map(VariantOption.parse)
    for entry in ProtocolDifference(variants[0], variants[1]).entries {
      let text = "\(entry.name): \(first) \(entry.first), \(second) \(entry.second)"
      try isJSON ? Output.line(entry.json) : Output.line(text)
    }
    return .success
  }
}

/// One thing of a list, in both forms.
private struct Entry {
  var json: JSONText
  /// The name, and what stands beside it.
  var head: String
  /// Further lines, indented.
  var body: [String] = []

  var text: String { ([head] + body.map { "    " + $0 }).joined(separator: "\n") }

  static func operation(_ operation: Procedure) -> Entry? {
    guard let signature = operation.signature else { return nil }
    let usage = signature.usage
    return Entry(
      json: [
        "name": .string(signature.name), "usage": .string(usage),
        "summary": .string(signature.summary),
        "yieldsHandle": .boolean(signature.yieldsHandle), "weight": .count(signature.weight),
        "domains": .strings(signature.enabledBy.names), "steps": .strings(operation.stepNames),
      ],
      head: usage, body: [signature.summary])
  }

  static func limit(_ name: String, _ value: Int) -> Entry {
    Entry(json: ["name": .string(name), "value": .count(value)], head: "\(name) \(value)")
  }

  static func export(_ exporter: Exporter) -> Entry {
    let reasons = Procedure.operations.compactMap { operation in
      exporter.reason(against: operation).map { (operation.name, $0) }
    }
    return Entry(
      json: [
        "name": .string(exporter.rawValue), "summary": .string(exporter.summary),
        "inexpressible": .array(
          reasons.map { ["operation": .string($0.0), "reason": .string($0.1)] }),
      ],
      head: "\(exporter.rawValue)  \(exporter.summary)",
      body: reasons.map { "not \($0.0): \($0.1)" })
  }

  static func steps(_ procedure: Procedure) -> Entry {
    Entry(
      json: [
        "procedure": .string(procedure.name),
        "isOperation": .boolean(procedure.signature != nil),
        "steps": .strings(procedure.stepNames),
      ],
      head: procedure.name, body: [procedure.stepNames.joined(separator: ", ")])
  }

  static func invariant(_ invariant: Invariant) -> Entry {
    Entry(
      json: [
        "name": .string(invariant.name), "statement": .string(invariant.statement),
        "source": .string(invariant.source), "stops": .boolean(invariant.stops),
      ],
      head: "\(invariant.name)  \(invariant.statement)", body: [invariant.source])
  }

  static func `protocol`(_ base: Protocol) -> Entry {
    Entry(
      json: [
        "name": .string(base.name), "summary": .string(base.summary),
        "source": .string(base.source), "domains": .strings(base.design.domains.names),
        "knownBugs": .array(
          base.knownBugs.map { ["rule": .string($0.rule.name), "source": .string($0.source)] }),
        "patches": .array(
          base.patches.map { ["number": .count($0.number), "title": .string($0.title)] }),
      ],
      head: "\(base.name)  \(base.summary)",
      body: [base.source, "models \(base.design.domains.names.joined(separator: ", "))"]
        + base.knownBugs.map { "breaks \($0.rule.name): \($0.source)" }
        + base.patches.map { patch in
          "-patch\(patch.number) leaves out: \(patch.title)"
            + (patch.effect == nil ? " (nothing of it in the model)" : "")
        })
  }

  static func rule(_ rule: Rule) -> Entry {
    let info = rule.info
    return Entry(
      json: [
        "name": .string(rule.name), "bug": .string(info.bug), "meaning": .string(info.meaning),
        "breaks": .strings(info.breaks.map(\.name)), "source": .string(info.source),
      ],
      head: "\(rule.name)  \(info.meaning)",
      body: [
        "broken: \(info.bug), must be found by \(info.breaks.map(\.name).joined(separator: " or "))",
        info.source,
      ])
  }

  static func specimen(_ specimen: Specimen) -> Entry {
    let breaks = specimen.breaks.map(\.name)
    return Entry(
      json: [
        "name": .string(specimen.name), "protocol": .string(specimen.variant.base.name),
        "rule": .string(specimen.rule.name), "breaks": .strings(breaks),
        "source": .string(specimen.source), "variant": .string(specimen.variant.name),
      ],
      head: "\(specimen.name)  \(specimen.variant.name)",
      body: ["breaks \(breaks.joined(separator: " or ")); \(specimen.source)"])
  }
}

extension DomainSet {
  fileprivate var names: [String] {
    Domain.allCases.filter { contains(DomainSet([$0])) }.map { "\($0)" }
  }
}

extension Signature {
  /// How a call of it is written, with its options in brackets.
  fileprivate var usage: String {
    var needed: [String] = []
    var optional: [String] = []
    for parameter in parameters {
      switch parameter {
      case .mm: needed.append("mm0")
      case .address, .filePage, .sourcePage: needed.append("file0:0")
      case .file: needed.append("file0")
      case .mapping: needed.append("m0")
      case .handle: needed.append("h1")
      case .pfn: needed.append("p0")
      case .pagemap: needed.append("d0")
      case .cpu: needed.append("cpu0")
      case .value: needed.append("BYTE")
      case .size: needed.append("SIZE")
      case .pages: optional.append("pages=N")
      case .times: optional.append("times=N")
      case .iova: needed.append("iova0:0")
      case .entries: optional.append("entries=N")
      case .flags(let flags):
        optional += CallFlags.named.filter { flags.contains($0.flag) }.map(\.name)
      }
    }
    let comma = needed.isEmpty ? "" : ", "
    let operands =
      needed.joined(separator: ", ")
      + optional.enumerated().map { "[\($0 == 0 ? comma : ", ")\($1)]" }.joined()
    return (yieldsHandle ? "h1 = " : "") + "\(name)(\(operands))"
  }
}
