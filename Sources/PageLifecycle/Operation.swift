// SPDX-License-Identifier: MIT

/// A kernel procedure, split into atomic steps.
///
/// A step touches shared state **once**: one load, one store, one atomic read-modify-write, or
/// one lock operation.  Everything two CPUs could interleave between is two steps, inside lock
/// sections too, because lock-free actors ignore locks.
protocol Body {
  associatedtype Step: RawRepresentable<UInt8>, CaseIterable

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step>
  /// What a program has to say to call it; nil for a procedure only other procedures enter.
  static func signature(of operation: Procedure) -> Signature?
  /// Whether a generator may expect the call to do something in this state.
  static func isUseful(_ call: Call, in m: inout Machine) -> Bool
}

extension Body {
  static func signature(of operation: Procedure) -> Signature? { nil }
  static func isUseful(_ call: Call, in m: inout Machine) -> Bool { true }
  static var stepNames: [String] { Step.allCases.map { String(describing: $0) } }

  @inline(__always)
  static func resume(_ m: inout Machine) -> Progress {
    guard let step = Step(rawValue: m.frame.step) else { preconditionFailure("no such step") }
    switch perform(step, &m) {
    case .next(let step):
      m.frame.step = step.rawValue
      return .advanced
    case .entered: return .advanced
    case .wait: return .blocked
    case .finish: return m.leave()
    }
  }
}

/// Where a CPU goes after one atomic step.
enum Transition<Step: RawRepresentable<UInt8>> {
  case next(Step)
  /// Another procedure was entered; this one continues when that one is left.
  case entered
  /// The step's condition is false: nothing changed but the queue the CPU is in.
  case wait
  /// The procedure is left; `m.value` says what it returns.
  case finish
}

package enum Progress: UInt8, Sendable { case advanced, blocked, finished }

/// Words an operation may be given after its operands.
package struct CallFlags: OptionSet, Sendable {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }
  /// FOLL_WRITE; a write fault.
  package static let write = Self(rawValue: 1)
  /// FOLL_LONGTERM.
  package static let longterm = Self(rawValue: 2)
  /// Ask for a PMD entry; of private pages for a compound folio, MIGRATE_VMA_SELECT_COMPOUND.
  package static let pmd = Self(rawValue: 4)
  /// MAP_PRIVATE.
  package static let isPrivate = Self(rawValue: 8)
  /// FAULT_FLAG_UNSHARE; only procedures set it.
  static let unshare = Self(rawValue: 16)
  /// `even_cows`; only procedures set it.
  static let evenCows = Self(rawValue: 32)
  /// The program meant the private copies to go; only procedures set it.
  static let forgetsCopies = Self(rawValue: 256)
  /// Uninterruptible, without locks: the wait of an eviction; only procedures set it.
  static let final = Self(rawValue: 64)
  /// FOLL_PIN; only procedures set it.
  static let pin = Self(rawValue: 128)
  /// MIGRATE_VMA_SELECT_SYSTEM, _DEVICE_PRIVATE, _DEVICE_COHERENT.
  package static let selectSystem = Self(rawValue: 512)
  package static let selectPrivate = Self(rawValue: 1024)
  package static let selectCoherent = Self(rawValue: 2048)
  /// The driver fills every other slot only, or none.
  package static let partial = Self(rawValue: 4096)
  package static let unfilled = Self(rawValue: 8192)
  /// MEMORY_DEVICE_COHERENT.
  package static let coherent = Self(rawValue: 16384)
  /// The pages of a migration were collected by page frame; only procedures set it.
  static let isCollected = Self(rawValue: 32768)
  /// What is split is mapped nowhere, and stays so; only procedures set it.
  static let isUnmapped = Self(rawValue: 16)

  package static let named: [(name: String, flag: CallFlags)] = [
    ("write", .write), ("longterm", .longterm), ("pmd", .pmd), ("private", .isPrivate),
    ("system_pages", .selectSystem), ("private_pages", .selectPrivate),
    ("coherent_pages", .selectCoherent), ("partial", .partial), ("unfilled", .unfilled),
    ("coherent", .coherent),
  ]
}

/// One operand of an operation: its place in a ``Call`` and in program text.
package enum Parameter: Equatable, Sendable {
  case mm
  /// `mm0, file0:1` or `mm0, m2:1`: an address space and an address in it.
  case address
  case file
  case filePage
  /// The page of a file that another one is to be like; written as that one.
  case sourcePage
  case mapping
  /// The handle a call releases or reads through.
  case handle
  case pfn
  /// A device with pages: `pmem0`, `d0`, `d1`, `dax0`, `p2p0`; a second chunk: `d0c1`, `d1c1`.
  case pagemap
  case cpu
  /// A byte.
  case value
  /// A file size in pages.
  case size
  /// `pages=N`, optional.
  case pages(default: UInt8)
  /// `times=N`, optional: references taken of each page in one step.
  case times
  /// Optional words.
  case flags(CallFlags)
  /// `iova0:3`: an entry below a slot of an IOMMU's root.
  case iova
  /// `entries=N`, optional: so many of them in one step.
  case entries
}

/// A part of the machine that a program may do without.
package enum Domain: UInt8, CaseIterable, Sendable {
  /// Address spaces and references of pages, whatever memory is.
  case memory
  /// Files on an FS_DAX device.
  case fsdax
  /// Devices with pages of their own, and the anonymous memory they migrate.
  case device
  /// Blocks of the page allocator, and who frees them.
  case buddy
  /// Page tables of an IOMMU.
  case iommu
  /// LRU lists, and pins that are kept where the lists are.
  case lru
  /// Files that share blocks.
  case reflink
}

/// How a program calls an operation; parser, printer, binary form, generator and `list` read it.
package struct Signature: Sendable {
  package var name: String
  package var parameters: [Parameter]
  /// The call leaves pages in a handle the program names.
  package var yieldsHandle = false
  /// Share among randomly generated calls; zero where only a recording knows when it happens.
  package var weight = 4
  /// What has to be modelled for it.
  package var domain = Domain.memory
  /// Further domains that give it something to work on.
  package var otherDomains: DomainSet = []
  package var summary: String
}

/// One call of an operation with its operands.
package struct Call: Equatable, Hashable, Sendable {
  package var operation: Procedure
  package var mm = MMID(0)
  package var address = Address(rawValue: 0)
  package var file = FileID(0)
  package var page = PageIndex(0)
  package var mapping = MappingID(0)
  package var handle = HandleID(0)
  package var pfn = PFN(0)
  package var pagemap = PagemapID(0)
  package var cpu = CPUID(0)
  package var value: UInt8 = 0
  package var pages: UInt8 = 1
  package var times: UInt16 = 1
  package var flags: CallFlags = []
  package init(_ operation: Procedure) { self.operation = operation }
}
extension CallFlags: Hashable {}
