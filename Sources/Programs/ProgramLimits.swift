// SPDX-License-Identifier: MIT

/// Every capacity of a program and its text; larger input is refused, never truncated.  Only bytes,
/// all of which are a program, mean one without what is too much.
package enum ProgramLimits {
  /// Bytes of one program text.
  package static let bytes = 1 << 20
  /// Lines of one program text.
  package static let lines = 4096
  /// Records of one binary program: its text has room for comments, too.
  package static let records = 2048
  /// Rules one cause may name.
  package static let causeRules = 2
  /// Visits a stop may count before it stops.
  package static let visits = Int(UInt16.max)

  /// Name and value of each, for `list limits`.
  package static let all: [(name: String, value: Int)] = [
    ("bytes", bytes), ("lines", lines), ("records", records), ("causeRules", causeRules),
    ("visits", visits),
  ]
}
