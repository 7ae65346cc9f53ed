// SPDX-License-Identifier: MIT

package import PageLifecycle

/// The compact form for byte-oriented fuzzers: every byte string is a program.
///
/// Layout: a header, then one record an instruction until the bytes end; bytes that are missing
/// are zero.  A number out of range is reduced to one in range.  Operations, procedures, rules
/// and protocols are numbered by their names in alphabetical order, never by declaration; steps
/// by their place in their procedure.  Handles are repaired as ``Program/repairingHandles()``
/// does; calls of what the protocol does not model are left out.  Comments, assertions, stated
/// results and the expectation have no binary form.
///
///     header   protocol · 2 + repaired, files, filePages, devicePages, devices,
///              tableEntries (2 bytes), reflink, races, count, rule ... repaired, count, rule ... broken
///     record   operation (0 resumes), cpu | 128 with a stop, [handle it yields],
///              operands in the order of the signature, [procedure, step, visit - 1 (2 bytes)]
///
/// The form changes whenever a name is added, and so never reaches git.
package enum ProgramBinary {
  /// The header's numbers are counted from the defaults, so that zeros are ``Boot`` itself.
  private static let standard = Boot()
  private static let stopBit: UInt8 = 128

  /// The program any bytes stand for; a variant given replaces the one they name, and a protocol
  /// given the one that they vary.
  package static func decode(
    _ bytes: some Sequence<UInt8>, variant: Variant? = nil, of base: Protocol? = nil
  ) -> Program {
    var reader = Reader(bytes)
    var program = Program(decodeVariant(&reader), boot: decodeBoot(&reader))
    let repaired = decodeRules(&reader)
    let broken = decodeRules(&reader)
    program.variant.repaired = repaired
    program.variant.broken = broken
    let withdrawn = UInt16(reader.next())
    for patch in program.variant.base.patches {
      program.variant.withdrawn |= withdrawn << 1 & 1 << UInt16(patch.number)
    }
    if let variant { program.variant = variant }
    if let base { program.variant.base = base }
    let domains = program.variant.base.design.domains
    while !reader.isAtEnd && program.lines.count < ProgramLimits.records {
      let instruction = decodeInstruction(&reader)
      guard instruction.call?.operation.isEnabled(in: domains) ?? true else { continue }
      program.lines.append(Line(instruction))
    }
    return program.repairingHandles()
  }

  /// The bytes of a program's variant, boot and instructions.
  package static func encode(_ program: Program) -> [UInt8] {
    var bytes: [UInt8] = []
    let base = Vocabulary.protocols.firstIndex { $0.name == program.variant.base.name } ?? 0
    bytes.append(UInt8(base * 2 + (program.variant.isRepaired ? 1 : 0)))
    bytes.append(offset(program.boot.files, standard.files, 0...Limits.files))
    bytes.append(offset(program.boot.filePages, standard.filePages, 1...Limits.filePages))
    bytes.append(offset(program.boot.devicePages, standard.devicePages, 1...Limits.devicePages))
    bytes.append(offset(program.boot.devices, standard.devices, devices))
    encode(wrapped(Int(program.boot.tableEntries) - Int(standard.tableEntries)), &bytes)
    bytes.append(program.boot.reflink)
    bytes.append(program.boot.races)
    encode(program.variant.repaired, &bytes)
    encode(program.variant.broken, &bytes)
    bytes.append(UInt8(truncatingIfNeeded: program.variant.withdrawn >> 1))
    return encode(program.instructions, after: bytes)
  }

  /// The bytes of a program with more instructions.
  package static func encode(
    _ instructions: some Sequence<Instruction>, after bytes: [UInt8]
  ) -> [UInt8] {
    var bytes = bytes
    for instruction in instructions { encode(instruction, &bytes) }
    return bytes
  }

  // MARK: Header

  private static func decodeVariant(_ reader: inout Reader) -> Variant {
    let number = Int(reader.next()) % (Vocabulary.protocols.count * 2)
    return Variant(Vocabulary.protocols[number / 2], isRepaired: number % 2 == 1)
  }

  private static func decodeBoot(_ reader: inout Reader) -> Boot {
    var boot = Boot(
      files: reader.number(from: standard.files, in: 0...Limits.files),
      filePages: reader.number(from: standard.filePages, in: 1...Limits.filePages),
      devicePages: reader.number(from: standard.devicePages, in: 1...Limits.devicePages),
      devices: reader.number(from: standard.devices, in: devices))
    let offset = reader.wideNumber(below: Limits.tableEntries)
    boot.tableEntries = UInt16(1 + wrapped(Int(standard.tableEntries) - 1 + offset))
    boot.reflink = reader.number(from: standard.reflink, in: 0...1)
    boot.races = reader.number(from: standard.races, in: 0...1)
    return boot
  }

  private static func wrapped(_ offset: Int) -> Int {
    (offset + Limits.tableEntries) % Limits.tableEntries
  }

  /// How many devices a program may boot with, beside the file system's.
  private static let devices = 0...PagemapID.bootDevices

  /// A count of more rules than there are stands for none: random bytes seldom change rules.
  private static func decodeRules(_ reader: inout Reader) -> RuleSet {
    let count = Int(reader.next())
    guard count <= Vocabulary.rules.count else { return RuleSet() }
    var rules = RuleSet()
    for _ in 0..<count {
      rules.insert(Vocabulary.rules[reader.number(below: Vocabulary.rules.count)])
    }
    return rules
  }

  private static func encode(_ rules: RuleSet, _ bytes: inout [UInt8]) {
    bytes.append(UInt8(rules.members.count))
    for (number, rule) in Vocabulary.rules.enumerated() where rules.contains(rule) {
      bytes.append(UInt8(number))
    }
  }

  private static func offset(_ value: UInt8, _ start: UInt8, _ range: ClosedRange<Int>) -> UInt8 {
    UInt8((Int(value) - Int(start) + range.count) % range.count)
  }

  // MARK: Records

  private static func decodeInstruction(_ reader: inout Reader) -> Instruction {
    let number = reader.number(below: Vocabulary.operations.count + 1)
    let place = reader.next()
    var instruction = Instruction(CPUID(Int(place & ~stopBit) % Limits.cpus), nil)
    if number > 0 {
      var call = Call(Vocabulary.operations[number - 1])
      let signature = Vocabulary.signature(call.operation)
      if call.yieldsHandle { call.handle = HandleID(reader.number(below: Limits.handles)) }
      for parameter in signature?.parameters ?? [] { decode(parameter, of: &call, &reader) }
      instruction.call = call
    }
    guard place & stopBit != 0 else { return instruction }
    let procedure = Vocabulary.procedures[reader.number(below: Vocabulary.procedures.count)]
    let step = reader.number(below: Vocabulary.steps(procedure).count)
    let visit = 1 + reader.wideNumber(below: ProgramLimits.visits)
    instruction.until = StopPoint(procedure, UInt8(step), visit: UInt16(visit))
    return instruction
  }

  private static func decode(
    _ parameter: Parameter, of call: inout Call, _ reader: inout Reader
  ) {
    switch parameter {
    case .mm: call.mm = MMID(reader.number(below: Limits.mms))
    case .address:
      let byte = reader.next()
      let page = PageIndex(Int(byte & 15) % Limits.filePages)
      call.address =
        byte & 128 != 0
        ? Address(FileID(Int(byte >> 4 & 7) % Limits.files), page)
        : Address(MappingID(Int(byte >> 4 & 7) % Limits.mappings), page)
    case .file: call.file = FileID(reader.number(below: Limits.files))
    case .filePage:
      let byte = reader.next()
      call.file = FileID(Int(byte >> 4) % Limits.files)
      call.page = PageIndex(Int(byte & 15) % Limits.filePages)
    case .sourcePage:
      let byte = reader.next()
      call.address = Address(
        FileID(Int(byte >> 4) % Limits.files), PageIndex(Int(byte & 15) % Limits.filePages))
    case .mapping: call.mapping = MappingID(reader.number(below: Limits.mappings))
    case .handle: call.handle = HandleID(reader.number(below: Limits.handles))
    case .pfn: call.pfn = PFN(reader.number(below: Limits.pages))
    case .pagemap: call.pagemap = PagemapID(reader.number(below: PagemapID.all.count))
    case .cpu: call.cpu = CPUID(reader.number(below: Limits.cpus))
    case .value: call.value = reader.next()
    case .size: call.value = UInt8(reader.number(below: Limits.filePages + 1))
    case .pages(let standard):
      call.pages = reader.number(from: standard, in: pages(standard))
    case .iova:
      let slot = reader.number(below: Limits.tableSlots)
      call.name(slot: slot, entry: reader.wideNumber(below: Limits.tableEntries))
    case .entries: call.times = UInt16(1 + reader.wideNumber(below: Limits.tableEntries))
    case .times: call.times = UInt16(1 + reader.wideNumber(below: Limits.times))
    case .flags(let allowed):
      let byte = reader.next()
      for (bit, flag) in flags(allowed).enumerated() where byte >> UInt8(bit) & 1 != 0 {
        call.flags.insert(flag)
      }
    }
  }

  /// The words an operation takes, one bit each.
  private static func flags(_ allowed: CallFlags) -> [CallFlags] {
    CallFlags.named.map(\.flag).filter { allowed.contains($0) }
  }

  private static func pages(_ standard: UInt8) -> ClosedRange<Int> {
    (standard == 0 ? 0 : 1)...Limits.filePages
  }

  private static func encode(_ instruction: Instruction, _ bytes: inout [UInt8]) {
    let number = instruction.call.flatMap { Vocabulary.number(ofOperation: $0.operation) }
    bytes.append(UInt8(number.map { $0 + 1 } ?? 0))
    bytes.append(instruction.cpu.rawValue | (instruction.until == nil ? 0 : stopBit))
    if let call = instruction.call {
      if call.yieldsHandle { bytes.append(call.handle.rawValue) }
      for parameter in Vocabulary.signature(call.operation)?.parameters ?? [] {
        encode(parameter, of: call, &bytes)
      }
    }
    guard let until = instruction.until else { return }
    bytes.append(UInt8(Vocabulary.number(of: until.procedure)))
    bytes.append(until.step)
    encode(Int(until.visit) - 1, &bytes)
  }

  private static func encode(_ parameter: Parameter, of call: Call, _ bytes: inout [UInt8]) {
    switch parameter {
    case .mm: bytes.append(call.mm.rawValue)
    case .address:
      let place =
        call.address.isFilePage
        ? 128 | call.address.file.rawValue << 4
        : call.address.mapping.rawValue << 4
      bytes.append(place | call.address.page.rawValue)
    case .file: bytes.append(call.file.rawValue)
    case .filePage: bytes.append(call.file.rawValue << 4 | call.page.rawValue)
    case .sourcePage: bytes.append(call.address.file.rawValue << 4 | call.address.page.rawValue)
    case .mapping: bytes.append(call.mapping.rawValue)
    case .handle: bytes.append(call.handle.rawValue)
    case .pfn: bytes.append(call.pfn.rawValue)
    case .pagemap: bytes.append(call.pagemap.rawValue)
    case .cpu: bytes.append(call.cpu.rawValue)
    case .value, .size: bytes.append(call.value)
    case .pages(let standard): bytes.append(offset(call.pages, standard, pages(standard)))
    case .iova:
      bytes.append(UInt8(call.slot))
      encode(call.entry, &bytes)
    case .times, .entries: encode(Int(call.times) - 1, &bytes)
    case .flags(let allowed):
      var byte: UInt8 = 0
      for (bit, flag) in flags(allowed).enumerated() where call.flags.contains(flag) {
        byte |= 1 << UInt8(bit)
      }
      bytes.append(byte)
    }
  }

  private static func encode(_ wide: Int, _ bytes: inout [UInt8]) {
    bytes.append(UInt8(wide & 255))
    bytes.append(UInt8(wide >> 8 & 255))
  }

  /// Takes bytes from the front; zeros after the end.
  private struct Reader {
    private var bytes: [UInt8]
    private var position = 0

    init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    var isAtEnd: Bool { position >= bytes.count }

    mutating func next() -> UInt8 {
      guard position < bytes.count else { return 0 }
      defer { position += 1 }
      return bytes[position]
    }

    mutating func number(below limit: Int) -> Int { Int(next()) % limit }

    mutating func wideNumber(below limit: Int) -> Int {
      let low = Int(next())
      return (low | Int(next()) << 8) % limit
    }

    mutating func number(from start: UInt8, in range: ClosedRange<Int>) -> UInt8 {
      let offset = Int(next()) + Int(start) - range.lowerBound
      return UInt8(range.lowerBound + offset % range.count)
    }
  }
}
