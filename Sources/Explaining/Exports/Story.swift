// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs

/// A program as exporters see it: every line with what the engine knows of it.
struct Story {
  /// What somebody outside the kernel sees of a call when its line is over.
  enum Observation: Equatable {
    case returned(Outcome)
    case sleeps
    /// The line stopped it on its way.
    case stopped
    /// A violation had stopped the run before.
    case unknown

    var text: String {
      switch self {
      case .returned(let outcome): "returns \(outcome)"
      case .sleeps: "sleeps"
      case .stopped: "is on its way"
      case .unknown: "not known"
      }
    }
  }

  /// One line that executes something.
  struct Event {
    /// Its place among the events.
    var index: Int
    /// Its number in the canonical text.
    var textLine: Int
    var text: String
    var instruction: Instruction
    /// The mapping and the page in it that the call's address named, before the line.
    var place: (mapping: MappingID, page: PageIndex)
    /// The file page that had the call's page frame.
    var owner: (file: FileID, page: PageIndex)?
    /// What the call obtained the handle for that this one uses.
    var source: Call?
    var shown = Observation.unknown
    var correct = Observation.unknown
    /// Why a kernel would not do as the model does: the model's own bounds refuse the call.
    var refusal: String?

    var call: Call? { instruction.call }
    var isStopped: Bool { instruction.until != nil }
  }

  /// A line as exports print it: an event by its index, or what is only said.
  enum Item {
    case event(Int)
    case words(textLine: Int, String)
  }

  let program: Program
  private(set) var events: [Event] = []
  private(set) var items: [Item] = []
  /// What the program expects, and what it violates under its protocol.
  let violation: Violation?
  /// The protocol whose results are right: with the rule repaired that is to blame.
  let correct: Variant

  init(of program: Program) {
    self.program = program
    let finding = Finding(meantBy: program)
    violation = finding?.violation
    var correct = program.variant
    if case .rules(let rules)? = finding?.identity.cause {
      correct = correct.obeying(RuleSet(rules))
    } else if finding != nil {
      correct = Variant(correct.base, isRepaired: true)
    }
    self.correct = correct
    takeDown()
    let results = Self.observe(program)
    var repaired = program
    repaired.variant = correct
    let right = Self.observe(repaired)
    for index in events.indices {
      (events[index].shown, events[index].correct) = (results[index], right[index])
      if events[index].refusal == nil { events[index].refusal = events[index].ownRefusal }
    }
  }

  /// Notes every line, with what its operands mean at that moment.
  private mutating func takeDown() {
    var run = Run(program.machine())
    var obtained: [HandleID: Call] = [:]
    for (index, line) in program.lines.enumerated() {
      let number = program.textLine(of: index)
      guard let instruction = line.instruction else {
        let text = ProgramPrinter.text(of: line)
        if !text.isEmpty { items.append(.words(textLine: number, text)) }
        continue
      }
      let call = instruction.call
      let address = call?.address ?? Address(rawValue: 0)
      let slot = address.isFilePage ? MappingID(rawValue: address.file.rawValue) : address.mapping
      let mm = call?.mm ?? MMID(0)
      var event = Event(
        index: events.count, textLine: number, text: ProgramPrinter.text(of: line),
        instruction: instruction,
        place: run.machine.place(of: address, in: mm).map { ($0.0, $0.1) } ?? (slot, address.page))
      if let call {
        event.owner = run.machine.owner(of: call.pfn)
        event.refusal = run.machine.refusal(of: call)
        if call.usesHandle { event.source = obtained[call.handle] }
        if call.yieldsHandle { obtained[call.handle] = call }
      }
      items.append(.event(events.count))
      events.append(event)
      if !run.machine.verdict.isStopped { run.execute(instruction, tag: -1) }
    }
  }

  private static func observe(_ program: Program) -> [Observation] {
    let instructions = program.instructions
    var run = Run(program.machine(), calls: instructions.count)
    // A real kernel does not stop where an invariant is broken.
    run.machine.keepsGoing = true
    return instructions.enumerated().map { index, instruction in
      guard !run.machine.verdict.isStopped else { return .unknown }
      run.execute(instruction, tag: index)
      guard !run.machine.verdict.isStopped else { return .unknown }
      if run.results[index] != Run.unfinished {
        return .returned(Outcome(rawValue: run.results[index]))
      }
      guard instruction.call != nil else { return .unknown }
      return run.isPreempted ? .stopped : .sleeps
    }
  }

  /// Each event's call in a language; nil where a line has no call.
  func translations(_ form: (CallTable.Entry) -> Form) -> [Translation?] {
    events.map { event in
      event.call.flatMap { call in
        if let refusal = event.refusal { return .inexpressible(refusal) }
        return CallTable.entry(call.operation).map { form($0).translate(event, call) }
      }
    }
  }

  /// CPUs with lines, in order.
  var cpus: [CPUID] { Set(events.map(\.instruction.cpu)).sorted() }

  /// The model's PMD is there: a page of the program then stands for a quarter of a PMD.
  var usesPMD: Bool { events.contains { $0.call?.flags.contains(.pmd) ?? false } }

  /// What a reader of any export is told first.
  var introduction: [String] {
    var lines = program.introduction.compactMap { $0 }
    lines.append("Protocol: \(program.variant.name)")
    if let violation {
      lines.append("There it violates \(TraceText.words(for: violation)).")
      lines.append("Correct: \(correct.name)")
    } else {
      lines.append("There it violates nothing.")
    }
    return lines
  }
}

extension Story.Event {
  /// Results that only the model's bounds give.
  fileprivate var ownRefusal: String? {
    guard let call, case .returned(let outcome) = shown, let errno = outcome.errno else {
      return nil
    }
    switch (call.operation, errno) {
    case (.fork, .busy): return "the model has room for one child"
    case (.open, .busy): return "the model has room for one inode of that name"
    case (.mmap, .invalid): return "the model's files end there"
    case (.signal, .noProcess): return "the thread of that CPU is there, and makes no call"
    case (.putPage, .invalid), (.unpinUserPages, .invalid), (.releasePages, .invalid):
      return "the handle holds references of another kind"
    default: return nil
    }
  }
}

extension Machine {
  /// Why the model refuses a call that a kernel has no reason to refuse.
  fileprivate func refusal(of call: Call) -> String? {
    let parameters = call.operation.signature?.parameters ?? []
    if parameters.contains(.mm), !mms[call.mm].isAlive { return "that process is not there" }
    if parameters.contains(.pagemap), call.pagemap.isDriven, pagemaps[call.pagemap].state != .live,
      call.operation != .memremapPages
    {
      return "that device is not bound"
    }
    let isHeld = handles[call.handle].state == .held
    if call.usesHandle, !isHeld { return "nothing is behind the handle" }
    if call.yieldsHandle, isHeld { return "the handle is still in use" }
    return nil
  }

  /// The file page whose block a page frame is.
  fileprivate func owner(of pfn: PFN) -> (file: FileID, page: PageIndex)? {
    for file in files.indices {
      for page in files[file].blocks.indices where files[file].blocks[page].pfn == pfn {
        if !pfn.isNone { return (file, page) }
      }
    }
    return nil
  }
}
