// SPDX-License-Identifier: MIT

package import PageLifecycle

/// How texts spell each kind of operand.
package enum Spelling {
  static func cpu(_ cpu: CPUID) -> String { "cpu\(cpu.rawValue)" }
  /// An address space: `mm0`.
  package static func mm(_ mm: MMID) -> String { "mm\(mm.rawValue)" }
  /// A file: `file0`.
  package static func file(_ file: FileID) -> String { "file\(file.rawValue)" }
  /// A page of a file: `file0:1`.
  package static func filePage(_ file: FileID, _ page: PageIndex) -> String {
    "file\(file.rawValue):\(page.rawValue)"
  }
  /// A place for a mapping: `m0`.
  package static func mapping(_ mapping: MappingID) -> String { "m\(mapping.rawValue)" }
  static func address(_ address: Address) -> String {
    address.isFilePage
      ? filePage(address.file, address.page)
      : "\(mapping(address.mapping)):\(address.page.rawValue)"
  }
  /// A handle: `h1`.
  package static func handle(_ handle: HandleID) -> String { "h\(handle.rawValue)" }
  /// A page frame: `p0`, or `none`.
  package static func pfn(_ pfn: PFN) -> String { pfn.isNone ? "none" : "p\(pfn.rawValue)" }
}

/// Writes programs in their canonical text.
package enum ProgramPrinter {
  /// The whole text, with a newline at its end.
  package static func text(of program: Program) -> String {
    var lines = ["# pagefuzz program \(Program.formatVersion)"]
    lines += program.introduction.map { $0.map(comment) ?? "" }
    lines.append(line("protocol \(program.variant.name)", program.protocolComment))
    if program.boot != Boot() {
      let boot = program.boot
      lines.append(
        line(
          "boot files=\(boot.files) filePages=\(boot.filePages) devicePages=\(boot.devicePages)"
            + (boot.devices == Boot().devices ? "" : " devices=\(boot.devices)")
            + (boot.tableEntries == Boot().tableEntries
              ? "" : " tableEntries=\(boot.tableEntries)")
            + (boot.reflink == Boot().reflink ? "" : " reflink=\(boot.reflink)")
            + (boot.races == Boot().races ? "" : " races=\(boot.races)"),
          program.bootComment))
    }
    lines += program.lines.map(text)
    switch program.expectation {
    case .unstated: break
    case .none: lines.append(line("expect none", program.expectationComment))
    case .violation(let pattern):
      lines.append(line("expect \(pattern)", program.expectationComment))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// One line with its comment.
  package static func text(of line: Line) -> String {
    switch line.statement {
    case .instruction(let instruction, let result):
      Self.line(text(of: instruction, result: result), line.comment)
    case .assertion(let assertion): Self.line(text(of: assertion), line.comment)
    case .remark: line.comment.map(comment) ?? ""
    }
  }

  /// One instruction, and what its call is stated to return.
  package static func text(of instruction: Instruction, result: Outcome? = nil) -> String {
    var text = Spelling.cpu(instruction.cpu) + "  "
    text += instruction.call.map(Self.text) ?? "resume"
    if let result, instruction.call != nil { text += " = \(result)" }
    guard let until = instruction.until else { return text }
    let name = StepName(until.procedure, until.step)
    let isOwn = instruction.call?.operation == until.procedure
    text += " until \(isOwn ? name.shortName : name.description)"
    return until.visit == 1 ? text : text + "#\(until.visit)"
  }

  /// One call: `h1 = vmsplice(mm0, file0:0)`.
  package static func text(of call: Call) -> String {
    let signature = Vocabulary.signature(call.operation)
    let operands = (signature?.parameters ?? []).flatMap { Self.operands($0, of: call) }
    let target = signature?.yieldsHandle == true ? Spelling.handle(call.handle) + " = " : ""
    return "\(target)\(Vocabulary.name(call.operation))(\(operands.joined(separator: ", ")))"
  }

  private static func operands(_ parameter: Parameter, of call: Call) -> [String] {
    switch parameter {
    case .mm: [Spelling.mm(call.mm)]
    case .address: [Spelling.address(call.address)]
    case .file: [Spelling.file(call.file)]
    case .filePage: [Spelling.filePage(call.file, call.page)]
    case .sourcePage: [Spelling.filePage(call.address.file, call.address.page)]
    case .mapping: [Spelling.mapping(call.mapping)]
    case .handle: [Spelling.handle(call.handle)]
    case .pfn: [Spelling.pfn(call.pfn)]
    case .pagemap: [call.pagemap.name]
    case .cpu: [Spelling.cpu(call.cpu)]
    case .value, .size: ["\(call.value)"]
    case .pages(let standard): call.pages == standard ? [] : ["pages=\(call.pages)"]
    case .iova: ["iova\(call.slot):\(call.entry)"]
    case .entries: call.times == 1 ? [] : ["entries=\(call.times)"]
    case .times: call.times == 1 ? [] : ["times=\(call.times)"]
    case .flags(let allowed):
      CallFlags.named
        .filter { allowed.contains($0.flag) && call.flags.contains($0.flag) }.map(\.name)
    }
  }

  /// One assertion.
  package static func text(of assertion: Assertion) -> String {
    switch assertion.content {
    case .task(let cpu, let state): "assert \(Spelling.cpu(cpu)) \(state)"
    case .claims(let subject, let claims):
      "assert \(subject)" + claims.map { " \($0.key)=\($0.value)" }.joined()
    }
  }

  private static func line(_ text: String, _ comment: String?) -> String {
    comment.map { "\(text)  \(Self.comment($0))" } ?? text
  }

  private static func comment(_ text: String) -> String { text.isEmpty ? "#" : "# \(text)" }
}

extension Assertion.Subject: CustomStringConvertible {
  package var description: String {
    switch self {
    case .filePage(let file, let page): Spelling.filePage(file, page)
    case .page(let pfn): Spelling.pfn(pfn)
    case .address(let mm, let address): "\(Spelling.mm(mm)).\(Spelling.address(address))"
    case .file(let file): Spelling.file(file)
    }
  }
}

extension Program: CustomStringConvertible {
  package var description: String { ProgramPrinter.text(of: self) }
}
