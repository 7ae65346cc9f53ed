// SPDX-License-Identifier: MIT

/// A reference that ends with the call: of O_DIRECT into a mapping, FOLL_GET up to v6.2 and
/// FOLL_PIN since, and of process_vm_readv(2), FOLL_PIN.
enum ShortPin: Body {
  enum Step: UInt8, CaseIterable {
    /// `iov_iter_extract_pages()`, `pin_user_pages_remote()`; `iov_iter_get_pages()`
    case pin, checkPinned
    /// the device or the other process reads or writes the page
    case transfer
    /// `unpin_user_pages()`; `put_page()`
    case unpin
  }

  static func signature(of operation: Procedure) -> Signature? {
    operation == .directIO
      ? Signature(
        name: "direct_io", parameters: [.mm, .address, .value, .flags(.write)], weight: 3,
        summary: "O_DIRECT with a page of a mapping as buffer; write: the device fills it")
      : Signature(
        name: "process_vm_readv", parameters: [.mm, .address], weight: 2,
        summary: "read a byte of another process; returns it")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.resolve(call.mm, call.address) != nil
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let handle = HandleID(Limits.handles + min(m.current.position, Limits.cpus - 1))
    switch step {
    case .pin:
      let isSlow = m.call.operation == .processVMReadv
      let isPin = isSlow || m.rules.pinsDirectIO
      guard m.open(handle, pin: isPin) else {
        m.value = Outcome(.busy)
        return .finish
      }
      return m.enter(m.walk(handle, isSlow: isSlow, isPin), then: Step.checkPinned)

    case .checkPinned:
      m.close(handle)
      guard m.handles[handle].state == .held else { return .finish }
      m.frame.result = .ok
      return .next(.transfer)

    case .transfer:
      if m.call.operation == .directIO && m.call.flags.contains(.write) {
        m.writeThrough(handle, 0, m.call.value)
      } else {
        m.frame.result = Outcome(Int(m.readThrough(handle, 0)))
        m.cpus[m.current].bytes[0] = UInt8(truncatingIfNeeded: m.frame.result.rawValue)
      }
      return .next(.unpin)

    case .unpin:
      guard m.handles[handle].state == .held else {
        m.value = m.frame.result
        m.handles[handle] = Handle()
        return .finish
      }
      m.handles[handle].state = .released
      let pfn = m.handles[handle].pages[0]
      guard !pfn.isNone else { return .next(.unpin) }
      let holder = m.handles[handle].holder
      return m.enter(PutPage.frame(m.owner(of: pfn), holder), then: Step.unpin)
    }
  }
}

/// DMA through a reference somebody keeps.
enum DMA: Body {
  enum Step: UInt8, CaseIterable {
    /// the device reads or writes
    case transfer
  }

  static func signature(of operation: Procedure) -> Signature? {
    operation == .dmaRead
      ? Signature(
        name: "dma_read", parameters: [.handle], weight: 2,
        summary: "a device reads through the references of a handle; returns the first byte")
      : Signature(
        name: "dma_write", parameters: [.handle, .value], weight: 3,
        summary: "a device writes through the references of a handle")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.handles[call.handle].state == .held
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let handle = m.call.handle
    let first = Int(m.handles[handle].released)
    // Nothing is left of a pipe whose last buffer is being read.
    guard m.handles[handle].state == .held, first < Int(m.handles[handle].count) else {
      m.value = Outcome(.badHandle)
      return .finish
    }
    if m.call.operation == .dmaWrite {
      guard m.handles[handle].isWritable else {
        m.value = Outcome(.fault)
        return .finish
      }
      m.writeThrough(handle, first, m.call.value)
      m.value = .ok
    } else {
      m.value = Outcome(Int(m.readThrough(handle, first)))
    }
    return .finish
  }
}

/// read(2) from the pipe that vmsplice filled: copies, then drops the references.
enum PipeRead: Body {
  enum Step: UInt8, CaseIterable {
    /// `copy_page_to_iter()`
    case copy
    /// `generic_pipe_buf_release()`
    case release
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "pipe_read", parameters: [.handle, .pages(default: 1)], weight: 2,
      summary: "read pages out of a pipe and drop their references")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.handles[call.handle].state == .held && m.handles[call.handle].holder == .get
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let handle = m.call.handle
    switch step {
    case .copy:
      guard isUseful(m.call, in: &m) else {
        m.value = m.frame.count > 0 ? Outcome(Int(m.frame.count)) : Outcome(.badHandle)
        return .finish
      }
      let isDone = m.frame.count == min(m.call.pages, UInt8(Limits.handlePages))
      let position = Int(m.handles[handle].released)
      guard !isDone, position < Int(m.handles[handle].count) else { return finish(handle, &m) }
      m.cpus[m.current].bytes[Int(m.frame.count)] = m.readThrough(handle, position)
      m.frame.count += 1
      // The pipe's mutex: this buffer is taken, another reader gets the next one.
      m.frame.pfn = m.handles[handle].pages[position]
      m.frame.times = m.handles[handle].times
      m.handles[handle].released += 1
      return .next(.release)

    case .release:
      guard !m.frame.pfn.isNone else { return .next(.copy) }
      let frame = PutPage.frame(m.owner(of: m.frame.pfn), .get, times: m.frame.times)
      return m.enter(frame, then: Step.copy)
    }
  }

  private static func finish(_ handle: HandleID, _ m: inout Machine) -> Transition<Step> {
    if m.handles[handle].released == m.handles[handle].count {
      m.handles[handle].state = .released
    }
    m.value = Outcome(Int(m.frame.count))
    return .finish
  }
}

extension Machine {
  /// A device reads one page of a handle; the zero page reads as zero.
  mutating func readThrough(_ handle: HandleID, _ position: Int) -> UInt8 {
    let pfn = handles[handle].pages[position]
    guard !pfn.isNone else { return 0 }
    let origin = handles[handle].origins[position]
    let value = contents(of: pfn)
    if let expected = expectedThrough(origin, pfn) {
      emit(.read(value: value, expected: expected, pfn))
    }
    return value
  }

  /// A device writes one page of a handle.
  mutating func writeThrough(_ handle: HandleID, _ position: Int, _ value: UInt8) {
    let pfn = handles[handle].pages[position]
    guard !pfn.isNone else { return }
    store(value, in: pfn)
    guard handles[handle].holder != .pin, pages[pfn].type != .fsdax else {
      return remember(value, at: handles[handle].origins[position], pfn)
    }
    // FOLL_GET promises nothing of a page that fork shares: whoever has it sees the write.
    for mm in mms.indices {
      for mapping in mms[mm].vmas.indices {
        for page in mms[mm].vmas[mapping].backing.indices
        where mms[mm].vmas[mapping].backing[page] == pfn {
          mms[mm].vmas[mapping].copyValues[page] = value
          if isCopying(pfn, mm, mapping, page) {
            mms[mm].vmas[mapping].unsettled.insert(page)
          }
        }
      }
    }
  }

  /// What the memory a reference was taken for ought to hold, while the page still is it.
  private mutating func expectedThrough(_ origin: Origin, _ pfn: PFN) -> UInt8? {
    if pages[pfn].type == .fsdax {
      let isStill = files[origin.file].blocks[origin.page] == Block(pfn: pfn)
      return isStill ? files[origin.file].contents[origin.page] : nil
    }
    let vma = mms[origin.mm].vmas[origin.mapping]
    let isStill = vma.backing[origin.page] == pfn && vma.copies.contains(origin.page)
    return isStill && !vma.unsettled.contains(origin.page) ? vma.copyValues[origin.page] : nil
  }
}
