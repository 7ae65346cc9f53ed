// SPDX-License-Identifier: MIT

@testable import PageLifecycle

extension Canary {
  private static let table = PFN(Limits.devicePages)

  /// A table with one live entry that its owner counts.
  private static func link(_ machine: inout Machine) {
    _ = machine.allocateRAM()
    machine.ledger.take(.driver, of: table)
    machine.iommu.tables.insert(table)
    machine.startCounting(table)
    _ = machine.linkTable(table, at: 0)
    machine.iommu.present[0].insert(0..<1)
    machine.countEntries(table, 1)
    machine.ledger.tables.counted[0] = 1
  }

  /// A page on the LRU, whose owner has it from the allocator.
  private static func list(_ machine: inout Machine) {
    _ = machine.allocateRAM()
    machine.ledger.take(.driver, of: table)
    machine.linkIntoLRU(table)
  }

  /// Page tables, pins beside lists, and the page allocator.
  static let ofSeeds: [Canary] = [
    Canary(
      invariant: .I8, note: "an entry that is counted and not there", base: "iommu-mapcount",
      prepare: link, corrupt: { $0.iommu.present[0].remove(0..<1) }),
    Canary(
      invariant: .I9, note: "a table with more entries than it has room for",
      base: "iommu-mapcount", prepare: link,
      corrupt: { machine in
        machine.iommu.entriesPerTable = 1
        machine.iommu.present[0].insert(1..<2)
        machine.countEntries(table, 1)
        machine.ledger.tables.counted[0] = 2
      }),
    Canary(
      invariant: .I36, note: "a pin nobody holds", base: "dma-pinned-2018",
      corrupt: { machine in
        _ = machine.allocateRAM()
        machine.ledger.take(.driver, of: table)
        machine.markPinned(table, wasLRU: true)
      }),
    Canary(
      invariant: .I40, note: "a pin in the links of a list", base: "dma-pinned-2018",
      prepare: list,
      corrupt: { machine in
        machine.markPinned(table, wasLRU: false)
        machine.ledger.convert(.driver, to: .pin, of: table)
      }),
    Canary(
      invariant: .I62, note: "a page of RAM that nobody has", base: "free-pages-462a8e08",
      prepare: { $0.judgeConservation() },
      corrupt: { machine in
        machine.freeRAM.remove(table)
        machine.judgeConservation()
      }),
    Canary(
      invariant: .I63, note: "a table with a live entry is taken out of the tree",
      base: "iommu-mapcount",
      prepare: { $0.emit(.tableUnhooked(table, live: false)) },
      corrupt: { $0.emit(.tableUnhooked(table, live: true)) }),
  ]
}
