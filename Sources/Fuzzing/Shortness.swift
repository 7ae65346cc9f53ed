// SPDX-License-Identifier: MIT

import PageLifecycle
package import Programs

/// What exploring says of the length of a minimized program.
package enum Shortness: Sendable {
  /// No program of fewer calls shows the bug, within the bounds of ``ShortestProof``.
  case shortest
  /// One of fewer calls shows the same identity.
  case longer(than: Program)
  /// There are too many states, or shorter programs show the same by another cause.
  case undecided

  /// Looks for a shorter program of a bug in at most so many states.
  ///
  /// Where shorter programs show the same by another cause, the search is repeated where nothing
  /// but the rules of its own cause is broken: the other bug hides none there.
  package init(of finding: Finding, states: Int) {
    let variant = finding.program.variant
    var variants = [variant]
    if case .rules(let rules) = finding.identity.cause {
      variants.append(Variant(variant.base, broken: RuleSet(rules), isRepaired: true))
    }
    for searched in variants {
      var program = finding.program
      program.variant = searched
      let proof = ShortestProof(
        of: program, showing: finding.identity, isOfSignature: true, states: states)
      switch proof.search() {
      case .proven:
        self = .shortest
        return
      case .shorter(var shorter):
        shorter.variant = variant
        guard Reducer.witness(of: finding.identity, in: shorter) == nil else {
          self = .longer(than: shorter)
          return
        }
      case .gaveUp:
        self = .undecided
        return
      }
    }
    self = .undecided
  }
}
