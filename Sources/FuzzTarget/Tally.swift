// SPDX-License-Identifier: MIT

import Glibc

/// What was executed, in a file that keeps it however the process ends, and goes on in the next
/// one: five numbers of 64 bits.
///
/// Engines kill processes, start them anew and count in their own ways; this counts the same for
/// all of them.  One process at a time writes it.
final class Tally {
  private enum Place: Int, CaseIterable {
    case programs, steps, isFound, executed, cpu
  }

  private let numbers: UnsafeMutableBufferPointer<Int>
  /// CPU time of this process that is in the file.
  private var noted = 0

  /// Goes on with a file, which is begun where there is none; without one nobody sees the numbers.
  init(_ path: String?) {
    guard let path, !path.isEmpty else {
      numbers = .allocate(capacity: Place.allCases.count)
      numbers.initialize(repeating: 0)
      return
    }
    let bytes = Place.allCases.count * MemoryLayout<Int>.size
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard file >= 0, ftruncate(file, bytes) == 0,
      let start = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), start != MAP_FAILED
    else {
      let reason = String(cString: strerror(errno))
      Settings.end(74, "--tally='\(path)' cannot be written: \(reason)\n")
    }
    close(file)
    let first = start.bindMemory(to: Int.self, capacity: Place.allCases.count)
    numbers = UnsafeMutableBufferPointer(start: first, count: Place.allCases.count)
  }

  private subscript(place: Place) -> Int {
    get { numbers[place.rawValue] }
    set { numbers[place.rawValue] = newValue }
  }

  /// Inputs, also those that were no programs; where a search found it, those up to there.
  var programs: Int {
    get { self[.programs] }
    set { self[.programs] = newValue }
  }
  /// Atomic steps of their lines.
  var steps: Int {
    get { self[.steps] }
    set { self[.steps] = newValue }
  }
  /// What is looked for was met.
  var isFound: Bool {
    get { self[.isFound] != 0 }
    set { self[.isFound] = newValue ? 1 : 0 }
  }
  /// All steps, with those of staged ends, and of programs that were executed beside the one that
  /// found it.
  var executed: Int {
    get { self[.executed] }
    set { self[.executed] = newValue }
  }

  /// Adds what one program took.
  func note(_ steps: (lines: Int, end: Int)) {
    self.steps += steps.lines
    executed += steps.lines + steps.end
    noteTime()
  }

  /// Adds the CPU time since this was called last, in nanoseconds.
  ///
  /// Who starts processes and kills them does not always learn how long they took.
  func noteTime() {
    var time = timespec()
    guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return }
    let now = time.tv_sec * 1_000_000_000 + time.tv_nsec
    self[.cpu] += now - noted
    noted = now
  }
}
