// SPDX-License-Identifier: MIT

import PageLifecycle

extension CallTable {
  static let references: [Row] = [
    obtain(.gup, "a pipe stands for who holds FOLL_GET; it looks lock-free first"),
    obtain(.gupFast, "a pipe stands for who holds FOLL_GET"),
    obtain(.vmsplice, nil),
    pin(.pinUserPages), pin(.pinUserPagesFast),
    (
      .putPage, Form { _, call in .code("drop_pages(\(call.handle.rawValue))") },
      Form { _, call in .code(read(call, "0x10000")) }
    ),
    (
      .releasePages,
      Form { _, call in
        .code("drop_pages(\(call.handle.rawValue))", "the pipe puts its pages one by one")
      },
      Form { _, call in .code(read(call, "0x10000"), "the pipe puts its pages one by one") }
    ),
    (
      .pipeRead,
      Form { _, call in .code("read_pipe(\(call.handle.rawValue), \(call.pages))") },
      Form { _, call in .code(read(call, Syz.size(call.pages))) }
    ),
    (
      .unpinUserPages,
      Form { event, call in
        isLongterm(event)
          ? .code("unpin_longterm()")
          : .code(
            "unpin_pages(\(call.handle.rawValue))", "the pins end when the slow device is done",
            isComparable: false)
      },
      Form { event, _ in
        isLongterm(event) ? .code("ioctl({gup_test}, 0x6708, 0x0)") : .inexpressible(slow)
      }
    ),
    (
      .dmaRead,
      Form { event, call in
        if isLongterm(event) { return .code("read_pinned()") }
        return event.source.map { pins($0.operation) } ?? true
          ? .inexpressible("the slow device reads when it likes")
          : .code(
            "peek_page(\(call.handle.rawValue))", "tee() takes references of its own meanwhile")
      },
      Form { event, _ in
        isLongterm(event)
          ? .code("ioctl({gup_test}, 0x40086709, &(0x7f0000000180)=\"0020002000000000\")")
          : .inexpressible("nothing reads through the references of a pipe and keeps them")
      }
    ),
    (.dmaWrite, .none(write), .none(write)),
  ]

  private static let write = "nothing in user space writes through references when it is told to"
  private static let slow = "short pins last as long as a slow device, and none is known here"

  private static func pins(_ operation: Procedure) -> Bool {
    operation == .pinUserPages || operation == .pinUserPagesFast
  }

  private static func isLongterm(_ event: Story.Event) -> Bool {
    event.source.map { pins($0.operation) && $0.flags.contains(.longterm) } ?? false
  }

  /// A call that leaves FOLL_GET references behind.
  private static func obtain(_ operation: Procedure, _ note: String?) -> Row {
    (
      operation,
      Form { event, call in
        guard !call.flags.contains(.longterm) else {
          return .inexpressible("nothing in user space asks for FOLL_GET with FOLL_LONGTERM")
        }
        var translation = Translation.code(
          "hold_pages(\(call.handle.rawValue), \(place(event)), \(call.pages), \(call.times), "
            + "\(call.flags.contains(.write) ? 1 : 0))")
        if let note { translation.notes.append(note) }
        return translation
      },
      Form { event, call in
        guard !call.flags.contains(.longterm) else {
          return .inexpressible("nothing in user space asks for FOLL_GET with FOLL_LONGTERM")
        }
        let address = Syz.pointer(event.place.mapping, event.place.page)
        var translation = Translation.code(
          "vmsplice({pipe\(call.handle.rawValue)w}, "
            + "&(0x7f0000000100)=[{\(address)=\"\", \(Syz.size(call.pages))}], 0x1, 0x2)")
        if let note { translation.notes.append(note) }
        if call.flags.contains(.write) {
          translation.notes.append("a pipe only reads; populate the page for writing first")
        }
        if call.times > 1 { translation.notes.append("once, not \(call.times) times") }
        return translation
      }
    )
  }

  /// A call that leaves FOLL_PIN references behind.
  private static func pin(_ operation: Procedure) -> Row {
    let isFast = operation == .pinUserPagesFast
    return (
      operation,
      Form { event, call in
        let write = call.flags.contains(.write) ? 1 : 0
        guard call.times == 1 else {
          return .inexpressible("a page is pinned once a transfer, not \(call.times) times")
        }
        return call.flags.contains(.longterm)
          ? .code("pin_longterm(\(place(event)), \(call.pages), \(write), \(isFast ? 1 : 0))")
          : .code(
            "pin_pages(\(call.handle.rawValue), \(place(event)), \(call.pages), \(write))",
            "direct I/O to a slow device pins the page until it is done")
      },
      Form { event, call in
        guard call.flags.contains(.longterm), call.times == 1 else { return .inexpressible(slow) }
        let address = Syz.address(event.place.mapping, event.place.page)
        let flags: UInt64 = (call.flags.contains(.write) ? 1 : 0) | (isFast ? 2 : 0)
        let bytes = [address, UInt64(call.pages) * 4096, flags].map(Syz.bytes).joined()
        return .code("ioctl({gup_test}, 0x40186707, &(0x7f0000000180)=\"\(bytes)\")")
      }
    )
  }

  private static func read(_ call: Call, _ size: String) -> String {
    let memory = "&(0x7f0000001000)=\"\"/65536"
    return "read({pipe\(call.handle.rawValue)r}, \(memory), \(size))"
  }

  // MARK: What no call from user space reaches

  static let mechanisms: [Row] = unreachable.map { ($0.0, .none($0.1), .none($0.1)) }

  private static let unreachable: [(Procedure, String)] = [
    (.folioTryGet, "no call looks a page up by its frame"),
    (.allocPages, "no call hands out a block of pages to hold"),
    (.folioAlloc, "no call hands out a block of pages to hold"),
    (.freePages, "no call hands out a block of pages to give back"),
    (.iommuMap, "only a driver maps in an IOMMU, in a table layout that was never merged"),
    (.iommuUnmap, "only a driver unmaps in an IOMMU, in a table layout that was never merged"),
    (.getPage, "no call takes a reference of a page by its frame"),
    (.pinPage, "no call pins a page by its frame"),
    (.lruAdd, "the kernel puts pages on its lists by itself"),
    (.reclaim, "no call tells the shrinker which inode to take for which task"),
    (.isolatePage, "the kernel takes pages off its lists by itself"),
  ]
}
