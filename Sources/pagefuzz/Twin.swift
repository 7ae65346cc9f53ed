// SPDX-License-Identifier: MIT

#if PAGEFUZZ_THREADS
  import Foundation
  import Instruments
  import Programs

  /// Builds with ThreadSanitizer: two threads do the same at the same time.
  ///
  /// A machine shares nothing with another one, so they may; whatever the engine would share after
  /// all is a report.  They meet between two programs, so that a report is about this one.
  ///
  /// Swift's runtime orders two threads wherever both look at a constant that is made when it is
  /// first used, and steps do that all the time: what one did a moment earlier is no race then.  So
  /// a program is executed once more after everything was made that it uses, and nothing counts as
  /// order any more.
  enum Twin {
    /// Where two threads wait for each other.
    struct Meeting: @unchecked Sendable {
      private let barriers = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 2)
      init() { for number in 0..<2 { pthread_barrier_init(barriers + number, nil, 2) } }
      /// Waits until the other one is here too.
      ///
      /// Who leaves a barrier comes after everybody who was there by then, one who is there for the
      /// next time included: nobody is there a second time before both have left another one.
      func wait() { for number in 0..<2 { pthread_barrier_wait(barriers + number) } }
      func end() {
        for number in 0..<2 { pthread_barrier_destroy(barriers + number) }
        barriers.deallocate()
      }
    }

    /// Executes a program while another thread does the same, with a meeting before and after.
    static func race(_ program: Program, _ meeting: Meeting) {
      _ = Execution.run(program)
      meeting.wait()
      instruments_ignore_order(true)
      _ = Execution.run(program)
      instruments_ignore_order(false)
      meeting.wait()
    }

    private final class Box<Value>: @unchecked Sendable {
      var value: Value?
    }

    /// Runs the first here and the second on a thread of its own; both results.
    static func run<Value>(
      _ first: () -> Value, _ second: @escaping () -> Value
    ) -> (Value, Value?) {
      let box = Box<Value>()
      nonisolated(unsafe) let body = second
      let done = DispatchSemaphore(value: 0)
      let thread = Thread {
        box.value = body()
        done.signal()
      }
      thread.stackSize = 8 << 20
      thread.start()
      let value = first()
      done.wait()
      return (value, box.value)
    }
  }
#endif
