// SPDX-License-Identifier: MIT

import Foundation
import Testing

@Suite("pagefuzz bench")
struct BenchCommandTests {
  @Test("It measures every protocol, and the same work every time")
  func measures() throws {
    let arguments = ["bench", "--programs", "30", "--format", "json"]
    let results = try (0..<2).map { _ in try Invoked.pagefuzz(arguments) }
    #expect(results.allSatisfy { $0.status == 0 && $0.errors.isEmpty })
    let checksums = try results.map { result in
      try result.output.split(separator: "\n").map { line in
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let values = try #require(object)
        #expect((values["stepsPerCPUSeconds"] as? Int ?? 0) > 0)
        #expect((values["stateBytes"] as? Int ?? 0) > 1000)
        return try #require(values["checksum"] as? String)
      }
    }
    #expect(checksums[0] == checksums[1])
    #expect(checksums[0].count >= 4, "the protocols and their sum")
  }

  private func fields(_ arguments: [String]) throws -> [String: Any] {
    let invoked = try Invoked.pagefuzz(["bench", "--format", "json"] + arguments)
    #expect(invoked.status == 0)
    let object = try JSONSerialization.jsonObject(with: Data(invoked.output.utf8))
    return try #require(object as? [String: Any])
  }

  @Test("A campaign's programs are executed again without it, and both rates are told")
  func campaign() throws {
    let fields = try fields(["--campaign", "300"])
    #expect(fields["programs"] as? Int == 300)
    let full = try #require(fields["fullSteps"] as? Int)
    let bare = try #require(fields["bareSteps"] as? Int)
    #expect(full > 0 && full < bare, "kept machines save steps")
    #expect(fields["share"] is Double && fields["programShare"] is Double)
  }

  @Test("What the reducer leaves is compared with what exploring finds, where that ends")
  func lengths() throws {
    let plain = try fields(["--reductions", "1"])
    #expect(plain["decided"] == nil)
    let proven = try fields(["--reductions", "1", "--prove"])
    #expect(proven["programs"] as? Int == 1)
    let decided = try #require(proven["decided"] as? Int)
    #expect(decided >= 1)
    #expect(proven["shortest"] as? Int == decided)
  }
}
