// SPDX-License-Identifier: MIT

import Foundation
import Storage

/// Another process of this program, which takes orders on its standard input and replies on its
/// standard output, both in blocks after their length.
struct ChildProcess {
  /// How a process ended.
  enum End: Equatable {
    case exited(Int32)
    case killed(Int32)
  }

  let identifier: pid_t
  let announcement: Announcement
  /// What it says on standard error.
  let errors: ErrorLog
  /// What we write orders to, and read replies from.
  private let orders: Int32
  let replies: Int32
  private var received: [UInt8] = []

  /// Starts one.
  init(arguments: [String]) throws(StorageError) {
    var toChild: [Int32] = [0, 0]
    var toUs: [Int32] = [0, 0]
    guard pipe(&toChild) == 0, pipe(&toUs) == 0 else { throw Self.failure(errno) }
    // Another worker must not keep them open.
    for descriptor in toChild + toUs { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    announcement = Announcement()
    errors = ErrorLog()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, toUs[1], STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, errors.descriptor, STDERR_FILENO)
    posix_spawn_file_actions_adddup2(
      &actions, announcement.descriptor, Announcement.inheritedDescriptor)
    var words = (["pagefuzz"] + arguments).map { strdup($0) } + [nil]
    var environment = ProcessInfo.processInfo.environment.map { strdup("\($0)=\($1)") } + [nil]
    var child = pid_t()
    // The file may have been replaced since we began: we mean the one that runs.
    let status = posix_spawn(&child, "/proc/self/exe", &actions, nil, &words, &environment)
    for word in words + environment { free(word) }
    posix_spawn_file_actions_destroy(&actions)
    _ = close(toChild[0])
    _ = close(toUs[1])
    (identifier, orders, replies) = (child, toChild[1], toUs[0])
    guard status == 0 else {
      announcement.close()
      errors.close()
      _ = close(orders)
      _ = close(replies)
      throw Self.failure(status)
    }
  }

  private static func failure(_ number: Int32) -> StorageError {
    StorageError(
      .cannotCreate, path: "worker", operation: "start", fault: SystemFault(errno: number))
  }

  /// Sends a block; false where the process is gone.
  func send(_ block: [UInt8]) -> Bool { Pipe.write(block, to: orders) }

  /// Takes what has come, and returns the blocks that are whole; nil at the end.
  mutating func receive() -> [[UInt8]]? {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(replies, &chunk, chunk.count)
    if count < 0, errno == EINTR || errno == EAGAIN { return [] }
    guard count > 0 else { return nil }
    received += chunk[..<count]
    var blocks: [[UInt8]] = []
    while let length = Pipe.length(received), received.count >= Pipe.header + length {
      blocks.append(Array(received[Pipe.header..<Pipe.header + length]))
      received.removeFirst(Pipe.header + length)
    }
    return blocks
  }

  /// Ends it where it has not ended, and says how it did and what processor time it used.
  func end(killing isKilled: Bool) -> (end: End, cpuSeconds: Double) {
    if isKilled { kill(identifier, SIGKILL) }
    var status: Int32 = 0
    var usage = rusage()
    while wait4(identifier, &status, 0, &usage) < 0, errno == EINTR {}
    announcement.close()
    errors.close()
    _ = close(orders)
    _ = close(replies)
    let signal = status & 0x7F
    let seconds =
      Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    return (signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal), seconds)
  }

  /// Seconds of the processor it has used so far.
  var cpuSeconds: Double {
    var clock = clockid_t()
    var time = timespec()
    guard clock_getcpuclockid(identifier, &clock) == 0, clock_gettime(clock, &time) == 0 else {
      return 0
    }
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

/// Blocks of bytes on a pipe, each after its length.
enum Pipe {
  /// Bytes of a length.
  static let header = 4

  /// The length of the block at the front of some bytes.
  static func length(_ bytes: [UInt8]) -> Int? {
    guard bytes.count >= header else { return nil }
    return (0..<header).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
  }

  /// Writes a block; false where nobody reads.
  static func write(_ block: [UInt8], to descriptor: Int32) -> Bool {
    let bytes = (0..<header).map { UInt8(truncatingIfNeeded: block.count >> (8 * $0)) } + block
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes {
        Foundation.write(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0, errno != EINTR { return false }
      written += max(0, count)
    }
    return true
  }

  /// Waits for a block; nil at the end.
  static func read(from descriptor: Int32) -> [UInt8]? {
    guard let head = read(header, from: descriptor), let length = length(head) else { return nil }
    return read(length, from: descriptor)
  }

  private static func read(_ count: Int, from descriptor: Int32) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes[done...].withUnsafeMutableBytes {
        Foundation.read(descriptor, $0.baseAddress, $0.count)
      }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { return nil }
      done += got
    }
    return bytes
  }
}
