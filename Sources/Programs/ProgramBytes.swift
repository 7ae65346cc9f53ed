// SPDX-License-Identifier: MIT

import PageLifecycle

/// What byte-oriented fuzzers keep in their files: a program as text, or its binary form behind a
/// mark of two bytes.
///
/// Text is known by how it begins.  Everything else is binary, and every byte string is a program.
/// The mark says which names the numbers of the form stand for: a file of another build still
/// decodes, but means something else, so those who import files look at the mark first.
package enum ProgramBytes {
  /// The version of ``ProgramBinary``'s layout; names are marked apart from it.
  private static let layout: UInt64 = 2
  private static let textStart = Array("# pagefuzz program ".utf8)

  /// Mixed from the layout and every name that the binary form numbers.
  package static let mark: [UInt8] = {
    let names =
      Vocabulary.operations.map(\.name)
      + Vocabulary.procedures.flatMap { ["/" + $0.name] + Vocabulary.steps($0) }
      + Vocabulary.rules.map(\.name) + Vocabulary.protocols.map(\.name)
      + CallFlags.named.map(\.name)
      + Vocabulary.operations.map { "\(Vocabulary.signature($0)?.parameters ?? [])" }
    let hash = names.joined(separator: " ").utf8.reduce(0xCBF2_9CE4_8422_2325 ^ layout) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
    let folded = hash ^ hash >> 32
    return [UInt8(folded & 255), UInt8((folded ^ folded >> 16) >> 8 & 255)]
  }()

  /// Whether bytes are meant to be the text of a program.
  package static func isText(_ bytes: [UInt8]) -> Bool { bytes.starts(with: textStart) }

  /// Whether binary bytes were written by a build that numbers the same names.
  package static func isOfThisBuild(_ bytes: [UInt8]) -> Bool { bytes.starts(with: mark) }

  /// The binary form of a program, with its mark.
  package static func encode(_ program: Program) -> [UInt8] {
    mark + ProgramBinary.encode(program)
  }

  /// The program of a file's bytes, whatever the mark; `file` is what errors of a text name.
  package static func decode(
    _ bytes: [UInt8], file: String = "input"
  ) throws(ProgramError) -> Program {
    if isText(bytes) { return try ProgramParser.parse(bytes, file: file) }
    return ProgramBinary.decode(bytes.dropFirst(mark.count))
  }
}
