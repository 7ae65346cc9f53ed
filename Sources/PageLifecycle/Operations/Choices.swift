// SPDX-License-Identifier: MIT

/// Tells the block allocator which block to hand out next, when it is free.
enum NextBlock: Body {
  enum Step: UInt8, CaseIterable {
    /// the allocator's own choice
    case choose
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "next_block", parameters: [.pfn], weight: 1,
      domain: .fsdax, summary: "the file system's allocator hands out this block next")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.freeBlocks.contains(call.pfn)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    guard m.call.pfn.position < Limits.devicePages else {
      m.value = Outcome(.invalid)
      return .finish
    }
    m.chooseBlock(m.call.pfn)
    m.value = .ok
    return .finish
  }
}

/// The file system zeroes an unwritten block out before anybody writes it.
enum ConvertUnwritten: Body {
  enum Step: UInt8, CaseIterable {
    /// `ext4_ext_zeroout()`
    case zeroOut
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "convert_unwritten", parameters: [.filePage], weight: 0,
      domain: .fsdax, summary: "the file system writes zeroes to an unwritten block")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.files[call.file].blocks[call.page].isUnwritten
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    guard m.pgmap.isAlive else {
      m.value = Outcome(.noDevice)
      return .finish
    }
    m.initializeBlock(m.call.file, m.call.page)
    m.value = .ok
    return .finish
  }
}

/// Tells the driver of a device which free page to hand out next.
enum NextPage: Body {
  enum Step: UInt8, CaseIterable {
    /// the driver's own choice
    case choose
  }

  static func signature(of operation: Procedure) -> Signature? {
    Signature(
      name: "next_page", parameters: [.pfn], weight: 1, domain: .device,
      summary: "a driver, or a pool, hands out this free page next")
  }

  static func isUseful(_ call: Call, in m: inout Machine) -> Bool {
    m.ledger.listed.contains(call.pfn)
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    guard PagemapID(of: m.call.pfn)?.hasOwnList ?? false else {
      m.value = Outcome(.invalid)
      return .finish
    }
    m.choosePage(m.call.pfn)
    m.value = .ok
    return .finish
  }
}
