// SPDX-License-Identifier: MIT

import PageLifecycle
import Testing

@testable import Programs

@Suite("What a protocol models")
struct DomainTests {
  @Test("An operation that the protocol is without is refused with its place and who has it")
  func refused() throws {
    let text = "# pagefuzz program 1\nprotocol v6.1\ncpu0  iommu_map(iova0:0)\n"
    let error = #expect(throws: ProgramError.self) { try ProgramParser.parse(text) }
    #expect(error?.line == 3)
    #expect(error?.column == 7)
    let message = error.map { "\($0)" } ?? ""
    #expect(message.contains("protocol v6.1 has no 'iommu_map'"), "\(message)")
    #expect(message.contains("iommu-refcount, iommu-mapcount"), "\(message)")
  }

  @Test("Every protocol has operations, and every operation a protocol")
  func operations() {
    for base in Protocol.all {
      let count = Procedure.operations.count { $0.isEnabled(in: base.design.domains) }
      #expect(count >= 4, "\(base.name)")
    }
    for operation in Procedure.operations {
      #expect(Protocol.all.contains { operation.isEnabled(in: $0.design.domains) })
    }
  }

  @Test("Bytes are a program of their protocol, whatever they are", arguments: Protocol.all)
  func binary(base: Protocol) {
    var draws = Draws(state: 3)
    for _ in 0..<200 {
      let program = ProgramBinary.decode(draws.bytes(80), variant: Variant(base))
      let calls = program.instructions.compactMap(\.call)
      #expect(calls.allSatisfy { $0.operation.isEnabled(in: base.design.domains) })
    }
  }

  @Test(
    "Addresses of an IOMMU are checked",
    arguments: [
      "iommu_map(iova2:0)", "iommu_map(iova0:512)", "iommu_map(iova0)", "iommu_map(0:0)",
      "iommu_map(iova0:0, entries=0)", "iommu_map(iova0:0, entries=513)",
    ])
  func addresses(call: String) {
    let text = "# pagefuzz program 1\nprotocol iommu-mapcount\ncpu0  \(call)\n"
    #expect(throws: ProgramError.self) { try ProgramParser.parse(text) }
  }
}
