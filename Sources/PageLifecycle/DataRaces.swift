// SPDX-License-Identifier: MIT

/// A word of `struct page` that code of the kernel reads or writes plainly: not as one atomic
/// operation, and without READ_ONCE() or WRITE_ONCE().
package enum PageWord: UInt8, CaseIterable, Sendable {
  /// Stored by `set_page_count()`; everything else about it is atomic.
  case refcount
  /// `page->mapping` and, with it, `page->index` or `page->share`.
  case mapping
  case zoneDeviceData

  package var name: String {
    switch self {
    case .refcount: "_refcount"
    case .mapping: "mapping"
    case .zoneDeviceData: "zone_device_data"
    }
  }
}

/// What orders CPUs: whoever comes to it later knows all that was done before by whoever had it.
struct Meeting: Equatable, Sendable {
  var rawValue: UInt16

  static func lock(_ lock: LockID) -> Self { Self(rawValue: UInt16(lock.rawValue)) }
  /// An atomic operation on one of the counts of a page, or on its flags.
  static func page(_ pfn: PFN) -> Self { Self(rawValue: 256 + UInt16(pfn.rawValue)) }
  /// The `percpu_ref` of a pgmap.
  static func pagemap(_ id: PagemapID) -> Self { Self(rawValue: 512 + UInt16(id.rawValue)) }
  /// The allocators of blocks, with the extents of files, and of RAM have locks of their own.
  static let blocks = Self(rawValue: 528)
  static let ram = Self(rawValue: 529)
  static let count = 530
}

/// What a step did that data races are about.
enum Access: Sendable {
  /// It knows from here on what those before it knew.
  case acquire(Meeting)
  /// Those after it will know what it knows now.
  case release(Meeting)
  /// An interrupt that every CPU answers, a grace period, the end of a sleep.
  case everyone
  case read(PFN, PageWord)
  case write(PFN, PageWord)
}

/// The accesses of the step that is being executed, in order; kept only where somebody asks.
struct AccessLog: Sendable {
  var isKept = false
  private(set) var count: UInt8 = 0
  private var kept = InlineArray<32, Access>(repeating: .everyone)

  subscript(position: Int) -> Access { kept[position] }

  mutating func clear() { count = 0 }

  /// One step makes so few that there is room; further ones would be left out.
  mutating func add(_ access: Access) {
    guard Int(count) < Limits.accesses else { return }
    kept[Int(count)] = access
    count += 1
  }
}

extension Machine {
  /// Notes an access.
  @inline(__always)
  mutating func note(_ access: Access) {
    if accesses.isKept { accesses.add(access) }
  }

  /// Notes an atomic operation, which orders as a full barrier does.
  @inline(__always)
  mutating func noteAtomic(_ meeting: Meeting) {
    guard accesses.isKept else { return }
    accesses.add(.acquire(meeting))
    accesses.add(.release(meeting))
  }
}

/// Two accesses that nothing orders: of one word, on two CPUs, at least one a write.
package struct DataRace: Equatable, Sendable {
  package var pfn: PFN
  package var word: PageWord
  /// The second access, which the violation is told of, writes; so does the first.
  package var writes: (second: Bool, first: Bool)
  /// Who made the first, and where.
  package var cpu: CPUID
  package var procedure: Procedure
  package var step: UInt8

  package static func == (left: Self, right: Self) -> Bool {
    left.pfn == right.pfn && left.word == right.word && left.writes == right.writes
      && left.cpu == right.cpu && left.procedure == right.procedure && left.step == right.step
  }
}

/// Which accesses of a run something orders: the vector clocks of Lamport, Mattern and Fidge, as
/// ThreadSanitizer has them.
///
/// Where it is in doubt it takes accesses to be ordered: every atomic operation orders like a full
/// barrier, and whoever ends a sleep has seen everything.
struct DataRaces: Sendable {
  private typealias Clock = SIMD16<UInt32>

  /// One plain access; the time is the CPU's own, 0 is none.
  private struct Mark: Sendable {
    var time: UInt32 = 0
    var procedure = Procedure.idle
    var step: UInt8 = 0
  }

  private var clocks = [Clock](repeating: Clock(), count: Limits.cpuSlots)
  private var meetings = [Clock](repeating: Clock(), count: Meeting.count)
  /// The last read and the last write of each word by each CPU.
  private var reads = [Mark](repeating: Mark(), count: Self.marks)
  private var writes = [Mark](repeating: Mark(), count: Self.marks)

  private static let marks = Limits.pages * PageWord.allCases.count * Limits.cpuSlots

  /// Takes in what the step that was just executed did; the first race of it, if there is one.
  mutating func observe(_ machine: inout Machine) -> DataRace? {
    let cpu = machine.current.position
    var found: DataRace?
    // The janitor of the staged end comes when everything else has ended or sleeps.
    if machine.current == Run.janitor { joinAll(cpu) }
    clocks[cpu][cpu] += 1
    for position in 0..<Int(machine.accesses.count) {
      switch machine.accesses[position] {
      case .acquire(let meeting): join(cpu, meetings[Int(meeting.rawValue)])
      case .release(let meeting):
        let place = Int(meeting.rawValue)
        meetings[place] = pointwiseMax(meetings[place], clocks[cpu])
        clocks[cpu][cpu] += 1
      case .everyone:
        joinAll(cpu)
        for other in clocks.indices { join(other, clocks[cpu]) }
        clocks[cpu][cpu] += 1
      case .read(let pfn, let word):
        let race = race(pfn, word, cpu, isWrite: false)
        found = found ?? race
        mark(&reads, pfn, word, cpu, machine.executed)
      case .write(let pfn, let word):
        let race = race(pfn, word, cpu, isWrite: true)
        found = found ?? race
        mark(&writes, pfn, word, cpu, machine.executed)
      }
    }
    machine.accesses.clear()
    return found
  }

  private mutating func join(_ cpu: Int, _ other: Clock) {
    clocks[cpu] = pointwiseMax(clocks[cpu], other)
  }

  private mutating func joinAll(_ cpu: Int) {
    for other in clocks { join(cpu, other) }
  }

  private func place(_ pfn: PFN, _ word: PageWord) -> Int {
    (pfn.position * PageWord.allCases.count + Int(word.rawValue)) * Limits.cpuSlots
  }

  private func mark(
    _ marks: inout [Mark], _ pfn: PFN, _ word: PageWord, _ cpu: Int,
    _ step: (procedure: Procedure, step: UInt8)
  ) {
    marks[place(pfn, word) + cpu] = Mark(
      time: clocks[cpu][cpu], procedure: step.procedure, step: step.step)
  }

  /// The access of another CPU that this one is not ordered behind.
  private func race(_ pfn: PFN, _ word: PageWord, _ cpu: Int, isWrite: Bool) -> DataRace? {
    let start = place(pfn, word)
    for other in 0..<Limits.cpuSlots where other != cpu {
      let known = clocks[cpu][other]
      for (marks, didWrite) in [(writes, true), (reads, false)] where isWrite || didWrite {
        let mark = marks[start + other]
        guard mark.time > known else { continue }
        return DataRace(
          pfn: pfn, word: word, writes: (isWrite, didWrite), cpu: CPUID(other),
          procedure: mark.procedure, step: mark.step)
      }
    }
    return nil
  }
}
