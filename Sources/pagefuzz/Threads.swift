// SPDX-License-Identifier: MIT

import Foundation
import Synchronization

/// Independent pieces of work on several threads; their results come in order.
enum Threads {
  /// Pieces a thread may be ahead of the one whose result is waited for, for each thread.
  private static let ahead = 16
  /// An engine is a large value on the stack.
  private static let stackBytes = 64 << 20

  private struct State<Result: Sendable>: Sendable {
    var next = 0
    var results: [Int: Result] = [:]
  }

  /// Does every piece, and hands each result over in the order of pieces, on the calling thread;
  /// where that says no, no further piece is begun.
  static func run<Result: Sendable>(
    _ pieces: Int, on threads: Int, _ work: @escaping @Sendable (Int) -> Result,
    deliver: (Int, Result) throws -> Bool
  ) rethrows {
    let state = Shared(State<Result>())
    let room = DispatchSemaphore(value: 0)
    let done = DispatchSemaphore(value: 0)
    let ended = DispatchSemaphore(value: 0)
    for _ in 0..<ahead * threads { room.signal() }
    for _ in 0..<threads {
      let thread = Thread {
        while true {
          room.wait()
          let piece = state.value.withLock { state -> Int? in
            guard state.next < pieces else { return nil }
            state.next += 1
            return state.next - 1
          }
          guard let piece else { break }
          let result = work(piece)
          state.value.withLock { $0.results[piece] = result }
          done.signal()
        }
        ended.signal()
      }
      thread.stackSize = stackBytes
      thread.start()
    }
    defer {
      state.value.withLock { $0.next = pieces }
      for _ in 0..<threads { room.signal() }
      for _ in 0..<threads { ended.wait() }
    }
    for piece in 0..<pieces {
      var result: Result?
      while result == nil {
        result = state.value.withLock { $0.results.removeValue(forKey: piece) }
        if result == nil { done.wait() }
      }
      guard let result, try deliver(piece, result) else { return }
      room.signal()
    }
  }

  /// What threads have in common.
  private final class Shared<Value: Sendable>: Sendable {
    let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
  }
}
