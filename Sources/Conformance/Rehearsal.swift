// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// One execution of a recorded sequence, with the choices learnt so far.
struct Rehearsal {
  private let recording: Recording
  private let variant: Variant
  private let choices: Choices

  private var run: Run
  private var translation = Translation()
  private var story: Story
  /// What every task that slept is doing, or what it reported when it returned.
  private var tasks: [Int: Task] = [:]
  private var key = LineKey(event: 0, line: 0)
  /// Which line handed a block out, and every block that line handed out.
  private var allocations: [LineKey: [PFN]] = [:]
  private var allocated: [PFN: LineKey] = [:]
  private var names = PageNames()
  private var view = RecordedView()

  private struct Task {
    var cpu: CPUID
    var report: Translation.Report
    /// What it returned; nil while it sleeps.
    var said: (result: String, data: [UInt8])?
  }

  private(set) var firstDifference: Difference?
  /// The choices that would have avoided the difference; nil where none could.
  private(set) var lesson: Choices?

  init(_ recording: Recording, _ variant: Variant, _ choices: Choices) {
    (self.recording, self.variant, self.choices) = (recording, variant, choices)
    let boot = Boot(files: 0, filePages: 4, devicePages: UInt8(Limits.devicePages))
    var machine = Machine(variant.rules, boot)
    machine.keepsGoing = true
    run = Run(machine)
    story = Story(variant, boot, recording)
  }

  var comparison: Comparison {
    Comparison(
      id: recording.id, events: recording.events.count, firstDifference: firstDifference,
      program: story.program)
  }

  mutating func rehearse() {
    for index in recording.events.indices {
      key = LineKey(event: index, line: 0)
      execute(recording.events[index])
      guard firstDifference == nil else { return }
    }
  }

  private var machine: Machine { _read { yield run.machine } }

  // MARK: Execution

  private mutating func execute(_ event: Recording.Event) {
    let sleepers = tasks
    let meaning = translation.meaning(of: event, in: machine) { sleepers[$0]?.cpu }
    var said: (result: String, data: [UInt8])
    switch meaning {
    case .unknown:
      return differ(event, event.op, "an operation of the model", "none")
    case .nothing(let result): said = (result, [])
    case .calls(let calls, let report):
      guard let cpu = cpu(for: event) else {
        return differ(event, "tasks", "a free CPU", "\(Limits.cpus) are in use")
      }
      said = perform(calls, on: cpu, report, event)
    }
    view.note(event)
    compare(event, said)
    guard firstDifference == nil else { return }
    story.end(machine, names.bound)
  }

  /// The CPU an event runs on; nil where too many tasks sleep.
  private func cpu(for event: Recording.Event) -> CPUID? {
    guard event.async != nil else { return CPUID(event.args.process == "p1" ? 1 : 0) }
    return (2..<Limits.cpus).map { CPUID($0) }.first { !machine.cpus[$0].isActive }
  }

  private mutating func perform(
    _ calls: [Call], on cpu: CPUID, _ report: Translation.Report, _ event: Recording.Event
  ) -> (String, [UInt8]) {
    var outcomes: [Outcome] = []
    var bytes: [UInt8] = []
    var said = (result: "", data: [UInt8]())
    for (number, call) in calls.enumerated() {
      execute(Instruction(cpu, call))
      if machine.cpus[cpu].isActive {
        // What the event means beside this call waits behind it.
        for later in calls[(number + 1)...] { execute(Instruction(cpu, later)) }
        if let task = event.async?.task { tasks[task] = Task(cpu: cpu, report: report) }
        settle()
        guard !machine.cpus[cpu].isActive else { return ("pending", []) }
      }
      outcomes.append(machine.cpus[cpu].value)
      bytes += machine.bytesRead(by: call, on: cpu)
      said = report.said(outcomes, bytes, in: machine)
      settle()
    }
    if let task = event.async?.task, let slept = tasks.removeValue(forKey: task)?.said {
      said = slept
    }
    return (said.result, event.data == nil ? [] : said.data)
  }

  /// Runs every task that can, lowest CPU first, until all have returned or sleep.
  private mutating func settle() {
    while let cpu = (0..<Limits.cpus).map({ CPUID($0) }).first(where: { machine.isRunnable($0) }) {
      execute(Instruction(cpu, nil))
    }
  }

  private mutating func execute(_ instruction: Instruction) {
    for block in choices.blocks[key] ?? [] {
      prepare(PagemapID(of: block) == .pmem0 ? .nextBlock : .nextPage) { $0.pfn = block }
    }
    for place in choices.conversions[key] ?? [] {
      prepare(.convertUnwritten) { ($0.file, $0.page) = (place.file, place.index) }
    }
    let free = machine.freeDevicePages
    run.execute(instruction, tag: -1)
    noteReturn(of: instruction.cpu)
    story.add(instruction, in: machine)
    noteAllocations(free)
    key.line += 1
  }

  /// What a task that slept returns is said of the state it returned in.
  private mutating func noteReturn(of cpu: CPUID) {
    guard !machine.cpus[cpu].isActive else { return }
    for (number, task) in tasks where task.cpu == cpu && task.said == nil {
      let (value, byte) = (machine.cpus[cpu].value, machine.cpus[cpu].bytes[0])
      let said = task.report.said([value], [byte], in: machine)
      tasks[number]?.said = said
    }
  }

  /// Tells the file system's side what to do, on a CPU of its own.
  private mutating func prepare(_ operation: Procedure, _ fill: (inout Call) -> Void) {
    var call = Call(operation)
    fill(&call)
    let instruction = Instruction(CPUID(0), call)
    run.execute(instruction, tag: -1)
    story.add(instruction, in: machine)
  }

  /// Blocks in the order of their files' pages, device pages in that of addresses.
  private mutating func noteAllocations(_ free: Bits<PFN>) {
    var taken = Bits<PFN>(rawValue: free.rawValue & ~machine.freeDevicePages.rawValue)
    guard !taken.isEmpty else { return }
    var pages: [PFN] = []
    func note(_ pfn: PFN) {
      guard !pfn.isNone, taken.contains(pfn) else { return }
      taken.remove(pfn)
      pages.append(pfn)
    }
    for file in machine.files.indices {
      for block in machine.files[file].blocks.indices {
        note(machine.files[file].blocks[block].pfn)
      }
    }
    for vma in machine.mms[MMID(0)].vmas.indices {
      for page in machine.mms[MMID(0)].vmas[vma].ptes.indices {
        note(machine.mms[MMID(0)].vmas[vma].ptes[page].pfn)
      }
    }
    for page in pages { allocated[page] = key }
    allocations[key] = pages
  }

  // MARK: Comparison

  private mutating func differ(
    _ event: Recording.Event, _ subject: String, _ expected: String, _ found: String,
    page: PFN? = nil
  ) {
    guard firstDifference == nil else { return }
    firstDifference = Difference(
      event: key.event, operation: event.op, subject: subject, expected: expected, found: found)
    guard let page else { return }
    firstDifference?.ledger = LedgerHistory(of: story.program).lines(
      for: page, upTo: run.steps)
  }

  private mutating func compare(_ event: Recording.Event, _ said: (result: String, data: [UInt8])) {
    compareNames(event)
    if said.result != event.result {
      differ(event, "result", event.result, said.result)
    }
    let data = event.result == "pending" ? [] : event.data ?? []
    if said.data != data { differ(event, "data", "\(data)", "\(said.data)") }
    compareTasks(event)
    comparePages(event)
  }

  private mutating func compareTasks(_ event: Recording.Event) {
    for completion in event.completed ?? [] {
      let subject = "task \(completion.task)"
      guard let task = tasks.removeValue(forKey: completion.task) else {
        return differ(event, subject, "completed", "it never slept")
      }
      guard let (result, data) = task.said else {
        return differ(event, subject, "completed: \(completion.result)", reason(task.cpu))
      }
      if result != completion.result {
        differ(event, "result of \(subject)", completion.result, result)
      }
      if let expected = completion.data, expected != data {
        differ(event, "data of \(subject)", "\(expected)", "\(data)")
      }
    }
    for (number, task) in tasks.sorted(by: { $0.key < $1.key }) {
      let expected = event.blocked?["\(number)"] ?? "not blocked"
      let found = reason(task.cpu)
      if found != expected { differ(event, "task \(number)", expected, found) }
    }
    for task in (event.blocked ?? [:]).keys.compactMap({ Int($0) }).sorted()
    where tasks[task] == nil {
      differ(event, "task \(task)", event.blocked?["\(task)"] ?? "", "returned")
    }
  }

  /// What a CPU waits for, in the words of recordings.
  private func reason(_ cpu: CPUID) -> String {
    guard machine.cpus[cpu].isActive else { return "returned" }
    let wait = machine.cpus[cpu].wait
    return switch wait.kind {
    case .pageIdle: "page_idle"
    case .pagemap: "pagemap_ref"
    case .lock: machine.lockName(wait.object)
    case .entry: "entry_lock"
    case .gracePeriod: "grace_period"
    case .pageLock: "page_lock"
    case .driver: "driver"
    case .eviction: "eviction"
    case .none: "running"
    }
  }

  private mutating func comparePages(_ event: Recording.Event) {
    for name in event.pages.keys.sorted() {
      guard let pfn = names.bound[name] else { continue }
      guard let expected = event.pages[name] ?? nil else {
        if machine.pages[pfn].exists { differ(event, "page \(name)", "gone", "there", page: pfn) }
        continue
      }
      let found = view.state(of: pfn, in: machine)
      if found != expected.canonical {
        differ(event, "page \(name)", "\(expected.canonical)", "\(found)", page: pfn)
      }
    }
    let named = Set(names.bound.values)
    for address in view.addresses(
      in: machine, where: { $0.isMapping && !named.contains($0.pfn) })
    {
      differ(event, address, "nothing", "a page")
    }
    let zero = (event.zeroPage ?? []).sorted()
    let found = view.addresses(in: machine) { $0.kind == .zero }.sorted()
    if zero != found {
      differ(event, "zero page", zero.joined(separator: " "), found.joined(separator: " "))
    }
  }

  // MARK: Names and choices

  /// Gives names to pages seen for the first time, and learns where the model's choice of a
  /// block was another.
  private mutating func compareNames(_ event: Recording.Event) {
    names.forgetAll(but: event.pages)
    for name in event.pages.keys.sorted() {
      guard let state = event.pages[name] ?? nil else { continue }
      for address in state.mappedAt {
        compareName(name, at: address, event)
        guard firstDifference == nil else { return }
      }
    }
  }

  private mutating func compareName(
    _ name: String, at address: String, _ event: Recording.Event
  ) {
    guard let place = MappedAddress(address) else {
      return differ(event, "page \(name)", "an address such as p1.m0:1", address)
    }
    let vma = machine.mms[place.mm].vmas[place.mapping]
    let pte = vma.ptes[place.page]
    let kind = recording.pageKinds[name] ?? "unknown"
    let isDevice = kind != "anon"
    guard pte.isMapping else {
      differ(event, address, "page \(name)", pte.kind == .zero ? "the zero page" : "nothing")
      if vma.kind == .file { learnConversion(vma.file, vma.filePage(place.page)) }
      return
    }
    guard machine.kindName(of: pte.pfn) == kind else {
      return differ(event, address, "\(kind) page \(name)", "p\(pte.pfn.rawValue)", page: pte.pfn)
    }
    if names.bind(name, to: pte.pfn) { return }
    differ(event, address, "page \(name)", names.words(for: pte.pfn), page: pte.pfn)
    if isDevice { learnBlock(pte.pfn, names.bound[name] ?? freshPage(like: pte.pfn)) }
  }

  /// A page of the same device no line has handed out yet, so that it has no name.
  private func freshPage(like pfn: PFN) -> PFN {
    let pages = PagemapID(of: pfn)?.pages ?? 0..<0
    return pages.lazy.map { PFN($0) }.first { allocated[$0] == nil } ?? .none
  }

  private mutating func learnBlock(_ old: PFN, _ new: PFN) {
    guard let line = allocated[old], var blocks = allocations[line], !new.isNone else { return }
    for position in blocks.indices {
      if blocks[position] == old {
        blocks[position] = new
      } else if blocks[position] == new {
        blocks[position] = old
      }
    }
    var learnt = choices
    learnt.blocks[line] = blocks
    lesson = learnt
  }

  /// ext4 may write zeroes to an unwritten block beside one that is written.
  private mutating func learnConversion(_ file: FileID, _ index: PageIndex) {
    guard machine.files[file].blocks[index].isUnwritten else { return }
    var learnt = choices
    learnt.conversions[LineKey(event: key.event, line: 0), default: []]
      .append(Choices.FilePage(file: file, index: index))
    lesson = learnt
  }
}
