// SPDX-License-Identifier: MIT

import Explaining
import Foundation
import Fuzzing
import Programs
import Testing

/// Programs these tests explain and export.
enum Samples {
  /// A preempted munmap against memunmap_pages().
  static let unbind = """
    # pagefuzz program 1
    protocol v6.18
    cpu0  dax_fault(mm0, file0:0, write)
    cpu0  munmap(mm0, file0:0) until zapRange.removeRmap
    cpu1  memunmap_pages(pmem0)
    expect I18 fsdax foreign-gather cause=drainsBeforeUnbind

    """
  /// A pin that nobody looks for, and the hole that is punched under it.
  static let unmapped = """
    # pagefuzz program 1
    protocol v6.1
    cpu0  h1 = pin_user_pages(mm0, file0:0, write)
    cpu0  munmap(mm0, file0:0)
    cpu0  punch_hole(file0:0)
    expect I27 fsdax foreign-pin cause=scansUnmappedFiles

    """
  /// A put that does not wake who waits.
  static let sleeper = """
    # pagefuzz program 1
    protocol v5.18
    cpu0  h1 = pin_user_pages(mm0, file0:0, write)
    cpu0  punch_hole(file0:0)
    cpu1  unpin_user_pages(h1)
    expect I55 fsdax cause=wakesOnUnpin

    """

  static func program(_ text: String) throws -> Program {
    try ProgramParser.parse(text, file: "sample")
  }

  static func explanation(_ text: String) throws -> Explanation {
    let program = try program(text)
    let finding = try #require(Finding(meantBy: program))
    return Explanation(of: finding.violation, finding.identity, in: finding.program)
  }

  /// The repository these tests were built from.
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The programs of a directory, in order.
  static func programs(in directory: String) throws -> [(name: String, program: Program)] {
    let place = root.appendingPathComponent(directory)
    let names = try FileManager.default.contentsOfDirectory(atPath: place.path)
    return try names.filter { $0.hasSuffix(".prog") }.sorted().map { name in
      let data = try Data(contentsOf: place.appendingPathComponent(name))
      return (name, try ProgramParser.parse(Array(data), file: name))
    }
  }
}
