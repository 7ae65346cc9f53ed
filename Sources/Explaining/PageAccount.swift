// SPDX-License-Identifier: MIT

package import PageLifecycle
package import Programs

/// Every reference somebody had of one page: who took it where, and who dropped it.
package struct PageAccount: Sendable {
  /// Where a reference was taken or dropped.
  package struct Place: Equatable, Sendable {
    /// 0 is the boot.
    package var step: Int
    package var cpu: CPUID
    package var name: StepName
    package var call: Call

    /// `step 12, cpu0, gup.tryGrab`
    package var text: String {
      step == 0 ? "boot" : "step \(step), \(Spelling.cpuOrEnd(cpu)), \(name)"
    }
  }

  /// References of one kind that were taken together and dropped together.
  package struct Reference: Sendable {
    package var holder: Holder
    package var count: Int32
    package var birth: Place
    package var death: Place?
    /// What it became in the step that ended it.
    package var successor: Holder?
    /// What the violation says of it.
    package var blame: Blame.Kind?
  }

  package let page: PFN
  package private(set) var references: [Reference] = []
  /// `_refcount` after the last step, and what the ledger says it ought to be.
  package private(set) var refcount: Int32
  package private(set) var due: Int32

  /// The account of a page up to a step, in the machine that step left.
  init(
    of page: PFN, _ history: LedgerHistory, upTo last: Int, boot: Machine, end: Machine
  ) {
    self.page = page
    (refcount, due) = (end.pages[page].refcount, end.referencesDue(of: page))
    let idle = StepName(.idle, 0)
    for holder in Holder.allCases where boot.ledger[page][holder] != 0 {
      let place = Place(step: 0, cpu: Run.janitor, name: idle, call: Call(.idle))
      references.append(
        Reference(holder: holder, count: boot.ledger[page][holder], birth: place))
    }
    let entries = history.entries.filter { $0.page == page && $0.step <= last }
    for entry in entries {
      let place = Place(step: entry.step, cpu: entry.cpu, name: entry.name, call: entry.call)
      if entry.change > 0 {
        references.append(Reference(holder: entry.holder, count: entry.change, birth: place))
      } else {
        let heir = entries.first { $0.step == entry.step && $0.change == -entry.change }
        close(-entry.change, of: entry.holder, at: place, heir?.holder)
      }
    }
  }

  /// Ends references of one kind: those of the same call first, then those behind the same
  /// handle, then the oldest.
  private mutating func close(
    _ count: Int32, of holder: Holder, at place: Place, _ successor: Holder?
  ) {
    var left = count
    while left > 0 {
      let living = references.indices.filter {
        references[$0].holder == holder && references[$0].death == nil
      }
      let own = living.last {
        references[$0].birth.cpu == place.cpu && references[$0].birth.call == place.call
      }
      let behind = living.first {
        references[$0].birth.call.yieldsHandle && place.call.usesHandle
          && references[$0].birth.call.handle == place.call.handle
      }
      guard let index = own ?? behind ?? living.first else { return }
      if references[index].count > left {
        var rest = references[index]
        rest.count -= left
        references[index].count = left
        references.insert(rest, at: index + 1)
      }
      left -= references[index].count
      references[index].death = place
      references[index].successor = successor
    }
  }

  /// Marks the references a violation blames.
  mutating func apply(_ blame: Blame) {
    let living = references.indices.filter {
      references[$0].holder == blame.holder && references[$0].death == nil
    }
    let blamed = blame.kind == .foreign ? living : living.suffix(1)
    for index in blamed { references[index].blame = blame.kind }
  }

  /// What the two books say of the page.
  package var balance: String {
    let name = Spelling.pfn(page)
    if refcount == due { return "\(name): the refcount is \(refcount), as its holders say." }
    let difference = abs(refcount - due)
    return "\(name): the refcount is \(refcount); its idle count and its holders make \(due): "
      + "\(difference) too \(refcount > due ? "many" : "few")."
  }
}

extension Blame.Kind {
  /// What is wrong with a reference, in words.
  var words: String {
    switch self {
    case .missing: "not counted"
    case .extra: "too many"
    case .foreign: "may not be here"
    }
  }
}
