// SPDX-License-Identifier: MIT

import Foundation

/// A file that has no name: whoever holds its descriptor has it, and it ends with the last of them.
enum NamelessFile {
  /// A new one, which other programs do not inherit by themselves; -1 where there is no room.
  static func create() -> Int32 {
    guard let stream = tmpfile() else { return -1 }
    defer { fclose(stream) }
    return fcntl(fileno(stream), F_DUPFD_CLOEXEC, 0)
  }
}
