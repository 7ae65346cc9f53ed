// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT
import PackageDescription

// PAGEFUZZ_PLAIN=1 builds the engine without optimization in debug builds too: scripts/check
// compares state hashes with such a build.
let isPlain = Context.environment["PAGEFUZZ_PLAIN"] != nil

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .treatAllWarnings(as: .error),
]

/// Tests explore every interleaving of races: they need an engine that is fast in debug builds.
let engineSettings =
  settings + (isPlain ? [] : [.unsafeFlags(["-O"], .when(configuration: .debug))])

/// A layer may import the layers below it and nothing else.
let package = Package(
  name: "pagefuzz",
  targets: [
    .target(name: "PageLifecycle", swiftSettings: engineSettings),
    .target(name: "Programs", dependencies: ["PageLifecycle"], swiftSettings: settings),
    .target(
      name: "Conformance", dependencies: ["PageLifecycle", "Programs"], swiftSettings: settings),
    .target(name: "Fuzzing", dependencies: ["PageLifecycle", "Programs"], swiftSettings: settings),
    .target(name: "Storage", swiftSettings: settings),
    // What every command line needs and no kernel: options, help, completions, JSON.
    .target(name: "Console", swiftSettings: settings),
    // What a program shows, for people, and the same program in other languages.
    .target(
      name: "Explaining", dependencies: ["PageLifecycle", "Programs", "Fuzzing", "Console"],
      swiftSettings: settings),
    .executableTarget(
      name: "pagefuzz",
      dependencies: [
        "PageLifecycle", "Programs", "Conformance", "Fuzzing", "Explaining", "Storage", "Console",
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
      name: "CommandTests", dependencies: ["Console", "pagefuzz"], swiftSettings: settings),
    .testTarget(
      name: "ProgramsTests", dependencies: ["Programs", "PageLifecycle"], swiftSettings: settings),
  ]
)
