// SPDX-License-Identifier: MIT

import Explaining
import Fuzzing
import PageLifecycle
import Programs
import Testing

@Suite("An explanation finds out")
struct ExplanationTests {
  @Test("what each step did to the page, and marks what changed")
  func trace() throws {
    let trace = try Samples.explanation(Samples.unbind).trace
    #expect(trace.cpus == [CPUID(0), CPUID(1)])
    let changes = trace.rows.compactMap { row -> String? in
      guard let count = row[.refcount], count.isChanged else { return nil }
      return "\(row.step.name) \(count.text)"
    }
    #expect(
      changes == [
        "daxFaultIO.getPage 0>1", "daxFaultIO.takeMapReference 1>2", "dropPage.dropReference 2>1",
      ])
    #expect(trace.rows.contains { $0[.freeList]?.text == "free>-" })
    #expect(trace.rows.contains { $0[.entry]?.text == "->file0:0 locked dirty" })
    #expect(trace.rows.contains { $0[.mapping]?.text == "none>file0" })
    guard case .violation(let words)? = trace.items.last else {
      Issue.record("the trace does not end in the violation")
      return
    }
    #expect(words.hasPrefix("I18 at step 40"))
  }

  @Test("who took each reference, who dropped it, and which one may not be there")
  func ledger() throws {
    let accounts = try Samples.explanation(Samples.unbind).accounts
    let account = try #require(accounts.first)
    #expect(accounts.count == 1)
    #expect(account.references.map(\.holder) == [.fault, .fault, .map, .gather])
    #expect(account.references.map { $0.death == nil } == [false, false, false, true])
    #expect(account.references[1].successor == .map)
    #expect(account.references[2].successor == .gather)
    #expect(account.references.map(\.blame) == [nil, nil, nil, .foreign])
    let birth = account.references[3].birth
    #expect("\(birth.name)" == "zapRange.clearPTE" && birth.cpu == CPUID(0))
    #expect(account.refcount == 1 && account.due == 1)
  }

  @Test("the books that differ, by how much, and whose reference is not counted")
  func imbalance() throws {
    let missing = try Samples.programs(in: "crashes").filter { $0.name.contains("-I1-") }
    #expect(!missing.isEmpty)
    for (name, program) in missing {
      let finding = try #require(Finding(meantBy: program))
      let explanation = Explanation(of: finding.violation, finding.identity, in: program)
      let account = try #require(explanation.accounts.first)
      let blame = try #require(finding.identity.blame)
      #expect(account.refcount != account.due, "\(name)")
      #expect((account.refcount < account.due) == (blame.kind == .missing), "\(name)")
    }
  }

  @Test("what passed between calls before it: words, locks, and who made whom runnable")
  func dependencies() throws {
    let dependencies = try Samples.explanation(Samples.unbind).dependencies
    #expect(dependencies.edges.contains { $0.kind == .lock && $0.objects == ["mmap_lock of mm0"] })
    #expect(dependencies.edges.allSatisfy { $0.from < $0.to })
    #expect(dependencies.steps.contains(40))
    // Whoever could not go on before a step and can after it was woken by it.
    let waking = try #require(
      Samples.programs(in: "crashes").first { $0.name.hasPrefix("v5.17-I56") })
    let finding = try #require(Finding(meantBy: waking.program))
    let later = Explanation(of: finding.violation, finding.identity, in: waking.program)
    let wakeUps = later.dependencies.edges.filter { $0.kind == .wakeUp }
    #expect(!wakeUps.isEmpty)
    var woken: [Int: [CPUID]] = [:]
    _ = Execution.run(waking.program) { step, before, run in
      for cpu in before.cpus.indices where before.cpus[cpu].isActive {
        if !before.isRunnable(cpu), run.machine.isRunnable(cpu) {
          woken[step.number, default: []].append(cpu)
        }
      }
    }
    for edge in wakeUps {
      let cpu = later.dependencies.calls[edge.to - 1].cpu
      #expect(woken[edge.from]?.contains(cpu) == true)
    }
  }

  @Test("how far a preemption may move, by trying every place")
  func window() throws {
    let windows = try Samples.explanation(Samples.unbind).windows
    let window = try #require(windows.first)
    #expect(windows.count == 1)
    #expect(window.name(of: window.actual) == "before zapRange.removeRmap")
    #expect(window.isOpen.count == window.places.count + 1)
    #expect(window.range.contains(window.actual))
    #expect(window.openCount == window.range.count)
    // The window opens where the PTE is cleared and closes where its reference is put.
    #expect(window.name(of: window.range.lowerBound) == "before zapRange.removeRmap")
    #expect(window.name(of: window.range.upperBound) == "before dropPage.dropReference")
    #expect(window.isOpen.last == false)
    #expect(try Samples.explanation(Samples.unmapped).windows.isEmpty)
  }

  @Test("how many ordering constraints it needs")
  func depth() throws {
    let preempted = try Samples.explanation(Samples.unbind)
    #expect(preempted.depth.constraints == 2)
    #expect(preempted.depth.cpus == 2)
    let alone = try Samples.explanation(Samples.unmapped)
    #expect(alone.depth.constraints == 0)
    #expect(alone.depth.guarantee == 1)
    #expect(try Samples.explanation(Samples.sleeper).depth.constraints == 1)
  }

  @Test("how often a random schedule shows it: exactly, where a sample agrees")
  func rate() throws {
    let alone = try Samples.explanation(Samples.unmapped).rate
    #expect(alone.perMillion == 1_000_000 && alone.sampled == nil && alone.states == 0)
    let text = Samples.sleeper
    let exact = try Samples.explanation(text).rate
    #expect(exact.sampled == nil && exact.states > 10)
    // The same counted by drawing.
    let program = try Samples.program(text)
    let target = try #require(Finding(meantBy: program)).identity
    var random = Random(seed: 5)
    var hits = 0
    for _ in 0..<2000 {
      var machine = program.machine()
      var left: [[Call]] = [[], []]
      for instruction in program.instructions {
        if let call = instruction.call { left[instruction.cpu.position].append(call) }
      }
      while true {
        let able = [CPUID(0), CPUID(1)].filter { cpu in
          machine.cpus[cpu].isActive ? machine.isRunnable(cpu) : !left[cpu.position].isEmpty
        }
        guard !able.isEmpty, !machine.verdict.isStopped else { break }
        let cpu = able[random.below(able.count)]
        if !machine.cpus[cpu].isActive {
          machine.begin(left[cpu.position].removeFirst(), on: cpu)
        }
        _ = machine.step(cpu)
      }
      var run = Run(machine)
      run.finish()
      if run.machine.verdict.all.contains(where: { target.hasSignature(of: $0) }) { hits += 1 }
    }
    let drawn = Double(hits) / 2000
    #expect(abs(drawn - exact.probability) < 0.04, "\(drawn), \(exact.probability)")
  }

  @Test("which rules are to blame, with their text and source")
  func blame() throws {
    let blames = try Samples.explanation(Samples.unmapped).blames
    let cause = try #require(blames.first)
    #expect(cause.isCause && cause.rules == [.scansUnmappedFiles])
    #expect(cause.remaining.isEmpty)
    #expect(cause.known.contains { $0.contains("cee91fa13a8e") })
    #expect(blames.dropFirst().allSatisfy { !$0.isCause && $0.rules != cause.rules })
  }

  @Test("what the same program does under every other protocol")
  func protocols() throws {
    let explanation = try Samples.explanation(Samples.unmapped)
    let outcomes = explanation.protocols
    #expect(outcomes.map(\.name) == Protocol.all.map(\.name).filter { $0 != "v6.1" })
    let results = Dictionary(uniqueKeysWithValues: outcomes.map { ($0.name, $0) })
    #expect(results["v6.12"]?.shipped == .violated(["I27 fsdax foreign-pin"]))
    #expect(results["v6.18"]?.shipped == .clean)
    #expect(results["v6.12"]?.repaired == .clean)
    guard case .notExpressible(let reason)? = results["iommu-refcount"]?.shipped else {
      Issue.record("a protocol without files can express files")
      return
    }
    #expect(reason.contains("iommu-refcount has no"))
  }

  @Test("the same every time")
  func determinism() throws {
    for renderer in Renderer.allCases {
      let texts = try (0..<2).map { _ in
        renderer.print(try Samples.explanation(Samples.unbind), of: "sample")
      }
      #expect(texts[0] == texts[1], "\(renderer)")
    }
  }
}
