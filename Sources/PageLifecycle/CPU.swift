// SPDX-License-Identifier: MIT

/// What a CPU waits for; every sleep and every contended lock is a state of the machine.
package struct Wait: Equatable, Sendable {
  package enum Kind: UInt8, Sendable {
    case none
    /// A lock somebody else holds.
    case lock
    /// A locked DAX entry: `dax_wake_entry()` ends the wait.
    case entry
    /// A busy page: the wake-up of its idle transition ends the wait.
    case pageIdle
    /// The last reference of the pgmap.
    case pagemap
    /// An inode that somebody else evicts.
    case eviction
    /// Calls into a driver that is being removed.
    case driver
    /// The page lock, PG_locked.
    case pageLock
    /// An RCU grace period: CPUs with interrupts off delay it.
    case gracePeriod
  }
  package var kind = Kind.none
  /// The lock, page, or file and index waited for.
  package var object: UInt8 = 0
  package var mode = LockMode.exclusive
  /// Place in the queue of ``object``: so many wait before.
  package var place: UInt8 = 0
  /// Somebody ended the wait; the task runs again when it is resumed.
  package var isWoken = false
  /// A signal ends the wait too.
  package var isInterruptible = false
  /// The address slept on is the refcount's; otherwise the page's (sheet 2.5).
  package var isKeyedByRefcount = false

  package static let none = Wait()

  /// Whether two wait for the same, in one queue.
  func sharesQueue(with other: Wait) -> Bool { kind == other.kind && object == other.object }
}

/// The registers of one procedure on one CPU.
package struct Frame: Equatable, Sendable {
  package var procedure = Procedure.idle
  package var step: UInt8 = 0
  package var mm = MMID(0)
  package var mapping = MappingID(0)
  /// The page at hand, and the end of its range.
  package var page = PageIndex(0)
  package var end = PageIndex(0)
  package var file = FileID.none
  package var index = PageIndex(0)
  package var pfn = PFN.none
  package var pte = PTE.none
  package var holder = Holder.get
  package var handle = HandleID(0)
  package var pagemap = PagemapID(0)
  package var count: UInt8 = 0
  package var times: Int32 = 1
  package var flags: CallFlags = []
  package var result = Outcome.ok

  package init() {}
  package init(_ procedure: Procedure) { self.procedure = procedure }
}

/// Private to one simulated CPU: its registers and the call it executes.
package struct CPU: Sendable {
  /// A call has begun and not returned.
  package var isActive = false
  package var call = Call(.idle)
  package var frame = Frame()
  var stack = InlineArray<8, Frame>(repeating: Frame())
  package var depth: UInt8 = 0
  package var wait = Wait.none
  /// `schedule()` was reached with the wait still unanswered.
  package var isAsleep = false
  /// What the last finished procedure or call returned.
  package var value = Outcome.ok
  /// A signal is pending for this task.
  package var isSignalled = false
  /// Interrupts are off: no grace period ends.
  package var hasInterruptsOff = false
  /// Places of the locks held; they follow from the locks, and are part of no hash.
  package var locks: UInt64 = 0
  /// Spinlocks held; a CPU that holds any may not sleep.
  package var spinlocks: UInt8 = 0
  /// The put under way has dropped the pin it was asked to drop; what is left is a reference.
  package var droppedPin = false
  /// References taken for the length of this call only.
  package var transients: Int32 = 0
  /// Pgmap references this call has not put.
  package var lookups: Int16 = 0
  /// Faults of this call so far.
  package var retries: UInt8 = 0
  /// During all of them nobody else could run.
  package var retriesAlone = true
  /// The bytes the last reading call saw, in order.
  package var bytes = InlineArray<4, UInt8>(repeating: 0)
  /// `mmu_gather`: PTEs cleared and not yet put; stale in other TLBs until flushed.
  package var gathered = PerFilePage<PTE>(repeating: .none)
  package var gatherMM = MMID(0)
  package var gatherMapping = MappingID(0)
  /// Those of them that another TLB may still use.
  package var stale = Bits<PageIndex>()
  /// What the last allocation of this call returned.
  package var allocated = PFN.none
  /// `struct migrate_vma` of the migration this call does.
  package var migration = Migration()

  /// Whether the call is in some procedure, entered and not left, whose registers are wanted.
  package mutating func hasEntered(_ isWanted: (Frame) -> Bool) -> Bool {
    isWanted(frame) || (0..<Int(depth)).contains { isWanted(stack[$0]) }
  }
}
