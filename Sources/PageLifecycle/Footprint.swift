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

    /// A line ends, and a CPU stands before a step, in a call about a page or an entry of a file
    /// that is in some abstract state: what it will find when it goes on.
    case window

    /// What it is called.
    package var name: String { String(describing: self) }
    /// How many there is room for.
    package var capacity: Int {
      switch self {
      case .page: Footprint.steps * Machine.abstractStates
      case .meeting: Footprint.steps * Footprint.steps
      case .outcome: Footprint.steps * Footprint.ends
      case .window: Footprint.steps * Machine.abstractObjects
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
  /// Places that features are counted at: each step as one that is executed, and as one that a CPU
  /// stands before.
  package static let places = 2 * steps

  /// Whether a place is a step that a CPU stands before.
  package static func isWindow(_ place: Int) -> Bool { place >= steps }

  /// Distinct features.
  package var count: Int { reached.count }
  /// Distinct features of each kind, in the order of kinds.
  package private(set) var counts = [Int](repeating: 0, count: Kind.allCases.count)
  /// Features of the program at hand that none before had, in the order it reached them.
  package private(set) var news: [UInt32] = []

  private var reached = Bitmap(capacity)
  /// How many features each place has.
  private var known = [Int32](repeating: 0, count: Footprint.places)
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
  private let windowStart = Kind.window.start

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
      count(feature, -1)
    }
  }

  /// Takes back the windows that the program at hand was the first to show, but for those of a
  /// place.
  package mutating func forgetWindows(except place: Int?) {
    var others: [UInt32] = []
    news.removeAll { feature in
      let isOther = Kind(of: Int(feature)) == .window && Self.place(of: feature) != place
      if isOther { others.append(feature) }
      return isOther
    }
    forget(others)
  }

  /// Takes back the windows of a place, if it has any: they will be new again.
  package mutating func forgetWindows(at place: Int) {
    guard Self.isWindow(place) else { return }
    let first = windowStart + (place - steps) * Machine.abstractObjects
    let known = (first..<first + Machine.abstractObjects).filter { reached.contains($0) }
    forget(known.map { UInt32($0) })
  }

  /// Takes features somebody else reached; true where one of them is new.
  package mutating func take(_ features: [UInt32]) -> Bool {
    let before = reached.count
    for feature in features where reached.insert(Int(feature)) { count(feature, 1) }
    return reached.count > before
  }

  private mutating func count(_ feature: UInt32, _ change: Int) {
    counts[Kind(of: Int(feature)).rawValue] += change
    known[Self.place(of: feature)] += Int32(change)
  }

  /// The number of the place of a feature.
  private static func place(of feature: UInt32) -> Int {
    let kind = Kind(of: Int(feature))
    let number = Int(feature) - kind.start
    return switch kind {
    case .page: number / Machine.abstractStates
    case .meeting: number % steps
    case .outcome: number / ends
    case .window: steps + number / Machine.abstractObjects
    }
  }

  /// How many features are known at a place: few at one that is seldom reached, or where little
  /// happens.
  package func features(at place: Int) -> Int { Int(known[place]) }

  /// Of the places where the program at hand reached something new after so many features, the one
  /// that has the fewest.
  package func rarest(after count: Int) -> Int {
    news[count...].lazy.map(Self.place).min { features(at: $0) < features(at: $1) } ?? 0
  }

  @inline(__always)
  private mutating func insert(_ feature: Int, _ kind: Kind) {
    guard reached.insert(feature) else { return }
    count(UInt32(feature), 1)
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

  /// Notes how a line ends after a step: what its CPU waits for, or what its call returned; and
  /// where each CPU stands.
  fileprivate mutating func addEnd(_ step: Int, by cpu: CPUID, on machine: inout Machine) {
    if machine.cpus[cpu].isActive {
      let wait = Int(machine.cpus[cpu].wait.kind.rawValue)
      if wait != 0 { insert(outcomeStart + step * Self.ends + wait, .outcome) }
    } else {
      let errno = Int(max(0, min(-Int(machine.cpus[cpu].value.rawValue), Self.errnos - 1)))
      insert(outcomeStart + step * Self.ends + Self.waits + errno, .outcome)
    }
    for position in 0..<Limits.cpus where machine.cpus.storage[position].isActive {
      let frame = machine.cpus.storage[position].frame
      let state = machine.abstractState(of: frame)
      insert(windowStart + number(of: frame) * Machine.abstractObjects + state, .window)
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
    var last: Int?
    footprint.trail.removeAll(keepingCapacity: true)
    var isOver = follow(cpu, pace, &footprint, &last)
    while !isOver, machine.cpus[cpu].isActive, let more = goesOn(&self) {
      isOver = follow(cpu, more, &footprint, &last)
    }
    if let last { footprint.addEnd(last, by: cpu, on: &machine) }
    guard !isOver, machine.cpus[cpu].isActive else { return line }
    let stop = machine.cpus[cpu].frame
    let visits = footprint.visits(of: footprint.number(of: stop))
    line.until = StopPoint(stop.procedure, stop.step, visit: UInt16(visits))
    return line
  }

  /// Executes a line as it is written, and notes its steps.
  package mutating func execute(_ instruction: Instruction, noting footprint: inout Footprint) {
    start(instruction, tag: -1)
    var last: Int?
    footprint.trail.removeAll(keepingCapacity: true)
    _ = follow(instruction.cpu, Pace(.max), &footprint, &last)
    if let last { footprint.addEnd(last, by: instruction.cpu, on: &machine) }
  }

  /// Executes steps of the line that was started, and says which was the last; true where the line
  /// is over.
  private mutating func follow(
    _ cpu: CPUID, _ pace: Pace, _ footprint: inout Footprint, _ last: inout Int?
  ) -> Bool {
    var isOver = false
    var cost = 0
    while cost < pace.budget && !isOver {
      let before = steps
      let current = machine.cpus.storage[cpu.position].frame
      isOver = !advance()
      guard steps > before else { break }
      let step = footprint.number(of: current)
      last = step
      footprint.add(step, by: cpu, on: &machine)
      let isShared = !machine.recentPages.isEmpty || !machine.recentFiles.isEmpty
      cost += isShared ? pace.sharedCost : 1
    }
    return isOver
  }
}
