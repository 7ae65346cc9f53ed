// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// What a campaign has reached, each thing counted once.
///
/// A *state* is the hash of a machine after the last line of a program, before its staged end.
/// A *feature* is an ordered pair of steps executed one right after the other, by one CPU or by
/// two: the edges of the procedures, and the ways they interleave.
package struct Coverage: Sendable {
  /// Distinct states, at most ``SearchLimits/states``.
  package var states: Int { seen.count }
  /// Distinct pairs of steps.
  package private(set) var features = 0

  private var seen: Set<UInt64> = []
  private var pairs: [UInt64]
  private var last: Int?
  /// The pairs of the program at hand, in the order it went through them.
  private var path: [UInt32] = []
  /// Pairs of it that none before had.
  private(set) var news = 0

  /// Where the steps of each procedure begin in one row of all steps.
  private static let starts: [Int] = {
    var starts = [Int](repeating: 0, count: 257)
    for number in 0..<256 {
      let steps = Procedure(rawValue: UInt8(number))?.stepNames.count ?? 0
      starts[number + 1] = starts[number] + steps
    }
    return starts
  }()

  /// Nothing yet.
  package init() {
    let steps = Self.starts[256]
    pairs = [UInt64](repeating: 0, count: (steps * steps + 63) / 64)
  }

  /// The next steps follow nothing: a program begins.
  mutating func begin() {
    (last, news) = (nil, 0)
    path.removeAll(keepingCapacity: true)
  }

  /// The pairs of the program at hand, in ascending order.
  var programFeatures: [UInt32] { Self.sorted(path) }

  /// Notes steps in the order they were executed.
  mutating func add(_ trail: [Recorder.Place]) {
    let steps = Self.starts[256]
    for place in trail {
      let number = Self.starts[Int(place >> 8)] + Int(place & 255)
      defer { last = number }
      guard let last else { continue }
      let bit = last * steps + number
      let mask = UInt64(1) << UInt64(bit % 64)
      path.append(UInt32(bit))
      if pairs[bit / 64] & mask == 0 {
        pairs[bit / 64] |= mask
        features += 1
        news += 1
      }
    }
  }

  /// The pairs of steps that the lines of a program go through, in ascending order.
  static func features(of program: Program) -> [UInt32] {
    var coverage = Coverage()
    _ = Execution.run(program) { step, _, _ in
      guard step.line != nil else { return }
      coverage.add([UInt16(step.name.procedure.rawValue) << 8 | UInt16(step.name.step)])
    }
    return coverage.programFeatures
  }

  private static func sorted(_ features: [UInt32]) -> [UInt32] {
    let sorted = features.sorted()
    return sorted.indices.filter { $0 == 0 || sorted[$0 - 1] != sorted[$0] }.map { sorted[$0] }
  }

  /// Notes the state at the end of a program's lines.
  mutating func add(_ machine: inout Machine) {
    if seen.count < SearchLimits.states { seen.insert(machine.hashState()) }
  }
}
