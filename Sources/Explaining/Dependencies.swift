// SPDX-License-Identifier: MIT

package import PageLifecycle
import Programs

/// The steps a violation depends on, and how calls hand something to each other on the way.
///
/// A step is taken to read what it writes and what its registers name: the page, the page-table
/// entry, the DAX entry.  That is more than it may read, never less of these; so what is left out
/// has nothing to do with the violation, and what is kept may.
package struct Dependencies: Sendable {
  /// How one call's step came before another's.
  package enum Kind: String, Sendable {
    /// A lock was released and taken again.
    case lock
    /// Somebody who could not go on could.
    case wakeUp
    /// What was written was read or written again.
    case word
  }

  /// One step of one call that a step of another depends on.
  package struct Edge: Equatable, Sendable {
    package var from: Int
    package var to: Int
    package var kind: Kind
    /// What was handed over.
    package var objects: [String]
  }

  /// The numbers of the steps the violation depends on.
  package private(set) var steps: Set<Int> = []
  /// In the order of the later step.
  package private(set) var edges: [Edge] = []
  /// Steps of the run up to the violation.
  package private(set) var stepCount = 0
  /// The CPU of each step and which of its calls it belongs to, from step 1.
  package private(set) var calls: [(cpu: CPUID, call: Int)] = []

  private var footprints: [Footprint] = []

  /// The dependencies of one violation.
  init(of violation: Violation, in program: Program) {
    var recorder = Recorder()
    _ = Execution.run(program) { step, before, run in
      guard step.number <= violation.stepNumber else { return }
      recorder.record(step, before, run.machine)
    }
    footprints = recorder.footprints
    stepCount = footprints.count
    calls = footprints.map { ($0.cpu, $0.call) }
    follow(from: violation.subject)
  }

  /// Goes back from the violation over every dependency.
  private mutating func follow(from subject: Subject) {
    var open: [Int] = footprints.isEmpty ? [] : [footprints.count - 1]
    // The judge looked at the subject after the last step, whatever that step looked at itself.
    if let last = footprints.indices.last,
      let writer = footprints.indices.dropLast().last(where: { index in
        footprints[index].writes.contains { $0.isOf(subject) }
      })
    {
      footprints[last].readers += footprints[writer].writes.filter { $0.isOf(subject) }
        .map { (writer, $0) }
    }
    var found: Set<Int> = []
    while let index = open.popLast() {
      guard found.insert(index).inserted else { continue }
      open += sources(of: index)
    }
    steps = Set(found.map { $0 + 1 })
    var told: Set<String> = []
    edges = found.sorted().flatMap { index in
      // A call that uses the same thing again has been told of.
      crossing(into: index).filter { edge in
        let (cpu, call) = (footprints[index].cpu.rawValue, footprints[index].call)
        return told.insert("\(edge.from) \(cpu) \(call) \(edge.kind) \(edge.objects)").inserted
      }
    }
  }

  /// Every step the one at an index depends on.
  private func sources(of index: Int) -> [Int] {
    var sources = footprints[index].readers.map(\.step)
    if let earlier = footprints[index].previous { sources.append(earlier) }
    if let lock = footprints[index].lockedBy { sources.append(lock.step) }
    if let waker = footprints[index].wokenBy { sources.append(waker) }
    return sources
  }

  /// What other calls handed to the step at an index.
  private func crossing(into index: Int) -> [Edge] {
    let own = footprints[index]
    let isOther: (Int) -> Bool = { step in
      let other = footprints[step]
      return other.cpu != own.cpu || other.call != own.call
    }
    var edges: [Edge] = []
    if let (step, lock) = own.lockedBy, isOther(step) {
      edges.append(Edge(from: step + 1, to: index + 1, kind: .lock, objects: [lock.name]))
    }
    if let step = own.wokenBy, isOther(step) {
      edges.append(Edge(from: step + 1, to: index + 1, kind: .wakeUp, objects: []))
    }
    var bySource: [Int: [String]] = [:]
    for (step, object) in own.readers where isOther(step) {
      bySource[step, default: []].append(object.name)
    }
    for step in bySource.keys.sorted() {
      let objects = bySource[step] ?? []
      edges.append(Edge(from: step + 1, to: index + 1, kind: .word, objects: objects))
    }
    return edges
  }
}

/// What one step wrote, and which earlier steps wrote what it may read.
private struct Footprint {
  var cpu: CPUID
  /// Calls of this CPU so far.
  var call: Int
  var writes: [StateObject] = []
  var readers: [(step: Int, object: StateObject)] = []
  /// The step of the same call before it.
  var previous: Int?
  var lockedBy: (step: Int, lock: LockID)?
  var wokenBy: Int?
}

/// Notes the footprint of every step of a run.
private struct Recorder {
  var footprints: [Footprint] = []
  private var callCounts = PerCPU<Int>(repeating: 0)
  private var lastOfCPU = PerCPU<Int>(repeating: -1)
  private var writers: [StateObject: Int] = [:]
  private var releasers: [LockID: Int] = [:]
  private var wakers = PerCPU<Int>(repeating: -1)

  mutating func record(_ step: ExecutedStep, _ before: Machine, _ after: Machine) {
    let index = footprints.count
    let cpu = step.cpu
    var footprint = Footprint(cpu: cpu, call: callCounts[cpu])
    if lastOfCPU[cpu] >= 0 { footprint.previous = lastOfCPU[cpu] }
    lastOfCPU[cpu] = index
    if wakers[cpu] >= 0 {
      footprint.wokenBy = wakers[cpu]
      wakers[cpu] = -1
    }
    footprint.writes = StateObject.changes(from: before, to: after)
    let objects = footprint.writes + StateObject.atHand(of: cpu, in: before)
    var seen: Set<StateObject> = []
    for object in objects where seen.insert(object).inserted {
      if let writer = writers[object] { footprint.readers.append((writer, object)) }
    }
    for object in footprint.writes { writers[object] = index }
    recordLocks(of: &footprint, before, after)
    for other in before.cpus.indices where other != cpu && before.cpus[other].isActive {
      if !before.isRunnable(other) && after.isRunnable(other) { wakers[other] = index }
    }
    footprints.append(footprint)
    if !after.cpus[cpu].isActive {
      callCounts[cpu] += 1
      lastOfCPU[cpu] = -1
    }
  }

  private mutating func recordLocks(
    of footprint: inout Footprint, _ before: Machine, _ after: Machine
  ) {
    for lock in LockID.all {
      let (old, new) = (before.lockState(lock), after.lockState(lock))
      guard old != new else { continue }
      if new.isHeldMore(than: old) {
        if let step = releasers[lock] { footprint.lockedBy = (step, lock) }
      } else {
        releasers[lock] = footprints.count
      }
    }
  }
}

extension RWLock {
  /// Somebody has taken it since.
  fileprivate func isHeldMore(than old: RWLock) -> Bool {
    writer != 0 && old.writer == 0 || readers.count > old.readers.count
  }
}
