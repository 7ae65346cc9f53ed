// SPDX-License-Identifier: MIT

import Foundation
import Testing

@Suite("Layers, sizes and habits")
struct LayoutTests {
  /// What each layer may import: the layers below it, and Foundation only at the rim.
  static let layers: [(target: String, mayImport: Set<String>)] = [
    ("PageLifecycle", []),
    ("Spelling", []),
    ("Programs", ["PageLifecycle", "Spelling"]),
    ("Fuzzing", ["PageLifecycle", "Programs"]),
    ("Conformance", ["PageLifecycle", "Programs", "Foundation"]),
    ("Console", ["Spelling"]),
    ("Explaining", ["PageLifecycle", "Programs", "Fuzzing", "Console"]),
    ("Storage", ["Foundation", "Synchronization"]),
    ("FuzzTarget", ["PageLifecycle", "Programs", "Fuzzing", "CFarm", "Glibc"]),
    ("pagefuzz-libfuzzer", ["FuzzTarget", "CFarm", "Glibc"]),
    (
      "pagefuzz",
      [
        "PageLifecycle", "Programs", "Fuzzing", "Explaining", "Conformance", "Console", "Storage",
        "Spelling", "Foundation", "Synchronization", "Instruments",
      ]
    ),
  ]

  /// What is no layer: parts of the system, and C.
  static let outside: Set<String> = [
    "Foundation", "Synchronization", "Glibc", "Instruments", "CFarm",
  ]

  @Test("A layer imports the layers below it and nothing else", arguments: layers)
  func imports(target: String, mayImport: Set<String>) throws {
    let files = Repository.sources.filter { $0.path.hasPrefix("Sources/\(target)/") }
    #expect(!files.isEmpty)
    for file in files {
      let others = Set(file.imports).subtracting(mayImport)
      #expect(others.isEmpty, "\(file.path) imports \(others)")
    }
  }

  @Test("Every directory of sources is a layer, declared with what it may import")
  func declared() throws {
    let targets = Set(
      Repository.sources.compactMap { $0.path.split(separator: "/").dropFirst().first })
    #expect(Set(Self.layers.map(\.target)) == Set(targets.map(String.init)))
    let package = Repository.file("Package.swift").text.filter { !$0.isWhitespace }
    for (target, mayImport) in Self.layers {
      let own = mayImport.subtracting(Self.outside)
      let kind = target.hasPrefix("pagefuzz") ? ".executableTarget" : ".target"
      let start = try #require(package.range(of: "\(kind)(name:\"\(target)\","))
      let rest = package[start.upperBound...]
      let declaration = rest[..<(rest.range(of: "swiftSettings")?.lowerBound ?? rest.endIndex)]
      let declared = declaration.split(separator: "\"").map(String.init).filter { word in
        Self.layers.contains { $0.target == word }
      }
      #expect(Set(declared) == own, "\(target)")
    }
  }

  @Test("The package depends on no other package")
  func dependencies() {
    let package = Repository.file("Package.swift").text
    #expect(!package.contains(".package("))
    // The engine is optimized in debug builds, so that tests can explore races; nothing else is.
    // With a sanitizer only the engine is optimized in release builds either.
    let parts = package.components(separatedBy: "// MARK: Fuzzing engines of others")
    #expect(parts[0].components(separatedBy: "unsafeFlags").count == 3)
    #expect(package.contains(".unsafeFlags([\"-Onone\"], .when(configuration: .release))"))
    #expect(package.contains(".unsafeFlags(whole, .when(configuration: .debug))"))
  }

  @Test("Nobody has to scroll for ever: files below 500 lines, functions below 70")
  func sizes() {
    let files = Repository.sources + Repository.tests
    #expect(files.count > 60)
    var functions = 0
    for file in files {
      #expect(file.lines.count <= 500, "\(file.path)")
      for function in file.functions {
        functions += 1
        #expect(
          function.lines < 70, "\(file.path): \(function.name) has \(function.lines) lines")
      }
    }
    #expect(functions > 500)
  }

  @Test("Every source says its licence in its first lines")
  func licences() {
    let scripts = ["check", "format", "bench", "bench-peers", "sanitize"].map {
      Repository.file("scripts/\($0)")
    }
    let package = Repository.file("Package.swift")
    for file in Repository.sources + Repository.tests + scripts + [package] {
      let isSaid = file.lines.prefix(2).contains { $0.hasSuffix("SPDX-License-Identifier: MIT") }
      #expect(isSaid, "\(file.path)")
    }
  }

  @Test("What is built, fetched or running is not kept")
  func tracked() throws {
    let ignored = Repository.file(".gitignore").lines
    for name in ["Package.resolved", ".pagefuzz/"] {
      #expect(ignored.contains { $0 == name })
    }
    guard let tracked = try Repository.tracked() else { return }
    let top: Set<Substring> = [
      "Package.swift", "Sources", "Tests", "corpus", "crashes", "scripts", "README.md", "LICENSE",
    ]
    for path in tracked {
      let first = path.prefix { $0 != "/" }
      #expect(top.contains(first) || first.hasPrefix("."), "\(path)")
      #expect(!first.hasPrefix(".build") && !path.hasSuffix("Package.resolved"), "\(path)")
    }
  }
}

extension Repository.File {
  var imports: [String] {
    lines.compactMap { line in
      let words = line.split(separator: " ")
      guard let place = words.firstIndex(of: "import"), place <= 1 else { return nil }
      return words.last.map(String.init)
    }
  }

  /// Functions and initializers that are formatted as the formatter does.
  var functions: [(name: String, lines: Int)] {
    var found: [(String, Int)] = []
    for (start, line) in lines.enumerated() {
      let words = line.split { !$0.isLetter && $0 != "_" }
      let isFunction = words.contains("func") || line.contains(" init(") || line.contains(" init?(")
      guard isFunction, !line.hasSuffix("}"), !line.contains("//"), !line.contains("\"") else {
        continue
      }
      let indent = line.prefix { $0 == " " }
      let end = lines[start...].firstIndex { $0 == indent + "}" }
      guard let end,
        !lines[start..<end].dropFirst().contains(where: { $0.hasPrefix(indent + "func") })
      else { continue }
      found.append((String(line.drop { $0 == " " }), end - start + 1))
    }
    return found
  }
}
