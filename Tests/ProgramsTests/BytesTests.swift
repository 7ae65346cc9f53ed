// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@Suite("What byte-oriented fuzzers keep in their files")
struct BytesTests {
  @Test("Every byte string is a program, unless it begins as text does", arguments: 0..<4)
  func everyByteString(seed: Int) throws {
    var draws = Draws(state: UInt64(2000 + seed))
    for _ in 0..<60 {
      let program = try ProgramBytes.decode(draws.bytes(draws.below(200)))
      let bytes = ProgramBytes.encode(program)
      #expect(ProgramBytes.isOfThisBuild(bytes))
      #expect(!ProgramBytes.isText(bytes))
      #expect(try ProgramBytes.decode(bytes) == program)
    }
  }

  @Test("Text is the program it says; a text with an error is none")
  func text() throws {
    let known = try program("cpu0  load(mm0, file0:0)\nexpect none", under: "v6.18")
    let bytes = Array(known.description.utf8)
    #expect(ProgramBytes.isText(bytes))
    #expect(try ProgramBytes.decode(bytes) == known)
    #expect(throws: ProgramError.self) { try ProgramBytes.decode(bytes + Array("what\n".utf8)) }
  }

  @Test("Bytes without the mark still decode, and say that they are foreign")
  func foreign() throws {
    let bytes = ProgramBytes.encode(try program("cpu0  load(mm0, file0:0)"))
    var other = bytes
    other[0] ^= 1
    #expect(!ProgramBytes.isOfThisBuild(other))
    #expect(!ProgramBytes.isOfThisBuild([]))
    #expect(try ProgramBytes.decode(other) == ProgramBytes.decode(bytes))
  }
}
