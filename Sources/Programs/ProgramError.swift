// SPDX-License-Identifier: MIT

/// Why a text is not a program: the place, what is wrong there, and what was expected.
package struct ProgramError: Error, Equatable, Sendable {
  package var file: String
  /// Counted from 1.
  package var line: Int
  /// Counted from 1, in bytes.
  package var column: Int
  package var message: String
  package var expected: String?

  /// An error at one place of a file.
  package init(
    file: String, line: Int, column: Int, _ message: String, expected: String? = nil
  ) {
    (self.file, self.line, self.column) = (file, line, column)
    (self.message, self.expected) = (message, expected)
  }
}

extension ProgramError: CustomStringConvertible {
  package var description: String {
    "\(file):\(line):\(column): \(message)" + (expected.map { " (expected \($0))" } ?? "")
  }
}
