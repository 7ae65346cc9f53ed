// SPDX-License-Identifier: MIT

import Console
import Foundation
import Synchronization

/// A wish to end, told by SIGINT or SIGTERM; whoever works looks here between two pieces.
enum Interruption {
  private static let number = Atomic<Int32>(0)

  /// Begins to listen.  The first signal asks; a second one ends the process at once.
  ///
  /// Who started us may have blocked the signals; threads of Dispatch do.
  static func listen() {
    _ = number.load(ordering: .relaxed)
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM] {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { Interruption.ask($0) }
      action.sa_flags = Int32(bitPattern: SA_RESETHAND)
      sigaction(signal, &action, nil)
      sigaddset(&signals, signal)
    }
    sigprocmask(SIG_UNBLOCK, &signals, nil)
  }

  /// Stores the signal; the only thing a handler may do.
  private static func ask(_ signal: Int32) {
    number.store(signal, ordering: .relaxed)
  }

  /// The status to end with, once somebody asked.
  static var status: ExitStatus? {
    switch number.load(ordering: .relaxed) {
    case SIGINT: .interrupted
    case SIGTERM: .terminated
    default: nil
    }
  }
}
