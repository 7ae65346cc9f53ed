// SPDX-License-Identifier: MIT

package import PageLifecycle

/// A statement about the state between two events.
package struct Assertion: Equatable, Sendable {
  /// What it is about.
  package enum Subject: Equatable, Sendable {
    /// The block of a file's page.
    case filePage(FileID, PageIndex)
    case page(PFN)
    /// The page mapped at an address.
    case address(MMID, Address)
    case file(FileID)
  }

  /// A word of the state, by the name texts use.
  package enum Key: String, CaseIterable, Sendable {
    /// `_refcount` and `_mapcount` as they stand in the struct page.
    case ref, map
    /// References the ledger knows: FOLL_PIN, FOLL_GET, and page-table entries.
    case pins, gets, mapped
    /// Entries that are live in a page table, and how many its owner reads from its counter.
    case entries, counted
    /// Pins that the words of the page tell of.
    case stored
    /// `page->mapping`.
    case mapping
    /// How many entries share the page, in the word of `page->index`.
    case share
    /// The byte that stands for the page's contents.
    case data
    /// The block behind a file's page, and the DAX entry that stands for it.
    case block, entry
    /// The page-table entry at an address.
    case pte
    /// `i_size` in pages, and `mapping->nrpages`.
    case size, nrpages
  }

  /// What a key has or ought to have.
  package enum Value: Equatable, Sendable {
    case number(Int32)
    case mapping(Mapping)
    case page(PFN)
    /// `none`, `empty` or `zero`: an entry that names no page.
    case nothing(PTE.Kind)
    case empty
    /// There is no page to look at.
    case missing
  }

  /// `key=value`.
  package struct Claim: Equatable, Sendable {
    package var key: Key
    package var value: Value
    /// A claim of its parts.
    package init(_ key: Key, _ value: Value) { (self.key, self.value) = (key, value) }
  }

  /// What a CPU's task is doing.
  package enum TaskState: Equatable, Sendable {
    case idle
    /// Its call cannot go on; with a procedure, while it is in that one.
    case blocked(Procedure?)
    /// Its call is unfinished and could go on.
    case runnable(Procedure?)
  }

  /// Words of an object, or the state of a task.
  package enum Content: Equatable, Sendable {
    case claims(Subject, [Claim])
    case task(CPUID, TaskState)
  }
  package var content: Content

  /// A statement about the words of a page or file.
  package init(_ subject: Subject, _ claims: [Claim]) { content = .claims(subject, claims) }
  /// A statement about the task on a CPU.
  package init(_ cpu: CPUID, _ state: TaskState) { content = .task(cpu, state) }
}

extension Assertion.Subject {
  /// The keys that mean something for it.
  package var keys: [Assertion.Key] {
    let words: [Assertion.Key] = [
      .ref, .map, .pins, .gets, .mapped, .mapping, .share, .data, .entries, .counted, .stored,
    ]
    return switch self {
    case .filePage: words + [.block, .entry]
    case .page: words
    case .address: words + [.pte]
    case .file: [.size, .nrpages]
    }
  }
}

// MARK: Evaluation

extension Assertion {
  /// What it stated and what is so instead; nil when it holds.
  package func difference(in machine: Machine) -> (expected: String, found: String)? {
    switch content {
    case .claims(let subject, let claims):
      var expected: [String] = []
      var found: [String] = []
      for claim in claims {
        let value = machine.value(of: claim.key, of: subject)
        guard value != claim.value else { continue }
        expected.append("\(claim.key)=\(claim.value)")
        found.append("\(claim.key)=\(value)")
      }
      guard !expected.isEmpty else { return nil }
      return (expected.joined(separator: " "), found.joined(separator: " "))
    case .task(let cpu, let state):
      guard !machine.holds(state, of: cpu) else { return nil }
      return ("cpu\(cpu.rawValue) \(state)", "cpu\(cpu.rawValue) \(machine.taskState(of: cpu))")
    }
  }
}

extension Machine {
  fileprivate func value(
    of key: Assertion.Key, of subject: Assertion.Subject
  ) -> Assertion.Value {
    switch (key, subject) {
    case (.block, .filePage(let file, let index)):
      return .page(orNone: files[file].blocks[index].pfn)
    case (.entry, .filePage(let file, let index)):
      return value(ofEntryAt: index, of: file)
    case (.pte, .address(let mm, let address)):
      guard let pte = pte(mm, address) else { return .missing }
      return pte.kind == .page ? .page(pte.pfn) : .nothing(pte.kind)
    case (.size, .file(let file)): return .number(Int32(files[file].size))
    case (.nrpages, .file(let file)): return .number(files[file].nrpages)
    default:
      guard let pfn = page(of: subject) else { return .missing }
      return value(of: key, of: pfn)
    }
  }

  private func value(of key: Assertion.Key, of pfn: PFN) -> Assertion.Value {
    switch key {
    case .ref: .number(pages[pfn].refcount)
    case .map: .number(pages[pfn].mapcount)
    case .pins: .number(ledger[pfn][.pin])
    case .gets: .number(ledger[pfn][.get])
    case .mapped: .number(ledger[pfn][.map])
    case .mapping: .mapping(pages[pfn].mapping)
    case .share: .number(Int32(shareCount(of: pfn)))
    case .data: .number(Int32(memory[pfn]))
    case .entries: liveEntries(of: pfn).map { .number($0) } ?? .missing
    case .counted: iommu.slot(of: pfn).map { _ in .number(countedEntries(of: pfn)) } ?? .missing
    case .stored: .number(pinsTold(by: pfn))
    default: .missing
    }
  }

  private func value(ofEntryAt index: PageIndex, of file: FileID) -> Assertion.Value {
    let entry = files[file].entry(at: index)
    switch entry.kind {
    case .absent: return .nothing(.none)
    case .empty: return .empty
    case .zero: return .nothing(.zero)
    case .page:
      let offset = entry.isPMD ? index.position % Limits.pagesPerPMD : 0
      return .page(PFN(entry.pfn.position + offset))
    }
  }

  private func page(of subject: Assertion.Subject) -> PFN? {
    switch subject {
    case .page(let pfn): return pfn
    case .filePage(let file, let index):
      let block = files[file].blocks[index]
      return block.isHole ? nil : block.pfn
    case .address(let mm, let address):
      guard let pte = pte(mm, address), pte.kind == .page else { return nil }
      return pte.pfn
    case .file: return nil
    }
  }

  /// The page-table entry at an address; nil outside every mapping.
  private func pte(_ mm: MMID, _ address: Address) -> PTE? {
    guard mms[mm].isAlive else { return nil }
    for mapping in mms[mm].vmas.indices {
      let vma = mms[mm].vmas[mapping]
      guard !vma.isFree else { continue }
      var page = address.page
      if address.isFilePage {
        guard vma.file == address.file, address.page >= vma.offset else { continue }
        page = PageIndex(address.page.position - vma.offset.position)
      } else if mapping != address.mapping {
        continue
      }
      if vma.pages.contains(page) { return vma.ptes[page] }
    }
    return nil
  }

  fileprivate func taskState(of cpu: CPUID) -> Assertion.TaskState {
    guard cpus[cpu].isActive else { return .idle }
    let procedure = cpus[cpu].frame.procedure
    return isRunnable(cpu) ? .runnable(procedure) : .blocked(procedure)
  }

  fileprivate func holds(_ state: Assertion.TaskState, of cpu: CPUID) -> Bool {
    switch (state, taskState(of: cpu)) {
    case (.idle, .idle): true
    case (.blocked(let procedure), .blocked), (.runnable(let procedure), .runnable):
      procedure.map { isIn($0, cpu) } ?? true
    default: false
    }
  }

  private func isIn(_ procedure: Procedure, _ cpu: CPUID) -> Bool {
    var task = cpus[cpu]
    return task.hasEntered { $0.procedure == procedure }
  }
}

// MARK: Text

extension Assertion.Value {
  static func page(orNone pfn: PFN) -> Self { pfn.isNone ? .nothing(.none) : .page(pfn) }
}

extension Assertion.Value: CustomStringConvertible {
  package var description: String {
    switch self {
    case .number(let number): "\(number)"
    case .mapping(let mapping): mapping.name
    case .page(let pfn): Spelling.pfn(pfn)
    case .nothing(let kind): kind == .zero ? "zero" : "none"
    case .empty: "empty"
    case .missing: "(no page)"
    }
  }
}

extension Assertion.TaskState: CustomStringConvertible {
  package var description: String {
    let (word, procedure): (String, Procedure?) =
      switch self {
      case .idle: ("idle", nil)
      case .blocked(let procedure): ("blocked", procedure)
      case .runnable(let procedure): ("runnable", procedure)
      }
    return word + (procedure.map { " " + Vocabulary.kernelName($0) } ?? "")
  }
}
