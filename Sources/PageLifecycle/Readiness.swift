// SPDX-License-Identifier: MIT

// What whoever draws calls and schedules asks a machine before each of them, in one go.

extension Machine {
  /// Which of the first `count` CPUs could execute a step now, and which could start a call.
  package mutating func readiness(ofFirst count: Int) -> (active: Bits<CPUID>, idle: Bits<CPUID>) {
    var (active, idle) = (Bits<CPUID>(), Bits<CPUID>())
    for position in 0..<count {
      let cpu = CPUID(position)
      if !cpus[cpu].isActive {
        idle.insert(cpu)
      } else if canRun(cpu) {
        active.insert(cpu)
      }
    }
    return (active, idle)
  }

  /// Whether a CPU is in a call.
  package mutating func isActive(_ cpu: CPUID) -> Bool { cpus[cpu].isActive }

  /// Whether an address space exists.
  package mutating func isAlive(_ mm: MMID) -> Bool { mms[mm].isAlive }

  /// The named handles that hold pages, and those that some call was asked to fill, these too.
  package mutating func heldHandles() -> (held: Bits<HandleID>, assigned: Bits<HandleID>) {
    var (held, assigned) = (Bits<HandleID>(), Bits<HandleID>())
    for position in 0..<Limits.handles {
      let handle = HandleID(position)
      switch handles[handle].state {
      case .unused: continue
      case .held: held.insert(handle)
      default: break
      }
      assigned.insert(handle)
    }
    return (held, assigned)
  }

  /// The first mapping of an address space from a place on, in a circle, of one of the first
  /// `files` files or of none, and whether programs name its pages by the file; nil where none is.
  package mutating func mapping(
    of mm: MMID, from start: Int, files: Int
  ) -> (mapping: MappingID, bootedWith: FileID?)? {
    for offset in 0..<Limits.mappings {
      let mapping = MappingID((start + offset) % Limits.mappings)
      let vma = mms.storage[mm.position].vmas.storage[mapping.position]
      let (kind, file) = (vma.kind, vma.file)
      guard !vma.isFree, kind != .file || file.position < files else { continue }
      let isBootMapping =
        kind == .file && mapping.rawValue == file.rawValue
        && vma.offset.rawValue == 0
      return (mapping, isBootMapping ? file : nil)
    }
    return nil
  }
}
