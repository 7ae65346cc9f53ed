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

@Suite("The uniform random walk")
struct UniformWalkTests {
  @Test("A CPU runs as often as it has steps left")
  func share() {
    var random = Random(seed: 1)
    var first = 0
    for _ in 0..<3000 {
      var scheduler = UniformWalk(stepsPerCall: 10)
      scheduler.begin(calls: [3, 1])
      let (cpu, pace) = scheduler.choose(among: Bits(rawValue: 0b11), &random)
      #expect(pace == Pace(1))
      if cpu == CPUID(0) { first += 1 }
    }
    #expect((2100...2400).contains(first), "three of four, and not \(first) of 3000")
  }

  @Test("Both interleavings of one step with many are found equally often")
  func uniform() {
    var random = Random(seed: 2)
    var earlyEnds = 0
    for _ in 0..<2000 {
      var scheduler = UniformWalk(stepsPerCall: 1)
      scheduler.begin(calls: [1, 3])
      var order: [Int] = []
      var left = [1, 3]
      while left != [0, 0] {
        var open = Bits<CPUID>()
        for cpu in 0..<2 where left[cpu] > 0 { open.insert(CPUID(cpu)) }
        let (cpu, _) = scheduler.choose(among: open, &random)
        left[cpu.position] -= 1
        scheduler.note(executed: 1)
        order.append(cpu.position)
      }
      if order.first == 0 { earlyEnds += 1 }
    }
    #expect((420...580).contains(earlyEnds), "one of four, and not \(earlyEnds) of 2000")
  }
}
