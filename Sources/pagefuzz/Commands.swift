// SPDX-License-Identifier: MIT

import Console

extension Main {
  /// Every command, in the order help shows them.  Add a command here; help, completions and
  /// "did you mean" follow.
  static let commands: [any Command.Type] = [
    FuzzCommand.self,
    ExploreCommand.self,
    ReplayCommand.self,
    ConformCommand.self,
    MinimizeCommand.self,
    VerifyCommand.self,
    ExplainCommand.self,
    ExportCommand.self,
    ReportCommand.self,
    SelfTestCommand.self,
    CompareCommand.self,
    DiffCommand.self,
    CorpusCommand.self,
    ListCommand.self,
    BenchCommand.self,
    CompletionsCommand.self,
  ]

  /// What the help of the program shows.
  static let examples = [
    Example("pagefuzz fuzz", "every protocol, 60 seconds"),
    Example("pagefuzz replay corpus crashes", "every regression"),
    Example("pagefuzz list invariants", "everything that must hold, and where it comes from"),
  ]
}
