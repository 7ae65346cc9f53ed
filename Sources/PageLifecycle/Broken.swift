// SPDX-License-Identifier: MIT

#if PAGEFUZZ_BROKEN
  /// Mistakes of ours that a sanitizer, or a trap, must find; in no ordinary build.
  ///
  /// `PAGEFUZZ_BROKEN` names the one that is built in.  Each is one line that somebody could have
  /// written in the step it is about.
  extension Machine {
    /// Does what is wrong, after a step that would do it.
    mutating func misbehave() {
      #if PAGEFUZZ_BROKEN_POISON
        // The struct pages are gone, and their counts are cleared all the same; not at the end of a
        // program, or none would survive.
        guard executed.procedure == .memunmapPages, pagemaps[call.pagemap].state == .gone,
          current != Run.janitor
        else { return }
        for position in call.pagemap.pages { pages[PFN(position)].refcount = 0 }
      #elseif PAGEFUZZ_BROKEN_RACE
        // A statistic that all machines share.
        if executed.procedure == .fork { Mistakes.forks += 1 }
      #elseif PAGEFUZZ_BROKEN_LEAK
        // A copy of the VMA that nobody gives back.
        guard executed.procedure == .mremap else { return }
        let copy = UnsafeMutablePointer<VMA>.allocate(capacity: 1)
        copy.initialize(to: mms[call.mm].vmas[call.mapping])
        Mistakes.vma = copy
      #elseif PAGEFUZZ_BROKEN_OVERFLOW
        // The references of a call, in a byte: pins do not fit.
        guard executed.procedure == .pinUserPages else { return }
        for position in 0..<Limits.pages { Mistakes.narrow = UInt8(pages[PFN(position)].refcount) }
      #elseif PAGEFUZZ_BROKEN_BOUNDS
        // The entry behind the last one of a file.
        guard executed.procedure == .unlink else { return }
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: Limits.filePages)
        defer { entries.deallocate() }
        for position in 0...Limits.filePages {
          (entries + position).initialize(to: files[call.file].entries[PageIndex(position & 7)])
        }
        Mistakes.narrow = UInt8(truncatingIfNeeded: entries[Int(call.file.rawValue)].pfn.rawValue)
      #endif
    }
  }

  /// What the mistakes write to.
  private enum Mistakes {
    nonisolated(unsafe) static var forks = 0
    nonisolated(unsafe) static var vma: UnsafeMutablePointer<VMA>?
    nonisolated(unsafe) static var narrow: UInt8 = 0
  }
#endif
