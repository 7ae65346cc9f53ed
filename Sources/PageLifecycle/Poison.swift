// SPDX-License-Identifier: MIT

#if PAGEFUZZ_POISON
  /// Builds with AddressSanitizer: memory a kernel could not look at is poisoned, as KASAN does.
  ///
  /// While a step is executed, the words of a struct page that is not there, or not any more, and
  /// the contents of a page that is free or whose device is gone, are poisoned in the machine
  /// itself.  A step that uses them is a report, unless ``Machine/noteUse(of:)`` said so: then the
  /// model knows, and an invariant judges it.  Between steps nothing is poisoned, for those who
  /// judge, hash and copy a machine see all of it.
  ///
  /// The functions are the sanitizer's runtime's, so that the engine imports nothing here either.
  enum Poison {
    @_silgen_name("__asan_poison_memory_region")
    static func poison(_ start: UnsafeMutableRawPointer, _ count: Int)
    @_silgen_name("__asan_unpoison_memory_region")
    static func unpoison(_ start: UnsafeMutableRawPointer, _ count: Int)

    /// Bytes of the words of a page.
    static let words = MemoryLayout<Page>.offset(of: \.endOfWords) ?? 0
  }

  /// What the memory behind each page holds; a byte that can be poisoned by itself.
  package struct PageContents: Sendable {
    var cells: PerPage<UInt64>
    package init(repeating value: UInt8) { cells = PerPage(repeating: UInt64(value)) }
    package subscript(pfn: PFN) -> UInt8 {
      @inline(__always) get { UInt8(truncatingIfNeeded: cells[pfn]) }
      @inline(__always) set { cells[pfn] = UInt64(newValue) }
    }
  }

  extension Machine {
    /// Poisons what a step must not look at.
    mutating func hideWhatIsGone() {
      isPoisoned = true
      for position in 0..<Limits.pages {
        let pfn = PFN(position)
        if !pages[pfn].exists {
          hide(pfn)
        } else if freeRAM.contains(pfn) {
          hideContents(of: pfn)
        }
      }
    }

    /// Lifts it from everything.
    mutating func showAll() {
      isPoisoned = false
      withUnsafeMutableBytes(of: &pages) { bytes in
        if let start = bytes.baseAddress { Poison.unpoison(start, bytes.count) }
      }
      withUnsafeMutableBytes(of: &memory) { bytes in
        if let start = bytes.baseAddress { Poison.unpoison(start, bytes.count) }
      }
    }

    /// Poisons the words of one page, and what its memory holds, from this moment on.
    mutating func hide(_ pfn: PFN) {
      guard isPoisoned else { return }
      Poison.poison(address(of: pfn), Poison.words)
      hideContents(of: pfn)
    }

    /// Poisons what the memory of one page holds.
    mutating func hideContents(of pfn: PFN) {
      guard isPoisoned else { return }
      Poison.poison(addressOfContents(of: pfn), MemoryLayout<UInt64>.size)
    }

    /// Lifts it from one page.
    mutating func show(_ pfn: PFN) {
      guard isPoisoned else { return }
      Poison.unpoison(address(of: pfn), Poison.words)
      Poison.unpoison(addressOfContents(of: pfn), MemoryLayout<UInt64>.size)
    }

    private mutating func address(of pfn: PFN) -> UnsafeMutableRawPointer {
      withUnsafeMutablePointer(to: &pages) {
        UnsafeMutableRawPointer($0) + pfn.position * MemoryLayout<Page>.stride
      }
    }

    private mutating func addressOfContents(of pfn: PFN) -> UnsafeMutableRawPointer {
      withUnsafeMutablePointer(to: &memory) {
        UnsafeMutableRawPointer($0) + pfn.position * MemoryLayout<UInt64>.stride
      }
    }
  }
#else
  /// What the memory behind each page holds; one byte stands for the page.
  package typealias PageContents = PerPage<UInt8>

  // Nothing is poisoned.
  extension Machine {
    @inline(__always)
    mutating func hideWhatIsGone() {}
    @inline(__always)
    mutating func showAll() {}
    @inline(__always)
    mutating func hide(_ pfn: PFN) {}
    @inline(__always)
    mutating func hideContents(of pfn: PFN) {}
    @inline(__always)
    mutating func show(_ pfn: PFN) {}
  }
#endif
