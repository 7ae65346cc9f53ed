// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

// What a reducer does to a program whose lines are all needed.
extension Reducer {
  /// Fewer repairs, fewer CPUs, a smaller boot, plainer operands.
  mutating func simplify() {
    dropRepairs()
    dropBroken()
    joinCPUs()
    shrinkBoot()
    for line in program.lines.indices { simplifyOperands(of: line) }
    renameObjects()
    renameMappings()
    renameFrames()
    renameEntries()
  }

  /// Obeys the broken rules that have nothing to do with it.
  private mutating func dropBroken() {
    guard case .rules(let rules) = target.cause else { return }
    var candidate = program
    candidate.variant.broken = program.variant.broken.intersection(RuleSet(rules))
    if accept(candidate) { return }
    for rule in program.variant.broken.members where !rules.contains(rule) {
      candidate = program
      candidate.variant.broken.remove(rule)
      accept(candidate)
    }
  }

  private mutating func dropRepairs() {
    var candidate = program
    candidate.variant.repaired = RuleSet()
    if accept(candidate) { return }
    for rule in program.variant.repaired.members {
      candidate = program
      candidate.variant.repaired.remove(rule)
      accept(candidate)
    }
  }

  private mutating func joinCPUs() {
    for from in stride(from: Limits.cpus - 1, to: 0, by: -1) {
      for to in 0..<from where uses(CPUID(from)) && uses(CPUID(to)) {
        accept(program.mapping { $0.cpu == CPUID(from) ? CPUID(to) : $0.cpu })
      }
    }
  }

  private func uses(_ cpu: CPUID) -> Bool { program.instructions.contains { $0.cpu == cpu } }

  private mutating func shrinkBoot() {
    if boot(Boot()) { return }
    if program.boot.races != 0 {
      // What shows without is the plainer program; a data race never does.
      var boot = program.boot
      boot.races = 0
      if !self.boot(boot) {
        boot = Boot()
        boot.races = 1
        if self.boot(boot) { return }
      }
    }
    for files in 0..<program.boot.files {
      var boot = program.boot
      boot.files = files
      if self.boot(boot) { break }
    }
    for pages in 1..<max(1, program.boot.filePages) {
      var boot = program.boot
      boot.filePages = pages
      if self.boot(boot) { break }
    }
    for devices in 0..<program.boot.devices {
      var boot = program.boot
      boot.devices = devices
      if self.boot(boot) { break }
    }
    if program.boot.tableEntries != Boot().tableEntries {
      var boot = program.boot
      boot.tableEntries = Boot().tableEntries
      _ = self.boot(boot)
    }
    if program.boot.reflink != Boot().reflink {
      var boot = program.boot
      boot.reflink = Boot().reflink
      _ = self.boot(boot)
    }
    for pages in 1..<max(1, program.boot.devicePages) {
      var boot = program.boot
      boot.devicePages = pages
      if self.boot(boot) { break }
    }
  }

  /// Boots another machine; what the files are mapped to at boot may have to be left to them.
  private mutating func boot(_ boot: Boot) -> Bool {
    var candidate = program
    candidate.boot = boot
    if accept(candidate) { return true }
    guard boot.files != program.boot.files else { return false }
    for from in 0..<Limits.mappings {
      for to in 0..<Limits.mappings where to != from {
        let moved = candidate.mappingCalls {
          $0.moved(from: MappingID(from), to: MappingID(to))
        }
        if moved.instructions != program.instructions, accept(moved) { return true }
      }
    }
    return false
  }

  /// Tries plainer operands of one call, one at a time.
  private mutating func simplifyOperands(of line: Int) {
    guard let call = program.lines[line].instruction?.call else { return }
    for parameter in Vocabulary.signature(call.operation)?.parameters ?? [] {
      for change in Self.changes(parameter, of: call) {
        guard let current = program.lines[line].instruction?.call else { return }
        var simpler = current
        change(&simpler)
        guard simpler != current else { continue }
        var candidate = program
        candidate.lines[line].instruction?.call = simpler
        accept(candidate)
      }
    }
  }

  fileprivate typealias Change = (inout Call) -> Void

  fileprivate static func changes(_ parameter: Parameter, of call: Call) -> [Change] {
    switch parameter {
    case .mm: [{ $0.mm = MMID(0) }]
    case .address:
      [
        { $0.address = Address(FileID(0), PageIndex(0)) },
        { $0.address = Address($0.address.file, $0.address.page) },
        { $0.address = $0.address.moved(to: PageIndex(0)) },
        { $0.address = $0.address.moved(to: PageIndex(max(0, $0.address.page.position - 1))) },
      ]
    case .file: [{ $0.file = FileID(0) }]
    case .filePage:
      [
        { $0.file = FileID(0) }, { $0.page = PageIndex(0) },
        { $0.page = PageIndex(max(0, $0.page.position - 1)) },
      ]
    case .sourcePage:
      [
        { $0.address = Address(FileID(0), $0.address.page) },
        { $0.address = $0.address.moved(to: PageIndex(0)) },
        { $0.address = $0.address.moved(to: PageIndex(max(0, $0.address.page.position - 1))) },
      ]
    case .mapping: [{ $0.mapping = MappingID(0) }, { $0.mapping = MappingID(2) }]
    case .handle, .cpu: []
    case .pagemap: [{ $0.pagemap = .pmem0 }, { $0.pagemap = .device0 }]
    case .pfn:
      [
        { $0.pfn = PFN(0) }, { $0.pfn = PFN(Limits.devicePages) },
        { $0.pfn = PFN(max(0, $0.pfn.position - 1)) },
      ]
    case .value: [{ $0.value = 1 }]
    case .size: [{ $0.value = 0 }, { $0.value = 1 }]
    case .pages(let standard):
      [
        { $0.pages = standard }, { $0.pages = 1 }, { $0.pages = max(2, $0.pages) - 1 },
        // As far as before, from a page earlier.
        {
          guard $0.address.page.position > 0, $0.pages < Limits.filePages else { return }
          $0.address = $0.address.moved(to: PageIndex($0.address.page.position - 1))
          $0.pages += 1
        },
      ]
    case .times: [{ $0.times = 1 }, { $0.times = 2 }]
    case .iova:
      [
        { $0.name(slot: 0, entry: 0) }, { $0.name(slot: 0, entry: $0.entry) },
        { $0.name(slot: $0.slot, entry: max(0, $0.entry - 1)) },
      ]
    case .entries: [{ $0.times = 1 }]
    case .flags(let allowed):
      CallFlags.named.filter { allowed.contains($0.flag) }.map { named in
        { $0.flags.remove(named.flag) }
      }
    }
  }

  /// Calls all files and pages by lower numbers at once: calls that must agree, agree after it.
  private mutating func renameObjects() {
    accept(
      program.mappingCalls {
        $0.renamed {
          FileID(1 - $0.position)
        } page: {
          $0
        }
      })
    let used = program.instructions.compactMap(\.call).flatMap(\.pageOperands)
    for page in Set(used).sorted() where page.position > 0 {
      for lower in 0..<page.position {
        let renamed = program.mappingCalls { call in
          call.renamed {
            $0
          } page: {
            $0 == page ? PageIndex(lower) : $0
          }
        }
        if accept(renamed) { break }
      }
    }
  }

  /// Numbers CPUs and handles in the order they appear.
  mutating func renumber() {
    var cpus: [CPUID] = []
    for instruction in program.instructions where !cpus.contains(instruction.cpu) {
      cpus.append(instruction.cpu)
    }
    let inOrder = program.mapping { cpus.firstIndex(of: $0.cpu).map { CPUID($0) } ?? $0.cpu }
    acceptEqual(
      inOrder.mappingCalls { call in
        guard let place = cpus.firstIndex(of: call.cpu), call.namesCPU else { return call }
        var call = call
        call.cpu = CPUID(place)
        return call
      })
    var handles: [HandleID] = []
    for call in program.instructions.compactMap(\.call)
    where call.yieldsHandle || call.usesHandle {
      if !handles.contains(call.handle) { handles.append(call.handle) }
    }
    // The first is h1 as long as there is room.
    let first = handles.count < Limits.handles ? 1 : 0
    acceptEqual(
      program.mappingCalls { call in
        guard let place = handles.firstIndex(of: call.handle),
          call.yieldsHandle || call.usesHandle
        else { return call }
        var call = call
        call.handle = HandleID(first + place)
        return call
      })
  }
}

extension Address {
  fileprivate func moved(to page: PageIndex) -> Address {
    isFilePage ? Address(file, page) : Address(mapping, page)
  }
}

extension Call {
  /// The call with one operand plainer, in each way there is.
  var plainerOperands: [Call] {
    (Vocabulary.signature(operation)?.parameters ?? [])
      .flatMap { Reducer.changes($0, of: self) }
      .map { change in
        var call = self
        change(&call)
        return call
      }
      .filter { $0 != self }
  }

  /// The pages of files or mappings it names.
  var pageOperands: [PageIndex] {
    (Vocabulary.signature(operation)?.parameters ?? []).compactMap { parameter in
      switch parameter {
      case .address, .sourcePage: address.page
      case .filePage: page
      default: nil
      }
    }
  }

  fileprivate var namesCPU: Bool {
    Vocabulary.signature(operation)?.parameters.contains(.cpu) ?? false
  }

  func renamed(
    file rename: (FileID) -> FileID, page move: (PageIndex) -> PageIndex
  ) -> Call {
    var call = self
    for parameter in Vocabulary.signature(operation)?.parameters ?? [] {
      switch parameter {
      case .file: call.file = rename(file)
      case .filePage: (call.file, call.page) = (rename(file), move(page))
      case .address where address.isFilePage, .sourcePage:
        call.address = Address(rename(address.file), move(address.page))
      case .address: call.address = Address(address.mapping, move(address.page))
      default: break
      }
    }
    return call
  }
}

extension Program {
  /// The program with each line on the CPU a function says.
  func mapping(_ cpu: (Instruction) -> CPUID) -> Program {
    var copy = self
    for line in copy.lines.indices {
      guard let instruction = lines[line].instruction else { continue }
      copy.lines[line].instruction?.cpu = cpu(instruction)
    }
    return copy
  }

  /// The program with each call replaced.
  func mappingCalls(_ change: (Call) -> Call) -> Program {
    var copy = self
    for line in copy.lines.indices {
      guard let call = lines[line].instruction?.call else { continue }
      copy.lines[line].instruction?.call = change(call)
    }
    return copy
  }
}
