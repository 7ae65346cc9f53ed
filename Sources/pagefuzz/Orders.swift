// SPDX-License-Identifier: MIT

import Fuzzing

/// What a supervisor asks of a worker.
enum Order {
  /// Take this campaign, in this state, in place of any other.
  case begin(about: String, state: [UInt8])
  /// Run this part of the next epoch.
  case run(Shard)
  /// Merge this epoch.
  case merge([UInt8])
  /// Minimize the program, which expects what is to be kept.
  case minimize(String)
  /// Execute the program, to see whether the engine survives it.
  case probe(String)

  var bytes: [UInt8] {
    var packer = Packer()
    switch self {
    case .begin(let about, let state):
      packer.add(count: 0)
      packer.add(about)
      packer.add(state)
    case .run(let shard):
      packer.add(count: 1)
      shard.pack(into: &packer)
    case .merge(let record):
      packer.add(count: 2)
      packer.add(record)
    case .minimize(let text):
      packer.add(count: 3)
      packer.add(text)
    case .probe(let text):
      packer.add(count: 4)
      packer.add(text)
    }
    return packer.bytes
  }

  init(_ bytes: [UInt8]) throws(Unpackable) {
    var unpacker = Unpacker(bytes)
    switch try unpacker.count() {
    case 0: self = .begin(about: try unpacker.text(), state: try unpacker.block())
    case 1: self = .run(try Shard(&unpacker))
    case 2: self = .merge(try unpacker.block())
    case 3: self = .minimize(try unpacker.text())
    case 4: self = .probe(try unpacker.text())
    default: throw Unpackable()
    }
  }
}

/// What a worker answers; to a campaign and to an epoch to merge there is no answer.
enum Reply {
  case ran(ShardResult)
  /// The program, and whether nothing can be left out of it.
  case minimized(String, isMinimal: Bool)
  case survived

  var bytes: [UInt8] {
    var packer = Packer()
    switch self {
    case .ran(let result):
      packer.add(count: 0)
      packer.add(result.bytes)
    case .minimized(let text, let isMinimal):
      packer.add(count: isMinimal ? 2 : 1)
      packer.add(text)
    case .survived: packer.add(count: 3)
    }
    return packer.bytes
  }

  init(_ bytes: [UInt8]) throws(Unpackable) {
    var unpacker = Unpacker(bytes)
    switch try unpacker.count() {
    case 0: self = .ran(try ShardResult(try unpacker.block()))
    case 1: self = .minimized(try unpacker.text(), isMinimal: false)
    case 2: self = .minimized(try unpacker.text(), isMinimal: true)
    case 3: self = .survived
    default: throw Unpackable()
    }
  }
}
