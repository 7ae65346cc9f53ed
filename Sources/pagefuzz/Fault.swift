// SPDX-License-Identifier: MIT

import Foundation
import PageLifecycle
import Programs
import Storage

/// A wish of a test: that workers die in every program that calls an operation, or in one
/// execution; that the disk is full for a while.
struct Fault: Sendable {
  /// `PAGEFUZZ_FAULT=trap:munmap`, `hang:munmap`, `report:munmap`, `kill@100`, `memory@100`.
  static let given = ProcessInfo.processInfo.environment["PAGEFUZZ_FAULT"].flatMap(Fault.init)

  private var kind: String
  private var operation: Procedure?
  private var execution: Int?

  private init?(_ text: String) {
    let parts = text.split(whereSeparator: { ":@".contains($0) }).map(String.init)
    guard parts.count == 2 else { return nil }
    kind = parts[0]
    operation = Vocabulary.operation(named: parts[1])
    execution = Int(parts[1])
  }

  /// Dies where the wish says so.
  func strike(_ lines: ArraySlice<Instruction>, _ number: Int) {
    let isMeant =
      number == execution
      || lines.contains { $0.call != nil && $0.call?.operation == operation }
    guard isMeant else { return }
    switch kind {
    case "hang": while getppid() > 0 {}
    case "kill": kill(getpid(), SIGKILL)
    case "memory":
      var hog: [UnsafeMutableRawPointer] = []
      while getppid() > 0 {
        hog.append(.allocate(byteCount: 1 << 28, alignment: 16))
      }
    case "report":
      Diagnostics.print(Self.report)
      _exit(77)
    default: abort()
    }
  }

  /// What AddressSanitizer says, as far as we read it.
  private static let report = """
    ==1==ERROR: AddressSanitizer: use-after-poison on address 0x7ffd
        #0 0x55 in $s4main4stepyyF /home/a/Sources/PageLifecycle/Run.swift:7:1
        #1 0x55 in $s4main1fyyF /home/a/Sources/Fuzzing/Shard.swift:7:1
    SUMMARY: AddressSanitizer: use-after-poison /home/a/Sources/Run.swift:7 in $s4main4stepyyF
    """

  /// The disk as it is, or as `PAGEFUZZ_DISK=28@40-60` wishes: the effects of these numbers fail
  /// with this error.
  static let disk: FileSystem = {
    let wish = ProcessInfo.processInfo.environment["PAGEFUZZ_DISK"] ?? ""
    let numbers = wish.split { !$0.isNumber }.compactMap { Int($0) }
    guard numbers.count == 3, numbers[1] <= numbers[2] else { return .real }
    return .failing(in: numbers[1]...numbers[2], with: Int32(numbers[0]))
  }()
}
