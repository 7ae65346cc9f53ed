// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@testable import Fuzzing

@Suite("Distilling a corpus")
struct CorpusTests {
  private static let program = Program(Variant(Protocol.all[0]))

  private static func corpus(_ features: [[UInt32]]) -> Corpus {
    features.reduce(into: Corpus()) { $0.add(.init(program, features: $1)) }
  }

  @Test("The largest goes first, and what adds nothing is left out")
  func greedy() {
    let corpus = Self.corpus([[1], [1, 2, 3], [3, 4], [2, 3], [4, 5, 6, 7], []])
    let chosen = corpus.distilled().map { $0.features }
    #expect(chosen == [[4, 5, 6, 7], [1, 2, 3]])
    #expect(corpus.features == 7)
    #expect(corpus.distilled(limit: 1).count == 1)
    #expect(Corpus().distilled().isEmpty)
  }

  @Test("It covers whatever the whole covers", arguments: 1...20 as ClosedRange<UInt64>)
  func covering(seed: UInt64) {
    var random = Random(seed: seed)
    let corpus = Self.corpus(
      (0..<40).map { _ in Set((0..<6).map { _ in UInt32(random.below(60)) }).sorted() })
    let chosen = corpus.distilled()
    let covered = Set(chosen.flatMap { $0.features })
    let all = Set(corpus.entries.flatMap { $0.features })
    #expect(covered == all)
    #expect(chosen.count < 40)
  }
}
