// SPDX-License-Identifier: MIT

import Foundation
import Programs
import Testing

/// The files of the repository these tests were built from.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// A file below the root, by its path from there.
  struct File: Sendable, CustomTestStringConvertible {
    var path: String
    var bytes: [UInt8]
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    var testDescription: String { path }
  }

  static func file(_ path: String) -> File {
    let bytes = FileManager.default.contents(atPath: root.appendingPathComponent(path).path)
    return File(path: path, bytes: Array(bytes ?? Data()))
  }

  /// The files of a directory and those below it, in order.
  static func files(in directory: String, endingIn suffix: String) -> [File] {
    let place = root.appendingPathComponent(directory).path
    let paths = FileManager.default.subpaths(atPath: place) ?? []
    return paths.filter { $0.hasSuffix(suffix) }.sorted().map { file("\(directory)/\($0)") }
  }

  static let sources = files(in: "Sources", endingIn: ".swift")
  static let tests = files(in: "Tests", endingIn: ".swift")
  static let corpus = files(in: "corpus", endingIn: ".prog")

  /// The programs of the corpus; a file may have several.
  static func corpusPrograms() throws -> [(file: File, program: Program)] {
    try corpus.flatMap { file in
      try ProgramParser.parseAll(file.bytes, file: file.path).map { (file, $0.program) }
    }
  }

  /// What version control has; nil where there is none.
  static func tracked() throws -> [String]? {
    let git = ["/usr/bin/git", "/usr/local/bin/git", "/opt/homebrew/bin/git"]
      .first(where: FileManager.default.isExecutableFile)
    let hasHistory = FileManager.default.fileExists(
      atPath: root.appendingPathComponent(".git").path)
    guard let git, hasHistory else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: git)
    process.arguments = ["-C", root.path, "ls-files"]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { return nil }
    return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
  }
}
