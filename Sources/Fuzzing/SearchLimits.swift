// SPDX-License-Identifier: MIT

/// Every bound of the search.
package enum SearchLimits {
  /// Calls of the longest programs a campaign draws, and of the longest that go on from one.
  package static let programCalls = 96
  /// Calls of the longest programs that go on from a machine that is kept for a CPU that stands.
  package static let windowCalls = 32
  /// Calls of the longest programs that mutations draw, and of those that benchmarks execute.
  package static let standardCalls = 24
  /// Calls of the longest program of a campaign's beginning: short ones first.
  package static let firstCalls = 8
  /// Programs of one protocol after which the longest may have one call more.
  package static let programsPerLength = 8
  /// Operations that are drawn, and operands of each, until a call is taken that is not useful.
  package static let operationTries = 5
  package static let operandTries = 12
  /// Calls that are drawn evenly until one is taken that is not useful.
  package static let evenTries = 9
  /// Programs of one protocol that a campaign begins with, and of how many of those one is even.
  package static let firstPrograms = 1000
  package static let programsPerEven = 3
  /// Shards of an epoch that are whole; those that are half as long, and a quarter, come last, so
  /// that nobody waits long for the last one.
  package static let wholeShards = 14
  package static let halfShards = 2
  package static let quarterShards = 4
  /// Shards of an epoch: that many workers at most are busy at a time.
  package static let shards = wholeShards + halfShards + quarterShards
  /// Programs of a whole shard in the first epochs, and in late ones: what a shard learns, others
  /// know an epoch later.
  package static let firstShardPrograms = 4
  package static let lastShardPrograms = 1024
  /// Epochs after which a shard has twice as many programs.
  package static let epochsPerDoubling = 8
  /// Programs one reduction may run before it keeps what it has.
  package static let reductionRuns = 20_000
  /// Lines up to which a reduction tries to drop every two of them together.
  package static let pairedLines = 16
  /// Calls up to which a reduction tries every place where one of them may be preempted.
  package static let oneStopCalls = 6
  /// Calls up to which a reduction tries two changes at once.
  package static let jointCalls = 5
  /// Those up to which it also tries their order then.
  package static let jointOrders = 3
  /// Reductions of one signature that no repair explains, before further ones are only counted.
  package static let unexplained = 64

  /// What a step that writes a page, or a file's entry, takes of a burst of the selective walk.
  package static let sharedCost = 16
  /// Turns until a CPU is left standing in a call, in the mean.
  package static let turnsPerStall = 4
  /// Turns of other CPUs until one that stands still goes on, in the mean.
  package static let stallingTurns = 16
  /// Steps of a call after which a CPU is left standing at the latest.
  package static let stallingSteps = 48

  /// Of so many programs one is drawn from nothing; the others go on from an earlier one.
  package static let programsPerFresh = 7
  /// Checkpoints a campaign keeps, of all its protocols together.
  package static let checkpoints = 1024
  /// Lines up to which a program is gone on with.
  package static let checkpointLines = 512
  /// Programs that go on from a machine before another one may take its place for the same windows.
  package static let triesPerMachine = 32
  /// Checkpoints that one is chosen among.
  static let tournament = 4

  /// Calls a mutation adds at most to the beginning of a program.
  package static let suffixCalls = 6
  /// Calls a mutation adds at most to those it interleaves in another way, and one more.
  package static let addedCalls = 3
  /// Lines of the longest program that a mutation makes.
  package static let mutatedLines = 96
  /// Mutations that are tried in the mean before a program is left as it is.
  package static let mutationTries = 8

  /// Programs a corpus is distilled from; later ones are not taken.
  package static let corpusCandidates = 20_000
  /// Programs a distilled corpus has at most.
  package static let corpusPrograms = 500

  /// Name and value of each, for `list limits`.
  package static let all: [(name: String, value: Int)] = [
    ("programCalls", programCalls), ("windowCalls", windowCalls),
    ("standardCalls", standardCalls), ("firstCalls", firstCalls),
    ("programsPerLength", programsPerLength), ("operationTries", operationTries),
    ("operandTries", operandTries), ("evenTries", evenTries), ("firstPrograms", firstPrograms),
    ("programsPerEven", programsPerEven), ("wholeShards", wholeShards),
    ("halfShards", halfShards), ("quarterShards", quarterShards), ("shards", shards),
    ("firstShardPrograms", firstShardPrograms), ("lastShardPrograms", lastShardPrograms),
    ("epochsPerDoubling", epochsPerDoubling), ("checkpointLines", checkpointLines),
    ("reductionRuns", reductionRuns), ("pairedLines", pairedLines), ("oneStopCalls", oneStopCalls),
    ("jointCalls", jointCalls), ("jointOrders", jointOrders), ("unexplained", unexplained),
    ("programsPerFresh", programsPerFresh), ("checkpoints", checkpoints),
    ("triesPerMachine", triesPerMachine),
    ("sharedCost", sharedCost), ("turnsPerStall", turnsPerStall),
    ("stallingTurns", stallingTurns), ("stallingSteps", stallingSteps),
    ("suffixCalls", suffixCalls), ("addedCalls", addedCalls), ("mutatedLines", mutatedLines),
    ("mutationTries", mutationTries),
    ("corpusCandidates", corpusCandidates), ("corpusPrograms", corpusPrograms),
  ]
}
