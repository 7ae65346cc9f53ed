// SPDX-License-Identifier: MIT

/// Where a line of a program stops its call: before a visit of one step.
package struct StopPoint: Equatable, Hashable, Sendable {
  package var procedure: Procedure
  package var step: UInt8
  /// Which visit, counted from where the line began; 1 is the first.
  package var visit: UInt16
  package init(_ procedure: Procedure, _ step: UInt8, visit: UInt16 = 1) {
    (self.procedure, self.step, self.visit) = (procedure, step, visit)
  }
}

/// One line of a program: start a call, or continue the one a CPU has not finished.
package struct Instruction: Equatable, Hashable, Sendable {
  package var cpu: CPUID
  /// nil resumes.
  package var call: Call?
  /// nil runs until the call completes or sleeps.
  package var until: StopPoint?
  package init(_ cpu: CPUID, _ call: Call?, until: StopPoint? = nil) {
    (self.cpu, self.call, self.until) = (cpu, call, until)
  }
}

/// The execution of a program on a machine, one atomic step at a time.
///
/// Owns the rules of scheduling (DocC `TextFormat`): what a line runs, what queues, and
/// how the staged end goes.  A caller that wants no trace uses ``execute(_:tag:)`` and
/// ``finish()``; one that does calls ``advance()`` and looks in between.
package struct Run: Sendable {
  /// The stages after the last line, in order.
  package enum Stage: UInt8, Comparable, Sendable {
    case lines
    /// Runnable tasks run, lowest CPU first, until none can.
    case settling
    /// GET and PIN holders let go; then nobody may sleep.
    case releasing
    case unmapping, evicting, unbinding
    case ended
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }
  struct Queued: Sendable {
    var cpu = CPUID(0)
    var call = Call(.idle)
    var tag = 0
  }

  package var machine: Machine
  package private(set) var stage = Stage.lines
  /// Atomic steps executed for lines of the program, and in the staged end.
  package private(set) var steps = 0
  package private(set) var endSteps = 0
  /// Those of all these that only registered their CPU as waiting.
  package private(set) var blockedSteps = 0
  /// What each tagged call returned; ``unfinished`` until it has.
  package private(set) var results: [Int16] = []
  /// The last line named a stop that was not reached.
  package private(set) var missedStop = false
  /// The last line's call had to queue.
  package private(set) var didQueue = false

  package static let unfinished = Int16.min

  private var cpu = CPUID(0)
  private var until: StopPoint?
  private var visits: UInt16 = 0
  private var isRunning = false
  private var tags = InlineArray<9, Int>(repeating: 0)
  private var queue = InlineArray<64, Queued>(repeating: Queued())
  private var queued = 0
  private var cursor = 0
  /// Who is ordered behind whom, where the machine keeps what is needed to know.
  private var races: DataRaces?

  /// The CPU that runs the staged end.
  package static let janitor = CPUID(Limits.cpus)

  package init(_ machine: Machine, calls: Int = 0) {
    self.machine = machine
    races = machine.accesses.isKept ? DataRaces() : nil
    results = [Int16](repeating: Self.unfinished, count: calls)
  }

  /// Starts over on another machine, keeping what is allocated.
  package mutating func reset(to machine: Machine, calls: Int) {
    self.machine = machine
    restart(calls: calls)
  }

  /// Starts over on a machine just booted, whose calls nobody asks for results.
  package mutating func reset(_ rules: Rules, _ boot: Boot) {
    machine = Machine(rules, boot)
    restart(calls: 0)
  }

  private mutating func restart(calls: Int) {
    (stage, steps, endSteps, blockedSteps) = (.lines, 0, 0, 0)
    (queued, cursor) = (0, 0)
    races = machine.accesses.isKept ? DataRaces() : nil
    (missedStop, didQueue, isRunning) = (false, false, false)
    if results.count == calls {
      for index in results.indices { results[index] = Self.unfinished }
    } else {
      results = [Int16](repeating: Self.unfinished, count: calls)
    }
  }

  private var isStopped: Bool { machine.verdict.isStopped }

  /// Executes one line whole.
  package mutating func execute(_ instruction: Instruction, tag: Int) {
    start(instruction, tag: tag)
    while advance() {}
  }

  /// Executes the staged end whole.
  package mutating func finish() {
    beginEnd()
    while advance() {}
  }

  /// Begins a line; ``advance()`` then executes it step by step.
  package mutating func start(_ instruction: Instruction, tag: Int) {
    cpu = instruction.cpu
    until = instruction.until
    visits = 0
    missedStop = false
    didQueue = false
    isRunning = false
    guard !isStopped else { return }
    if let call = instruction.call {
      if machine.cpus[cpu].isActive {
        push(Queued(cpu: cpu, call: call, tag: tag))
        until = nil
      } else {
        begin(call, tag: tag)
      }
    }
    isRunning = machine.cpus[cpu].isActive
  }

  private mutating func begin(_ call: Call, tag: Int) {
    machine.begin(call, on: cpu)
    tags[Int(cpu.rawValue)] = tag
  }

  private mutating func push(_ entry: Queued) {
    didQueue = true
    guard queued < Limits.queuedCalls else {
      record(entry.tag, Outcome(.again))
      return
    }
    queue[queued] = entry
    queued += 1
  }

  /// Starts the oldest call that queued on a CPU.
  private mutating func popQueue() -> Bool {
    for position in 0..<queued where queue[position].cpu == cpu {
      let entry = queue[position]
      for later in position + 1..<max(queued, position + 1) { queue[later - 1] = queue[later] }
      queued -= 1
      begin(entry.call, tag: entry.tag)
      return true
    }
    return false
  }

  private mutating func record(_ tag: Int, _ outcome: Outcome) {
    if tag >= 0 && tag < results.count { results[tag] = outcome.rawValue }
  }

  /// Executes at most one atomic step; false when the line, or the end, is over.
  @inline(__always)
  package mutating func advance() -> Bool {
    guard !isStopped && steps + endSteps < Limits.steps else {
      isRunning = false
      stage = stage == .lines ? .lines : .ended
      return false
    }
    guard isRunning else { return stage != .lines && stage != .ended && selectNext() }
    guard machine.cpus[cpu].wait.kind == .none || machine.canRun(cpu) else {
      return stopRunning()
    }
    if let until, reaches(until) { return stopRunning() }
    let progress = machine.step(cpu)
    if let race = races?.observe(&machine) { machine.judge(race) }
    if stage == .lines { steps += 1 } else { endSteps += 1 }
    switch progress {
    case .advanced: return true
    case .blocked:
      blockedSteps += 1
      return stopRunning()
    case .finished:
      record(tags[Int(cpu.rawValue)], machine.cpus[cpu].value)
      missedStop = until != nil
      guard until == nil && popQueue() else { return stopRunning() }
      return true
    }
  }

  private mutating func stopRunning() -> Bool {
    isRunning = false
    return stage != .lines
  }

  @inline(__always)
  private mutating func reaches(_ stop: StopPoint) -> Bool {
    let frame = machine.cpus[cpu].frame
    guard frame.step == stop.step && frame.procedure == stop.procedure else { return false }
    visits += 1
    return visits == stop.visit
  }

  /// The line's last call stopped where it was told to.
  package var isPreempted: Bool { until != nil && !missedStop && machine.cpus[cpu].isActive }

  package mutating func beginEnd() {
    until = nil
    isRunning = false
    stage = isStopped ? .ended : .settling
    cursor = 0
  }

  /// Chooses what runs next in the staged end: runnable tasks first, lowest CPU first.
  private mutating func selectNext() -> Bool {
    for position in 0..<Limits.cpuSlots {
      cpu = CPUID(position)
      if machine.canRun(cpu) {
        isRunning = true
        return true
      }
      if !machine.cpus[cpu].isActive && popQueue() {
        isRunning = true
        return true
      }
    }
    cpu = Self.janitor
    while let call = nextEndCall() {
      guard let call else { continue }
      begin(call, tag: -1)
      isRunning = true
      return true
    }
    return false
  }

  /// The next call of the staged end; an inner nil moves on to the next stage.
  private mutating func nextEndCall() -> Call?? {
    guard !machine.cpus[Self.janitor].isActive else {
      machine.judgeSleepers(mayWaitForPagemap: false)
      stage = .ended
      return nil
    }
    switch stage {
    case .lines, .ended: return nil
    case .settling:
      machine.isEnding = true
      return moveOn()
    case .releasing:
      while cursor < Limits.handleSlots {
        let handle = HandleID(cursor)
        cursor += 1
        guard machine.handles[handle].state == .held else { continue }
        let isBlock = machine.holdsBlock(handle)
        var call = Call(isBlock ? .freePages : .putPages)
        call.handle = handle
        return .some(call)
      }
      // A call that queued may have filled a handle the cursor had passed.
      if machine.handles.indices.contains(where: { machine.handles[$0].state == .held }) {
        cursor = 0
        return .some(nil)
      }
      machine.judgeSleepers(mayWaitForPagemap: true)
      // Behind a memunmap_pages() that waits for processes to end: it would take what nobody lets
      // go of any more.
      queued = 0
      return isStopped ? nil : moveOn()
    case .unmapping:
      while cursor < Limits.mms {
        let mm = MMID(cursor)
        cursor += 1
        guard machine.mms[mm].isAlive else { continue }
        var call = Call(.exit)
        call.mm = mm
        return .some(call)
      }
      return moveOn()
    case .evicting:
      while cursor < Limits.files {
        let file = FileID(cursor)
        cursor += 1
        guard machine.files[file].isAlive else { continue }
        machine.files[file].descriptors = 0
        var call = Call(.evictInode)
        call.file = file
        return .some(call)
      }
      return moveOn()
    case .unbinding:
      if cursor == 0 { machine.judgeConservation() }
      while cursor < PagemapID.all.count && !isStopped {
        let id = PagemapID(cursor)
        cursor += 1
        guard machine.pagemaps[id].state == .live else { continue }
        var call = Call(.memunmapPages)
        call.pagemap = id
        return .some(call)
      }
      if machine.judgeSleepers(mayWaitForPagemap: false) { machine.judgeEnd() }
      stage = .ended
      return nil
    }
  }

  private mutating func moveOn() -> Call?? {
    stage = Stage(rawValue: stage.rawValue + 1) ?? .ended
    cursor = 0
    return .some(nil)
  }
}
