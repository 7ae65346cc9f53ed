// SPDX-License-Identifier: MIT

import PageLifecycle

/// What a recorded event means for the model: the one table of the translation.
///
/// | recorded | call |
/// |---|---|
/// | an operation of a process | on its CPU: p0 on cpu0, p1 on cpu1 |
/// | an operation of a thread, a *task* | on the lowest free CPU from cpu2 |
/// | `mN`, page | address `mN:page` in mm0 for p0, in mm1 for p1 |
/// | `gup` with an API | the operation of that name; `FOLL_WRITE` is `write` |
/// | `put` | `put_page` or `unpin_user_pages`, as the handle was obtained |
/// | `pipe` | a queue of handles, filled by `vmsplice` |
/// | `pipe_close` | `put_page` of every handle left in the queue |
/// | `fallocate` | `fallocate`, `punch_hole`, `zero_range`, `collapse_range` |
/// | `mmap` without a file | `mmap_anonymous` |
/// | `migrate_vma` | `migrate_to_device`, `migrate_to_ram` |
/// | everything else | the operation of that name |
struct Translation {
  /// What becomes of one event.
  enum Meaning {
    /// Calls of one CPU, one after the other.
    case calls([Call], Report)
    /// Nothing the model does; the result is known.
    case nothing(result: String)
    /// The model has no such operation.
    case unknown
  }

  /// How what the calls return is said in a recording.
  enum Report {
    /// 0, or the error.
    case zero
    /// As ``zero``; a signal is the one of a poisoned page.
    case poison
    /// The number itself.
    case number
    /// Pages of 4096 bytes.
    case bytes
    /// One page, 4096 bytes, and its first byte.
    case page
    /// As ``page``; nothing beyond the end of the file.
    case filePage(FileID, PageIndex)
    /// 0 and the byte that was read.
    case byte
    /// Pages of 4096 bytes, and the first byte of each.
    case pipe
  }

  /// Handles that hold pages for a name of the recording.
  private(set) var handles: [String: HandleID] = [:]
  /// The handles in each pipe, oldest first.
  private(set) var pipes: [String: [HandleID]] = [:]

  /// What an event means in a state.
  mutating func meaning(
    of event: Recording.Event, in machine: Machine, taskCPU: (Int) -> CPUID?
  ) -> Meaning {
    switch event.op {
    case "gup", "put", "vmsplice", "pipe", "pipe_close", "pipe_read":
      return references(event, machine)
    case "signal":
      var call = Call(.signal)
      // A CPU where nothing sleeps stands for a task that has returned.
      call.cpu = event.args.task.flatMap(taskCPU) ?? CPUID(1)
      return .calls([call], .zero)
    case "fork": return .calls([Call(.fork)], .zero)
    case "exit":
      var call = Call(.exit)
      call.mm = MMID(1)
      return .calls([call], .zero)
    case "memremap_pages", "memunmap_pages":
      guard event.args.device == "d0" else { return .unknown }
      var call = Call(event.op == "memremap_pages" ? .memremapPages : .memunmapPages)
      call.pagemap = .device0
      // A recorded device has one chunk; here its second goes too, if that was bound.
      var other = call
      other.pagemap = .device0Chunk1
      let hasOther = machine.pagemaps[other.pagemap].state != .gone
      return .calls(event.op == "memunmap_pages" && hasOther ? [other, call] : [call], .zero)
    default: return memory(event) ?? file(event) ?? .unknown
    }
  }

  // MARK: Files

  private func file(_ event: Recording.Event) -> Meaning? {
    guard let file = event.args.file.flatMap(Self.file) else { return nil }
    var call = Call(.idle)
    call.file = file
    call.page = PageIndex(event.args.page ?? event.args.offset ?? 0)
    var report = Report.zero
    switch event.op {
    case "open": call.operation = .open
    case "close": call.operation = .close
    case "unlink": call.operation = .unlink
    case "ftruncate":
      call.operation = .ftruncate
      call.value = UInt8(clamping: event.args.size ?? 0)
    case "pread":
      call.operation = .pread
      report = .filePage(file, call.page)
    case "pwrite":
      call.operation = .pwrite
      call.value = UInt8(clamping: event.args.value ?? 0)
      report = .page
    case "fallocate":
      guard let operation = Self.fallocate(event.args.mode) else { return nil }
      call.operation = operation
      call.pages = UInt8(clamping: event.args.len ?? 1)
    default: return nil
    }
    return .calls([call], report)
  }

  private static func file(_ name: String) -> FileID? {
    number(name, after: "f").flatMap { $0 < Limits.files ? FileID($0) : nil }
  }

  private static func fallocate(_ mode: String?) -> Procedure? {
    switch mode {
    case "allocate": .fallocate
    case "punch_hole": .punchHole
    case "zero_range": .zeroRange
    case "collapse_range": .collapseRange
    default: nil
    }
  }

  // MARK: Memory

  private func memory(_ event: Recording.Event) -> Meaning? {
    guard let mapping = event.args.mapping.flatMap(Self.mapping) else { return nil }
    var call = Call(.idle)
    call.mm = Self.mm(event.args.process)
    call.mapping = mapping
    call.address = Address(mapping, PageIndex(event.args.page ?? 0))
    call.pages = UInt8(clamping: event.args.count ?? event.args.len ?? 1)
    var report = Report.zero
    switch event.op {
    case "mmap":
      guard let name = event.args.file else {
        call.operation = .mmapAnonymous
        break
      }
      guard let file = Self.file(name) else { return nil }
      call.operation = .mmap
      call.file = file
      call.page = PageIndex(event.args.offset ?? 0)
      if event.args.flags?.words.contains("private") ?? false { call.flags = .isPrivate }
    case "munmap": call.operation = .munmap
    case "mremap": call.operation = .mremap
    case "load":
      call.operation = .load
      report = .byte
    case "store":
      call.operation = .store
      call.value = UInt8(clamping: event.args.value ?? 0)
    case "madvise":
      let isPoison = event.args.advice == "MADV_HWPOISON"
      call.operation = isPoison ? .madviseHwpoison : .madviseDontneed
      if isPoison { (call.pages, report) = (1, .poison) }
    case "migrate_vma":
      call.operation = event.args.to == "device" ? .migrateToDevice : .migrateToRAM
      call.pagemap = .device0
      report = .number
    case "process_vm_readv":
      call.operation = .processVMReadv
      report = .page
    default: return nil
    }
    return .calls([call], report)
  }

  static func mapping(_ name: String) -> MappingID? {
    number(name, after: "m").flatMap { $0 < Limits.mappings ? MappingID($0) : nil }
  }

  private static func mm(_ process: String?) -> MMID { MMID(process == "p1" ? 1 : 0) }

  // MARK: References

  private mutating func references(_ event: Recording.Event, _ machine: Machine) -> Meaning {
    switch event.op {
    case "gup":
      guard let name = event.args.handle, let operation = Self.gup(event.args.api),
        var call = walk(event, operation, machine)
      else { return .unknown }
      let flags = event.args.flags?.words ?? []
      if flags.contains("FOLL_WRITE") { call.flags.insert(.write) }
      if flags.contains("FOLL_LONGTERM") { call.flags.insert(.longterm) }
      handles[name] = call.handle
      return .calls([call], .number)

    case "put":
      guard let handle = event.args.handle.flatMap({ handles[$0] }) else { return .unknown }
      let isPin = machine.handles[handle].holder == .pin
      var call = Call(isPin ? .unpinUserPages : .putPage)
      call.handle = handle
      handles[event.args.handle ?? ""] = nil
      return .calls([call], .zero)

    default: return pipe(event, machine)
    }
  }

  private mutating func pipe(_ event: Recording.Event, _ machine: Machine) -> Meaning {
    guard let pipe = event.args.pipe else { return .unknown }
    let queue = pipes[pipe, default: []].filter { machine.handles[$0].state == .held }
    pipes[pipe] = queue
    switch event.op {
    case "vmsplice":
      guard let call = walk(event, .vmsplice, machine) else { return .unknown }
      pipes[pipe] = queue + [call.handle]
      return .calls([call], .bytes)

    case "pipe_read":
      var wanted = event.args.count ?? 1
      var calls: [Call] = []
      for handle in queue where wanted > 0 {
        let left = Int(machine.handles[handle].count - machine.handles[handle].released)
        var call = Call(.pipeRead)
        call.handle = handle
        call.pages = UInt8(clamping: min(left, wanted))
        calls.append(call)
        wanted -= min(left, wanted)
      }
      return calls.isEmpty ? .nothing(result: "-EAGAIN") : .calls(calls, .pipe)

    case "pipe_close":
      pipes[pipe] = []
      let calls = queue.map { handle in
        var call = Call(.putPage)
        call.handle = handle
        return call
      }
      return calls.isEmpty ? .nothing(result: "0") : .calls(calls, .zero)

    default: return .nothing(result: "0")
    }
  }

  /// A call that obtains pages into a handle that is free; nil where all are in use.
  private func walk(
    _ event: Recording.Event, _ operation: Procedure, _ machine: Machine
  ) -> Call? {
    let named = Set(handles.values)
    let free = (0..<Limits.handles).map { HandleID($0) }.first {
      machine.handles[$0].state != .held && !named.contains($0)
    }
    guard let free, let mapping = event.args.mapping.flatMap(Self.mapping) else { return nil }
    var call = Call(operation)
    call.mm = Self.mm(event.args.process)
    call.address = Address(mapping, PageIndex(event.args.page ?? 0))
    call.pages = UInt8(clamping: event.args.count ?? 1)
    call.handle = free
    return call
  }

  private static func gup(_ api: String?) -> Procedure? {
    switch api {
    case "get_user_pages": .gup
    case "get_user_pages_fast": .gupFast
    case "pin_user_pages": .pinUserPages
    case "pin_user_pages_fast": .pinUserPagesFast
    default: nil
    }
  }

  /// The number in a name such as `m2`.
  static func number(_ name: some StringProtocol, after prefix: String) -> Int? {
    name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count)) : nil
  }
}

// MARK: Results

extension Translation.Report {
  /// A result and the bytes read, as a recording says them.
  func said(_ outcomes: [Outcome], _ bytes: [UInt8], in machine: Machine) -> (String, [UInt8]) {
    if let error = outcomes.first(where: \.isFailure) { return (words(for: error), []) }
    let sum = outcomes.reduce(0) { $0 + Int($1.rawValue) }
    switch self {
    case .zero, .poison: return ("0", [])
    case .number: return ("\(sum)", [])
    case .bytes: return ("\(sum * 4096)", [])
    case .page: return ("4096", Array(bytes.prefix(1)))
    case .filePage(let file, let index):
      let isBeyond = index.position >= Int(machine.files[file].size)
      return isBeyond ? ("0", []) : ("4096", Array(bytes.prefix(1)))
    case .byte: return ("0", [UInt8(truncatingIfNeeded: sum)])
    case .pipe: return ("\(sum * 4096)", bytes)
    }
  }

  /// An error, or a signal with the code that says what raised it.
  private func words(for error: Outcome) -> String {
    switch (error.errno, self) {
    case (.sigbus, .poison): "SIGBUS/BUS_MCEERR_AR"
    case (.sigbus, _): "SIGBUS/BUS_ADRERR"
    case (.sigsegv, _): "SIGSEGV/SEGV_MAPERR"
    default: error.description
    }
  }
}
