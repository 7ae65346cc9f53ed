// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs
import Testing

@Suite("No page is lost on its way")
struct ConservationTests {
  @Test(
    "Random migrations with random failures leave every book balanced",
    arguments: Protocol.all.filter(\.isOfKernel))
  func balance(base: Protocol) {
    var trials = Conservation(of: base)
    while trials.migrations < 600 { trials.advance() }
    #expect(trials.violating == nil)
    #expect(trials.moved > 100, "nothing moves")
    #expect(trials.stayed > 50, "nothing fails")
  }
}
