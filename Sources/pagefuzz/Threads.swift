// SPDX-License-Identifier: MIT

import Foundation

/// Independent pieces of work on several threads; their results come in order.
enum Threads {
  /// Pieces a thread may be ahead of the one whose result is waited for, for each thread.
  private static let ahead = 16
  /// An engine is a large value on the stack.
  private static let stackBytes = 64 << 20

  /// Does every piece, and hands each result over in the order of pieces, on the calling thread;
  /// where that says no, no further piece is begun.
  static func run<Result: Sendable>(
    _ pieces: Int, on threads: Int, _ work: @escaping @Sendable (Int) -> Result,
    deliver: (Int, Result) throws -> Bool
  ) rethrows {
    let queue = Queue<Result>(pieces, within: ahead * threads, threads: threads)
    for _ in 0..<threads {
      let thread = Thread {
        while let piece = queue.take() { queue.put(work(piece), of: piece) }
        queue.leave()
      }
      thread.stackSize = stackBytes
      thread.start()
    }
    defer { queue.end() }
    for piece in 0..<pieces {
      guard try deliver(piece, queue.result(of: piece)) else { return }
    }
  }

  /// Pieces that nobody has begun, and results that nobody has taken yet.
  ///
  /// Its condition is one of pthread's: ThreadSanitizer knows what that orders, and does not look
  /// into a `Mutex`.
  private final class Queue<Result: Sendable>: @unchecked Sendable {
    private let changed = NSCondition()
    private let room: Int
    private var pieces: Int
    private var begun = 0
    private var taken = 0
    private var results: [Int: Result] = [:]
    private var threads: Int

    init(_ pieces: Int, within room: Int, threads: Int) {
      (self.pieces, self.room, self.threads) = (pieces, room, threads)
    }

    /// The next piece, once it is not too far ahead; nil where there is none.
    func take() -> Int? {
      changed.withLock {
        while begun < pieces && begun >= taken + room { changed.wait() }
        guard begun < pieces else { return nil }
        begun += 1
        return begun - 1
      }
    }

    func put(_ result: Result, of piece: Int) {
      changed.withLock {
        results[piece] = result
        changed.broadcast()
      }
    }

    /// Waits for the result of a piece; they are asked for in order.
    func result(of piece: Int) -> Result {
      changed.withLock {
        while true {
          if let result = results.removeValue(forKey: piece) {
            taken = piece + 1
            changed.broadcast()
            return result
          }
          changed.wait()
        }
      }
    }

    /// A thread does no more.
    func leave() {
      changed.withLock {
        threads -= 1
        changed.broadcast()
      }
    }

    /// No piece is begun any more; waits for the threads.
    func end() {
      changed.withLock {
        pieces = 0
        changed.broadcast()
        while threads > 0 { changed.wait() }
      }
    }
  }
}
