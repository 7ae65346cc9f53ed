// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs

/// A closed model of a run in Promela: a process for each CPU, an atomic statement for each step.
///
/// A step does to counts, locks and wake-ups what it did in this run.  With `-DREPLAY` the model
/// repeats the run; without it spin tries every order that locks and wake-ups admit.
struct PromelaModel {
  private struct Step {
    var number: Int
    var name: String
    var heading: String?
    var guards: [String] = []
    var effects: [String] = []
  }

  private var program: Program
  private var name: String
  private var violation: Violation?
  private var steps: [CPUID: [Step]] = [:]
  private var cpus: [CPUID] = []
  private var boot: Machine
  private var heading = ""
  private var sleepers = PerCPU<Bool>(repeating: false)
  private var usedPages = Bits<PFN>()
  private var usedLocks: [LockID] = []

  init(of program: Program, _ name: String) {
    (self.program, self.name) = (program, name)
    violation = Finding(meantBy: program)?.violation
    boot = program.machine()
    var model = self
    _ = Execution.run(program) { step, before, run in
      guard step.number <= model.violation?.stepNumber ?? .max else { return }
      // Without a violation the staged end is nobody's story.
      guard model.violation != nil || step.stage == .lines else { return }
      model.record(step, before, run.machine)
    }
    self = model
  }

  // MARK: Steps

  private mutating func record(_ step: ExecutedStep, _ before: Machine, _ after: Machine) {
    let cpu = step.cpu
    if !cpus.contains(cpu) { cpus.append(cpu) }
    var statement = Step(number: step.number, name: "\(step.name)")
    let heading = TraceText.heading(of: step, in: program)
    if heading != self.heading { statement.heading = heading }
    self.heading = heading
    if step.isBlocked {
      statement.name += " (blocked)"
    } else {
      if sleepers[cpu] {
        statement.guards.append("woken[\(cpu.rawValue)] > 0")
        statement.effects.append("woken[\(cpu.rawValue)] = 0")
        sleepers[cpu] = false
      }
      addLocks(to: &statement, before, after)
      addCounts(to: &statement, before, after)
    }
    addWakeUps(to: &statement, cpu, before, after)
    if step.number == violation?.stepNumber { addAssertion(to: &statement) }
    steps[cpu, default: []].append(statement)
  }

  private mutating func addLocks(to step: inout Step, _ before: Machine, _ after: Machine) {
    for lock in LockID.all {
      let (old, new) = (before.lockState(lock), after.lockState(lock))
      guard old != new else { continue }
      if !usedLocks.contains(lock) { usedLocks.append(lock) }
      let position = usedLocks.firstIndex(of: lock) ?? 0
      if new.writer != old.writer {
        if new.writer != 0 {
          step.guards.append("writers[\(position)] == 0 && readers[\(position)] == 0")
        }
        step.effects.append("writers[\(position)] = \(new.writer == 0 ? 0 : 1)")
      }
      let readers = new.readers.count - old.readers.count
      if readers > 0 { step.guards.append("writers[\(position)] == 0") }
      if readers != 0 {
        step.effects.append(Self.change("readers[\(position)]", by: readers))
      }
    }
  }

  private mutating func addCounts(to step: inout Step, _ before: Machine, _ after: Machine) {
    for position in 0..<Limits.pages {
      let page = PFN(position)
      let (old, new) = (before.pages[page], after.pages[page])
      let changes = [
        ("ref", Int(new.refcount) - Int(old.refcount)),
        ("map", Int(new.mapcount) - Int(old.mapcount)),
        ("due", Int(after.referencesDue(of: page)) - Int(before.referencesDue(of: page))),
        ("held", Int(held(page, after)) - Int(held(page, before))),
      ]
      for (word, difference) in changes where difference != 0 {
        usedPages.insert(page)
        step.effects.append(Self.change("\(word)[\(position)]", by: difference))
      }
      if old.mapping != new.mapping {
        usedPages.insert(page)
        step.effects.append("mapping[\(position)] = \(new.mapping.rawValue)")
      }
    }
  }

  /// References of the kind the violation blames.
  private func held(_ page: PFN, _ machine: Machine) -> Int32 {
    violation?.blame.map { machine.ledger[page][$0.holder] } ?? 0
  }

  private mutating func addWakeUps(
    to step: inout Step, _ cpu: CPUID, _ before: Machine, _ after: Machine
  ) {
    for other in before.cpus.indices where other != cpu && before.cpus[other].isActive {
      guard !before.isRunnable(other), after.isRunnable(other) else { continue }
      // A lock is waited for by its own guard.
      guard before.cpus[other].wait.kind != .lock else { continue }
      step.effects.append("woken[\(other.rawValue)] = 1")
      sleepers[other] = true
    }
  }

  private func addAssertion(to step: inout Step) {
    guard let violation else { return }
    guard case .page(let page) = violation.subject, let blame = violation.blame else {
      step.effects += ["violated = true", "assert(!violated)"]
      return
    }
    step.effects.append(
      blame.kind == .foreign
        ? "assert(held[\(page.position)] == 0)"
        : "assert(ref[\(page.position)] == due[\(page.position)])")
  }

  private static func change(_ word: String, by difference: Int) -> String {
    "\(word) = \(word) \(difference < 0 ? "-" : "+") \(abs(difference))"
  }

  // MARK: Text

  var text: String {
    var lines = ["/*", " * \(name), exported by pagefuzz"]
    lines += Story(of: program).introduction.map { " * \(Self.comment($0))" }
    lines += [
      " *", " * spin -DREPLAY -a repeats this run; spin -a tries every order of its steps.",
      " * not expressible: branches.  A step does what it did in this run, whatever it would read.",
      " */",
    ]
    lines += [
      "#ifdef REPLAY", "#define AT(n) (turn == n)", "#else", "#define AT(n) true", "#endif", "",
      "int turn = 1;", "bool violated = false;",
    ]
    for word in ["ref", "map", "due", "held", "mapping"] {
      lines.append("int \(word)[\(Limits.pages)];")
    }
    lines += [
      "byte finished = 0;", "byte woken[\(Limits.cpuSlots)];",
      "byte writers[\(max(1, usedLocks.count))];",
      "byte readers[\(max(1, usedLocks.count))];", "",
    ]
    lines += usedLocks.enumerated().map { "/* lock \($0): \($1.name) */" }
    for statement in program.lines where statement.instruction == nil {
      let words = ProgramPrinter.text(of: statement)
      if !words.isEmpty { lines.append("/* not expressible: \(Self.comment(words)) */") }
    }
    for cpu in cpus.sorted() { lines += process(cpu) }
    lines += starting
    return lines.joined(separator: "\n") + "\n"
  }

  private func process(_ cpu: CPUID) -> [String] {
    var lines = ["", "proctype \(Self.processName(cpu))()", "{"]
    if cpu == Run.janitor { lines.append("  finished == \(cpus.count - 1);") }
    for step in steps[cpu] ?? [] {
      if let heading = step.heading { lines.append("  /* \(Self.comment(heading)) */") }
      let guards = (["AT(\(step.number))"] + step.guards).joined(separator: " && ")
      let effects = ["turn = turn + 1"] + step.effects
      lines.append(
        "  d_step { \(guards) -> \(effects.joined(separator: "; ")) }; "
          + "/* \(step.number) \(step.name) */")
    }
    return lines + ["  finished = finished + 1", "}"]
  }

  /// The staged end begins when every CPU is done.
  private static func processName(_ cpu: CPUID) -> String {
    cpu == Run.janitor ? "staged_end" : Spelling.cpuOrEnd(cpu)
  }

  private var starting: [String] {
    var lines = ["", "init", "{", "  atomic {"]
    var pages = usedPages
    while let page = pages.popFirst() {
      let position = page.position
      let values = [
        ("ref", Int(boot.pages[page].refcount)), ("map", Int(boot.pages[page].mapcount)),
        ("due", Int(boot.referencesDue(of: page))), ("held", Int(held(page, boot))),
        ("mapping", Int(boot.pages[page].mapping.rawValue)),
      ]
      lines += values.filter { $0.1 != 0 }.map { "    \($0.0)[\(position)] = \($0.1);" }
    }
    lines += cpus.sorted().map { "    run \(Self.processName($0))();" }
    return lines + ["    skip", "  }", "}"]
  }

  private static func comment(_ text: String) -> String {
    text.replacing("*/", with: "* /").replacing("/*", with: "/ *")
  }
}
