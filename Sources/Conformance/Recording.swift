// SPDX-License-Identifier: MIT

import Foundation

/// One sequence of operations as a real kernel executed it, with the state after each.
///
/// The form is JSON Lines, one sequence a line; DocC `Recordings` says what each field means.
package struct Recording: Decodable, Sendable {
  /// The sequence's name, the same on every kernel it ran on.
  package var id: String
  package var kernel: String
  package var family: String
  /// What each named page is: `fsdax`, `anon` or `device_private`.
  package var pageKinds: [String: String]
  package var events: [Event]

  /// One operation, and what could be seen when every task had returned or slept.
  package struct Event: Decodable, Sendable {
    package var op: String
    package var args: Arguments
    /// A decimal number, `-ENAME`, a signal with its code, or `pending`.
    package var result: String
    /// The bytes it read.
    package var data: [UInt8]?
    /// The thread that executed it; nil where the process itself did.
    package var async: Task?
    /// Tasks that had slept and returned because of this event.
    package var completed: [Completion]?
    /// What every task that still sleeps waits for, by its number.
    package var blocked: [String: String]?
    /// Every page seen so far; a nil page has no struct page any more.
    package var pages: [String: PageState?]
    /// Addresses that map the shared zero page.
    package var zeroPage: [String]?

    enum CodingKeys: String, CodingKey {
      case op, args, result, data, async, completed, blocked, pages
      case zeroPage = "zero_page"
    }
  }

  /// The operands of an operation; each uses a few of them.
  package struct Arguments: Decodable, Sendable {
    var file: String?
    var mode: String?
    var offset: Int?
    var len: Int?
    var size: Int?
    var page: Int?
    var count: Int?
    var value: Int?
    var mapping: String?
    var process: String?
    var advice: String?
    var api: String?
    var flags: Words?
    var handle: String?
    var pipe: String?
    var task: Int?
    var child: String?
    var device: String?
    var type: String?
    var to: String?
  }

  /// One word, or a list of them.
  struct Words: Decodable, Sendable {
    var words: [String]
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let word = try? container.decode(String.self) {
        words = [word]
      } else {
        words = try container.decode([String].self)
      }
    }
  }

  /// The thread of an operation that may sleep.
  package struct Task: Decodable, Sendable {
    var task: Int
    var state: String
  }

  /// What a task returned that had slept.
  package struct Completion: Decodable, Sendable {
    var task: Int
    var result: String
    var data: [UInt8]?
  }

  /// What could be seen of one page.
  package struct PageState: Decodable, Equatable, Sendable {
    var ref: Int32
    var map: Int32
    /// `page->mapping` is set.
    var mapping: Bool
    /// Where user page tables map it: `m0:1`, or `p1.m0:1` in the child.
    var mappedAt: [String]
    var hwpoison: Bool?

    enum CodingKeys: String, CodingKey {
      case ref, map, mapping, hwpoison
      case mappedAt = "mapped_at"
    }
  }

  enum CodingKeys: String, CodingKey {
    case id, kernel, family, events
    case pageKinds = "page_kinds"
  }
}

/// Why a file is no recording: what is wrong, and in which line.
package struct RecordingError: Error, Equatable, CustomStringConvertible {
  package var file: String
  package var line: Int
  package var reason: String
  package var description: String { "\(file):\(line): \(reason)" }
}

extension Recording {
  /// The sequences of a file, in its order; throws what is wrong with the first line that is none.
  package static func parse(
    _ bytes: [UInt8], file: String
  ) throws(RecordingError) -> [Recording] {
    var recordings: [Recording] = []
    let decoder = JSONDecoder()
    for (number, line) in bytes.split(separator: 10, omittingEmptySubsequences: false).enumerated()
    where !line.isEmpty {
      do {
        recordings.append(try decoder.decode(Recording.self, from: Data(line)))
      } catch {
        throw RecordingError(file: file, line: number + 1, reason: words(for: error))
      }
    }
    guard !recordings.isEmpty else {
      throw RecordingError(
        file: file, line: 1, reason: "no recorded sequence (expected one a line)")
    }
    return recordings
  }

  private static func words(for error: any Error) -> String {
    func place(_ path: [any CodingKey]) -> String {
      guard !path.isEmpty else { return "the line" }
      return path.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
    }
    return switch error {
    case DecodingError.keyNotFound(let key, let context):
      "no '\(key.stringValue)' in \(place(context.codingPath)) (expected a recorded sequence)"
    case DecodingError.typeMismatch(let type, let context):
      "\(place(context.codingPath)) is no \(type)"
    case DecodingError.valueNotFound(let type, let context):
      "\(place(context.codingPath)) is null (expected \(type))"
    default: "no JSON (expected one recorded sequence, an object on a line)"
    }
  }
}
