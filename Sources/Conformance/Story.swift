// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// A recorded sequence retold as a program, with assertions for what each event changed.
struct Story {
  private(set) var program: Program
  /// Where in the program the last call of each CPU began.
  private var lastCall: [CPUID: Int] = [:]
  private var shown: [PFN: [Assertion.Claim]] = [:]
  private var sleeping: Set<CPUID> = []

  init(_ variant: Variant, _ boot: Boot, _ recording: Recording) {
    program = Program(variant, boot: boot)
    program.introduction = [
      "\(recording.id), recorded on a kernel \(recording.kernel); every assertion is its state."
    ]
  }

  /// Adds a line that was executed, and what its call has returned.
  mutating func add(_ instruction: Instruction, in machine: Machine) {
    if instruction.call != nil { lastCall[instruction.cpu] = program.lines.count }
    program.lines.append(Line(instruction))
    guard !machine.cpus[instruction.cpu].isActive, let start = lastCall[instruction.cpu],
      let begun = program.lines[start].instruction
    else { return }
    program.lines[start].statement = .instruction(
      begun, result: machine.cpus[instruction.cpu].value)
  }

  /// States what changed since the last event: the words of named pages, and who sleeps.
  mutating func end(_ machine: Machine, _ names: [String: PFN]) {
    for pfn in Set(names.values).sorted() {
      let page = machine.pages[pfn]
      let claims = [
        Assertion.Claim(.ref, .number(page.refcount)), .init(.map, .number(page.mapcount)),
        .init(.mapping, .mapping(page.mapping)), .init(.mapped, .number(machine.ledger[pfn][.map])),
      ]
      let changed = claims.enumerated().filter { shown[pfn]?[$0.offset] != $0.element }
      guard !changed.isEmpty else { continue }
      shown[pfn] = claims
      program.lines.append(Line(.assertion(Assertion(.page(pfn), changed.map(\.element)))))
    }
    for position in 0..<Limits.cpus {
      let cpu = CPUID(position)
      guard machine.cpus[cpu].isActive else {
        sleeping.remove(cpu)
        continue
      }
      guard sleeping.insert(cpu).inserted else { continue }
      let procedure = machine.cpus[cpu].frame.procedure
      program.lines.append(Line(.assertion(Assertion(cpu, .blocked(procedure)))))
    }
  }
}
