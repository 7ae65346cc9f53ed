// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs
import Storage

/// The directory of findings: what is known from it, and where new ones go.
struct CrashDirectory {
  /// A violation that some file expects.
  struct Entry {
    var known: Campaign.Known
    var name: String
    var base: String
    var pattern: Pattern
  }

  /// What its files expect, in the order of their names.
  let known: [Entry]
  /// Findings of a campaign that ended before they were minimized, with the names of their files.
  let unfinished: [(finding: Finding, name: String)]
  private let directory: ProgramDirectory

  /// Reads a directory and makes sure that it can be written to.
  ///
  /// What cannot be used is reported and left alone.
  init(_ path: String, in fileSystem: FileSystem = .real) throws(StorageError) {
    let directory = ProgramDirectory(path, in: fileSystem)
    try directory.prepare()
    try directory.probe()
    try self.init(directory)
  }

  /// Reads a directory that is not to be written to.
  init(reading path: String) throws(StorageError) { try self.init(ProgramDirectory(path)) }

  private init(_ directory: ProgramDirectory) throws(StorageError) {
    self.directory = directory
    let path = directory.path
    let contents = try directory.read()
    var known: [Entry] = []
    var unfinished: [(finding: Finding, name: String)] = []
    for file in contents.files {
      let place = Path.join(path, file.name)
      do throws(ProgramError) {
        let program = try ProgramParser.parse(Array(file.text.utf8), file: place)
        guard case .violation(let pattern) = program.expectation else { continue }
        let base = program.variant.base
        if let finding = Finding(unfinished: program) { unfinished.append((finding, file.name)) }
        known.append(
          Entry(known: .init(pattern, on: base), name: file.name, base: base.name, pattern: pattern)
        )
      } catch {
        Diagnostics.report("\(error); skipped")
      }
    }
    for skipped in contents.skipped {
      Diagnostics.report("\(Path.join(path, skipped.name)): skipped: \(skipped.explanation)")
    }
    (self.known, self.unfinished) = (known, unfinished)
  }

  /// Saves a finding under the name of what it shows, and returns that name.
  func save(_ finding: Finding) throws(StorageError) -> String {
    let name = Self.name(of: finding)
    try save(finding.text(file: name), as: name)
    return name
  }

  /// The name of the file that shows what a finding shows.
  static func name(of finding: Finding) -> String {
    name(base: finding.program.variant.base.name, finding.identity)
  }

  /// Saves a text under a name.
  func save(_ text: String, as name: String) throws(StorageError) {
    try directory.save(text, as: name)
  }

  /// Whether a file has a name.
  func has(_ name: String) -> Bool {
    ((try? directory.programNames()) ?? []).contains(name)
  }

  func remove(_ name: String) throws(StorageError) { try directory.remove(name) }

  /// The path of a file in it.
  func path(of name: String) -> String { Path.join(directory.path, name) }

  /// The file that shows what a campaign saw: the one that expects it, or the one it wrote.
  func path(of sighting: Campaign.Sighting) -> String {
    let entry = known.first { $0.base == sighting.base && $0.pattern.matches(sighting.identity) }
    return path(of: entry?.name ?? Self.name(base: sighting.base, sighting.identity))
  }

  /// What the file that shows a sighting says; nil where it cannot be read.
  func text(of sighting: Campaign.Sighting) -> String? {
    (try? ProgramFiles.read(path(of: sighting))).map { String(decoding: $0, as: UTF8.self) }
  }

  /// What a file says; empty where it cannot be read.
  func text(of name: String) -> String {
    String(decoding: (try? ProgramFiles.read(path(of: name))) ?? [], as: UTF8.self)
  }

  /// The names of programs that the engine did not survive, in order.
  var losses: [String] {
    ((try? directory.programNames()) ?? []).filter { name in
      // Those of findings are many.
      let parts = name.split(separator: "-").map(String.init)
      let isFinding = parts.count > 2 && Self.invariants.contains(parts[parts.count - 2])
      return !isFinding && text(of: name).contains(Losses.mark)
    }
  }

  private static let invariants = Set(Invariant.allCases.map(\.name))

  private static func name(base: String, _ identity: Identity) -> String {
    ProgramDirectory.name(
      [base, identity.invariant.name], hash: hash("\(base) \(identity)"))
  }

  /// FNV-1a.
  static func hash(_ text: String) -> UInt64 { hash(Array(text.utf8)) }

  /// The same of bytes.
  static func hash(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
