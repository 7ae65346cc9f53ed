// SPDX-License-Identifier: MIT

/// Every bound of an explanation.
package enum ExplanationLimits {
  /// Steps of all schedules tried to find how deep a bug is; beyond them it is called deeper.
  package static let depthSteps = 1_000_000
  /// Ordering constraints looked for at most.
  package static let depth = 3
  /// Steps of all interleavings followed to count a hit rate exactly; beyond them it is sampled.
  package static let rateSteps = 200_000
  /// Schedules of a sample.
  package static let sampledSchedules = 1_000
  /// The seed a sample is drawn with.
  package static let sampleSeed: UInt64 = 1
  /// Dependencies that texts and pictures show; the rest is counted.
  package static let dependencies = 40
  /// Bytes of a picture's longest label; longer ones end in `...`.
  package static let label = 44

  /// Name and value of each, for `list limits`.
  package static let all: [(name: String, value: Int)] = [
    ("depthSteps", depthSteps), ("depth", depth), ("rateSteps", rateSteps),
    ("sampledSchedules", sampledSchedules), ("dependencies", dependencies), ("label", label),
  ]
}
