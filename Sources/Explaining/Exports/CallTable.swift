// SPDX-License-Identifier: MIT

import PageLifecycle

/// One call in another language, or why this one has none.
struct Translation {
  /// The call; nil where it cannot be expressed.
  var code: String?
  /// What it returns is what the model's call returns.
  var isComparable = true
  /// What is different from the model's call, or why there is none.
  var notes: [String] = []

  static func code(_ code: String, _ notes: String..., isComparable: Bool = true) -> Self {
    Self(code: code, isComparable: isComparable, notes: notes)
  }
  static func inexpressible(_ reason: String) -> Self { Self(code: nil, notes: [reason]) }
}

/// How a language calls one operation.
struct Form: Sendable {
  /// Why it cannot, whatever the operands.
  let reason: String?
  let translate: @Sendable (Story.Event, Call) -> Translation

  /// A form that depends on the operands.
  init(_ translate: @escaping @Sendable (Story.Event, Call) -> Translation) {
    (reason, self.translate) = (nil, translate)
  }

  /// There is none.
  static func none(_ reason: String) -> Form { Form(reason: reason) }

  private init(reason: String) {
    self.reason = reason
    translate = { _, _ in .inexpressible(reason) }
  }
}

/// Each operation in C and in syzkaller's language.  Add an operation here; a test asks for it.
///
/// C calls the functions of ``CParts``.  In syzkaller's language `{name}` stands for a resource
/// and `{=name}` for its assignment; ``SyzProgram`` opens what a program needs.
enum CallTable {
  typealias Entry = (c: Form, syz: Form)

  static func entry(_ operation: Procedure) -> Entry? { entries[operation] }

  private static let entries: [Procedure: Entry] = {
    let all = mappings + accesses + references + files + devices + mechanisms
    return Dictionary(uniqueKeysWithValues: all.map { ($0.operation, ($0.c, $0.syz)) })
  }()

  typealias Row = (operation: Procedure, c: Form, syz: Form)

  // MARK: Processes and mappings

  static let mappings: [Row] = [
    (
      .mmap,
      Form { event, call in
        let flags = call.flags.contains(.isPrivate) ? "MAP_PRIVATE" : "MAP_SHARED"
        return .code(
          "map_file(\(call.mapping.rawValue), \(call.file.rawValue), \(call.page.rawValue), "
            + "\(call.pages), \(flags))")
      },
      Form { _, call in
        let flags = call.flags.contains(.isPrivate) ? "0x100002" : "0x100001"
        return .code(
          "mmap(\(Syz.range(call.mapping, PageIndex(0), call.pages)), "
            + "\(Syz.size(call.pages)), 0x3, \(flags), {file\(call.file.rawValue)}, "
            + "\(Syz.offset(call.page)))")
      }
    ),
    (
      .munmap,
      Form { event, call in
        let pages = call.pages == 0 ? "PAGES" : "\(call.pages)"
        let start = call.pages == 0 ? PageIndex(0) : event.place.page
        return .code(
          "result(munmap(at(\(event.place.mapping.rawValue), \(start.rawValue)), "
            + "\(pages) * STRIDE))")
      },
      Form { event, call in
        let start = call.pages == 0 ? PageIndex(0) : event.place.page
        let pages = call.pages == 0 ? UInt8(Limits.filePages) : call.pages
        return .code(
          "munmap(\(Syz.range(event.place.mapping, start, pages)), \(Syz.size(pages)))")
      }
    ),
    (
      .mremap, Form { _, call in .code("move_mapping(\(call.mapping.rawValue))") },
      .none("the moved mapping would lie where the lines after it do not look")
    ),
    (
      .fork, Form { _, _ in .code("fork_process()", isComparable: true) },
      .none("the calls of a syzkaller program are made by one process")
    ),
    (
      .exit, Form { event, _ in .code("end_process(\(event.index))") },
      .none("the calls of a syzkaller program are made by one process")
    ),
    (
      .mmapAnonymous,
      Form { _, call in
        .code(
          "map_memory(\(call.mapping.rawValue), \(call.pages), MAP_PRIVATE | MAP_ANONYMOUS, -1)")
      },
      Form { _, call in
        .code(
          "mmap(\(Syz.range(call.mapping, PageIndex(0), call.pages)), \(Syz.size(call.pages)), "
            + "0x3, 0x100022, 0xffffffffffffffff, 0x0)")
      }
    ),
    (
      .mmapDeviceDAX,
      Form { _, call in
        .code(
          "map_memory(\(call.mapping.rawValue), \(call.pages), MAP_SHARED, device_dax())",
          "a device-dax device maps in units of its alignment; here pages are that large")
      },
      Form { _, call in
        .code(
          "mmap(\(Syz.range(call.mapping, PageIndex(0), call.pages)), \(Syz.size(call.pages)), "
            + "0x3, 0x100001, {dax}, 0x0)")
      }
    ),
    (
      .mmapP2PDMA,
      Form { _, call in
        .code("map_memory(\(call.mapping.rawValue), \(call.pages), MAP_SHARED, pool())")
      },
      .none("which file of /sys is a peer-to-peer pool is not known before it runs")
    ),
    (
      .madviseDontneed,
      Form { event, call in
        .code("result(madvise(\(place(event)), \(call.pages) * STRIDE, MADV_DONTNEED))")
      },
      Form { event, call in
        .code(
          "madvise(\(Syz.range(event.place.mapping, event.place.page, call.pages)), "
            + "\(Syz.size(call.pages)), 0x4)")
      }
    ),
    (
      .madviseHwpoison,
      Form { event, _ in
        .code("poison(\(place(event)))", "MADV_HWPOISON; whether a signal comes is the kernel's")
      },
      Form { event, _ in
        .code("madvise(\(Syz.range(event.place.mapping, event.place.page, 1)), 0x1000, 0x64)")
      }
    ),
  ]

  // MARK: Loads and stores

  static let accesses: [Row] = [
    (
      .daxFault,
      Form { event, call in
        .code("touch(\(place(event)), \(call.flags.contains(.write) ? 1 : 0))")
      },
      Form { event, call in
        let advice = call.flags.contains(.write) ? "0x17" : "0x16"
        return .code(
          "madvise(\(Syz.range(event.place.mapping, event.place.page, 1)), 0x1000, \(advice))",
          "MADV_POPULATE stands for the fault")
      }
    ),
    (
      .load, Form { event, _ in .code("load(\(place(event)))") },
      Form { event, _ in
        .code(
          "madvise(\(Syz.range(event.place.mapping, event.place.page, 1)), 0x1000, 0x16)",
          "MADV_POPULATE_READ stands for the load, and reads no byte")
      }
    ),
    (
      .store, Form { event, call in .code("store(\(place(event)), \(call.value))") },
      Form { event, _ in
        .code(
          "madvise(\(Syz.range(event.place.mapping, event.place.page, 1)), 0x1000, 0x17)",
          "MADV_POPULATE_WRITE stands for the store, and writes no byte")
      }
    ),
    (
      .directIO,
      Form { event, call in
        .code("direct_io(\(place(event)), \(call.value), \(call.flags.contains(.write) ? 1 : 0))")
      },
      Form { event, call in
        let memory = Syz.memory(event.place.mapping, event.place.page, 1)
        return call.flags.contains(.write)
          ? .code("pread64({scratch}, \(memory), 0x1000, 0x0)")
          : .code("pwrite64({scratch}, \(memory), 0x1000, 0x0)")
      }
    ),
    (
      .processVMReadv,
      Form { event, call in .code("read_process(\(call.mm.rawValue), \(place(event)))") },
      Form { event, _ in
        let memory = Syz.memory(event.place.mapping, event.place.page, 1)
        return .code(
          "process_vm_readv({pid}, &(0x7f0000000100)=[{&(0x7f0000001000)=\"\"/1, 0x1}], 0x1, "
            + "&(0x7f0000000140)=[{\(memory), 0x1}], 0x1, 0x0)")
      }
    ),
    (
      .deviceRead, Form { event, call in hmm(event, call, "device_load") },
      Form { event, call in hmm(event, call, 0, 1) }
    ),
    (
      .deviceWrite, Form { event, call in hmm(event, call, "device_store", "\(call.value)") },
      Form { event, call in hmm(event, call, 1, 1) }
    ),
    (
      .signal, Form { _, call in .code("interrupt(\(call.cpu.rawValue))") },
      .none("a call of a syzkaller program cannot name the thread of another")
    ),
  ]

  /// An address in C.
  static func place(_ event: Story.Event) -> String {
    "at(\(event.place.mapping.rawValue), \(event.place.page.rawValue))"
  }

  /// A command of test_hmm in C.
  static func hmm(
    _ event: Story.Event, _ call: Call, _ function: String, _ last: String? = nil
  ) -> Translation {
    guard call.pagemap.isDriven else { return .inexpressible("test_hmm has no such device") }
    let words = ["\(call.pagemap == .device0 ? 0 : 2)", place(event)] + (last.map { [$0] } ?? [])
    return .code("\(function)(\(words.joined(separator: ", ")))")
  }

  /// A command of test_hmm as an ioctl whose structure is given in bytes.
  static func hmm(
    _ event: Story.Event, _ call: Call, _ number: Int, _ pages: UInt8
  ) -> Translation {
    guard call.pagemap.isDriven else { return .inexpressible("test_hmm has no such device") }
    let address = Syz.address(event.place.mapping, event.place.page)
    let bytes = [address, 0x2000_2000, UInt64(pages), 0, 0].map(Syz.bytes).joined()
    let device = call.pagemap == .device0 ? 0 : 2
    let command = "0xc02848" + (number < 16 ? "0" : "") + String(number, radix: 16)
    return .code("ioctl({hmm\(device)}, \(command), &(0x7f0000000180)=\"\(bytes)\")")
  }
}
