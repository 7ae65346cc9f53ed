// SPDX-License-Identifier: MIT

package import PageLifecycle
import Programs

/// Whether a campaign, from nothing, finds what a specimen declares, and nothing where all is
/// correct.
package struct SelfTest: Sendable {
  /// What became of one specimen, or of one correct protocol.
  package struct Outcome: Sendable {
    /// The first declared violation; nil where the budget came first.
    package var found: Violation?
    /// Invariants that showed until then, declared or not, in ascending order.
    package var shown: [Invariant] = []
    /// A program that shows something undeclared.
    package var undeclared: Finding?
    /// Programs until it was found, and atomic steps of their lines; where nothing was, all
    /// programs, and all steps with those of the staged ends.
    package var executions = 0
    package var steps = 0
  }

  private var campaign: Campaign
  private let declared: [Invariant]

  /// A test of a specimen, from a seed.
  package init(of specimen: Specimen, seed: UInt64, search: Search = .full) {
    self.init(specimen.variant, specimen.breaks, seed, search)
  }

  /// A test of a protocol with every known bug repaired, which declares nothing.
  package init(ofRepaired base: Protocol, seed: UInt64) {
    self.init(Variant(base, isRepaired: true), [], seed, .full)
  }

  private init(
    _ variant: Variant, _ declared: [Invariant], _ seed: UInt64, _ search: Search
  ) {
    var options = Campaign.Options([variant])
    (options.seed, options.search) = (seed, search)
    (campaign, self.declared) = (Campaign(options), declared)
  }

  /// Runs programs until a declared violation is found, so many were run, or it is not to go on.
  package mutating func run(
    executions limit: Int, while mayGoOn: () -> Bool = { true }
  ) -> Outcome {
    var outcome = Outcome()
    while campaign.executions < limit, outcome.found == nil, mayGoOn() {
      advance(within: limit, &outcome)
    }
    outcome.shown.sort { $0.rawValue < $1.rawValue }
    if outcome.found == nil {
      outcome.executions = campaign.executions
      outcome.steps = campaign.steps + campaign.endSteps
    }
    return outcome
  }

  /// Runs programs until a declared violation is found, or their lines had so many steps; nil where
  /// it was not to go on.
  package mutating func trial(steps limit: Int, while mayGoOn: () -> Bool = { true }) -> Trial? {
    var outcome = Outcome()
    while campaign.steps < limit, outcome.found == nil {
      guard mayGoOn() else { return nil }
      advance(within: .max, &outcome)
    }
    let steps = outcome.found == nil ? campaign.steps : outcome.steps
    return Trial(steps: steps, isFound: outcome.found != nil).limited(to: limit)
  }

  private mutating func advance(within limit: Int, _ outcome: inout Outcome) {
    for finding in campaign.advance(within: limit) where outcome.found == nil {
      let invariant = finding.violation.invariant
      if !outcome.shown.contains(invariant) { outcome.shown.append(invariant) }
      if declared.contains(invariant) {
        outcome.found = finding.violation
        outcome.executions = finding.execution
        outcome.steps = campaign.sightings[finding.sighting].firstStep
      } else if outcome.undeclared == nil {
        outcome.undeclared = finding
      }
    }
  }
}
