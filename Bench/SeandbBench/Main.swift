import ArgumentParser

/// `seandb-bench`: measures parts of the database against their alternatives.
@main
struct SeandbBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "seandb-bench",
    abstract: "Measures parts of seandb side by side with their alternatives, and under long load.",
    subcommands: [
      EngineCommand.self, ServerCommand.self, AgreementCommand.self, SoakCommand.self,
    ])
}
