// SPDX-License-Identifier: MIT

package import PageLifecycle

/// Draws typed calls from the operations' own signatures.
///
/// It knows operands, resources and preconditions, and no sequence of calls.
package struct Generator: Sendable {
  /// How large the programs get, and which operations they may use.
  package struct Options: Sendable {
    package var boot = Boot()
    package var cpus = 3
    package var operations: [Procedure] = Procedure.operations
    /// What the protocol models.
    package var domains = DomainSet.kernel
    package init() {}
  }

  package var options: Options
  /// Pages, files and CPUs this program uses: few make them meet more often.
  private(set) var pages: Int
  private(set) var files: Int
  package internal(set) var cpus: Int
  private var weights: [Int]
  private var total: Int
  /// The share of `total` that needs no handle.
  private var handlelessTotal: Int
  private let signatures: [Signature]
  private let usesHandle: [Bool]

  package init(_ options: Options) {
    self.options = options
    pages = max(1, Int(options.boot.filePages))
    files = max(1, Int(options.boot.files))
    cpus = options.cpus
    signatures = options.operations.compactMap(\.signature)
    usesHandle = signatures.map { $0.parameters.contains(.handle) }
    (weights, total, handlelessTotal) = ([], 0, 0)
    weigh { $0.weight }
    precondition(handlelessTotal > 0, "some operation must work without a handle")
  }

  /// An operation of domains that the protocol or the boot is without is never drawn.
  private mutating func weigh(_ weight: (Signature) -> Int) {
    let domains = options.boot.domainSet.intersection(options.domains)
    weights = signatures.map { $0.enabledBy.isDisjoint(with: domains) ? 0 : weight($0) }
    total = weights.reduce(0, +)
    handlelessTotal = weights.indices.reduce(0) { $0 + (usesHandle[$1] ? 0 : weights[$1]) }
  }

  /// Draws a subset of the operations, pages, files and CPUs: what a swarm of programs
  /// differs in.
  package mutating func reswarm(_ random: inout Random) {
    pages = 1 + random.below(max(1, Int(options.boot.filePages)))
    files = 1 + random.below(max(1, Int(options.boot.files)))
    cpus = 1 + random.below(options.cpus)
    weigh { random.oneIn(3) ? 0 : $0.weight }
    if handlelessTotal == 0 { weigh { $0.weight } }
  }

  /// A call that is useful in this state if one is found in a few draws, else any.
  package func call(for machine: inout Machine, on cpu: CPUID, _ random: inout Random) -> Call {
    var call = draw(&machine, cpu, &random)
    for _ in 0..<8 where !Procedure.isUseful(call, in: &machine) {
      call = draw(&machine, cpu, &random)
    }
    return call
  }

  private func draw(_ machine: inout Machine, _ cpu: CPUID, _ random: inout Random) -> Call {
    let position = drawOperation(hasHandle: hasHandle(&machine), &random)
    var call = Call(options.operations[position])
    for parameter in signatures[position].parameters {
      fill(parameter, of: &call, &machine, cpu, &random)
    }
    if signatures[position].yieldsHandle { call.handle = freeHandle(&machine, &random) }
    return call
  }

  /// A program that releases what no call was asked to obtain would be none.
  private func drawOperation(hasHandle: Bool, _ random: inout Random) -> Int {
    var pick = random.below(hasHandle ? total : handlelessTotal)
    for position in weights.indices where hasHandle || !usesHandle[position] {
      guard pick >= weights[position] else { return position }
      pick -= weights[position]
    }
    preconditionFailure("the weights are more than their total")
  }

  private func hasHandle(_ machine: inout Machine) -> Bool {
    (0..<Limits.handles).contains { machine.handles[HandleID($0)].state != .unused }
  }

  /// Draws one operand of a call.
  func fill(
    _ parameter: Parameter, of call: inout Call, _ machine: inout Machine, _ cpu: CPUID,
    _ random: inout Random
  ) {
    switch parameter {
    case .mm:
      call.mm = MMID(machine.mms[MMID(1)].isAlive ? random.below(Limits.mms) : 0)
    case .address: call.address = address(in: call.mm, &machine, &random)
    case .file: call.file = FileID(random.below(files))
    case .filePage:
      call.file = FileID(random.below(files))
      call.page = PageIndex(random.below(pages))
    case .sourcePage:
      call.address = Address(FileID(random.below(files)), PageIndex(random.below(pages)))
    case .mapping: call.mapping = MappingID(random.below(Limits.mappings))
    case .handle: call.handle = heldHandle(&machine, &random)
    case .pfn where !options.domains.contains(.fsdax):
      call.pfn = PFN(Limits.devicePages + random.below(pages))
    case .pfn:
      let isDevice = options.boot.devices > 0 && random.oneIn(2)
      call.pfn =
        isDevice
        ? PFN(Limits.devicePages + random.below(Limits.pages - Limits.devicePages))
        : PFN(random.below(max(1, Int(options.boot.devicePages))))
    case .pagemap:
      call.pagemap = PagemapID(random.below(1 + min(Int(options.boot.devices), 4)))
      if call.operation.takesChunk, let chunk = call.pagemap.secondChunk, random.oneIn(3) {
        call.pagemap = chunk
      }
    case .cpu: call.cpu = CPUID(random.below(cpus))
    case .value: call.value = UInt8(1 + random.below(255))
    case .size: call.value = UInt8(random.below(pages + 1))
    case .pages(let standard):
      call.pages = random.oneIn(3) ? UInt8(1 + random.below(pages)) : standard
    case .iova:
      let entries = min(Int(options.boot.tableEntries), Limits.filePages)
      call.name(slot: random.below(Limits.tableSlots), entry: random.below(entries))
    case .entries:
      let rest = max(1, Int(options.boot.tableEntries) - call.entry)
      call.times = UInt16(random.oneIn(3) ? rest : 1)
    case .times: call.times = random.oneIn(40) ? 1024 : 1
    case .flags(let allowed):
      for (_, flag) in CallFlags.named
      where allowed.contains(flag) && machine.rules.hasMeaning(flag, of: call.operation) {
        let asksForFolio = flag == .pmd && call.operation != .daxFault
        let isLikely = flag == .write || flag == .isPrivate || asksForFolio
        if isLikely ? random.oneIn(2) : random.oneIn(6) { call.flags.insert(flag) }
      }
    }
  }

  /// An address in a mapping that exists, by the file's page where that names it.
  private func address(in mm: MMID, _ machine: inout Machine, _ random: inout Random) -> Address {
    let page = PageIndex(random.below(pages))
    let start = random.below(Limits.mappings)
    for offset in 0..<Limits.mappings {
      let mapping = MappingID((start + offset) % Limits.mappings)
      let vma = machine.mms[mm].vmas[mapping]
      guard !vma.isFree, vma.kind != .file || vma.file.position < files else { continue }
      let isBootMapping =
        vma.kind == .file && mapping.rawValue == vma.file.rawValue && vma.offset.rawValue == 0
      return isBootMapping ? Address(vma.file, page) : Address(mapping, page)
    }
    return Address(FileID(random.below(files)), page)
  }

  /// A handle that holds pages, else one that some call was asked to fill.
  private func heldHandle(_ machine: inout Machine, _ random: inout Random) -> HandleID {
    let start = random.below(Limits.handles)
    var assigned = HandleID(start)
    for offset in 0..<Limits.handles {
      let handle = HandleID((start + offset) % Limits.handles)
      if machine.handles[handle].state == .held { return handle }
      if machine.handles[handle].state != .unused { assigned = handle }
    }
    return assigned
  }

  private func freeHandle(_ machine: inout Machine, _ random: inout Random) -> HandleID {
    for position in 0..<Limits.handles where machine.handles[HandleID(position)].state == .unused {
      return HandleID(position)
    }
    return HandleID(random.below(Limits.handles))
  }
}

extension Procedure {
  /// It is about one chunk of a device with a driver; others are about the whole device.
  fileprivate var takesChunk: Bool {
    self == .memremapPages || self == .memunmapPages || self == .migrateDeviceRange
  }
}
