// SPDX-License-Identifier: MIT

import Console
import Foundation
import Instruments
import Synchronization

/// A trap of the engine ends the process with its own status, and names the input that did it.
///
/// Only what a signal handler may do happens in it: one write and an exit.
enum EngineTrap {
  /// The address of a C string.
  private static let message = Atomic<UInt>(0)
  /// The handler's own stack, for when the other one has overflowed.
  private static let stackBytes = 1 << 16

  /// Its address: only the system knows it otherwise, and it would be called a leak.
  private static let handlerStack = Atomic<UInt>(0)

  /// Begins to watch.  The runtime prints the reason of a trap before the signal comes.
  static func watch() {
    blame(nil)
    var stack = stack_t()
    stack.ss_sp = malloc(stackBytes)
    handlerStack.store(UInt(bitPattern: stack.ss_sp), ordering: .relaxed)
    stack.ss_size = stackBytes
    sigaltstack(&stack, nil)
    // A sanitizer reports the others itself, with the place.
    let faults = instruments_report_faults() ? [] : [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE]
    for signal in faults + [SIGABRT] {
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
    let new = UInt(bitPattern: strdup(text))
    let old = message.exchange(new, ordering: .sequentiallyConsistent)
    free(UnsafeMutableRawPointer(bitPattern: old))
  }

  /// Somebody else tells what happened.
  static var isQuiet: Bool {
    get { quiet.load(ordering: .relaxed) }
    set { quiet.store(newValue, ordering: .relaxed) }
  }
  private static let quiet = Atomic<Bool>(false)

  private static let report = "the engine trapped"

  private static func end() {
    if quiet.load(ordering: .relaxed) { _exit(ExitStatus.engineTrap.rawValue) }
    let address = message.load(ordering: .sequentiallyConsistent)
    if let text = UnsafePointer<CChar>(bitPattern: address) {
      _ = Foundation.write(STDERR_FILENO, text, strlen(text))
    }
    _exit(ExitStatus.engineTrap.rawValue)
  }
}
