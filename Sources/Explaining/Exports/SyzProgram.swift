// SPDX-License-Identifier: MIT

import PageLifecycle
import Programs

/// Addresses and sizes as syzkaller's programs write them.
///
/// They have 16 MiB of memory, written from 0x7f0000000000 and lying at 0x20000000; the mappings
/// of a program get a part of it each.
enum Syz {
  static func offset(_ page: PageIndex) -> String { hex(page.position * 4096) }
  static func size(_ pages: UInt8) -> String { hex(Int(pages) * 4096) }
  static func hex(_ number: Int) -> String { "0x" + String(number, radix: 16) }

  private static func offset(_ mapping: MappingID, _ page: PageIndex) -> Int {
    0x100000 + mapping.position * 0x10000 + page.position * 4096
  }
  /// Where a page really lies.
  static func address(_ mapping: MappingID, _ page: PageIndex) -> UInt64 {
    0x2000_0000 + UInt64(offset(mapping, page))
  }
  static func pointer(_ mapping: MappingID, _ page: PageIndex) -> String {
    "&(" + hex(0x7f00_0000_0000 + offset(mapping, page)) + ")"
  }
  /// Memory that a call writes, or that is there already.
  static func memory(_ mapping: MappingID, _ page: PageIndex, _ pages: UInt8) -> String {
    "\(pointer(mapping, page))=\"\"/\(Int(pages) * 4096)"
  }
  /// Pages as `mmap` and its kin take them.
  static func range(_ mapping: MappingID, _ page: PageIndex, _ pages: UInt8) -> String {
    "\(pointer(mapping, page).dropLast())/\(size(pages)))=nil"
  }
  /// A number of eight bytes, lowest first, in hexadecimal.
  static func bytes(_ number: UInt64) -> String {
    (0..<8).map { position in
      let byte = UInt8(truncatingIfNeeded: number >> UInt64(8 * position))
      return (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
  }
  static func path(_ file: FileID) -> String { "./file\(file.rawValue)\\x00" }
  static func open(_ file: FileID) -> String { open(path(file), "0x42") }
  static func open(_ path: String, _ flags: String) -> String {
    "openat(0xffffffffffffff9c, &(0x7f0000000000)='\(path)', \(flags), 0x1ff)"
  }
}

/// A program in syzkaller's language.
struct SyzProgram {
  private let story: Story
  private let name: String
  private var variables: [String: Int] = [:]
  private var next = 0
  private var lines: [String] = []

  init(_ story: Story, _ name: String) {
    (self.story, self.name) = (story, name)
    write()
  }

  var text: String { lines.joined(separator: "\n") + "\n" }

  private mutating func comment(_ text: String) {
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      lines.append("# \(line)")
    }
  }

  private mutating func write() {
    comment("\(name), exported by pagefuzz")
    for line in story.introduction { comment(line) }
    comment("Run it in a directory of a file system mounted with -o dax.")
    if story.usesPMD {
      comment("pmd: syzkaller's 16 MiB are too little for PMD mappings; pages are 4 KiB here")
    }
    let translations = zip(story.events, story.translations(\.syz)).map { event, translation in
      event.call.map { $0.mm.rawValue } == 1
        ? .inexpressible("the calls of a syzkaller program are made by one process") : translation
    }
    boot(using: translations.compactMap { $0?.code })
    for item in story.items {
      switch item {
      case .words(let line, let text):
        comment("line \(line): \(text)")
        if text.hasPrefix("assert") {
          comment("not expressible: no call reads these words")
        }
      case .event(let index): write(story.events[index], translations[index])
      }
    }
  }

  /// Opens what the calls need.
  private mutating func boot(using codes: [String]) {
    for position in 0..<Int(story.program.boot.files) {
      let size = Syz.size(story.program.boot.filePages)
      append("{=file\(position)} = \(Syz.open(FileID(position)))")
      append("ftruncate({file\(position)}, \(size))")
      let range = Syz.range(
        MappingID(position), PageIndex(0), story.program.boot.filePages)
      append("mmap(\(range), \(size), 0x3, 0x100001, {file\(position)}, 0x0)")
    }
    for handle in 0..<Limits.handles {
      guard codes.contains(where: { $0.contains("{pipe\(handle)") }) else { continue }
      append(
        "pipe2(&(0x7f0000000040)={{=pipe\(handle)r}, {=pipe\(handle)w}}, 0x0)")
    }
    for (resource, path, flags) in Self.resources {
      guard codes.contains(where: { $0.contains("{\(resource)}") }) else { continue }
      append("{=\(resource)} = \(Syz.open(path + "\\x00", flags))")
    }
    if codes.contains(where: { $0.contains("{pid}") }) { append("{=pid} = getpid()") }
  }

  private static let resources = [
    ("scratch", "/tmp/pagefuzz-scratch", "0x4042"),
    ("gup_test", "/sys/kernel/debug/gup_test", "0x2"),
    ("hmm0", "/dev/hmm_dmirror0", "0x2"), ("hmm2", "/dev/hmm_dmirror2", "0x2"),
    ("dax", "/dev/dax0.0", "0x2"), ("caches", "/proc/sys/vm/drop_caches", "0x1"),
    ("pmem_bind", "/sys/bus/nd/drivers/nd_pmem/bind", "0x1"),
    ("pmem_unbind", "/sys/bus/nd/drivers/nd_pmem/unbind", "0x1"),
    ("dax_bind", "/sys/bus/dax/drivers/device_dax/bind", "0x1"),
    ("dax_unbind", "/sys/bus/dax/drivers/device_dax/unbind", "0x1"),
  ]

  private mutating func write(_ event: Story.Event, _ translation: Translation?) {
    comment("line \(event.textLine): \(event.text)")
    guard event.call != nil else {
      return comment("not expressible: an (async) call goes on by itself")
    }
    comment("  \(event.shown.text); a correct kernel: \(event.correct.text)")
    guard let translation else { return comment("not expressible: unknown") }
    guard let code = translation.code else {
      return comment("not expressible: \(translation.notes.joined(separator: "; "))")
    }
    for note in translation.notes { comment("  differs: \(note)") }
    if event.isStopped {
      comment("  preemption point: no program stops a call there; it runs beside what follows")
    }
    let isAsync = event.isStopped || event.shown == .sleeps || event.correct == .sleeps
    append(code + (isAsync ? " (async)" : ""))
  }

  /// Adds a call, its resources by number.
  private mutating func append(_ code: String) {
    var result = ""
    var rest = code[...]
    while let open = rest.firstIndex(of: "{") {
      result += rest[..<open]
      rest = rest[open...].dropFirst()
      let isNew = rest.first == "="
      let word = rest.drop { $0 == "=" }.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
      let tail = rest[word.endIndex...]
      guard !word.isEmpty, tail.first == "}" else {
        result += "{"
        continue
      }
      rest = tail.dropFirst()
      let isInside = !result.isEmpty
      if isNew || variables[String(word)] == nil {
        variables[String(word)] = next
        next += 1
      }
      let variable = "r\(variables[String(word)] ?? 0)"
      result += isNew && isInside ? "<\(variable)=>0xffffffffffffffff" : variable
    }
    lines.append(result + rest)
  }
}
