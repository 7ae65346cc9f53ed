// SPDX-License-Identifier: MIT

import Testing

@testable import Fuzzing

@Suite("The random generator")
struct RandomTests {
  /// Computed by the authors' C code: SplitMix64 from the seed 1234567, then xoshiro256**.
  @Test("Its first words are those of xoshiro256**")
  func reference() {
    var random = Random(seed: 1_234_567)
    let words = (0..<5).map { _ in random.next() }
    #expect(
      words == [
        3_504_822_795_582_309_479, 1_819_558_768_956_484_042, 1_250_851_346_055_027_673,
        16_940_231_675_099_994_102, 11_585_879_347_611_423_030,
      ])
  }

  @Test("Drawing from one stream moves no other")
  func streams() {
    var first = Random.stream(seed: 7, .calls, 3)
    var other = Random.stream(seed: 7, .schedule, 3)
    let expected = (first.next(), other.next())
    var again = Random.stream(seed: 7, .calls, 3)
    for _ in 0..<100 { _ = again.next() }
    var undisturbed = Random.stream(seed: 7, .schedule, 3)
    #expect(undisturbed.next() == expected.1)
    #expect(expected.0 != expected.1)
    var next = Random.stream(seed: 7, .calls, 4)
    #expect(next.next() != expected.0)
  }

  @Test("A bounded number reaches every value below the bound, and none else")
  func bounds() {
    var random = Random(seed: 1)
    var seen = [Int](repeating: 0, count: 7)
    for _ in 0..<7000 { seen[random.below(7)] += 1 }
    #expect(seen.allSatisfy { (850...1150).contains($0) }, "\(seen)")
  }
}
