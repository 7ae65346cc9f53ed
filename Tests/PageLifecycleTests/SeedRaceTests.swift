// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs
import Testing

extension Race {
  private static func table(_ entries: UInt16) -> Boot {
    var boot = Boot()
    boot.tableEntries = entries
    return boot
  }
  private static func tables(
    _ name: String, _ entries: UInt16 = 2, _ setup: [String] = [], _ calls: [[String]],
    _ rules: [Rule] = []
  ) -> Race {
    Race(
      name: name, base: "iommu-mapcount", boot: table(entries), setup: setup, calls: calls,
      rules: rules)
  }

  /// Who maps and unmaps I/O virtual addresses, and who looks at a page that is a table.
  static let tables: [Race] = [
    tables(
      "unmap of the last entry against a lookup", setup: ["cpu0  iommu_map(iova0:0)"],
      [["iommu_unmap(iova0:0)"], ["folio_try_get(p16)"]],
      [.countsEntriesApart, .flushesBeforeTableFree, .resetsMapcount]),
    tables(
      "a full table against a lookup", setup: ["cpu0  iommu_map(iova0:0, entries=2)"],
      [["iommu_unmap(iova0:0, entries=2)"], ["folio_try_get(p16)"]], [.countsEntriesApart]),
    tables(
      "unmap of the last entry against map and unmap", setup: ["cpu0  iommu_map(iova0:0)"],
      [["iommu_unmap(iova0:0)"], ["iommu_map(iova0:1)", "iommu_unmap(iova0:1)"]],
      [.bumpsWhileUpgrading, .retestsAfterUpgrade]),
    tables(
      "unmap against unmap", setup: ["cpu0  iommu_map(iova0:0, entries=2)"],
      [["iommu_unmap(iova0:0)"], ["iommu_unmap(iova0:1)"], ["iommu_map(iova1:0)"]]),
    tables(
      "map against map of one empty slot", [["iommu_map(iova0:0)"], ["iommu_map(iova0:1)"]]),
    tables(
      "a lookup of a user's page that becomes a table",
      setup: [
        "cpu0  mmap_anonymous(mm0, m0, pages=1)", "cpu0  store(mm0, m0:0, 7)",
        "cpu1  folio_try_get(p16) until tryGet", "cpu0  munmap(mm0, m0:0)",
      ],
      [["iommu_map(iova0:0)", "iommu_unmap(iova0:0)"], []], [.countsEntriesApart]),
    tables(
      "gup_fast() of a user's page that becomes a table",
      setup: [
        "cpu0  mmap_anonymous(mm0, m0, pages=1)", "cpu0  store(mm0, m0:0, 7)",
        "cpu1  h0 = gup_fast(mm0, m0:0) until gupFastWalk.tryGrab",
      ],
      [["munmap(mm0, m0:0)", "iommu_map(iova0:0)", "iommu_unmap(iova0:0)"], []]),
  ]

  private static func tables(
    _ name: String, setup: [String], _ calls: [[String]], _ rules: [Rule] = []
  ) -> Race {
    tables(name, 2, setup, calls, rules)
  }
  private static func tables(_ name: String, _ calls: [[String]]) -> Race {
    tables(name, 2, [], calls, [])
  }

  private static func blocks(
    _ name: String, _ setup: [String], _ calls: [[String]], _ rules: [Rule]
  ) -> Race {
    Race(name: name, base: "free-pages-462a8e08", setup: setup, calls: calls, rules: rules)
  }

  /// Who frees a block while somebody looks at its first page.
  static let blocks: [Race] = [
    blocks(
      "__free_pages() of a block against a lookup", ["cpu0  h0 = alloc_pages()"],
      [["free_pages(h0)"], ["folio_try_get(p16)"]], [.freesSubBlocks]),
    blocks(
      "__free_pages() of a larger block against a lookup", ["cpu0  h0 = alloc_pages(pages=4)"],
      [["free_pages(h0)"], ["folio_try_get(p16)"], ["h1 = alloc_pages(pages=1)"]],
      [.freesSubBlocks]),
    blocks(
      "__free_pages() of a compound page against a lookup", ["cpu0  h0 = folio_alloc()"],
      [["free_pages(h0)"], ["folio_try_get(p17)"]], [.readsHeadFirst]),
    blocks(
      "__free_pages() of a compound page against its next owner", ["cpu0  h0 = folio_alloc()"],
      [["free_pages(h0)"], ["folio_try_get(p16)", "h1 = alloc_pages()"]], [.readsHeadFirst]),
  ]

  private static let listed = ["cpu0  h0 = alloc_pages(pages=1)", "cpu0  lru_add(h0)"]
  private static func pins(
    _ name: String, _ setup: [String], _ calls: [[String]], _ rules: [Rule]
  ) -> Race {
    Race(name: name, base: "foll-pin", setup: setup, calls: calls, rules: rules)
  }

  /// Who pins a page, and who has it on a list or holds it otherwise.
  static let pins: [Race] = [
    pins(
      "pin against lru_add", ["cpu0  h0 = alloc_pages(pages=1)"],
      [["h1 = pin_page(p16)"], ["lru_add(h0)"]], [.pinsOnlyFromLRU]),
    pins(
      "pin against isolation", listed,
      [["h1 = pin_page(p16)", "unpin_user_pages(h1)"], ["isolate_lru_page(p16)"]],
      [.pinsOnlyFromLRU]),
    pins(
      "pin against a plain put", listed + ["cpu0  h1 = get_page(p16)"],
      [["h2 = pin_page(p16)"], ["put_page(h1)"]], [.dropsPinsApart, .looksBeforeUnpinning]),
    pins(
      "pin against pin", listed,
      [
        ["h1 = pin_page(p16)", "unpin_user_pages(h1)"],
        ["h2 = pin_page(p16)", "unpin_user_pages(h2)"],
      ], [.countsPins]),
    pins(
      "unpin against a lookup", listed + ["cpu0  h1 = pin_page(p16)"],
      [["unpin_user_pages(h1)"], ["folio_try_get(p16)"], ["free_pages(h0)"]], [.dropsPinsApart]),
  ]

  static let ofSeeds = tables + blocks + pins

  /// Whether a protocol models what the race is about.
  func isMeaningful(in base: Protocol) -> Bool {
    let all = try? instructions
    let operations = (all?.setup.compactMap(\.call) ?? []) + (all?.calls.flatMap { $0 } ?? [])
    return !operations.isEmpty
      && operations.allSatisfy { $0.operation.isEnabled(in: base.design.domains) }
  }
}

/// Page tables, blocks of pages and pins meet those who look at the same pages.
@Suite("Races of proposals")
struct SeedRaceTests {
  static let protocols = Protocol.all.filter { !$0.isOfKernel }
  static let repaired = protocols.map { Variant($0, isRepaired: true) }

  /// Each race under each protocol that has its mechanism.
  static let meetings: [(Race, Variant)] = Race.ofSeeds.flatMap { race in
    repaired.filter { race.isMeaningful(in: $0.base) }.map { (race, $0) }
  }
  /// Each race with each rule it is about.
  static let cases: [(Race, Specimen)] = Race.ofSeeds.flatMap { race in
    Specimen.all.filter { specimen in
      race.rules.contains(specimen.rule) && protocols.contains(specimen.variant.base)
        && race.isMeaningful(in: specimen.variant.base)
    }.map { (race, $0) }
  }

  @Test("Who obeys every rule comes out clean", arguments: meetings)
  func clean(_ race: Race, _ variant: Variant) throws {
    #expect(try race.machine(variant).verdict.count == 0, "the setup")
    let outcome = try race.explore(variant)
    for witness in outcome.witnesses {
      Issue.record("\n\(ProgramPrinter.text(of: try race.program(witness, under: variant)))")
    }
    #expect(outcome.isComplete)
    #expect(outcome.transitions > outcome.states, "too few interleavings to be a race")
  }

  @Test("A rule that is broken shows as what it declares, and as nothing else", arguments: cases)
  func broken(_ race: Race, _ specimen: Specimen) throws {
    let outcome = try race.explore(specimen.variant)
    #expect(!outcome.violated.isDisjoint(with: specimen.breaks), "\(outcome.violated)")
    #expect(outcome.violated.isSubset(of: specimen.breaks), "\(outcome.violated)")
    for witness in outcome.witnesses {
      let program = try race.program(witness, under: specimen.variant)
      #expect(Execution.run(program).isAsExpected(), "\n\(ProgramPrinter.text(of: program))")
    }
  }

  /// Every program of a few calls, up to equality of states.
  static func search(_ variant: Variant, calls: Int) -> Explorer.Outcome {
    var bounds = Explorer.Bounds()
    (bounds.cpus, bounds.calls) = (2, calls)
    let operations = Procedure.operations.filter {
      [.iommu, .buddy, .lru].contains($0.signature?.domain) || $0 == .folioTryGet
        || ($0 == .putPage || $0 == .unpinUserPages)
    }
    let alphabet = Alphabet(pages: 1, files: 1, operations: operations)
    var explorer = Explorer(from: Machine(variant.rules), within: bounds) { machine, _, _ in
      alphabet.calls(in: machine)
    }
    return explorer.search()
  }

  @Test("Every program of three calls is clean where every rule is obeyed", arguments: repaired)
  func small(_ variant: Variant) {
    let outcome = Self.search(variant, calls: 3)
    #expect(outcome.isComplete)
    #expect(outcome.states > 200)
    #expect(outcome.violated.isEmpty, "\(outcome.violated)")
  }

  @Test("Of four calls a proposal breaks what it declares, and nothing else", arguments: protocols)
  func declared(_ base: Protocol) {
    let outcome = Self.search(Variant(base), calls: 4)
    let declared = Set(base.knownBugs.flatMap(\.rule.info.breaks))
    #expect(outcome.isComplete)
    #expect(outcome.violated.isSubset(of: declared), "\(outcome.violated)")
    #expect(outcome.violated.isEmpty == declared.isEmpty)
  }

  @Test("Every specimen loses some race")
  func coverage() {
    let caught = Set(Self.cases.map(\.1.name))
    let all = Specimen.all.filter { !$0.variant.base.isOfKernel }
    #expect(all.count > 20)
    #expect(all.map(\.name).filter { !caught.contains($0) } == [])
  }

  @Test("A proposal loses the races its known bugs are about", arguments: protocols)
  func known(_ base: Protocol) throws {
    for rule in base.knownBugs.map(\.rule) {
      let races = Race.ofSeeds.filter { $0.rules.contains(rule) && $0.isMeaningful(in: base) }
      #expect(!races.isEmpty)
      for race in races {
        let found = try race.explore(Variant(base)).violated
        #expect(!found.isDisjoint(with: rule.info.breaks), "\(race) found \(found)")
      }
    }
  }
}
