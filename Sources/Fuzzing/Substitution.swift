// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

// What makes two small programs of one bug the same program.
extension Reducer {
  /// Drops a call where something else of the program has to change with it: another mapping or
  /// process is used, or another call writes.
  mutating func dropWithHelp() {
    guard program.lines.count <= SearchLimits.pairedLines else { return }
    var line = program.lines.count
    while line > 0 {
      line -= 1
      guard line < program.lines.count else { continue }
      var rest = program
      rest.lines.remove(at: line)
      for helped in Self.helped(rest) where accept(helped) { break }
    }
    dropProcess()
  }

  /// Lets the parent do what a child does, and nothing else.
  private mutating func dropProcess() {
    let lines = program.instructions.indices.filter { line in
      guard let call = program.instructions[line].call else { return false }
      return call.operation == .fork || (call.namesProcess && call.mm == MMID(0))
    }
    accept(
      program.without(lines.flatMap { linesOfCall(at: $0) }).mappingCalls { call in
        var call = call
        call.mm = MMID(0)
        return call
      })
  }

  private static func helped(_ program: Program) -> [Program] {
    var candidates: [Program] = []
    for from in 0..<Limits.mappings {
      for to in 0..<Limits.mappings where from != to {
        candidates.append(
          program.mappingCalls { $0.moved(from: MappingID(from), to: MappingID(to)) })
      }
    }
    candidates.append(program)
    candidates.append(
      program.mappingCalls { call in
        var call = call
        call.mm = MMID(0)
        return call
      })
    for line in program.lines.indices {
      guard let call = program.lines[line].instruction?.call, call.allows(.write),
        !call.flags.contains(.write)
      else { continue }
      var writing = program
      writing.lines[line].instruction?.call?.flags.insert(.write)
      candidates.append(writing)
    }
    let isSmall = program.callCount < SearchLimits.jointCalls
    return candidates + (isSmall ? candidates : [program]).flatMap(Self.withOneCallLast)
      + withDevice(program) + withOtherFrame(program) + [atFirstPage(program)]
  }

  /// The program with all its calls about one device of a driver, which is there from the start.
  private static func withDevice(_ program: Program) -> [Program] {
    guard program.instructions.contains(where: { $0.call?.namesPagemap ?? false }) else {
      return []
    }
    return [PagemapID.device0, .device1].map { device in
      var candidate = program.mappingCalls { call in
        guard call.namesPagemap else { return call }
        var call = call
        call.pagemap = device
        return call
      }
      candidate.boot.devices = max(candidate.boot.devices, device.rawValue)
      return candidate
    }
  }

  /// The program with another page frame for one that it names.
  private static func withOtherFrame(_ program: Program) -> [Program] {
    Set(program.instructions.compactMap(\.call?.frame)).sorted().flatMap { pfn in
      pfn.others.filter { $0 != pfn }.map { program.moving(pfn, to: $0) }
    }
  }

  /// The program with everything at the first page of the first file.
  private static func atFirstPage(_ program: Program) -> Program {
    program.mappingCalls { call in
      var call = call
      for parameter in Vocabulary.signature(call.operation)?.parameters ?? [] {
        switch parameter {
        case .address: call.address = Address(FileID(0), PageIndex(0))
        case .file: call.file = FileID(0)
        case .filePage: (call.file, call.page) = (FileID(0), PageIndex(0))
        default: break
        }
      }
      return call
    }
  }

  /// The program with each of its calls, in turn, behind all others.
  private static func withOneCallLast(_ program: Program) -> [Program] {
    program.lines.indices.dropLast().compactMap { line in
      guard program.lines[line].instruction?.call != nil else { return nil }
      var candidate = program
      let last = candidate.lines.remove(at: line)
      candidate.lines.append(last)
      return candidate
    }
  }

  /// Puts an operation in the place of each call that comes earlier in the list of operations.
  mutating func substitute() {
    // A call that no longer yields a handle takes those that used it away.
    for line in program.lines.indices where line < program.lines.count {
      guard let call = program.lines[line].instruction?.call else { continue }
      let domains = program.variant.base.design.domains
      for operation in Procedure.operations
      where operation.plainness < call.operation.plainness && operation.isEnabled(in: domains) {
        let isReplaced = call.becoming(operation, freeHandle).contains {
          accept(program.replacing(line, by: $0))
        }
        if isReplaced { break }
      }
    }
  }

  /// A handle no call names.
  var freeHandle: HandleID {
    let used = program.instructions.compactMap { $0.call?.handle }
    return (0..<Limits.handles).lazy.map { HandleID($0) }.first { !used.contains($0) }
      ?? HandleID(0)
  }

  /// Calls in the order of operations and on the lowest CPUs, where that makes no difference.
  mutating func normalize() {
    for line in program.lines.indices.dropLast() {
      var candidate = program
      candidate.lines.swapAt(line, line + 1)
      guard let first = program.lines[line].instruction,
        let second = program.lines[line + 1].instruction
      else { continue }
      guard let earlier = first.call, let later = second.call,
        later.operation.rawValue < earlier.operation.rawValue,
        candidate.repairingHandles() == candidate
      else { continue }
      acceptEqual(candidate)
    }
    for line in program.lines.indices {
      guard let own = program.lines[line].instruction?.cpu else { continue }
      for lower in 0..<own.position {
        var candidate = program
        candidate.lines[line].instruction?.cpu = CPUID(lower)
        if acceptEqual(candidate) { break }
      }
    }
    for line in program.lines.indices.dropFirst() {
      guard let own = program.lines[line].instruction?.cpu else { continue }
      for lower in 0..<own.position {
        var candidate = program
        for later in program.lines.indices.dropFirst(line) {
          let cpu = program.lines[later].instruction?.cpu
          if cpu == own { candidate.lines[later].instruction?.cpu = CPUID(lower) }
          if cpu == CPUID(lower) { candidate.lines[later].instruction?.cpu = own }
        }
        if acceptEqual(candidate) { break }
      }
    }
  }

  /// Uses the lowest mapping that does, in all calls at once.
  mutating func renameMappings() {
    for from in (1..<Limits.mappings).reversed() {
      for to in 0..<from {
        let renamed = program.mappingCalls { $0.moved(from: MappingID(from), to: MappingID(to)) }
        if accept(renamed) { break }
      }
    }
  }
}

extension Procedure {
  /// Fewer operands that must be there are plainer, a handle being one; of equals what comes first
  /// in the list of operations.
  var plainness: Int {
    guard let signature = Vocabulary.signature(self) else { return 0 }
    let needed = signature.parameters.count { parameter in
      switch parameter {
      // An address says whose.
      case .mm: !signature.parameters.contains(.address)
      case .pages, .times, .flags, .entries: false
      default: true
      }
    }
    return (needed + (signature.yieldsHandle ? 1 : 0)) << 8 | Int(rawValue)
  }
}

extension Call {
  fileprivate var namesProcess: Bool {
    Vocabulary.signature(operation)?.parameters.contains(.mm) ?? false
  }

  fileprivate var namesPagemap: Bool {
    Vocabulary.signature(operation)?.parameters.contains(.pagemap) ?? false
  }

  func allows(_ flag: CallFlags) -> Bool {
    (Vocabulary.signature(operation)?.parameters ?? []).contains { parameter in
      if case .flags(let allowed) = parameter { allowed.contains(flag) } else { false }
    }
  }

  func moved(from: MappingID, to: MappingID) -> Call {
    var call = self
    for parameter in Vocabulary.signature(operation)?.parameters ?? [] {
      switch parameter {
      case .mapping where mapping == from: call.mapping = to
      case .address where !address.isFilePage && address.mapping == from:
        call.address = Address(to, address.page)
      default: break
      }
    }
    return call
  }

  /// Another operation on what this one names, as it is and where it can writing, of each device
  /// where this one names none; none where that releases a handle and this does not.
  func becoming(_ operation: Procedure, _ free: HandleID) -> [Call] {
    guard let plain = becomingPlain(operation, free) else { return [] }
    var calls = [plain]
    if plain.allows(.write), !plain.flags.contains(.write) {
      calls[0].flags.insert(.write)
      calls.insert(plain, at: 0)
    }
    let parameters = Vocabulary.signature(operation)?.parameters ?? []
    let names = Vocabulary.signature(self.operation)?.parameters.contains(.pagemap) ?? true
    guard parameters.contains(.pagemap), !names else { return calls }
    return PagemapID.all.flatMap { pagemap in
      calls.map { call in
        var call = call
        call.pagemap = pagemap
        return call
      }
    }
  }

  private func becomingPlain(_ operation: Procedure, _ free: HandleID) -> Call? {
    guard let own = Vocabulary.signature(self.operation),
      let signature = Vocabulary.signature(operation),
      !signature.parameters.contains(.handle) || own.parameters.contains(.handle)
    else { return nil }
    var call = Call(operation)
    let hasAddress = own.parameters.contains(.address)
    if signature.yieldsHandle { call.handle = own.yieldsHandle ? handle : free }
    for parameter in signature.parameters {
      switch parameter {
      case .mm: call.mm = mm
      case .address:
        call.address = own.parameters.contains(.filePage) ? Address(file, page) : address
      case .file: call.file = hasAddress && address.isFilePage ? address.file : file
      case .filePage:
        call.file = hasAddress && address.isFilePage ? address.file : file
        call.page = hasAddress ? address.page : page
      case .sourcePage:
        let isPage = hasAddress && address.isFilePage
        call.address = isPage ? address : Address(file, page)
      case .mapping: call.mapping = mapping
      case .handle: call.handle = handle
      case .pfn: call.pfn = pfn
      case .pagemap: call.pagemap = pagemap
      case .cpu: call.cpu = cpu
      case .value: call.value = max(1, value)
      case .size: call.value = 0
      case .pages(let standard): call.pages = hasPages(own) ? pages : standard
      case .times: call.times = times
      case .iova: call.name(slot: hasSlot(own) ? slot : 0, entry: hasSlot(own) ? entry : 0)
      case .entries: call.times = hasSlot(own) ? times : 1
      case .flags(let allowed): call.flags = flags.intersection(allowed)
      }
    }
    return call
  }

  private func hasSlot(_ signature: Signature) -> Bool { signature.parameters.contains(.iova) }

  private func hasPages(_ signature: Signature) -> Bool {
    signature.parameters.contains { if case .pages = $0 { true } else { false } }
  }
}
