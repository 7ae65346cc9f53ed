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
  /// Pages, files, processes, devices and CPUs this program uses: few make them meet more often.
  private(set) var pages = 1
  private(set) var files = 1
  private var mms = 1
  private var devices = 0
  package internal(set) var cpus = 1
  /// No operation comes more often than another, and each draw is of one with its operands.
  private var isEven = false
  /// Positions of operations, each as often as it weighs, and those that need no handle.
  private var lots: [UInt8] = []
  private var handlelessLots: [UInt8] = []
  private let parameters: [[Parameter]]
  private let yieldsHandle: [Bool]
  private let usesHandle: [Bool]
  private let usesAddress: [Bool]
  private let enabledBy: [DomainSet]
  private let standardWeights: [Int]

  package init(_ options: Options) {
    self.options = options
    let signatures = options.operations.compactMap(\.signature)
    parameters = signatures.map(\.parameters)
    yieldsHandle = signatures.map(\.yieldsHandle)
    usesHandle = parameters.map { $0.contains(.handle) }
    usesAddress = parameters.map { $0.contains(.address) }
    enabledBy = signatures.map(\.enabledBy)
    standardWeights = signatures.map(\.weight)
    useEverything()
    precondition(!handlelessLots.isEmpty, "some operation must work without a handle")
  }

  /// Uses every operation, page, file and CPU there is, operations as often as they weigh, or one
  /// as often as any other.
  package mutating func useEverything(evenly: Bool = false) {
    pages = max(1, options.boot.files > 0 ? Int(options.boot.filePages) : Limits.filePages)
    files = max(1, Int(options.boot.files))
    mms = Limits.mms
    devices = Int(options.boot.devices)
    cpus = options.cpus
    isEven = evenly
    weigh { evenly ? min(1, $0) : $0 }
  }

  /// An operation of domains that the protocol or the boot is without is never drawn.
  private mutating func weigh(_ weight: (Int) -> Int) {
    let domains = options.boot.domainSet.intersection(options.domains).rawValue
    lots.removeAll(keepingCapacity: true)
    handlelessLots.removeAll(keepingCapacity: true)
    for (position, standard) in standardWeights.enumerated()
    where enabledBy[position].rawValue & domains != 0 {
      let own = repeatElement(UInt8(position), count: weight(standard))
      lots += own
      if !usesHandle[position] { handlelessLots += own }
    }
  }

  /// What a swarm makes of an operation's weight, each as likely: a program that draws two rare
  /// operations often finds what takes both.
  private static let shares = [0, 0, 1, 1, 1, 6]

  /// Draws for every other program, or for each, a subset of the operations, some of which come
  /// often, pages, files and CPUs: what a swarm of programs differs in.  The others use everything
  /// there is.
  package mutating func reswarm(always: Bool = false, _ random: inout Random) {
    useEverything()
    guard random.oneIn(2) || always else { return }
    pages = 1 + random.below(pages)
    files = 1 + random.below(files)
    mms = 1 + random.below(mms)
    devices = min(devices, 1 + random.below(max(1, devices)))
    cpus = 1 + random.below(cpus)
    weigh { $0 * Self.shares[random.below(Self.shares.count)] }
    if handlelessLots.isEmpty { weigh { $0 } }
  }

  /// A call that is useful in this state if one is found in a few draws, else any.
  ///
  /// About the page of another call where one is given, as far as its operands allow.  Operands are
  /// drawn again before the operation is: one that few operands are useful for would otherwise give
  /// way to those that always are.
  package func call(
    for machine: inout Machine, on cpu: CPUID, meeting other: Call? = nil, _ random: inout Random
  ) -> Call {
    let handles = Handles(&machine)
    let page = other?.object
    var call = Call(.idle)
    for _ in 0..<(isEven ? SearchLimits.evenTries : SearchLimits.operationTries) {
      let position = drawOperation(hasHandle: handles.assigned != 0, &random)
      let drawsOnce = isEven || isHopeless(position, handles, &machine)
      for _ in 0..<(drawsOnce ? 1 : SearchLimits.operandTries) {
        call = draw(position, &machine, handles, cpu, page, &random)
        if Procedure.isUseful(call, in: &machine) { return call }
      }
    }
    return call
  }

  /// Whether other operands would be no better: there is nothing to choose them from.
  private func isHopeless(
    _ position: Int, _ handles: Handles, _ machine: inout Machine
  ) -> Bool {
    parameters[position].isEmpty || usesHandle[position] && handles.isEmpty
      || usesAddress[position] && !isMapped(&machine)
  }

  /// Some process has mapped what this program uses.
  private func isMapped(_ machine: inout Machine) -> Bool {
    for mm in 0..<mms where machine.mapping(of: MMID(mm), from: 0, files: files) != nil {
      return true
    }
    return false
  }

  private func draw(
    _ position: Int, _ machine: inout Machine, _ handles: Handles, _ cpu: CPUID, _ page: Address?,
    _ random: inout Random
  ) -> Call {
    var call = Call(options.operations[position])
    for parameter in parameters[position] {
      fill(parameter, of: &call, &machine, handles, cpu, &random)
    }
    if yieldsHandle[position] { call.handle = handles.free(&random) }
    if let page { meet(page, parameters[position], &call) }
    return call
  }

  /// Changes a call to be about a page, and its file if it has one.
  private func meet(_ page: Address, _ parameters: [Parameter], _ call: inout Call) {
    for parameter in parameters {
      switch parameter {
      case .filePage where page.isFilePage: (call.file, call.page) = (page.file, page.page)
      case .filePage: call.page = page.page
      case .address where page.isFilePage && call.address.isFilePage: call.address = page
      case .address where call.address.isFilePage:
        call.address = Address(call.address.file, page.page)
      case .address: call.address = Address(call.address.mapping, page.page)
      default: break
      }
    }
  }

  /// The position of one: a program that releases what no call was asked to obtain would be none.
  private func drawOperation(hasHandle: Bool, _ random: inout Random) -> Int {
    Int(
      hasHandle
        ? lots[random.below(lots.count)] : handlelessLots[random.below(handlelessLots.count)])
  }

  /// Draws one operand of a call.
  func fill(
    _ parameter: Parameter, of call: inout Call, _ machine: inout Machine, _ cpu: CPUID,
    _ random: inout Random
  ) {
    fill(parameter, of: &call, &machine, Handles(&machine), cpu, &random)
  }

  private func fill(
    _ parameter: Parameter, of call: inout Call, _ machine: inout Machine, _ handles: Handles,
    _ cpu: CPUID, _ random: inout Random
  ) {
    switch parameter {
    case .mm:
      call.mm = MMID(machine.isAlive(MMID(1)) ? random.below(mms) : 0)
    case .address: call.address = address(in: call.mm, &machine, &random)
    case .file: call.file = FileID(random.below(files))
    case .filePage:
      call.file = FileID(random.below(files))
      call.page = PageIndex(random.below(pages))
    case .sourcePage:
      call.address = Address(FileID(random.below(files)), PageIndex(random.below(pages)))
    case .mapping: call.mapping = MappingID(random.below(Limits.mappings))
    case .handle: call.handle = handles.held(&random)
    case .pfn where !options.domains.contains(.fsdax):
      call.pfn = PFN(Limits.devicePages + random.below(pages))
    case .pfn:
      let isDevice = options.boot.devices > 0 && random.oneIn(2)
      call.pfn =
        isDevice
        ? PFN(Limits.devicePages + random.below(Limits.pages - Limits.devicePages))
        : PFN(random.below(max(1, Int(options.boot.devicePages))))
    case .pagemap:
      call.pagemap = PagemapID(random.below(1 + min(devices, 4)))
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
      for flag in Self.flags
      where allowed.rawValue & flag.rawValue != 0
        && machine.rules.hasMeaning(flag, of: call.operation)
      {
        let asksForFolio = flag == .pmd && call.operation != .daxFault
        let isLikely = flag == .write || flag == .isPrivate || asksForFolio
        if isLikely ? random.oneIn(2) : random.oneIn(6) { call.flags.insert(flag) }
      }
    }
  }

  /// What a program can ask for, without its names, which are slow to copy.
  private static let flags = CallFlags.named.map(\.flag)

  /// An address in a mapping that exists, by the file's page where that names it.
  private func address(in mm: MMID, _ machine: inout Machine, _ random: inout Random) -> Address {
    let page = PageIndex(random.below(pages))
    let start = random.below(Limits.mappings)
    guard let found = machine.mapping(of: mm, from: start, files: files) else {
      return Address(FileID(random.below(files)), page)
    }
    return found.bootedWith.map { Address($0, page) } ?? Address(found.mapping, page)
  }
}

/// The handles of a machine, a bit each.
private struct Handles {
  private let held: UInt64
  /// Those that some call was asked to fill.
  let assigned: UInt64
  /// None holds pages.
  var isEmpty: Bool { held == 0 }

  init(_ machine: inout Machine) {
    let handles = machine.heldHandles()
    (held, assigned) = (handles.held.rawValue, handles.assigned.rawValue)
  }

  /// A handle that holds pages, else one that some call was asked to fill.
  func held(_ random: inout Random) -> HandleID {
    let start = random.below(Limits.handles)
    let later = Self.rotated(held, by: start)
    guard later == 0 else { return HandleID((start + later.trailingZeroBitCount) % Limits.handles) }
    let rest = Self.rotated(assigned, by: start)
    guard rest != 0 else { return HandleID(start) }
    return HandleID((start + 63 - rest.leadingZeroBitCount) % Limits.handles)
  }

  /// One that no call was asked to fill, else any.
  func free(_ random: inout Random) -> HandleID {
    let first = (~assigned).trailingZeroBitCount
    return HandleID(first < Limits.handles ? first : random.below(Limits.handles))
  }

  /// The circle of handles from a place on.
  private static func rotated(_ bits: UInt64, by start: Int) -> UInt64 {
    bits >> UInt64(start) | (bits & (1 << UInt64(start) - 1)) << UInt64(Limits.handles - start)
  }
}

extension Procedure {
  /// It is about one chunk of a device with a driver; others are about the whole device.
  fileprivate var takesChunk: Bool {
    self == .memremapPages || self == .memunmapPages || self == .migrateDeviceRange
  }
}

extension Call {
  /// The page it is about, as far as its operands say.
  fileprivate var object: Address? {
    let parameters = operation.signature?.parameters ?? []
    if parameters.contains(.address) { return address }
    return parameters.contains(.filePage) ? Address(file, page) : nil
  }
}
