// SPDX-License-Identifier: MIT

import Console
import Foundation
import Synchronization

/// A trap of the engine ends the process with its own status, and names the input that did it.
///
/// Only what a signal handler may do happens in it: one write and an exit.
enum EngineTrap {
  /// The address of a C string.
  private static let message = Atomic<UInt>(0)
  /// The handler's own stack, for when the other one has overflowed.
  private static let stackBytes = 1 << 16

  /// Begins to watch.  The runtime prints the reason of a trap before the signal comes.
  static func watch() {
    blame(nil)
    var stack = stack_t()
    stack.ss_sp = malloc(stackBytes)
    stack.ss_size = stackBytes
    sigaltstack(&stack, nil)
    for signal in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT] {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { _ in EngineTrap.end() }
      action.sa_flags = SA_ONSTACK
      sigaction(signal, &action, nil)
    }
  }

  /// What is worked on from now.
  static func blame(_ path: String?) {
    let place = path.map { "\($0): " } ?? ""
    let text = "\(Main.program.name): \(place)\(report); please report this input\n"
    execution.store(0, ordering: .relaxed)
    let new = UInt(bitPattern: strdup(text))
    let old = message.exchange(new, ordering: .sequentiallyConsistent)
    free(UnsafeMutableRawPointer(bitPattern: old))
  }

  private static let report = "the engine trapped"
  private static let seed = Atomic<UInt64>(0)
  /// Zero while nothing but a path is worked on.
  private static let execution = Atomic<UInt64>(0)

  /// The execution of a campaign that is worked on from now: two stores, for there are many.
  static func blame(seed newSeed: UInt64, execution number: Int) {
    seed.store(newSeed, ordering: .relaxed)
    execution.store(UInt64(number), ordering: .relaxed)
  }

  private static func end() {
    let number = execution.load(ordering: .relaxed)
    if number > 0 {
      write("pagefuzz: the engine trapped; run it again: fuzz --seed ")
      write(seed.load(ordering: .relaxed))
      write(" --executions ")
      write(number)
      write(", with the same protocols; please report this\n")
    } else {
      let address = message.load(ordering: .sequentiallyConsistent)
      if let text = UnsafePointer<CChar>(bitPattern: address) {
        _ = Foundation.write(STDERR_FILENO, text, strlen(text))
      }
    }
    _exit(ExitStatus.engineTrap.rawValue)
  }

  private static func write(_ text: StaticString) {
    _ = Foundation.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
  }

  private static func write(_ number: UInt64) {
    var divisor: UInt64 = 1
    while number / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      var digit = UInt8(ascii: "0") + UInt8(number / divisor % 10)
      _ = Foundation.write(STDERR_FILENO, &digit, 1)
      divisor /= 10
    }
  }
}
