// SPDX-License-Identifier: MIT

import Console
import Storage

/// The hashes of the states that programs go through, as a file lists them.
///
/// One line a program: 16 hexadecimal digits, two spaces, the path from where the file lies.
/// Equal in every build and on every machine; a change of the engine's state changes them.
struct StateHashes {
  private var hashes: [String: UInt64] = [:]

  init(readingFrom path: String) throws {
    let text = String(decoding: try ProgramFiles.read(path), as: UTF8.self)
    let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    for (number, line) in text.split(separator: "\n").enumerated() {
      let words = line.split(separator: " ")
      guard words.count == 2, let hash = UInt64(words[0], radix: 16) else {
        throw CommandFailure(
          .invalidInput,
          "\(path):\(number + 1): '\(line)' is no hash and path (expected 16 digits and a path)")
      }
      hashes[(directory + [words[1]]).joined(separator: "/")] = hash
    }
  }

  /// What a program is listed with; nil where it is not.
  subscript(_ path: String) -> UInt64? { hashes[path] }

  static func text(of hash: UInt64) -> String {
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
