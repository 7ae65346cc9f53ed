// SPDX-License-Identifier: MIT

/// What the steps and lines of programs have done, each thing counted once: a *feature*.
///
/// Exact, and about single objects: a machine has so many states that each program reaches new
/// ones.  Noting a step writes at most one number a page or file it touched.
package struct Footprint: Sendable {
  /// What features are about.
  package enum Kind: Int, CaseIterable, Sendable {
    /// A step touches a page in some abstract state.
    case page
    /// A step touches a page or file that a step of another CPU touched last.
    case meeting
    /// A step ends its line: its CPU waits for something, or the call returned some errno.
    case outcome
    /// A line leaves its CPU somewhere while another stands in a call about the same object, which
    /// is in some abstract state.  Hashed: a few may share a number.
    case race

    /// What it is called.
    package var name: String { String(describing: self) }
    /// How many there is room for.
    package var capacity: Int {
      switch self {
      case .page: Footprint.steps * Machine.abstractStates
      case .meeting: Footprint.steps * Footprint.steps
      case .outcome: Footprint.steps * Footprint.ends
      case .race: 1 << Footprint.raceBits
      }
    }
    fileprivate var start: Int { Self.allCases.prefix(rawValue).reduce(0) { $0 + $1.capacity } }
    fileprivate init(of feature: Int) {
      self = Self.allCases.last { $0.start <= feature } ?? .page
    }
  }

  /// Features there is room for, of all kinds.
  package static let capacity = Kind.allCases.reduce(0) { $0 + $1.capacity }
  /// Steps of all procedures.
  package static let steps = Int(starts[256])

  /// Distinct features.
  package var count: Int { reached.count }
  /// Distinct features of each kind, in the order of kinds.
  package private(set) var counts = [Int](repeating: 0, count: Kind.allCases.count)
  /// Features of the program at hand that none before had, in the order it reached them.
  package private(set) var news: [UInt32] = []

  private var reached = Bitmap(capacity)
  /// The step of the program at hand that touched each page and file last, and its CPU; 0 is none.
  private var lastOfPage = PerPage<UInt32>(repeating: 0)
  private var lastOfFile = PerFile<UInt32>(repeating: 0)
  /// The steps of the line at hand, by number, in order.
  fileprivate var trail: [UInt16] = []

  // Kept here, where no step has to ask whether they were computed.
  private let starts = Self.starts
  private let steps = Self.steps
  private let meetingStart = Kind.meeting.start
  private let outcomeStart = Kind.outcome.start
  private let raceStart = Kind.race.start

  /// Nothing yet.
  package init() {}

  /// The features of all programs so far, in ascending order.
  package var members: [UInt32] { reached.members.map { UInt32($0) } }

  /// The next steps follow nothing: a program begins.
  package mutating func begin() {
    news.removeAll(keepingCapacity: true)
    lastOfPage = PerPage(repeating: 0)
    lastOfFile = PerFile(repeating: 0)
  }

  /// Takes features back that were reached.
  package mutating func forget(_ features: some Sequence<UInt32>) {
    for feature in features {
      reached.remove(Int(feature))
      counts[Kind(of: Int(feature)).rawValue] -= 1
    }
  }

  /// Takes features somebody else reached; true where one of them is new.
  package mutating func take(_ features: [UInt32]) -> Bool {
    let before = reached.count
    for feature in features where reached.insert(Int(feature)) {
      counts[Kind(of: Int(feature)).rawValue] += 1
    }
    return reached.count > before
  }

  @inline(__always)
  private mutating func insert(_ feature: Int, _ kind: Kind) {
    guard reached.insert(feature) else { return }
    counts[kind.rawValue] += 1
    news.append(UInt32(feature))
  }
}

// MARK: Steps

extension Footprint {
  /// The number of a step among the steps of all procedures.
  @inline(__always)
  fileprivate func number(of frame: Frame) -> Int {
    Int(starts[Int(frame.procedure.rawValue)]) + Int(frame.step)
  }

  /// Notes the step that a machine has just executed.
  @inline(__always)
  fileprivate mutating func add(_ step: Int, by cpu: CPUID, on machine: inout Machine) {
    trail.append(UInt16(truncatingIfNeeded: step))
    let mark = UInt32(step + 1) << 8 | UInt32(cpu.rawValue)
    var pages = machine.recentPages
    while let pfn = pages.popFirst() {
      insert(step * Machine.abstractStates + machine.abstractState(of: pfn), .page)
      let last = lastOfPage.storage[pfn.position]
      lastOfPage.storage[pfn.position] = mark
      meet(last, mark)
    }
    var files = machine.recentFiles
    while let file = files.popFirst() {
      let last = lastOfFile.storage[file.position]
      lastOfFile.storage[file.position] = mark
      meet(last, mark)
    }
  }

  @inline(__always)
  private mutating func meet(_ last: UInt32, _ mark: UInt32) {
    guard last != 0, last & 255 != mark & 255 else { return }
    insert(meetingStart + (Int(last >> 8) - 1) * steps + Int(mark >> 8) - 1, .meeting)
  }

  /// Notes where a line ends: after which step, in which procedure, and where others stand.
  fileprivate mutating func addEnd(
    _ step: Int, _ frame: Frame, by cpu: CPUID, on machine: inout Machine
  ) {
    var place = steps + Int(frame.procedure.rawValue)
    if machine.cpus[cpu].isActive {
      place = number(of: machine.cpus[cpu].frame)
      let wait = Int(machine.cpus[cpu].wait.kind.rawValue)
      if wait != 0 { insert(outcomeStart + step * Self.ends + wait, .outcome) }
    } else {
      let errno = Int(max(0, min(-Int(machine.cpus[cpu].value.rawValue), Self.errnos - 1)))
      insert(outcomeStart + step * Self.ends + Self.waits + errno, .outcome)
    }
    var object: Int?
    for position in 0..<Limits.cpuSlots where position != cpu.position {
      let other = CPUID(position)
      guard machine.cpus[other].isActive else { continue }
      let file = machine.cpus[other].frame.file
      let pfn = machine.cpus[other].frame.pfn
      let isSame =
        (!file.isNone && file == frame.file) || (!pfn.isNone && pfn == frame.pfn)
      guard isSame else { continue }
      let state = object ?? machine.abstractState(of: frame)
      object = state
      let theirs = number(of: machine.cpus[other].frame)
      let word = UInt64(theirs << 32 | place << 12 | state)
      let hash = Int((word &* 0x9E37_79B9_7F4A_7C15) >> UInt64(64 - Self.raceBits))
      insert(raceStart + hash, .race)
    }
  }

  /// How often the line at hand has come before a step, counting that it stands there now.
  fileprivate func visits(of step: Int) -> Int {
    trail.reduce(1) { $0 + (Int($1) == step ? 1 : 0) }
  }

  /// Where the steps of each procedure begin in one row of all steps.
  private static let starts: [Int32] = {
    var starts = [Int32](repeating: 0, count: 257)
    for number in 0..<256 {
      let steps = Procedure(rawValue: UInt8(number))?.stepNames.count ?? 0
      starts[number + 1] = starts[number] + Int32(steps)
    }
    return starts
  }()
  private static let raceBits = 19
  /// Kinds of waits, and error numbers, there is room for.
  private static let waits = 16
  private static let errnos = 240
  private static let ends = waits + errnos
}

// MARK: Lines

/// How far a line runs before its CPU may be preempted.
package struct Pace: Equatable, Sendable {
  /// What its steps may cost.
  package var budget: Int
  /// What a step costs that writes a page, or an entry of a file: other steps cost 1.
  package var sharedCost = 1

  /// So many steps, or until such a step.
  package init(_ budget: Int, sharedCost: Int = 1) {
    (self.budget, self.sharedCost) = (budget, sharedCost)
  }
}

extension Run {
  /// Starts a call, or resumes one where there is none, executes steps of it until they have cost
  /// as much as the pace allows, and notes them.
  ///
  /// Then `goesOn` is asked how far the same CPU runs on, in the same line.  Returns the line that
  /// replays the steps, which says before which step it stops.
  package mutating func burst(
    _ call: Call?, on cpu: CPUID, _ pace: Pace, noting footprint: inout Footprint,
    goesOn: (inout Run) -> Pace? = { _ in nil }
  ) -> Instruction {
    var line = Instruction(cpu, call)
    start(line, tag: -1)
    var last = LastStep()
    footprint.trail.removeAll(keepingCapacity: true)
    var isOver = follow(cpu, pace, &footprint, &last)
    while !isOver, machine.cpus[cpu].isActive, let more = goesOn(&self) {
      isOver = follow(cpu, more, &footprint, &last)
    }
    noteEnd(last, by: cpu, in: &footprint)
    guard !isOver, machine.cpus[cpu].isActive else { return line }
    let stop = machine.cpus[cpu].frame
    let visits = footprint.visits(of: footprint.number(of: stop))
    line.until = StopPoint(stop.procedure, stop.step, visit: UInt16(visits))
    return line
  }

  /// Executes a line as it is written, and notes its steps.
  package mutating func execute(_ instruction: Instruction, noting footprint: inout Footprint) {
    start(instruction, tag: -1)
    var last = LastStep()
    footprint.trail.removeAll(keepingCapacity: true)
    _ = follow(instruction.cpu, Pace(.max), &footprint, &last)
    noteEnd(last, by: instruction.cpu, in: &footprint)
  }

  /// The step a line executed last, and where it was executed; nothing so far.
  private struct LastStep {
    var frame = Frame()
    var number = -1
  }

  private mutating func noteEnd(
    _ last: LastStep, by cpu: CPUID, in footprint: inout Footprint
  ) {
    if last.number >= 0 { footprint.addEnd(last.number, last.frame, by: cpu, on: &machine) }
  }

  /// Executes steps of the line that was started; true where it is over.
  private mutating func follow(
    _ cpu: CPUID, _ pace: Pace, _ footprint: inout Footprint, _ last: inout LastStep
  ) -> Bool {
    var isOver = false
    var cost = 0
    while cost < pace.budget && !isOver {
      let before = steps
      let current = machine.cpus.storage[cpu.position].frame
      isOver = !advance()
      guard steps > before else { break }
      last = LastStep(frame: current, number: footprint.number(of: current))
      footprint.add(last.number, by: cpu, on: &machine)
      let isShared = !machine.recentPages.isEmpty || !machine.recentFiles.isEmpty
      cost += isShared ? pace.sharedCost : 1
    }
    return isOver
  }
}
