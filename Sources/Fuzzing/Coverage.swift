// SPDX-License-Identifier: MIT

package import PageLifecycle
import Programs

/// What a campaign has reached.
///
/// A *state* is the hash of a machine after the last line of a program, before its staged end.  A
/// *feature* is something a step or a line of a program does (``Footprint``).
package struct Coverage: Sendable {
  /// What its programs have done.
  package internal(set) var footprint = Footprint()
  /// About how many distinct states (see ``DistinctCount``).
  package var states: Int { seen.estimate }
  /// Distinct features.
  package var features: Int { footprint.count }
  /// What states have changed since ``forget(_:)``.
  private(set) var rises: [DistinctCount.Rise] = []

  private var seen = DistinctCount()

  /// Nothing yet.
  package init() {}

  /// Features of the program at hand that none before had, in the order it reached them.
  var news: [UInt32] { footprint.news }

  /// Notes the state at the end of a program's lines.
  mutating func add(_ machine: inout Machine) {
    if let rise = seen.insert(machine.hashState()) { rises.append(rise) }
  }

  /// Takes back all states since the last time, and features that were new since then.
  mutating func forget(_ features: some Sequence<UInt32>) {
    footprint.forget(features)
    for rise in rises.reversed() { seen.undo(rise) }
    rises.removeAll(keepingCapacity: true)
  }

  /// Takes states somebody else saw.
  mutating func take(_ rises: [DistinctCount.Rise]) {
    for rise in rises { seen.take(rise) }
  }

  /// The features of the lines of a program, in ascending order.
  static func features(of program: Program) -> [UInt32] {
    var footprint = Footprint()
    var run = Run(program.machine())
    for instruction in program.instructions where !run.machine.verdict.isStopped {
      run.execute(instruction, noting: &footprint)
    }
    return footprint.news.sorted()
  }
}

extension Coverage {
  func pack(into packer: inout Packer) {
    packer.add(ascending: footprint.members)
    seen.pack(into: &packer)
  }

  init(_ unpacker: inout Unpacker) throws(Unpackable) {
    self.init()
    _ = footprint.take(try unpacker.ascending(below: Footprint.capacity))
    seen = try DistinctCount(&unpacker)
  }
}
