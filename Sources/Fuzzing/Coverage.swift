// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// What a campaign has reached, each thing counted once.
///
/// A *state* is the hash of a machine after the last line of a program, before its staged end.
/// A *feature* is something a step or a line of a program does, of one ``Kind``.
package struct Coverage: Sendable {
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
      case .page: Coverage.steps * Machine.abstractStates
      case .meeting: Coverage.steps * Coverage.steps
      case .outcome: Coverage.steps * Coverage.ends
      case .race: 1 << Coverage.raceBits
      }
    }
    fileprivate var start: Int { Self.allCases.prefix(rawValue).reduce(0) { $0 + $1.capacity } }
  }

  /// About how many distinct states (see ``DistinctCount``).
  package var states: Int { seen.estimate }
  /// Distinct features.
  package var features: Int { reached.count }
  /// Distinct features of each kind, in the order of kinds.
  package private(set) var counts = [Int](repeating: 0, count: Kind.allCases.count)
  /// Features of the program at hand that none before had, in the order it reached them.
  private(set) var news: [UInt32] = []
  /// What states have changed since ``forget(_:)``.
  private(set) var rises: [DistinctCount.Rise] = []

  private var seen = DistinctCount()
  private var reached = Bitmap(capacity)
  /// The step of the program at hand that touched each page and file last, and its CPU; 0 is none.
  private var previous = [UInt32](repeating: 0, count: Self.firstFile + Limits.files)

  /// Nothing yet.
  package init() {}

  /// The next steps follow nothing: a program begins.
  mutating func begin() {
    news.removeAll(keepingCapacity: true)
    for object in previous.indices { previous[object] = 0 }
  }

  /// Notes the step that a machine has just executed.
  @inline(__always)
  mutating func add(_ step: Int, by cpu: CPUID, on machine: inout Machine) {
    var pages = machine.recentPages
    while let pfn = pages.popFirst() {
      let state = machine.abstractState(of: pfn)
      insert(Self.pageStart + step * Machine.abstractStates + state, .page)
      meet(step, cpu, at: pfn.position)
    }
    var files = machine.recentFiles
    while let file = files.popFirst() { meet(step, cpu, at: Self.firstFile + file.position) }
  }

  @inline(__always)
  private mutating func meet(_ step: Int, _ cpu: CPUID, at object: Int) {
    let last = previous[object]
    previous[object] = UInt32(step + 1) << 8 | UInt32(cpu.rawValue)
    guard last != 0, last & 255 != UInt32(cpu.rawValue) else { return }
    insert(Self.meetingStart + (Int(last >> 8) - 1) * Self.steps + step, .meeting)
  }

  /// Notes where a line ends: after which step, in which procedure, and where others stand.
  mutating func addEnd(_ step: Int, _ frame: Frame, by cpu: CPUID, on machine: inout Machine) {
    var place = Self.steps + Int(frame.procedure.rawValue)
    if machine.cpus[cpu].isActive {
      place = Self.number(of: machine.cpus[cpu].frame)
      let wait = Int(machine.cpus[cpu].wait.kind.rawValue)
      if wait != 0 { insert(Self.outcomeStart + step * Self.ends + wait, .outcome) }
    } else {
      let errno = Int(max(0, min(-Int(machine.cpus[cpu].value.rawValue), Self.errnos - 1)))
      insert(Self.outcomeStart + step * Self.ends + Self.waits + errno, .outcome)
    }
    var state: Int?
    for other in machine.cpus.indices where other != cpu && machine.cpus[other].isActive {
      let theirs = machine.cpus[other].frame
      guard frame.isAboutSame(as: theirs) else { continue }
      let object = state ?? machine.abstractState(of: frame)
      state = object
      let word = UInt64(Self.number(of: theirs) << 32 | place << 12 | object)
      let hash = Int((word &* 0x9E37_79B9_7F4A_7C15) >> UInt64(64 - Self.raceBits))
      insert(Self.raceStart + hash, .race)
    }
  }

  @inline(__always)
  private mutating func insert(_ feature: Int, _ kind: Kind) {
    guard reached.insert(feature) else { return }
    counts[kind.rawValue] += 1
    news.append(UInt32(feature))
  }

  /// Notes the state at the end of a program's lines.
  mutating func add(_ machine: inout Machine) {
    if let rise = seen.insert(machine.hashState()) { rises.append(rise) }
  }

  /// Takes back all states since the last time, and features that were new since then.
  mutating func forget(_ features: some Sequence<UInt32>) {
    for feature in features {
      reached.remove(Int(feature))
      counts[Kind(of: Int(feature)).rawValue] -= 1
    }
    for rise in rises.reversed() { seen.undo(rise) }
    rises.removeAll(keepingCapacity: true)
  }

  /// Takes features somebody else reached; true where one of them is new.
  mutating func take(_ features: [UInt32]) -> Bool {
    let before = reached.count
    for feature in features where reached.insert(Int(feature)) {
      counts[Kind(of: Int(feature)).rawValue] += 1
    }
    return reached.count > before
  }

  /// Takes states somebody else saw.
  mutating func take(_ rises: [DistinctCount.Rise]) {
    for rise in rises { seen.take(rise) }
  }

  /// The features of the lines of a program, in ascending order.
  static func features(of program: Program) -> [UInt32] {
    var coverage = Coverage()
    var recorder = Recorder(on: program.machine())
    for instruction in program.instructions where !recorder.run.isStopped {
      recorder.execute(instruction, noting: &coverage)
    }
    return coverage.news.sorted()
  }
}

extension Frame {
  /// Both work on one file, one page frame, or one page of an address space.
  fileprivate func isAboutSame(as other: Frame) -> Bool {
    (!file.isNone && file == other.file) || (!pfn.isNone && pfn == other.pfn)
  }
}

// MARK: How features are numbered

extension Coverage.Kind {
  fileprivate init(of feature: Int) {
    self = Self.allCases.last { $0.start <= feature } ?? .page
  }
}

extension Coverage {
  /// Features there is room for, of all kinds.
  package static let capacity = Kind.allCases.reduce(0) { $0 + $1.capacity }

  func pack(into packer: inout Packer) {
    packer.add(ascending: reached.members.map { UInt32($0) })
    seen.pack(into: &packer)
  }

  init(_ unpacker: inout Unpacker) throws(Unpackable) {
    self.init()
    _ = take(try unpacker.ascending(below: Self.capacity))
    seen = try DistinctCount(&unpacker)
  }

  /// The number of a step among the steps of all procedures.
  @inline(__always)
  static func number(of frame: Frame) -> Int {
    starts[Int(frame.procedure.rawValue)] + Int(frame.step)
  }

  /// Where the steps of each procedure begin in one row of all steps.
  private static let starts: [Int] = {
    var starts = [Int](repeating: 0, count: 257)
    for number in 0..<256 {
      let steps = Procedure(rawValue: UInt8(number))?.stepNames.count ?? 0
      starts[number + 1] = starts[number] + steps
    }
    return starts
  }()

  /// Steps of all procedures.
  package static let steps = starts[256]

  private static let pageStart = Kind.page.start
  private static let meetingStart = Kind.meeting.start
  private static let outcomeStart = Kind.outcome.start
  private static let raceStart = Kind.race.start
  private static let raceBits = 19
  private static let firstFile = Limits.pages
  /// Kinds of waits, and error numbers, there is room for.
  private static let waits = 16
  private static let errnos = 240
  private static let ends = waits + errnos
}
