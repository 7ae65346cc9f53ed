// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .treatAllWarnings(as: .error),
]

/// A layer may import the layers below it and nothing else.
let package = Package(
  name: "pagefuzz",
  targets: [
    .target(name: "PageLifecycle", swiftSettings: settings),
    .target(name: "Programs", dependencies: ["PageLifecycle"], swiftSettings: settings),
    .target(
      name: "Conformance", dependencies: ["PageLifecycle", "Programs"], swiftSettings: settings),
    .target(name: "Fuzzing", dependencies: ["PageLifecycle", "Programs"], swiftSettings: settings),
    .target(name: "Storage", swiftSettings: settings),
    .executableTarget(
      name: "pagefuzz",
      dependencies: ["PageLifecycle", "Programs", "Conformance", "Fuzzing", "Storage"],
      swiftSettings: settings),
  ]
)
