// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT
import PackageDescription

// PAGEFUZZ_PLAIN=1 builds the engine without optimization in debug builds too: scripts/check
// compares state hashes with such a build.
let isPlain = Context.environment["PAGEFUZZ_PLAIN"] != nil

// PAGEFUZZ_INSTRUMENT=address or =thread belongs to `swift build -c release --sanitize` of that
// name: what the engine must not look at is poisoned, or two threads do the same at once.  Only an
// engine that is optimized whole leaves alone what it does not use; the rest need not be, and is
// built sooner.  PAGEFUZZ_BROKEN=NAME breaks the engine on purpose, for a sanitizer to find it.
let instrument = Context.environment["PAGEFUZZ_INSTRUMENT"]
let broken = Context.environment["PAGEFUZZ_BROKEN"]

var settings: [SwiftSetting] =
  [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
  ] + Farm.settings

/// Tests explore every interleaving of races and run whole campaigns: what does that for them is
/// fast in debug builds too.  Each module is optimized as a whole: file by file, a table's
/// subscript is a call that copies the element.  Threads give each file its object, and its index.
let whole = ["-O", "-whole-module-optimization", "-num-threads", "2", "-disable-batch-mode"]
let fast: [SwiftSetting] = isPlain ? [] : [.unsafeFlags(whole, .when(configuration: .debug))]
var engineSettings = settings + fast + Farm.engineSettings

if let instrument, !Farm.isTarget, !Farm.isMutator {
  let defines = ["address": "PAGEFUZZ_POISON", "thread": "PAGEFUZZ_THREADS"]
  let define = SwiftSetting.define(
    defines[instrument] ?? "PAGEFUZZ_INSTRUMENTED", .when(configuration: .release))
  engineSettings += [define]
  settings += [define] + [.unsafeFlags(["-Onone"], .when(configuration: .release))]
}
if let broken {
  engineSettings += [.define("PAGEFUZZ_BROKEN"), .define("PAGEFUZZ_BROKEN_\(broken.uppercased())")]
}

let fastSettings = settings + fast

/// A layer may import the layers below it and nothing else.
let package = Package(
  name: "pagefuzz",
  targets: [
    .target(name: "PageLifecycle", swiftSettings: engineSettings),
    // Which word a mistyped one was meant to be, in a program or on the command line.
    .target(name: "Spelling", swiftSettings: settings),
    .target(
      name: "Programs", dependencies: ["PageLifecycle", "Spelling"], swiftSettings: fastSettings),
    .target(
      name: "Conformance", dependencies: ["PageLifecycle", "Programs"], swiftSettings: settings),
    .target(
      name: "Fuzzing", dependencies: ["PageLifecycle", "Programs"], swiftSettings: fastSettings),
    .target(name: "Storage", swiftSettings: settings),
    // What every command line needs and no kernel: options, help, completions, JSON.
    .target(name: "Console", dependencies: ["Spelling"], swiftSettings: settings),
    // What a program shows, for people, and the same program in other languages.
    .target(
      name: "Explaining", dependencies: ["PageLifecycle", "Programs", "Fuzzing", "Console"],
      swiftSettings: settings),
    // What a sanitizer's runtime offers; nothing in ordinary builds.
    .target(name: "Instruments"),
    .executableTarget(
      name: "pagefuzz",
      dependencies: [
        "PageLifecycle", "Programs", "Conformance", "Fuzzing", "Explaining", "Storage", "Console",
        "Spelling", "Instruments",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "ConformanceTests", dependencies: ["Conformance", "PageLifecycle", "Programs"],
      swiftSettings: settings),
    .testTarget(
      name: "ExplainingTests",
      dependencies: ["Explaining", "Fuzzing", "PageLifecycle", "Programs"],
      swiftSettings: settings),
    .testTarget(
      name: "FuzzingTests", dependencies: ["Fuzzing", "PageLifecycle", "Programs", "Storage"],
      swiftSettings: settings),
    .testTarget(
      name: "PageLifecycleTests", dependencies: ["PageLifecycle", "Fuzzing", "Programs"],
      swiftSettings: settings),
    .testTarget(
      name: "RepositoryTests", dependencies: ["PageLifecycle", "Programs"], swiftSettings: settings),
    .testTarget(name: "StorageTests", dependencies: ["Storage"], swiftSettings: settings),
    // Also runs the command itself, which lies beside the tests once it is built.
    .testTarget(
      name: "CommandTests", dependencies: ["Console", "Spelling", "Instruments", "pagefuzz"],
      swiftSettings: settings),
    .testTarget(
      name: "ProgramsTests", dependencies: ["Programs", "PageLifecycle"], swiftSettings: settings),
  ]
)

// MARK: Fuzzing engines of others

/// PAGEFUZZ_INSTRUMENT=fuzzer builds `pagefuzz-libfuzzer`, and the engine with a counter an edge;
/// `afl` does the same for AFL++, and `mutator` builds what afl-fuzz loads.  Behind a comma a
/// sanitizer may follow, or `coverage`.  PAGEFUZZ_ENGINE has the files to link, which
/// scripts/farm finds.  An ordinary build has nothing of it.
enum Farm {
  static let words = (Context.environment["PAGEFUZZ_INSTRUMENT"] ?? "")
    .split(separator: ",").map(String.init)
  static let isMutator = words.first == "mutator"
  static let isTarget = words.first == "fuzzer" || words.first == "afl"
  static let isAFL = words.first == "afl"
  static let sanitizers = words.dropFirst().filter { $0 != "coverage" }.joined(separator: ",")
  static let countsLines = words.dropFirst().contains("coverage")
  static let files = (Context.environment["PAGEFUZZ_ENGINE"] ?? "")
    .split(separator: " ").map(String.init)

  /// Of every target.
  static var settings: [SwiftSetting] {
    guard isTarget else { return [] }
    var flags = ["-Xfrontend", "-disable-incremental-llvm-codegen"]
    if !sanitizers.isEmpty { flags.append("-sanitize=\(sanitizers)") }
    if countsLines { flags += ["-profile-generate", "-profile-coverage-mapping"] }
    return [.unsafeFlags(flags)]
  }

  /// Of the engine alone, of which nothing may be inlined elsewhere.
  static var engineSettings: [SwiftSetting] {
    guard isTarget else { return [] }
    let edges = isAFL ? "edge" : "edge,inline-8bit-counters,pc-table"
    let first = sanitizers.isEmpty ? "fuzzer" : sanitizers
    return [
      .unsafeFlags([
        "-sanitize=\(first)", "-sanitize-coverage=\(edges)", "-Xfrontend", "-disable-cmo",
      ])
    ]
  }

  static var linking: [LinkerSetting] {
    var flags = files + ["-lstdc++"]
    if !sanitizers.isEmpty { flags.append("-sanitize=\(sanitizers)") }
    if countsLines { flags.append("-profile-generate") }
    return [.unsafeFlags(flags)]
  }
}

if Farm.isTarget || Farm.isMutator {
  package.targets += [
    .target(name: "CFarm", cSettings: Farm.isAFL ? [.define("FARM_GUARDS")] : []),
    .target(
      name: "FuzzTarget", dependencies: ["PageLifecycle", "Programs", "Fuzzing", "CFarm"],
      swiftSettings: settings),
  ]
  package.products.append(
    Farm.isMutator
      ? .library(name: "pagefuzz-afl-mutator", type: .dynamic, targets: ["FuzzTarget"])
      : .library(name: "FuzzTarget", type: .static, targets: ["FuzzTarget"]))
}
if Farm.isTarget {
  package.targets.append(
    .executableTarget(
      name: "pagefuzz-libfuzzer", dependencies: ["FuzzTarget", "CFarm"], swiftSettings: settings,
      linkerSettings: Farm.linking))
}
