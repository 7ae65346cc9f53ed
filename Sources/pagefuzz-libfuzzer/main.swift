// SPDX-License-Identifier: MIT

import CFarm
import FuzzTarget
import Glibc

// The engine that is linked does the rest.  It tries long programs from the start: the shortest
// inputs it would begin with are no programs.
var words = CommandLine.arguments
let isTold = words.contains { $0.hasPrefix("-len_control=") }
if farm_is_afl() == 0, !isTold { words.insert("-len_control=0", at: min(1, words.count)) }
var pointers = words.map { strdup($0) } + [nil]
var count = CInt(words.count)
pointers.withUnsafeMutableBufferPointer { buffer in
  var start = buffer.baseAddress
  exit(LLVMFuzzerRunDriver(&count, &start, fuzzerTestOneInput))
}
