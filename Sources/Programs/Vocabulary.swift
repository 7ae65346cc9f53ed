// SPDX-License-Identifier: MIT

package import PageLifecycle

/// The words of program texts, taken once from the engine's own lists.
package enum Vocabulary {
  /// What programs may call, by name; the binary form numbers operations by this order.
  package static let operations = Procedure.operations.sorted { $0.name < $1.name }
  /// Every procedure with steps, by name.
  package static let procedures = Procedure.allCases.filter { $0 != .idle }
    .sorted { $0.name < $1.name }
  /// Every rule, by name; the binary form numbers rules by this order.
  static let rules = Rule.allCases.sorted { $0.name < $1.name }
  /// Every protocol, by name; the binary form numbers protocols by this order.
  static let protocols = Protocol.all.sorted { $0.name < $1.name }

  private static let bySpelling: [String: Procedure] = {
    var words: [String: Procedure] = [:]
    for procedure in procedures {
      words[String(describing: procedure)] = procedure
      words[snakeCase(String(describing: procedure))] = procedure
    }
    for procedure in procedures { words[procedure.name] = procedure }
    return words
  }()
  private static let signatures = table { $0.signature }
  private static let names = table { $0.name }
  private static let operationNumbers = table { operations.firstIndex(of: $0) }
  private static let procedureNumbers = table { procedures.firstIndex(of: $0) }
  private static let steps = table { $0.stepNames }
  private static let handleUsers = table { procedure in
    procedure.signature?.parameters.contains(.handle) ?? false
  }

  private static func table<Element>(_ element: (Procedure) -> Element) -> [Element] {
    let last = Procedure.allCases.map { Int($0.rawValue) }.max() ?? 0
    return (0...last).map { element(Procedure(rawValue: UInt8($0)) ?? .idle) }
  }

  /// How a program calls an operation.
  package static func signature(_ procedure: Procedure) -> Signature? {
    signatures[Int(procedure.rawValue)]
  }
  /// The name of a procedure, as ``Procedure/name`` has it.
  package static func name(_ procedure: Procedure) -> String { names[Int(procedure.rawValue)] }
  /// Its place among ``operations``; nil where programs may not call it.
  static func number(ofOperation procedure: Procedure) -> Int? {
    operationNumbers[Int(procedure.rawValue)]
  }
  /// Its place among ``procedures``; 0 where it has no steps.
  static func number(of procedure: Procedure) -> Int {
    procedureNumbers[Int(procedure.rawValue)] ?? 0
  }
  static func steps(_ procedure: Procedure) -> [String] { steps[Int(procedure.rawValue)] }
  static func usesHandle(_ procedure: Procedure) -> Bool { handleUsers[Int(procedure.rawValue)] }

  /// The operation a program calls by this name.
  package static func operation(named name: String) -> Procedure? {
    guard let procedure = bySpelling[name], signature(procedure)?.name == name else { return nil }
    return procedure
  }

  /// The procedure of this name, in the spelling of programs, of the sources or of the kernel.
  package static func procedure(named name: String) -> Procedure? { bySpelling[name] }

  /// The kernel's manner of spelling a procedure: `break_layouts`.
  package static func kernelName(_ procedure: Procedure) -> String {
    signature(procedure)?.name ?? snakeCase(String(describing: procedure))
  }

  /// `daxFaultIO` becomes `dax_fault_io`.
  static func snakeCase(_ name: String) -> String {
    var result = ""
    var wasUppercase = true
    for letter in name {
      if letter.isUppercase && !wasUppercase { result += "_" }
      wasUppercase = letter.isUppercase
      result += letter.lowercased()
    }
    return result
  }
}

/// One step of one procedure, by name.
package struct StepName: Hashable, Sendable, CustomStringConvertible {
  package var procedure: Procedure
  package var step: UInt8

  /// The step with this number in its procedure.
  package init(_ procedure: Procedure, _ step: UInt8) {
    (self.procedure, self.step) = (procedure, step)
  }

  /// Reads `procedure.step`.
  package init?(parsing text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, let procedure = Vocabulary.procedure(named: String(parts[0])),
      let step = Vocabulary.steps(procedure).firstIndex(of: String(parts[1]))
    else { return nil }
    self.init(procedure, UInt8(step))
  }

  /// The step alone, without its procedure.
  package var shortName: String {
    let steps = Vocabulary.steps(procedure)
    return Int(step) < steps.count ? steps[Int(step)] : "step\(step)"
  }

  package var description: String { "\(Vocabulary.name(procedure)).\(shortName)" }
}
