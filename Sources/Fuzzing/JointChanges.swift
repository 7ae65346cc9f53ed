// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

// Two changes at once, of which neither would do alone.
extension Reducer {
  /// Leaves out a call, or every preemption, and changes one other call in any way; or repairs a
  /// known bug instead.
  mutating func dropWithOneChange() {
    guard program.callCount <= SearchLimits.jointCalls else { return }
    if dropWithRepair() { return }
    if program.preemptionCount > 0 {
      if tryChanges(of: program.unpreempted) { return }
      if program.callCount <= SearchLimits.jointOrders {
        if tryTakingOver() { return }
        for whole in program.wholeOnOwnCPUs where tryChanges(of: whole) { return }
      }
    }
    for line in program.lines.indices.reversed() {
      guard program.instructions[line].call != nil else { continue }
      let rest = program.without(linesOfCall(at: line))
      if tryChanges(of: rest) { return }
      if rest.preemptionCount > 0, tryChanges(of: rest.unpreempted) { return }
    }
  }

  /// Repairs a known bug that makes a line, or a preemption, necessary.
  private mutating func dropWithRepair() -> Bool {
    guard !program.variant.isRepaired else { return false }
    for rule in program.variant.base.knownBugSet.subtracting(program.variant.repaired).members {
      var repaired = program
      repaired.variant.repaired.insert(rule)
      for line in program.lines.indices.reversed() {
        if accept(repaired.without([line])) || accept(repaired.without(linesOfCall(at: line))) {
          return true
        }
        var running = repaired
        running.lines[line].instruction?.until = nil
        if accept(running) { return true }
      }
    }
    return false
  }

  private mutating func tryChanges(of base: Program) -> Bool {
    if accept(base) { return true }
    for line in base.lines.indices {
      guard let call = base.instructions[line].call else { continue }
      for changed in call.neighbours(freeHandle, in: base.variant) {
        if accept(base.replacing(line, by: changed)) { return true }
      }
    }
    return false
  }

  /// Replaces each call of the program without preemptions by one on what another call names.
  private mutating func tryTakingOver() -> Bool {
    let whole = program.unpreempted
    for line in whole.lines.indices {
      for other in whole.lines.indices where other != line {
        guard let named = whole.instructions[other].call else { continue }
        for call in named.neighbours(freeHandle, in: whole.variant) {
          if accept(whole.replacing(line, by: call)) { return true }
        }
      }
    }
    return false
  }

  /// Puts a plainer operation in the place of a call, where the call then moves, or some call is
  /// preempted elsewhere.
  mutating func substituteElsewhere() {
    guard program.callCount <= SearchLimits.jointCalls else { return }
    for line in program.lines.indices {
      guard let call = program.instructions[line].call else { continue }
      for plainer in call.plainer(freeHandle, in: program.variant) {
        let candidate = program.replacing(line, by: plainer)
        guard Cost(candidate) < Cost(program) else { continue }
        if tryOrders(of: candidate, moving: line) || tryStops(of: candidate) { return }
      }
    }
  }

  private mutating func tryOrders(of candidate: Program, moving line: Int) -> Bool {
    guard candidate.preemptionCount == 0, candidate.lines.indices.contains(line) else {
      return false
    }
    for place in candidate.lines.indices where place != line {
      var moved = candidate
      moved.lines.insert(moved.lines.remove(at: line), at: place)
      if accept(moved) { return true }
    }
    return false
  }

  private mutating func tryStops(of candidate: Program) -> Bool {
    let stopped = candidate.instructions.indices.filter { candidate.instructions[$0].until != nil }
    guard stopped.count == 1 else { return false }
    var whole = candidate
    whole.lines[stopped[0]].instruction?.until = nil
    for stop in Self.stops(of: stopped[0], in: whole) {
      var other = candidate
      other.lines[stopped[0]].instruction?.until = stop
      if accept(other) { return true }
    }
    return false
  }
}

// MARK: Order

extension Reducer {
  /// Of two calls of which one preempts the other, the one that comes first in the list of
  /// operations is preempted.
  mutating func exchangeRoles() {
    let stopped = program.instructions.indices.filter { program.instructions[$0].until != nil }
    guard stopped.count == 1, let first = stopped.first, first + 2 == program.lines.count,
      let call = program.instructions[first].call,
      let other = program.instructions[first + 1].call,
      other.operation.rawValue < call.operation.rawValue
    else { return }
    var exchanged = program
    exchanged.lines[first].instruction?.call = other
    exchanged.lines[first + 1].instruction?.call = call
    guard exchanged.repairingHandles() == exchanged else { return }
    var whole = exchanged
    whole.lines[first].instruction?.until = nil
    for stop in Self.stops(of: first, in: whole) {
      exchanged.lines[first].instruction?.until = stop
      if acceptEqual(exchanged) { return }
    }
  }

  /// Of the names that are in use, the lowest goes to what appears first: pages, and entries of an
  /// IOMMU.
  mutating func nameInOrder() {
    let calls = program.instructions.compactMap(\.call)
    let pages = Self.inOrder(calls.flatMap(\.pageOperands))
    acceptEqual(program.mappingCalls { $0.renamed(file: \.self) { pages[$0] ?? $0 } })
    let entries = Self.inOrder(calls.filter(\.namesEntry).map(\.entry))
    acceptEqual(program.mappingEntries { ($0, entries[$1] ?? $1) })
  }

  private static func inOrder<Name: Hashable & Comparable>(_ names: [Name]) -> [Name: Name] {
    var appearing: [Name] = []
    for name in names where !appearing.contains(name) { appearing.append(name) }
    return Dictionary(uniqueKeysWithValues: zip(appearing, appearing.sorted()))
  }
}

// MARK: Names

extension Reducer {
  /// Gives every call that yields a handle one of its own, so that none waits for another's.
  mutating func separateHandles() {
    var separate = program
    var current: [HandleID: HandleID] = [:]
    var count = 0
    for line in separate.lines.indices {
      guard var call = separate.lines[line].instruction?.call else { continue }
      if call.usesHandle { call.handle = current[call.handle] ?? call.handle }
      if call.yieldsHandle {
        guard count < Limits.handles else { return }
        current[call.handle] = HandleID(count)
        call.handle = HandleID(count)
        count += 1
      }
      separate.lines[line].instruction?.call = call
    }
    acceptEqual(separate)
  }

  /// Calls page frames by lower numbers, and devices with their pages, all calls at once.
  mutating func renameFrames() {
    accept(program.mappingCalls { $0.onFirstDevice })
    for pfn in Set(program.instructions.compactMap(\.call?.frame)).sorted() {
      for lower in pfn.others where lower < pfn {
        if accept(program.moving(pfn, to: lower)) { break }
      }
    }
  }

  /// Calls the entries of an IOMMU by lower numbers, all calls at once.
  mutating func renameEntries() {
    let calls = program.instructions.compactMap(\.call).filter(\.namesEntry)
    guard !calls.isEmpty else { return }
    accept(
      program.mappingCalls { call in
        guard call.namesEntry else { return call }
        var call = call
        call.times = 1
        return call
      })
    accept(program.mappingEntries { (1 - $0, $1) })
    accept(program.mappingEntries { (0, $1) })
    for entry in Set(calls.map(\.entry)).sorted() where entry > 0 {
      for lower in [0, entry / 2, entry - 1] {
        if accept(program.mappingEntries { ($0, $1 == entry ? lower : $1) }) { break }
      }
      // What was swapped with it may be the lower one of the two now.
      accept(program.mappingEntries { ($0, $1 == entry ? 0 : $1 == 0 ? entry : $1) })
    }
  }
}

extension Program {
  /// The program with each call run whole.
  var unpreempted: Program {
    var copy = self
    copy.lines.removeAll { $0.instruction?.call == nil }
    for line in copy.lines.indices { copy.lines[line].instruction?.until = nil }
    return copy
  }

  /// The programs with each call run whole on a CPU of its own, and one of them last.
  fileprivate var wholeOnOwnCPUs: [Program] {
    var whole = unpreempted
    for line in whole.lines.indices { whole.lines[line].instruction?.cpu = CPUID(line) }
    return whole.lines.indices.map { line in
      var copy = whole
      copy.lines.append(copy.lines.remove(at: line))
      return copy
    }
  }

  /// The program with another call in a line; another operation stops nowhere.
  func replacing(_ line: Int, by call: Call) -> Program {
    var copy = self
    let isSame = copy.lines[line].instruction?.call?.operation == call.operation
    copy.lines[line].instruction?.call = call
    if let pagemap = call.pagemapNamed {
      copy.boot.devices = max(copy.boot.devices, pagemap.device.rawValue)
    }
    guard !isSame, preemptionCount > 1 else { return copy }
    copy.lines[line].instruction?.until = nil
    return copy
  }

  /// The program with another page frame for one, and the device it belongs to.
  func moving(_ pfn: PFN, to other: PFN) -> Program {
    var copy = mappingCalls { call in
      guard call.frame == pfn else { return call }
      var call = call
      call.pfn = other
      return call
    }
    if let pagemap = PagemapID(of: other), pagemap.device == pagemap {
      copy.boot.devices = max(copy.boot.devices, pagemap.rawValue)
    }
    return copy
  }

  fileprivate func mappingEntries(_ change: (Int, Int) -> (Int, Int)) -> Program {
    mappingCalls { call in
      guard call.namesEntry else { return call }
      var call = call
      let (slot, entry) = change(call.slot, call.entry)
      call.name(slot: slot, entry: entry)
      return call
    }
  }
}

// MARK: Other calls

extension PFN {
  /// Page frames to try for this one: the first of each kind, and those just below it.
  var others: [PFN] {
    let devices = PagemapID.all.compactMap { $0.pages.first }
    let below = (1...4).map { position - $0 }.filter { $0 >= 0 }
    return ([Limits.devicePages] + devices + below).sorted().map { PFN($0) }
  }
}

extension Call {
  private var parameters: [Parameter] { Vocabulary.signature(operation)?.parameters ?? [] }

  /// The page frame it names.
  var frame: PFN? { parameters.contains(.pfn) ? pfn : nil }
  /// The device it names.
  var pagemapNamed: PagemapID? { parameters.contains(.pagemap) ? pagemap : nil }
  /// It names an entry of an IOMMU's page table.
  var namesEntry: Bool { parameters.contains(.iova) }

  /// The call about the other one of the two devices that have a driver.
  var onFirstDevice: Call {
    var call = self
    if pagemapNamed == .device1 { call.pagemap = .device0 }
    if pagemapNamed == .device1Chunk1 { call.pagemap = .device0Chunk1 }
    if let frame, PagemapID(of: frame)?.device == .device1 {
      call.pfn = PFN(frame.position - Limits.driverPages)
    }
    return call
  }

  /// Calls of plainer operations on what this one names.
  func plainer(_ free: HandleID, in variant: Variant) -> [Call] {
    let domains = variant.base.design.domains
    return Procedure.operations
      .filter { $0.plainness < operation.plainness && $0.isEnabled(in: domains) }
      .flatMap { becoming($0, free) }
  }

  /// The call with one operand changed, and calls of other operations on what it names.
  func neighbours(_ free: HandleID, in variant: Variant) -> [Call] {
    let own = parameters.flatMap { Self.changes($0, of: self) }.map { change in
      var call = self
      change(&call)
      return call
    }
    let domains = variant.base.design.domains
    return own.filter { $0 != self }
      + Procedure.operations.filter { $0 != operation && $0.isEnabled(in: domains) }
      .flatMap { becoming($0, free) }
  }

  private typealias Change = (inout Call) -> Void

  private static func changes(_ parameter: Parameter, of call: Call) -> [Change] {
    switch parameter {
    case .mm: [{ $0.mm = MMID(1 - $0.mm.position) }]
    case .address: addresses(around: call.address).map { address in { $0.address = address } }
    case .file: [{ $0.file = FileID(1 - $0.file.position) }]
    case .filePage:
      [
        { ($0.file, $0.page) = (FileID(0), PageIndex(0)) }, { $0.page = PageIndex(0) },
        { $0.page = PageIndex(1) },
      ]
    case .sourcePage:
      [
        { $0.address = Address(FileID(0), PageIndex(0)) },
        { $0.address = Address(FileID(1 - $0.address.file.position), $0.address.page) },
      ]
    case .mapping: (0..<Limits.mappings).map { position in { $0.mapping = MappingID(position) } }
    case .pfn: call.pfn.others.map { other in { $0.pfn = other } }
    case .pagemap:
      [PagemapID.pmem0, .device0, .device1].map { pagemap in { $0.pagemap = pagemap } }
    case .pages(let standard):
      [
        { $0.pages = standard }, { $0.pages = 1 }, { $0.pages = 4 },
        { ($0.address, $0.pages) = (Address(FileID(0), PageIndex(1)), 4) },
      ]
    case .times: [{ $0.times = 1 }]
    case .entries: [{ $0.times = 1 }]
    case .iova:
      [
        { $0.name(slot: 0, entry: 0) },
        // One call may do what several did.
        {
          $0.name(slot: 0, entry: 0)
          $0.times = Boot().tableEntries
        },
      ]
    case .flags(let allowed):
      CallFlags.named.filter { allowed.contains($0.flag) }.map { named in
        { $0.flags.formSymmetricDifference(named.flag) }
      }
    case .handle, .cpu, .value, .size: []
    }
  }

  private static func addresses(around address: Address) -> [Address] {
    let mappings = (0..<Limits.mappings).map { Address(MappingID($0), address.page) }
    return [Address(FileID(0), PageIndex(0)), Address(FileID(0), PageIndex(1))] + mappings
  }
}
