// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Every useful call of a state within small bounds: what `explore` chooses from.
///
/// Derived from the signatures like the ``Generator``'s random calls.  Left out are calls that
/// can do nothing in the state they would start in, and operands that only rename others: one
/// value to write, one place to map a file at, the first handle that is free.
package struct Alphabet: Sendable {
  package var pages: Int
  package var files: Int
  package var operations: [Procedure]

  package init(pages: Int, files: Int, operations: [Procedure] = Procedure.operations) {
    (self.pages, self.files, self.operations) = (pages, files, operations)
  }

  /// The calls an idle CPU may start in a state.
  package func calls(in machine: Machine) -> [Call] {
    operations.flatMap { operation -> [Call] in
      guard let signature = operation.signature,
        operation.isEnabled(in: machine.rules.domains)
      else { return [] }
      var calls = [Call(operation)]
      if signature.yieldsHandle {
        let isFree: (Handle.State) -> Bool = { $0 != .held && $0 != .filling }
        guard let free = firstHandle(in: machine, where: isFree) else { return [] }
        calls[0].handle = free
      }
      for parameter in signature.parameters {
        calls = calls.flatMap { variants(of: $0, parameter, machine) }
      }
      var scratch = machine
      return calls.filter { Procedure.isUseful($0, in: &scratch) && canMatter($0, in: machine) }
    }
  }

  /// Whether a call that is useful in itself could make a difference within these bounds.
  private func canMatter(_ call: Call, in machine: Machine) -> Bool {
    switch call.operation {
    // With one free block there is nothing to choose.
    case .nextBlock: return machine.freeBlocks.count > 1
    // Only breaking the layouts of a file that stays sleeps interruptibly.
    case .signal:
      let target = machine.cpus[call.cpu]
      let canSleep: [Procedure] = [.ftruncate, .punchHole, .zeroRange, .collapseRange]
      return canSleep.contains(target.call.operation) && !target.isSignalled
    // A range that reaches the end of the file is refused.
    case .collapseRange:
      return call.page.rawValue + call.pages < machine.files[call.file].size
    default: return true
    }
  }

  private func firstHandle(
    in machine: Machine, where isWanted: (Handle.State) -> Bool
  ) -> HandleID? {
    (0..<Limits.handles).lazy.map { HandleID($0) }.first { isWanted(machine.handles[$0].state) }
  }

  private func variants(of call: Call, _ parameter: Parameter, _ machine: Machine) -> [Call] {
    func set(_ change: (inout Call) -> Void) -> [Call] {
      var copy = call
      change(&copy)
      return [copy]
    }
    switch parameter {
    case .mm:
      return (0..<Limits.mms).filter { machine.mms[MMID($0)].isAlive }
        .flatMap { mm in set { $0.mm = MMID(mm) } }
    case .address:
      return addresses(in: call.mm, machine).flatMap { address in set { $0.address = address } }
    case .file: return (0..<files).flatMap { file in set { $0.file = FileID(file) } }
    case .filePage:
      return (0..<files).flatMap { file in
        (0..<pages).flatMap { page in
          set { ($0.file, $0.page) = (FileID(file), PageIndex(page)) }
        }
      }
    case .sourcePage:
      return (0..<files).flatMap { file in
        (0..<pages).flatMap { page in set { $0.address = Address(FileID(file), PageIndex(page)) } }
      }
    case .mapping: return [2].flatMap { mapping in set { $0.mapping = MappingID(mapping) } }
    case .handle:
      return (0..<Limits.handles).filter { machine.handles[HandleID($0)].state == .held }
        .flatMap { handle in set { $0.handle = HandleID(handle) } }
    case .pfn where !machine.rules.domains.contains(.fsdax):
      return (0..<max(2, pages)).flatMap { page in
        set { $0.pfn = PFN(Limits.devicePages + page) }
      }
    case .pfn: return (0..<pages).flatMap { pfn in set { $0.pfn = PFN(pfn) } }
    // A chunk that was never bound is left to its driver's allocation.
    case .pagemap:
      return PagemapID.all.filter { machine.pagemaps[$0].type != .invalid }
        .flatMap { pagemap in set { $0.pagemap = pagemap } }
    case .cpu: return (0..<Limits.cpus).flatMap { cpu in set { $0.cpu = CPUID(cpu) } }
    case .value: return set { $0.value = 1 }
    case .size: return (0..<pages).flatMap { size in set { $0.value = UInt8(size) } }
    case .pages(let standard): return set { $0.pages = standard }
    case .times: return [call]
    case .iova:
      return (0..<min(pages, Limits.tableSlots)).flatMap { slot in
        (0..<2).flatMap { entry in set { $0.name(slot: slot, entry: entry) } }
      }
    case .entries:
      let whole = machine.iommu.entriesPerTable
      return [call] + (call.entry == 0 && whole > 1 ? set { $0.times = whole } : [])
    case .flags(let allowed):
      return [call]
        + CallFlags.named.filter { _, flag in
          allowed.contains(flag) && canAsk(for: flag)
            && machine.rules.hasMeaning(flag, of: call.operation)
        }
        .flatMap { _, flag in set { $0.flags = flag } }
    }
  }

  /// A file that is shorter than a PMD has no PMD entry.
  private func canAsk(for flag: CallFlags) -> Bool {
    flag != .pmd || pages >= Limits.pagesPerPMD
  }

  private func addresses(in mm: MMID, _ machine: Machine) -> [Address] {
    var addresses: [Address] = []
    for file in 0..<files {
      for page in 0..<pages { addresses.append(Address(FileID(file), PageIndex(page))) }
    }
    for mapping in 2..<Limits.mappings where !machine.mms[mm].vmas[MappingID(mapping)].isFree {
      for page in 0..<pages { addresses.append(Address(MappingID(mapping), PageIndex(page))) }
    }
    return addresses
  }
}
