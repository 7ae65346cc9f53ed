// SPDX-License-Identifier: MIT

import Foundation
import Fuzzing
import PageLifecycle
import Programs
import Testing

// README: a patch as a protocol.
extension Protocol {
  static let fsdaxFromZero: Protocol = {
    var patched = v6_1
    patched.name = "fsdax-from-zero"
    patched.summary = "v6.1 whose fsdax pages start at refcount 0."
    patched.source = "[PATCH] dax: initialise pages to zero"
    patched.design.idleCount = 0
    return patched
  }()
}

@Suite("README's worked example")
struct WorkedExampleTests {
  @Test("The protocol that README shows is the one that is tested")
  func text() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
    let here = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)
    let parts = readme.components(separatedBy: "```swift\n")
    try #require(parts.count == 2)
    let block = parts[1].components(separatedBy: "```")[0]
    #expect(here.contains(block))
    #expect(block.split(separator: "\n").count < 20)
  }

  @Test("Its pages cannot be pinned: two calls show it")
  func found() throws {
    let driven = Driven(Variant(.fsdaxFromZero), executions: 200)
    let found = driven.findings.filter { finding in
      finding.identity.invariant == .I2 && finding.identity.type == .fsdax
    }
    let shortest = found.map(\.program).min { $0.callCount < $1.callCount }
    let program = try #require(shortest)
    #expect(program.callCount == 1 || program.callCount == 2)
    #expect(program.variant.base == .fsdaxFromZero)
    // The kernel it patches has no such violation.
    var before = program
    before.variant = Variant(.v6_1)
    let breaks = Execution.run(before).identities().map(\.invariant)
    #expect(!breaks.contains(.I2))
  }
}
