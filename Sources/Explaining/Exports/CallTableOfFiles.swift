// SPDX-License-Identifier: MIT

import PageLifecycle

extension CallTable {
  static let files: [Row] = [
    (
      .open, Form { _, call in .code("open_file(\(call.file.rawValue))") },
      Form { _, call in .code("{=file\(call.file.rawValue)} = \(Syz.open(call.file))") }
    ),
    (
      .close, Form { _, call in .code("close_file(\(call.file.rawValue))") },
      Form { _, call in .code("close({file\(call.file.rawValue)})") }
    ),
    (
      .unlink, Form { _, call in .code("unlink_file(\(call.file.rawValue))") },
      Form { _, call in
        .code("unlinkat(0xffffffffffffff9c, &(0x7f0000000000)='\(Syz.path(call.file))', 0x0)")
      }
    ),
    (
      .evictInode,
      Form { _, _ in
        .code(
          "write_file(\"/proc/sys/vm/drop_caches\", \"2\")",
          "the kernel is asked to drop every unused inode", isComparable: false)
      },
      Form { _, _ in
        .code(
          "write({caches}, &(0x7f00000001c0)='2', 0x1)",
          "the kernel is asked to drop every unused inode")
      }
    ),
    (
      .ftruncate,
      Form { _, call in
        .code("result(ftruncate(files[\(call.file.rawValue)], \(call.value) * STRIDE))")
      },
      Form { _, call in
        .code("ftruncate({file\(call.file.rawValue)}, \(Syz.size(call.value)))")
      }
    ),
    layout(.fallocate, flags: 0, "0"),
    layout(.punchHole, flags: 0x3, "FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE"),
    layout(.zeroRange, flags: 0x10, "FALLOC_FL_ZERO_RANGE"),
    layout(.collapseRange, flags: 0x8, "FALLOC_FL_COLLAPSE_RANGE"),
    (
      .reflink,
      Form { _, call in
        .code(
          "reflink(\(call.address.file.rawValue), \(call.address.page.rawValue), "
            + "\(call.file.rawValue), \(call.page.rawValue))")
      },
      .none("a handle of one file would stand in the bytes of a structure about another")
    ),
    (
      .pread,
      Form { _, call in .code("read_page(\(call.file.rawValue), \(call.page.rawValue))") },
      Form { _, call in
        .code(
          "pread64({file\(call.file.rawValue)}, &(0x7f0000001000)=\"\"/4096, 0x1000, "
            + "\(Syz.offset(call.page)))")
      }
    ),
    (
      .pwrite,
      Form { _, call in
        .code("write_page(\(call.file.rawValue), \(call.page.rawValue), \(call.value))")
      },
      Form { _, call in
        let byte = Syz.bytes(UInt64(call.value)).prefix(2)
        return .code(
          "pwrite64({file\(call.file.rawValue)}, &(0x7f0000001000)=\"\(byte)\", 0x1000, "
            + "\(Syz.offset(call.page)))", "only its first byte is given")
      }
    ),
    (
      .memoryFailure,
      Form { event, call in
        guard let owner = event.owner else {
          return .inexpressible("no file names this page frame, so its number cannot be found")
        }
        return .code(
          "break_page(\(owner.file.rawValue), \(owner.page.rawValue))",
          "the frame is the file's block plus the start of the device", isComparable: false)
      }, .none("the number of a page frame is not known before it runs")
    ),
    (.nextBlock, .none(choice), .none(choice)),
    (.convertUnwritten, .none(choice), .none(choice)),
  ]

  private static let choice = "the file system decides that by itself"

  private static func layout(_ operation: Procedure, flags: Int, _ name: String) -> Row {
    (
      operation,
      Form { _, call in
        .code(
          "result(fallocate(files[\(call.file.rawValue)], \(name), "
            + "\(call.page.rawValue) * STRIDE, \(call.pages) * STRIDE))")
      },
      Form { _, call in
        .code(
          "fallocate({file\(call.file.rawValue)}, 0x\(String(flags, radix: 16)), "
            + "\(Syz.offset(call.page)), \(Syz.size(call.pages)))")
      }
    )
  }

  // MARK: Devices

  static let devices: [Row] = [
    (
      .memremapPages,
      Form { _, call in bind(call, "bind") },
      Form { _, call in bindInSyz(call, "bind") }
    ),
    (
      .memunmapPages,
      Form { _, call in bind(call, "unbind") },
      Form { _, call in bindInSyz(call, "unbind") }
    ),
    (.driverAlloc, .none(driver), .none(driver)), (.driverFree, .none(driver), .none(driver)),
    (.nextPage, .none("a driver decides that by itself"), .none("a driver decides that by itself")),
    (
      .migrateToDevice, Form { event, call in migrate(event, call, "move_to_device") },
      Form { event, call in note(call, hmm(event, call, 2, call.pages)) }
    ),
    (
      .migrateToRAM, Form { event, call in migrate(event, call, "move_to_memory") },
      Form { event, call in note(call, hmm(event, call, 3, call.pages)) }
    ),
    (
      .migrateDeviceRange,
      Form { event, call in
        var translation = hmm(event, call, "empty_device")
        translation.isComparable = false
        return translation
      }, Form { event, call in hmm(event, call, 7, 0) }
    ),
  ]

  private static let driver = "test_hmm hands pages out to migrations only"

  private static func migrate(
    _ event: Story.Event, _ call: Call, _ function: String
  ) -> Translation {
    note(call, hmm(event, call, function, "\(call.pages)"))
  }

  /// The driver of the test selects and fills what it likes.
  private static func note(_ call: Call, _ translation: Translation) -> Translation {
    var translation = translation
    let words = CallFlags.named.filter { call.flags.contains($0.flag) }.map(\.name)
    if translation.code != nil, !words.isEmpty {
      translation.notes.append("\(words.joined(separator: ", ")): test_hmm cannot be told that")
      translation.isComparable = false
    }
    return translation
  }

  private static func bind(_ call: Call, _ action: String) -> Translation {
    let flags = call.flags.contains(.coherent) ? "the kind of memory is test_hmm's parameter" : nil
    switch call.pagemap {
    case .pmem0: return .code("bind_driver(\"nd/drivers/nd_pmem\", namespace(), \"\(action)\")")
    case .dax0:
      return .code("bind_driver(\"dax/drivers/device_dax\", dax_device(), \"\(action)\")")
    case .device0, .device1:
      var translation = Translation.code(
        action == "bind" ? "load_test_hmm()" : "unload_test_hmm()",
        "the module has all its devices at once", isComparable: false)
      if let flags { translation.notes.append(flags) }
      return translation
    case .p2p0: return .inexpressible("which driver has a peer-to-peer pool is not known")
    default: return .inexpressible("test_hmm binds its second chunk by itself")
    }
  }

  private static func bindInSyz(_ call: Call, _ action: String) -> Translation {
    switch call.pagemap {
    case .pmem0:
      return .code("write({pmem_\(action)}, &(0x7f00000001c0)='namespace0.0', 0xc)")
    case .dax0: return .code("write({dax_\(action)}, &(0x7f00000001c0)='dax0.0', 0x6)")
    default: return .inexpressible("a module is not loaded or unloaded by a call of a program")
    }
  }
}
