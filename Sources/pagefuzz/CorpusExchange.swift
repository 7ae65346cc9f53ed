// SPDX-License-Identifier: MIT

import Console
import Fuzzing
import Programs
import Storage

/// `corpus import`: programs of a libFuzzer or AFL++ directory, as text.
enum CorpusImportCommand: Command {
  static let foreign = Option(
    "foreign", "also binary files without the mark of this build, as this build reads them")

  static let name = "import"
  static let summary = "turn the files of libFuzzer or AFL++ into programs"
  static let discussion = """
    Every file of the directory is read, whatever its name, but for hidden ones and AFL++'s
    README.txt.  Each program is written once, with the identity it shows now as what it expects.
    Numbers in binary files stand for names; a file whose mark says that another build gave them
    is left out, and the status is 65.
    """
  static let options = [foreign, Option.format]
  static let operands = [
    Operand(.directory, "files of another fuzzer"), Operand(.directory, "where programs go"),
  ]
  static let examples = [
    Example("pagefuzz corpus import work/corpus night", "what libFuzzer kept, as text"),
    Example("pagefuzz corpus import afl/default/crashes night", "what afl-fuzz found"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let (source, target) = (arguments.operands[0], arguments.operands[1])
    let takesForeign = arguments.has(foreign)
    var status = ExitStatus.success
    var programs: [Program] = []
    let found = ProgramFiles.expand([source], suffix: "")
    for case .success(let path) in found where Path.name(of: path) != "README.txt" {
      do {
        programs += try read(path, takesForeign: takesForeign)
      } catch let failure as CommandFailure {
        Diagnostics.report(failure.message)
        status = max(status, failure.status)
      }
    }
    for case .failure(let error) in found {
      Diagnostics.report(error.message)
      status = max(status, ExitStatus(error))
    }
    guard !programs.isEmpty else { return status }
    try CorpusDirectory(target).save(programs)
    try CorpusExchange.tell("imported", programs.count, target, arguments)
    return status
  }

  private static func read(_ path: String, takesForeign: Bool) throws -> [Program] {
    let bytes = try CorpusExchange.bytes(of: path)
    guard !ProgramBytes.isText(bytes) else { return try CorpusCommand.parse(bytes, path) }
    guard takesForeign || ProgramBytes.isOfThisBuild(bytes) else {
      throw CommandFailure(
        .invalidInput,
        "\(path): another build wrote it, or no fuzzer of this one "
          + "(expected a text, or bytes with the mark of this build; --foreign takes any)")
    }
    EngineTrap.blame(path)
    do throws(ProgramError) { return [try ProgramBytes.decode(bytes, file: path)] } catch {
      throw CommandFailure(.invalidInput, error.description)
    }
  }
}

/// `corpus export`: programs as files for libFuzzer or AFL++.
enum CorpusExportCommand: Command {
  static let clean = Option(
    "clean", "only programs that violate nothing: what a fuzzer starts from")
  static let protocols = VariantOption.option("only programs of this protocol", isRepeated: true)

  static let name = "export"
  static let summary = "turn programs into files for libFuzzer or AFL++"
  static let discussion = """
    Writes the binary form of each program to a file named after its hash.  Comments, assertions
    and what a program expects have no binary form.  A program of more lines than that form may
    have records ('pagefuzz list limits') is left out, and the status is 65.  The text of a program
    may be given to pagefuzz-libfuzzer as it is, too.
    """
  static let options = [clean, protocols, Option.format]
  static let operands = [
    Operand(.path, "programs, or a directory of programs"), Operand(.directory, "where files go"),
  ]
  static let examples = [
    Example("pagefuzz corpus export corpus seeds", "a seed corpus"),
    Example("pagefuzz corpus export --clean --protocol v6.1 corpus seeds", "of one protocol"),
  ]

  static func run(_ arguments: ParsedArguments) throws -> ExitStatus {
    let target = arguments.operands[1]
    let variants = try arguments.all(protocols).map { try VariantOption.parse($0) }
    var (programs, status) = try CorpusCommand.programs([arguments.operands[0]])
    if !variants.isEmpty { programs.removeAll { !variants.contains($0.variant) } }
    if arguments.has(clean) { programs.removeAll { Execution.run($0).verdict.count > 0 } }
    if programs.isEmpty, status == .success {
      throw CommandFailure(.missingInput, "\(arguments.operands[0]): no such program")
    }
    for program in programs where program.instructions.count > ProgramLimits.records {
      Diagnostics.report(
        "a program of \(program.instructions.count) lines of calls is left out: the binary form "
          + "has at most \(ProgramLimits.records)")
      status = max(status, .invalidInput)
    }
    programs.removeAll { $0.instructions.count > ProgramLimits.records }
    try FileSystem.real.makeDirectory(target)
    for program in programs {
      let bytes = ProgramBytes.encode(program)
      let name = String(CrashDirectory.hash(bytes), radix: 16)
      try FileSystem.real.writeAtomically(bytes, to: Path.join(target, name))
    }
    try CorpusExchange.tell("exported", programs.count, target, arguments)
    return status
  }
}

/// What import and export share.
enum CorpusExchange {
  static func bytes(of path: String) throws -> [UInt8] {
    do throws(StorageError) { return try ProgramFiles.read(path) } catch {
      throw CommandFailure(ExitStatus(error), error.message)
    }
  }

  fileprivate static func tell(
    _ word: String, _ count: Int, _ target: String, _ arguments: ParsedArguments
  ) throws {
    let line: JSONText = [word: .count(count), "directory": .string(target)]
    try Output.line(
      arguments.isJSON
        ? line.line : "\(word) \(count) \(count == 1 ? "program" : "programs") to \(target)")
  }
}
