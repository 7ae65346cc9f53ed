// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Testing

/// All that page tables, blocks of pages and pins can do in a few calls.
@Suite("Small programs of proposals")
struct SeedProgramTests {
  static let protocols = Protocol.all.filter { !$0.isOfKernel }
  static let repaired = protocols.map { Variant($0, isRepaired: true) }

  /// Every program of a few calls, up to equality of states.
  static func search(_ variant: Variant, calls: Int) -> Explorer.Outcome {
    var bounds = Explorer.Bounds()
    (bounds.cpus, bounds.calls) = (2, calls)
    let operations = Procedure.operations.filter {
      [.iommu, .buddy, .lru].contains($0.signature?.domain) || $0 == .folioTryGet
        || ($0 == .putPage || $0 == .unpinUserPages)
    }
    let alphabet = Alphabet(pages: 1, files: 1, operations: operations)
    var explorer = Explorer(from: Machine(variant.rules), within: bounds) { machine, _, _ in
      alphabet.calls(in: machine)
    }
    return explorer.search()
  }

  @Test("Every program of three calls is clean where every rule is obeyed", arguments: repaired)
  func small(_ variant: Variant) {
    let outcome = Self.search(variant, calls: 3)
    #expect(outcome.isComplete)
    #expect(outcome.states > 200)
    #expect(outcome.violated.isEmpty, "\(outcome.violated)")
  }

  @Test("Of four calls a proposal breaks what it declares, and nothing else", arguments: protocols)
  func declared(_ base: Protocol) {
    let outcome = Self.search(Variant(base), calls: 4)
    let declared = Set(base.knownBugs.flatMap(\.rule.info.breaks))
    #expect(outcome.isComplete)
    #expect(outcome.violated.isSubset(of: declared), "\(outcome.violated)")
    #expect(outcome.violated.isEmpty == declared.isEmpty)
  }
}
