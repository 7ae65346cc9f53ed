// SPDX-License-Identifier: MIT

import Foundation
import Storage
import Synchronization

/// A directory of its own for one test; gone when the test is over.
final class Workspace: Sendable {
  let path: String

  init() throws {
    let parent = FileManager.default.temporaryDirectory
    let directory = parent.appendingPathComponent("pagefuzz-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    path = directory.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func path(_ name: String) -> String { Path.join(path, name) }

  func write(_ content: some Sequence<UInt8>, to name: String) throws {
    let parent = Path.directory(of: path(name))
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    try Data(content).write(to: URL(fileURLWithPath: path(name)))
  }

  func content(of name: String) -> [UInt8]? {
    FileManager.default.contents(atPath: path(name)).map(Array.init)
  }

  func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }
}

/// How many effects a piece of work has, so that each of them can be made to fail.
func effects(
  chunkBytes: Int = 4096, of work: (FileSystem) throws -> Void
) rethrows -> Int {
  let counter = Counter()
  try work(
    FileSystem(chunkBytes: chunkBytes) { _, _ throws(SystemFault) in counter.increment() })
  return counter.value
}

private final class Counter: Sendable {
  private let number = Atomic(0)
  var value: Int { number.load(ordering: .relaxed) }
  func increment() { number.add(1, ordering: .relaxed) }
}
