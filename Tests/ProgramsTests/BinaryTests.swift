// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs
import Testing

@Suite("The binary form of a program")
struct BinaryTests {
  @Test("Every byte string is a program, which has text and survives its bytes", arguments: 0..<8)
  func everyByteString(seed: Int) throws {
    var draws = Draws(state: UInt64(1000 + seed))
    for _ in 0..<60 {
      let program = ProgramBinary.decode(draws.bytes(draws.below(200)))
      #expect(ProgramBinary.decode(ProgramBinary.encode(program)) == program)
      #expect(try ProgramParser.parse(program.description, file: "binary") == program)
    }
  }

  @Test("What decodes also runs, to the same end twice")
  func runs() {
    var draws = Draws(state: 77)
    for _ in 0..<150 {
      let program = ProgramBinary.decode(draws.bytes(draws.below(150)))
      let (first, second) = (Execution.run(program), Execution.run(program, hashing: true))
      #expect(first.steps == second.steps && first.endSteps == second.endSteps)
      #expect(first.results == second.results)
      #expect(first.verdict.all == second.verdict.all)
      #expect(first.machine.stateHash == second.machine.stateHash)
    }
  }

  @Test("No bytes are a machine as it boots, without calls")
  func empty() {
    let program = ProgramBinary.decode([])
    #expect(program.boot == Boot())
    #expect(program.lines.isEmpty)
    #expect(program.variant.name == Protocol.all.map(\.name).min())
  }

  @Test("A variant given replaces the one the bytes name")
  func variant() throws {
    let specimen = try Variant.parse(["v6.18+repaired", "-rechecksPTE"])
    #expect(ProgramBinary.decode([3, 1, 4, 1, 5], variant: specimen).variant == specimen)
  }

  @Test("A handle never assigned becomes the last one assigned, or its call goes")
  func handles() throws {
    var program = try program(
      """
      cpu0  h1 = gup(mm0, file0:0)
      cpu0  h2 = gup(mm0, file0:1)
      cpu0  dma_write(h1, 7)
      cpu0  put_page(h2)
      cpu0  put_page(h1)
      """)
    program.lines.remove(at: 0)
    let other = program.repairingHandles()
    #expect(other.instructions.compactMap(\.call?.handle.rawValue) == [2, 2, 2, 2])
    program.lines.remove(at: 0)
    #expect(program.repairingHandles().lines.isEmpty)
    #expect(other.repairingHandles() == other)
  }
}
