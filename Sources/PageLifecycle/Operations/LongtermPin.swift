// SPDX-License-Identifier: MIT

/// A long-term reference must not keep a device from emptying itself: coherent pages that were just
/// obtained move to RAM, and the walk begins again; `check_and_migrate_movable_pages()`.
///
/// Registers: handle; count, the page at hand; end, the first page of this walk.  The value is
/// ok when nothing had to move, again when everything was put and is to be obtained anew.
enum LongtermPin: Body {
  enum Step: UInt8, CaseIterable {
    /// `collect_longterm_unpinnable_folios()`
    case findCoherent
    /// `migrate_longterm_unpinnable_folios()`: the pin becomes an ordinary reference
    case getPage, putPin
    /// `migrate_device_coherent_folio()`
    case lockPage, migrate, checkMoved
    /// `pofs_unpin()`
    case putRest
  }

  static func frame(_ handle: HandleID, from first: PageIndex) -> Frame {
    var frame = Frame(.longtermPin)
    frame.handle = handle
    frame.count = first.rawValue
    frame.end = first
    return frame
  }

  static func perform(_ step: Step, _ m: inout Machine) -> Transition<Step> {
    let handle = m.frame.handle
    let pfn = m.frame.pfn
    switch step {
    case .findCoherent:
      while m.frame.count < m.handles[handle].count {
        m.frame.pfn = m.handles[handle].pages[Int(m.frame.count)]
        let isCoherent = !m.frame.pfn.isNone && m.pages[m.frame.pfn].type == .coherent
        if isCoherent && m.obeys(.movesBeforeLongterm) { return .next(.getPage) }
        m.frame.count += 1
      }
      guard m.frame.result.errno == .again else {
        m.value = .ok
        return .finish
      }
      return .next(.putRest)

    case .getPage:
      m.frame.result = Outcome(.again)
      m.getPage(pfn)
      m.holdBriefly(.migration, of: pfn)
      return .next(.putPin)

    case .putPin:
      let isPin = m.handles[handle].holder == .pin
      m.handles[handle].pages[Int(m.frame.count)] = .none
      return m.enter(
        PutPage.frame(pfn, isPin ? .pin : .get, times: m.handles[handle].times),
        then: Step.lockPage)

    case .lockPage:
      return m.lockPage(pfn) ? .next(.migrate) : .wait

    case .migrate:
      m.migration = Migration()
      m.migration.slots[0] = Migration.Slot(
        source: pfn, isSelected: true, hasLockedSource: true)
      m.migration.count = 1
      m.migration.pagemap = PagemapID(of: pfn)?.device ?? .device0
      m.migration.isToSystem = true
      return m.enter(Migrate.ofCollectedPages, then: Step.checkMoved)

    case .checkMoved:
      guard m.value.rawValue == 1 else {
        m.frame.result = Outcome(.busy)
        return .next(.putRest)
      }
      return .next(.findCoherent)

    case .putRest:
      while m.handles[handle].count > m.frame.end.rawValue {
        m.handles[handle].count -= 1
        let pfn = m.handles[handle].pages[Int(m.handles[handle].count)]
        guard !pfn.isNone else { continue }
        return m.enter(
          PutPage.frame(
            m.owner(of: pfn), m.handles[handle].holder, times: m.handles[handle].times),
          then: Step.putRest)
      }
      m.value = m.frame.result
      return .finish
    }
  }
}
