// SPDX-License-Identifier: MIT

/// What a violation is about: the object an invariant names.
package enum Subject: Equatable, Hashable, Sendable {
  case page(PFN)
  case file(FileID)
  case task(CPUID)
  case pagemap
}

/// Which holder of a page a violation found missing, too many, or where it may not be.
package struct Blame: Equatable, Hashable, Sendable {
  package enum Kind: UInt8, Sendable { case missing, extra, foreign }
  package var kind: Kind
  package var holder: Holder
  package init(_ kind: Kind, _ holder: Holder) { (self.kind, self.holder) = (kind, holder) }
  package var name: String { "\(kind)-\(holder.name)" }
}

/// An invariant that does not hold, where and when.
package struct Violation: Equatable, Sendable {
  package var invariant: Invariant
  package var subject: Subject
  package var type = MemoryType.invalid
  package var blame: Blame?
  package var cpu = CPUID(0)
  package var procedure = Procedure.idle
  package var step: UInt8 = 0
  /// Atomic steps executed before, lines and staged end together.
  package var stepNumber = 0
  /// Of a data race, the access that came first.
  package var race: DataRace?
}

/// The violations of one run.
package struct Verdict: Sendable {
  package internal(set) var count = 0
  /// Violations that named an object an earlier one had tainted.
  package internal(set) var consequences = 0
  /// Accounting or memory is wrong: going on would only show consequences.
  package internal(set) var isStopped = false
  var taintedPages = Bits<PFN>()
  var taintedFiles = Bits<FileID>()
  var kept = InlineArray<8, Violation>(
    repeating: Violation(invariant: .I1, subject: .pagemap))
  package internal(set) var stepsJudged = 0
  /// Pages that migrations took to another place, and pages they had to leave where they were.
  package internal(set) var pagesMoved = 0
  package internal(set) var pagesStayed = 0

  package subscript(_ position: Int) -> Violation { kept[position] }
  package var first: Violation? { count == 0 ? nil : kept[0] }
  package var all: [Violation] { (0..<min(count, Limits.violations)).map { kept[$0] } }

  /// The objects whose later violations are consequences: equal runs may differ in them.
  package var taints: UInt64 {
    var taints = UInt64(taintedPages.rawValue) | UInt64(taintedFiles.rawValue) << 32
    // A task or the pgmap is tainted for one invariant each.
    for violation in all {
      switch violation.subject {
      case .page, .file: continue
      case .task, .pagemap:
        taints &+= (UInt64(violation.invariant.rawValue) << 40) &* 0x9E37_79B9
      }
    }
    return taints
  }

  mutating func add(_ violation: Violation) {
    switch violation.subject {
    case .page(let pfn):
      if taintedPages.contains(pfn) { consequences += 1; return }
      taintedPages.insert(pfn)
    case .file(let file):
      if taintedFiles.contains(file) { consequences += 1; return }
      taintedFiles.insert(file)
    case .task, .pagemap:
      if all.contains(where: { $0.invariant == violation.invariant }) { return }
    }
    if count < Limits.violations { kept[count] = violation }
    count += 1
    if violation.invariant.stops { isStopped = true }
  }
}
