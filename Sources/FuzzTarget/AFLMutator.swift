// SPDX-License-Identifier: MIT

import Fuzzing
import Programs

// The functions afl-fuzz looks for in a library of mutations, as its docs/custom_mutators.md has
// them.  What they return belongs to the library until the next call.

/// What one afl-fuzz process was given.
private final class Library {
  let session: Session
  var random: Random
  private var output = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1 << 16)
  /// The program that is trimmed, that program without one call, and the next call to leave out.
  private var trimmed = (whole: [UInt8](), shorter: [UInt8](), next: 0, steps: 0)

  init(seed: UInt64) {
    var line = CommandLineWords([])
    (session, random) = (Session(&line), Random(seed: seed))
  }

  deinit { output.deallocate() }

  /// Keeps bytes where C can read them.
  func keep(
    _ bytes: [UInt8], _ place: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>
  ) -> Int {
    if bytes.count > output.count {
      output.deallocate()
      output = .allocate(capacity: bytes.count)
    }
    _ = output.update(fromContentsOf: bytes)
    place.pointee = output.baseAddress
    return bytes.count
  }

  func beginTrim(_ bytes: [UInt8]) -> Int {
    trimmed = (bytes, bytes, 0, session.calls(of: bytes))
    return trimmed.steps
  }

  /// Calls go from the last to the first: none needs what follows it.
  func trim() -> [UInt8] {
    let call = trimmed.steps - 1 - trimmed.next
    trimmed.shorter = session.withoutCall(call, in: trimmed.whole)
    return trimmed.shorter
  }

  func endTrim(isSame: Bool) -> Int {
    if isSame { trimmed.whole = trimmed.shorter }
    trimmed.next += 1
    return trimmed.next
  }
}

private func library(_ data: UnsafeMutableRawPointer) -> Library {
  Unmanaged<Library>.fromOpaque(data).takeUnretainedValue()
}

private func bytes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
  Array(UnsafeBufferPointer(start: start, count: count))
}

/// What afl-fuzz hands to the other functions.
@c(afl_custom_init)
public func aflInit(_ afl: UnsafeMutableRawPointer?, _ seed: CUnsignedInt)
  -> UnsafeMutableRawPointer
{
  Unmanaged.passRetained(Library(seed: UInt64(seed))).toOpaque()
}

/// Ends what `afl_custom_init` began.
@c(afl_custom_deinit)
public func aflDeinit(_ data: UnsafeMutableRawPointer) {
  Unmanaged<Library>.fromOpaque(data).release()
}

/// A mutation of one file; every other one joins two, where afl-fuzz offers a second.
@c(afl_custom_fuzz)
public func aflFuzz(
  _ data: UnsafeMutableRawPointer, _ buffer: UnsafeMutablePointer<UInt8>?, _ size: Int,
  _ output: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>,
  _ added: UnsafeMutablePointer<UInt8>?, _ addedSize: Int, _ limit: Int
) -> Int {
  let library = library(data)
  let input = bytes(buffer, size)
  let seed = library.random.next()
  if added != nil, addedSize > 0, library.random.oneIn(2) {
    let other = bytes(added, addedSize)
    return library.keep(library.session.cross(input, other, limit, seed), output)
  }
  return library.keep(library.session.mutate(input, limit, seed), output)
}

/// How many calls may be left out of a program, one at a time.
@c(afl_custom_init_trim)
public func aflInitTrim(
  _ data: UnsafeMutableRawPointer, _ buffer: UnsafeMutablePointer<UInt8>?, _ size: Int
) -> CInt {
  CInt(library(data).beginTrim(bytes(buffer, size)))
}

/// The program without the next of its calls.
@c(afl_custom_trim)
public func aflTrim(
  _ data: UnsafeMutableRawPointer, _ output: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>
) -> Int {
  let library = library(data)
  return library.keep(library.trim(), output)
}

/// Keeps what was left out where that made no difference.
@c(afl_custom_post_trim)
public func aflPostTrim(_ data: UnsafeMutableRawPointer, _ isSame: CUnsignedChar) -> CInt {
  CInt(library(data).endTrim(isSame: isSame != 0))
}
