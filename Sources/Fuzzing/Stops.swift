// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

// Where the calls of a program stop, so that two programs of one bug stop at one place.
extension Reducer {
  /// Stops every call where the first step is that will do.
  mutating func advanceStops() {
    for line in program.lines.indices {
      guard let stop = program.lines[line].instruction?.until else { continue }
      for earlier in Self.stops(of: line, in: program) where earlier != stop {
        var candidate = program
        candidate.lines[line].instruction?.until = earlier
        if acceptEqual(candidate) { break }
      }
    }
  }

  /// Tries programs in which one call is preempted, by everything after it; also where that needs
  /// a call less, or two.
  mutating func useOneStop() {
    let calls = program.instructions.indices.filter { program.instructions[$0].call != nil }
    guard calls.count <= SearchLimits.oneStopCalls else {
      // What has no part in it is left out afterwards: nothing waits for it any more.
      if calls.count <= SearchLimits.pairedLines { _ = tryOneStop(calls) }
      return
    }
    // Every pair, every single call, and none.
    let pairs = calls.flatMap { first in calls.filter { $0 > first }.map { Set([first, $0]) } }
    for left in pairs + calls.map({ Set([$0]) }) + [[]] {
      if tryOneStop(calls.filter { !left.contains($0) }) { return }
    }
  }

  private mutating func tryOneStop(_ lines: [Int]) -> Bool {
    var whole = program
    whole.lines = lines.map { program.lines[$0] }
    for place in whole.lines.indices.dropLast() {
      for line in whole.lines.indices {
        whole.lines[line].instruction?.cpu = CPUID(line <= place ? 0 : 1)
        whole.lines[line].instruction?.until = nil
      }
      var candidate = whole
      candidate.lines[place].instruction?.until = StopPoint(.idle, 0)
      guard Cost(candidate) < Cost(program) else { continue }
      for stop in Self.stops(of: place, in: whole) {
        candidate.lines[place].instruction?.until = stop
        if accept(candidate) { return true }
      }
    }
    return false
  }

  /// The steps a line of a program executes, each as a place to stop before it, the first visit.
  static func stops(of line: Int, in program: Program) -> [StopPoint] {
    var stops: [StopPoint] = []
    _ = Execution.run(program) { step, _, _ in
      guard step.line == line else { return }
      let stop = StopPoint(step.name.procedure, step.name.step)
      if !stops.contains(stop) { stops.append(stop) }
    }
    return stops
  }
}
