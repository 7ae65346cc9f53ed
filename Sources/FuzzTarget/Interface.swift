// SPDX-License-Identifier: MIT

import CFarm
import Fuzzing
import Glibc
import PageLifecycle
import Programs

// The functions that libFuzzer, AFL++ and their kin look for by name.

/// One process fuzzes one input at a time.
nonisolated(unsafe) private var session: Session?

/// Takes our settings out of the command line.
@c(LLVMFuzzerInitialize)
public func fuzzerInitialize(
  _ count: UnsafeMutablePointer<CInt>,
  _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
  // The engine wants to see faults itself.
  for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGQUIT] {
    signal(number, SIG_DFL)
  }
  var line = CommandLineWords(count: Int(count.pointee), words.pointee)
  session = Session(&line)
  count.pointee = CInt(line.words.count)
  words.pointee = line.pointers()
  return 0
}

/// Executes one input; aborts where that shows what is looked for.
@c(LLVMFuzzerTestOneInput)
public func fuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  current().test(Array(UnsafeBufferPointer(start: data, count: size)))
}

/// Changes an input in place.
@c(LLVMFuzzerCustomMutator)
public func fuzzerCustomMutator(
  _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ limit: Int, _ seed: CUnsignedInt
) -> Int {
  let session = current()
  guard session.settings.isTyped else { return farm_mutate(data, size, limit) }
  let input = Array(UnsafeBufferPointer(start: data, count: size))
  return write(session.mutate(input, limit, UInt64(seed)), to: data)
}

/// Joins two inputs.
@c(LLVMFuzzerCustomCrossOver)
public func fuzzerCustomCrossOver(
  _ first: UnsafePointer<UInt8>?, _ firstSize: Int, _ second: UnsafePointer<UInt8>?,
  _ secondSize: Int, _ output: UnsafeMutablePointer<UInt8>, _ limit: Int, _ seed: CUnsignedInt
) -> Int {
  let session = current()
  guard session.settings.isTyped else { return 0 }
  let inputs = (
    Array(UnsafeBufferPointer(start: first, count: firstSize)),
    Array(UnsafeBufferPointer(start: second, count: secondSize))
  )
  return write(session.cross(inputs.0, inputs.1, limit, UInt64(seed)), to: output)
}

/// Engines that never call `LLVMFuzzerInitialize` get what the environment says.
private func current() -> Session {
  if let session { return session }
  var line = CommandLineWords([])
  let made = Session(&line)
  session = made
  return made
}

private func write(_ bytes: [UInt8], to output: UnsafeMutablePointer<UInt8>) -> Int {
  output.update(from: bytes, count: bytes.count)
  return bytes.count
}
