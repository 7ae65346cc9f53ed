// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@testable import Fuzzing

@Suite("Fat programs")
struct ReductionTrialTests {
  static let score: ReductionScore = {
    // As many as give some bug several programs.
    var trials = ReductionTrial(programs: 90)
    var score = ReductionScore()
    while score.results.count < 40, let finding = trials.next() {
      score.add(ReductionScore.Result(finding))
    }
    return score
  }()

  @Test("Programs of many protocols with several bugs keep their identity, reduced once or twice")
  func identity() {
    let results = Self.score.results
    #expect(results.count == 40)
    #expect(Set(results.map(\.before.program.variant.name)).count >= 10)
    for result in results {
      #expect(result.keepsIdentity && result.isStable, "\(result.text)")
      #expect(ReductionTrial.calls.contains(result.before.callsBefore))
      let certificate = Certificate(of: result.after.program)
      #expect(!certificate.entries.isEmpty)
      #expect(!certificate.contradicts(result.before.identity), "\(certificate.comments)")
    }
  }

  @Test("Of hundreds of calls few are left")
  func small() {
    let calls = Self.score.results.map(\.after.program.callCount).sorted()
    #expect(calls[calls.count / 2] <= 4)
  }

  @Test("One bug ends in one file, and no two bugs do")
  func oneFile() {
    let (sameBug, sameFile, both) = Self.score.pairs
    #expect(sameBug >= 1)
    #expect(both == sameBug && both == sameFile, "\(Self.score.several)")
  }

  @Test("Few programs are tried")
  func fewRuns() {
    let runs = Self.score.results.map(\.after.reductionRuns)
    #expect(runs.map(\.calls).sorted()[runs.count / 2] <= 40)
    #expect(runs.map(\.all).sorted()[runs.count / 2] <= 400)
    #expect(runs.allSatisfy { $0.all <= SearchLimits.reductionRuns && $0.executions >= $0.all })
  }

  @Test("What was reduced up to the limit says so, also where nothing but the proof was left")
  func limit() throws {
    let finding = try #require(Self.score.results.first?.before)
    func reduced(within limit: Int) -> Reducer {
      var reducer = Reducer(finding.program, showing: finding.identity, limit: limit)
      _ = reducer.reduce()
      return reducer
    }
    let whole = reduced(within: SearchLimits.reductionRuns)
    #expect(whole.isConverged)
    for limit in [3, whole.runs / 2, whole.runs - 1] {
      let cut = reduced(within: limit)
      #expect(cut.runs == limit && !cut.isConverged)
    }
  }
}
