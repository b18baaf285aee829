import ArgumentParser

/// `seandb inspect`.
struct InspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows what a store consists of: manifest, levels, tables, logs.",
    discussion: """
      Changes nothing and takes no lock, so it works beside a running server, and on a damaged store as far as \
      that can be read: damage is printed where it is met. Keys are printed as text, other bytes as \\xNN; the \
      first five bytes are kind and model (docs/engines.md).

      Exit code 0: nothing damaged was met. 1: something was.
      """)

  @OptionGroup var store: StoreArgument

  @Option(help: ArgumentHelp("Show the blocks of a table.", valueName: "number"))
  var table: UInt64?

  @Flag(help: "With --table: its records too.")
  var records = false

  @Flag(help: "With --records or --log: the values too.")
  var values = false

  @Option(help: ArgumentHelp("Show the records of a log.", valueName: "number"))
  var log: UInt64?

  @Flag(help: "Show every edit of the manifest.")
  var manifest = false

  @Flag(help: "The overview as JSON; keys in hexadecimal.")
  var json = false

  func validate() throws {
    let views = [table != nil, log != nil, manifest, json].filter { $0 }.count
    guard views <= 1 else {
      throw ValidationError("--table, --log, --manifest and --json show different things; take one")
    }
    guard !records || table != nil else { throw ValidationError("--records needs --table") }
    guard !values || records || log != nil else {
      throw ValidationError("--values needs --records or --log")
    }
  }

  func run() async throws {
    let location = store.locate()
    let isWhole = location.tools.inspect(location, self)
    if table == nil && log == nil && !manifest && !json && isWhole {
      KeptDataTools.inspect(location)
    }
    Terminal.end(isWhole ? 0 : Terminal.failure)
  }
}
