// SPDX-License-Identifier: MIT

import Foundation

/// A file that has no name: whoever holds its descriptor has it, and it ends with the last of them.
enum NamelessFile {
  /// A new one, which other programs do not inherit by themselves; where there is no room, one that
  /// forgets what is written to it.
  static func create() -> Int32 {
    guard let stream = tmpfile() else { return open("/dev/null", O_RDWR | O_CLOEXEC) }
    defer { fclose(stream) }
    return fcntl(fileno(stream), F_DUPFD_CLOEXEC, 0)
  }
}
