// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Testing

/// The explorer against somebody who tries everything.
///
/// A whole race has more interleavings than anybody can walk.  The last part of one has not: it
/// begins where fewer than a limit are left, at a place a random way through the race passed.
@Suite("The explorer, and a plain enumeration of every interleaving")
struct EnumerationTests {
  static let limit = 1_000
  static let wholeLimit = 20_000

  static let cases: [(Race, Variant)] =
    RaceTests.correct
    + RaceTests.cases.filter { $0.1.variant.base.name == "v6.1" }.map { ($0, $1.variant) }

  @Test("They find the same violations and the same final states", arguments: cases)
  func agreement(_ race: Race, _ variant: Variant) throws {
    let (scene, count) = try race.closeUp(variant, wholeLimit: Self.wholeLimit, limit: Self.limit)
    var enumerator = PlainEnumerator()
    enumerator.enumerate(scene)
    var explorer = Explorer.race(scene.calls, from: scene.machine)
    let outcome = explorer.search()
    let earlier = Set(scene.machine.verdict.all.map(\.invariant))
    #expect(outcome.isComplete)
    #expect(enumerator.interleavings == count)
    #expect(outcome.violated == enumerator.violated.subtracting(earlier))
    #expect(outcome.finalStates == enumerator.finalStates)
  }
}
