// SPDX-License-Identifier: MIT

import Conformance

/// Sequences as two kernels executed them, whole but for the stacks of sleepers and the log.
enum Recorded: String, CaseIterable {
  case blockReuse, punch, eviction

  var text: String {
    switch self {
    case .blockReuse: Self.blockReuseText
    case .punch: Self.punchText
    case .eviction: Self.evictionText
    }
  }
  /// The protocol of the kernel it was recorded on.
  var era: String { eras[0] }
  /// All protocols that agree with it: recordings know no folio of private pages.
  var eras: [String] { self == .blockReuse ? ["v6.1"] : ["v6.19", "v6.18"] }

  /// A block whose holder was forgotten at eviction comes back in another file; 6.1.
  private static let blockReuseText = """
    {"id":"example-4-block-reuse-after-evict","kernel":"6.1.192","family":"fsdax",
     "page_kinds":{"A":"fsdax"},
    "events":[{"op":"open","args":{"file":"f0"},"result":"0","async":null,"pages":{}},
    {"op":"fallocate","args":{"file":"f0","mode":"allocate","offset":0,"len":4},"result":"0",
     "async":{"task":1,"state":"done"},"pages":{}},
    {"op":"mmap","args":{"mapping":"m0","file":"f0","offset":0,"len":4,"flags":"shared"},
     "result":"0","async":null,"pages":{}},
    {"op":"store","args":{"process":"p0","mapping":"m0","page":0,"value":65},"result":"0",
     "async":null,"pages":{"A":{"ref":1,"map":0,"mapping":true,"mapped_at":["m0:0"]}}},
    {"op":"gup","args":{"process":"p0","mapping":"m0","page":0,"count":1,
     "api":"pin_user_pages_fast","flags":["FOLL_WRITE"],"handle":"h0"},"result":"1",
     "async":null,"pages":{"A":{"ref":1025,"map":0,"mapping":true,"mapped_at":["m0:0"]}}},
    {"op":"unlink","args":{"file":"f0"},"result":"0","async":{"task":2,"state":"done"},
     "pages":{"A":{"ref":1025,"map":0,"mapping":true,"mapped_at":["m0:0"]}}},
    {"op":"close","args":{"file":"f0"},"result":"0","async":{"task":3,"state":"done"},
     "pages":{"A":{"ref":1025,"map":0,"mapping":true,"mapped_at":["m0:0"]}}},
    {"op":"munmap","args":{"mapping":"m0","page":0,"count":4},"result":"0","async":{"task":4,
     "state":"done"},"pages":{"A":{"ref":1025,"map":0,"mapping":false,"mapped_at":[]}}},
    {"op":"open","args":{"file":"f1"},"result":"0","async":null,"pages":{"A":{"ref":1025,
     "map":0,"mapping":false,"mapped_at":[]}}},
    {"op":"fallocate","args":{"file":"f1","mode":"allocate","offset":0,"len":4},"result":"0",
     "async":{"task":5,"state":"done"},"pages":{"A":{"ref":1025,"map":0,"mapping":false,
     "mapped_at":[]}}},
    {"op":"mmap","args":{"mapping":"m1","file":"f1","offset":0,"len":4,"flags":"shared"},
     "result":"0","async":null,"pages":{"A":{"ref":1025,"map":0,"mapping":false,
     "mapped_at":[]}}},
    {"op":"store","args":{"process":"p0","mapping":"m1","page":0,"value":66},"result":"0",
     "async":null,"pages":{"A":{"ref":1025,"map":0,"mapping":true,"mapped_at":["m1:0"]}}},
    {"op":"put","args":{"handle":"h0"},"result":"0","async":null,"pages":{"A":{"ref":1,"map":0,
     "mapping":true,"mapped_at":["m1:0"]}}},
    {"op":"munmap","args":{"mapping":"m1","page":0,"count":4},"result":"0","async":{"task":6,
     "state":"done"},"pages":{"A":{"ref":1,"map":0,"mapping":true,"mapped_at":[]}}},
    {"op":"unlink","args":{"file":"f1"},"result":"0","async":{"task":7,"state":"done"},
     "pages":{"A":{"ref":1,"map":0,"mapping":true,"mapped_at":[]}}},
    {"op":"close","args":{"file":"f1"},"result":"0","async":{"task":8,"state":"done"},
     "pages":{"A":{"ref":1,"map":0,"mapping":false,"mapped_at":[]}}}]}
    """

  /// A punch forgets the whole file, a load finds it again; 7.2.
  private static let punchText = """
    {"id":"example-5-punch-forgets-whole-file","kernel":"7.2.13","family":"fsdax",
     "page_kinds":{"A":"fsdax","B":"fsdax"},
    "events":[{"op":"open","args":{"file":"f0"},"result":"0","async":null,"pages":{}},
    {"op":"fallocate","args":{"file":"f0","mode":"allocate","offset":0,"len":4},"result":"0",
     "async":{"task":1,"state":"done"},"pages":{}},
    {"op":"mmap","args":{"mapping":"m0","file":"f0","offset":0,"len":4,"flags":"shared"},
     "result":"0","async":null,"pages":{}},
    {"op":"store","args":{"process":"p0","mapping":"m0","page":0,"value":65},"result":"0",
     "async":null,"pages":{"A":{"ref":1,"map":1,"mapping":true,"mapped_at":["m0:0"]}}},
    {"op":"store","args":{"process":"p0","mapping":"m0","page":2,"value":66},"result":"0",
     "async":null,"pages":{"A":{"ref":1,"map":1,"mapping":true,"mapped_at":["m0:0"]},
     "B":{"ref":1,"map":1,"mapping":true,"mapped_at":["m0:2"]}}},
    {"op":"fallocate","args":{"file":"f0","mode":"punch_hole","offset":2,"len":1},"result":"0",
     "async":{"task":2,"state":"done"},"pages":{"A":{"ref":0,"map":0,"mapping":false,
     "mapped_at":[]},"B":{"ref":0,"map":0,"mapping":false,"mapped_at":[]}}},
    {"op":"load","args":{"process":"p0","mapping":"m0","page":0},"result":"0","data":[65],
     "async":null,"pages":{"A":{"ref":1,"map":1,"mapping":true,"mapped_at":["m0:0"]},
     "B":{"ref":0,"map":0,"mapping":false,"mapped_at":[]}}},
    {"op":"munmap","args":{"mapping":"m0","page":0,"count":4},"result":"0","async":{"task":3,
     "state":"done"},"pages":{"A":{"ref":0,"map":0,"mapping":true,"mapped_at":[]},"B":{"ref":0,
     "map":0,"mapping":false,"mapped_at":[]}}},
    {"op":"unlink","args":{"file":"f0"},"result":"0","async":{"task":4,"state":"done"},
     "pages":{"A":{"ref":0,"map":0,"mapping":true,"mapped_at":[]},"B":{"ref":0,"map":0,
     "mapping":false,"mapped_at":[]}}},
    {"op":"close","args":{"file":"f0"},"result":"0","async":{"task":5,"state":"done"},
     "pages":{"A":{"ref":0,"map":0,"mapping":false,"mapped_at":[]},"B":{"ref":0,"map":0,
     "mapping":false,"mapped_at":[]}}}]}
    """

  /// The eviction of a file waits for a pin; 7.2.
  private static let evictionText = """
    {"id":"example-3-evict-with-pin","kernel":"7.2.13","family":"fsdax",
     "page_kinds":{"A":"fsdax"},
    "events":[{"op":"open","args":{"file":"f0"},"result":"0","async":null,"pages":{}},
    {"op":"fallocate","args":{"file":"f0","mode":"allocate","offset":0,"len":4},"result":"0",
     "async":{"task":1,"state":"done"},"pages":{}},
    {"op":"mmap","args":{"mapping":"m0","file":"f0","offset":0,"len":4,"flags":"shared"},
     "result":"0","async":null,"pages":{}},
    {"op":"store","args":{"process":"p0","mapping":"m0","page":0,"value":65},"result":"0",
     "async":null,"pages":{"A":{"ref":1,"map":1,"mapping":true,"mapped_at":["m0:0"]}}},
    {"op":"gup","args":{"process":"p0","mapping":"m0","page":0,"count":1,
     "api":"pin_user_pages_fast","flags":["FOLL_WRITE"],"handle":"h0"},"result":"1",
     "async":null,"pages":{"A":{"ref":1025,"map":1,"mapping":true,"mapped_at":["m0:0"]}}},
    {"op":"unlink","args":{"file":"f0"},"result":"0","async":{"task":2,"state":"done"},
     "pages":{"A":{"ref":1025,"map":1,"mapping":true,"mapped_at":["m0:0"]}}},
    {"op":"close","args":{"file":"f0"},"result":"0","async":{"task":3,"state":"done"},
     "pages":{"A":{"ref":1025,"map":1,"mapping":true,"mapped_at":["m0:0"]}}},
    {"op":"munmap","args":{"mapping":"m0","page":0,"count":4},"result":"pending",
     "async":{"task":4,"state":"blocked"},"blocked":{"4":"page_idle"},"pages":{"A":{"ref":1024,
     "map":0,"mapping":true,"mapped_at":[]}}},
    {"op":"put","args":{"handle":"h0"},"result":"0","async":null,"completed":[{"task":4,
     "result":"0"}],"pages":{"A":{"ref":0,"map":0,"mapping":false,"mapped_at":[]}}}]}
    """

  /// The one recording of a text that is written on several lines.
  static func parse(_ text: String) throws -> Recording {
    let line = text.split(separator: "\n").joined(separator: " ")
    return try Recording.parse(Array(line.utf8), file: "recorded.jsonl")[0]
  }
}
