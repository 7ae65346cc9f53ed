// SPDX-License-Identifier: MIT

#if PAGEFUZZ_THREADS
  import Foundation

  /// Builds with ThreadSanitizer: two threads do the same at the same time.
  ///
  /// A machine shares nothing with another one, so they may; whatever the engine would share after
  /// all is a report.  They meet between two programs, so that a report is about this one.
  enum Twin {
    /// Where two threads wait for each other.
    struct Meeting: @unchecked Sendable {
      private let barrier = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 1)
      init() { pthread_barrier_init(barrier, nil, 2) }
      /// Waits until the other one is here too.
      func wait() { pthread_barrier_wait(barrier) }
      func end() {
        pthread_barrier_destroy(barrier)
        barrier.deallocate()
      }
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
