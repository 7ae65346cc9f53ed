// SPDX-License-Identifier: MIT

import Console
import PageLifecycle
import Programs

/// An explanation as one object; its names are stable.
enum JSONReport {
  static func object(of explanation: Explanation, _ name: String) -> JSONText {
    let (identity, violation) = (explanation.identity, explanation.violation)
    return [
      "file": .string(name), "id": .string("\(identity)"),
      "protocol": .string(explanation.program.variant.name),
      "invariant": .string(identity.invariant.name), "cause": .string("\(identity.cause)"),
      "operation": .string(violation.procedure.name),
      "step": .count(violation.stepNumber),
      "preemptions": .count(explanation.program.preemptionCount),
      "statement": .string(identity.invariant.statement),
      "source": .string(identity.invariant.source),
      "violated": .string(TraceText.words(for: violation)),
      "rules": .array(explanation.blames.map(blame)),
      "ledger": .array(explanation.accounts.map(account)),
      "windows": .array(explanation.windows.map(window)),
      "depth": depth(explanation.depth), "hitRate": rate(explanation.rate),
      "before": dependencies(explanation.dependencies),
      "protocols": .array(explanation.protocols.map(outcome)),
      "trace": .array(explanation.trace.rows.map(row)),
    ]
  }

  private static func blame(_ blame: RuleBlame) -> JSONText {
    let rules = blame.rules.map { rule -> JSONText in
      [
        "rule": .string(rule.name), "bug": .string(rule.info.bug),
        "meaning": .string(rule.info.meaning), "source": .string(rule.info.source),
      ]
    }
    return [
      "rules": .array(rules), "isCause": .boolean(blame.isCause),
      "remaining": .strings(blame.remaining), "known": .strings(blame.known),
      "repairedAs": .string(blame.variant),
    ]
  }

  private static func account(_ account: PageAccount) -> JSONText {
    [
      "page": .string(Spelling.pfn(account.page)), "refcount": .count(Int(account.refcount)),
      "due": .count(Int(account.due)), "references": .array(account.references.map(reference)),
    ]
  }

  private static func reference(_ reference: PageAccount.Reference) -> JSONText {
    [
      "holder": .string(reference.holder.name), "count": .count(Int(reference.count)),
      "birth": place(reference.birth), "death": reference.death.map(place) ?? .null,
      "becomes": .text(reference.successor?.name), "blame": .text(reference.blame.map { "\($0)" }),
    ]
  }

  private static func place(_ place: PageAccount.Place) -> JSONText {
    guard place.step > 0 else { return ["step": 0, "cpu": nil, "name": "boot", "call": nil] }
    return [
      "step": .count(place.step), "cpu": .string(Spelling.cpuOrEnd(place.cpu)),
      "name": .string("\(place.name)"), "call": .string(ProgramPrinter.text(of: place.call)),
    ]
  }

  private static func window(_ window: RaceWindow) -> JSONText {
    [
      "line": .count(window.line + 1), "text": .string(window.text),
      "first": .string(window.name(of: window.range.lowerBound)),
      "last": .string(window.name(of: window.range.upperBound)),
      "length": .count(window.range.count), "open": .count(window.openCount),
      "places": .count(window.isOpen.count),
    ]
  }

  private static func depth(_ depth: BugDepth) -> JSONText {
    [
      "constraints": depth.constraints.map { .count($0) } ?? .null, "cpus": .count(depth.cpus),
      "schedules": .count(depth.schedules),
      "guaranteedOneIn": depth.guarantee.map { .count($0) } ?? .null,
    ]
  }

  private static func rate(_ rate: HitRate) -> JSONText {
    [
      "perMillion": .count(rate.perMillion), "oneIn": rate.oneIn.map { .count($0) } ?? .null,
      "isExact": .boolean(rate.sampled == nil),
      "choices": .count(rate.states), "hits": .count(rate.hits),
      "schedules": rate.sampled.map { .count($0) } ?? .null,
      "low": rate.interval.map { .count($0.lowerBound) } ?? .null,
      "high": rate.interval.map { .count($0.upperBound) } ?? .null,
    ]
  }

  private static func dependencies(_ dependencies: Dependencies) -> JSONText {
    let edges = dependencies.edges.map { edge -> JSONText in
      [
        "from": .count(edge.from), "to": .count(edge.to), "kind": .string(edge.kind.rawValue),
        "objects": .strings(edge.objects),
      ]
    }
    return [
      "steps": .array(dependencies.steps.sorted().map { .count($0) }),
      "of": .count(dependencies.stepCount), "edges": .array(edges),
    ]
  }

  private static func outcome(_ outcome: ProtocolOutcome) -> JSONText {
    [
      "protocol": .string(outcome.name), "shipped": result(outcome.shipped),
      "repaired": result(outcome.repaired),
    ]
  }

  private static func result(_ result: ProtocolOutcome.Result) -> JSONText {
    switch result {
    case .violated(let signatures): ["result": "violated", "found": .strings(signatures)]
    case .clean: ["result": "clean"]
    case .notExpressible(let reason): ["result": "notExpressible", "reason": .string(reason)]
    }
  }

  private static func row(_ row: TraceTable.Row) -> JSONText {
    let step = row.step
    var fields: [JSONText.Field] = [
      .init("step", .count(step.number)), .init("cpu", .string(Spelling.cpuOrEnd(step.cpu))),
      .init("line", step.line.map { .count($0 + 1) } ?? .null),
      .init("name", .string("\(step.name)")), .init("blocked", .boolean(step.isBlocked)),
      .init("result", .text(step.result.map { "\($0)" })), .init("needed", .boolean(row.isNeeded)),
    ]
    for column in TraceTable.Column.allCases {
      fields.append(.init(column.rawValue, .text(row[column]?.after)))
    }
    let changed = TraceTable.Column.allCases.filter { row[$0]?.isChanged ?? false }
    fields.append(.init("changed", .strings(changed.map(\.rawValue))))
    return .object(fields)
  }
}
