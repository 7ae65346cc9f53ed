// SPDX-License-Identifier: MIT

import Foundation

/// What a process that was run left behind.
struct Invoked {
  var status: Int32
  var output: String
  var errors: String

  /// Runs the `pagefuzz` that was built with these tests; a signal may ask it to end.
  static func pagefuzz(
    _ arguments: [String], environment: [String: String] = [:],
    signal: (number: Int32, after: TimeInterval)? = nil, output: String? = nil
  ) throws -> Invoked {
    try run(executable: pagefuzzURL, arguments, "", signal, environment, output)
  }

  /// Starts a `pagefuzz` that nobody waits for.
  static func start(_ arguments: [String]) throws -> Process {
    let process = Process()
    process.executableURL = pagefuzzURL
    process.arguments = arguments
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    return process
  }

  /// The processes that a process has started and that are there.
  static func children(of parent: pid_t) -> [pid_t] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }.sorted().filter { process in
      let status = FileManager.default.contents(atPath: "/proc/\(process)/stat") ?? Data()
      // After the name, which may have spaces: the state, and who started it.
      let words = String(decoding: status, as: UTF8.self).split(separator: ")").last?
        .split(separator: " ")
      return words.map { $0.count > 1 && pid_t($0[1]) == parent } ?? false
    }
  }

  /// Runs a program from the search path; nil where it is not installed.
  static func run(_ name: String, _ arguments: [String], input: String = "") throws -> Invoked? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let places = path.split(separator: ":").map { "\($0)/\(name)" }
    guard let found = places.first(where: FileManager.default.isExecutableFile) else { return nil }
    return try run(executable: URL(fileURLWithPath: found), arguments, input, nil)
  }

  /// The executable, which lies beside the test bundle.
  static var pagefuzzURL: URL {
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
    let itself = URL(fileURLWithPath: CommandLine.arguments[0])
    let directory = (bundle?.bundleURL ?? itself).deletingLastPathComponent()
    return directory.appendingPathComponent("pagefuzz")
  }

  private static func run(
    executable: URL, _ arguments: [String], _ input: String,
    _ signal: (number: Int32, after: TimeInterval)?, _ environment: [String: String] = [:],
    _ output: String? = nil
  ) throws -> Invoked {
    let scratch = try Scratch()
    for name in ["input", "output", "errors"] { try scratch.write("", to: name) }
    try scratch.write(input, to: "input")
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    if !environment.isEmpty {
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    }
    process.standardInput = FileHandle(forReadingAtPath: scratch.path("input"))
    process.standardOutput = FileHandle(forWritingAtPath: output ?? scratch.path("output"))
    process.standardError = FileHandle(forWritingAtPath: scratch.path("errors"))
    try process.run()
    if let signal {
      Thread.sleep(forTimeInterval: signal.after)
      kill(process.processIdentifier, signal.number)
    }
    process.waitUntilExit()
    return Invoked(
      // A process that a signal ended did not exit; shells add 128.
      status: process.terminationStatus + (process.terminationReason == .exit ? 0 : 128),
      output: scratch.text(of: "output"), errors: scratch.text(of: "errors"))
  }
}

/// A directory of its own for one test; gone when the test is over.
final class Scratch {
  let directory: URL

  init() throws {
    directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("pagefuzz-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: directory) }

  func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

  @discardableResult
  func write(_ text: String, to name: String) throws -> String {
    try write(Array(text.utf8), to: name)
  }

  @discardableResult
  func write(_ bytes: [UInt8], to name: String) throws -> String {
    try Data(bytes).write(to: directory.appendingPathComponent(name))
    return path(name)
  }

  func text(of name: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path(name)) ?? Data(), as: UTF8.self)
  }
}
