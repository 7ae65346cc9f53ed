// SPDX-License-Identifier: MIT

import Fuzzing
import PageLifecycle
import Programs
import Testing

/// Calls that meet on several CPUs, and the rules their meeting is about.
struct Race: Sendable, CustomStringConvertible {
  var name: String
  var boot = Boot(files: 2, filePages: 1, devicePages: 2)
  /// Lines that run first, one after the other; `until` leaves a call unfinished.
  var setup: [String] = []
  /// The calls of each CPU, in its order.
  var calls: [[String]]
  /// Rules that keep this meeting harmless: breaking one must show.
  var rules: [Rule]
  /// Where it is run; eras differ in what a race does.  Its lines are read as the first's.
  var protocols = ["v6.1", "v6.18"]

  var description: String { name }

  /// A machine that has run the setup.
  func machine(_ variant: Variant) throws -> Machine {
    let lines = try instructions
    var run = Run(Machine(variant.rules, boot))
    for instruction in lines.setup { run.execute(instruction, tag: -1) }
    return run.machine
  }

  /// Every interleaving under a variant, up to equality of states.
  func explore(_ variant: Variant) throws -> Explorer.Outcome {
    var explorer = Explorer.race(try instructions.calls, from: try machine(variant))
    return explorer.search()
  }

  /// The program of a witness: the setup, then what the explorer found.
  func program(_ witness: Explorer.Witness, under variant: Variant) throws -> Program {
    Program(
      variant, boot: boot, instructions: try instructions.setup + witness.instructions,
      expectation: .violation(Pattern(witness.violation.invariant)))
  }

  /// The lines as calls: read as one program, so that handles mean what they say.
  var instructions: (setup: [Instruction], calls: [[Call]]) {
    get throws {
      var text = "# pagefuzz program 1\nprotocol \(protocols[0])\n"
      for line in setup { text += line + "\n" }
      for (cpu, lines) in calls.enumerated() {
        for line in lines { text += "cpu\(cpu)  \(line)\n" }
      }
      let all = try ProgramParser.parse(text, file: name).instructions
      let later = all.dropFirst(setup.count)
      return (
        Array(all.prefix(setup.count)),
        calls.indices.map { cpu in
          later.filter { $0.cpu == CPUID(cpu) }.compactMap(\.call)
        }
      )
    }
  }
}

extension Variant: CustomTestStringConvertible {
  package var testDescription: String { name }
}

extension Specimen: CustomTestStringConvertible {
  package var testDescription: String { name }
}

extension Protocol: CustomTestStringConvertible {
  package var testDescription: String { name }
}
