import Records
import Server

/// What `seandb verify`, `inspect` and `repair` do with a store of one engine. Each ends the process when the store
/// cannot be looked at.
protocol StoreTools: SendableMetatype {
  /// Reads everything that the store holds, and prints what is wrong.
  static func verify(_ location: StoreLocation) -> StoreVerdict

  /// Prints what `command` asks for.
  /// - Returns: whether nothing damaged was met.
  static func inspect(_ location: StoreLocation, _ command: InspectCommand) -> Bool

  /// Makes the engine's files whole, and prints what is lost. The caller holds the store's lock.
  /// - Parameter isDryRun: only says what it would do.
  static func repair(_ location: StoreLocation, isDryRun: Bool) -> StoreMending
}

/// What `seandb verify` has found.
struct StoreVerdict {
  /// What the store holds, for the last line.
  var contents: [String]
  var problemCount: Int

  /// - Parameter tableCount: without tables, all records are in the log.
  static func records(_ count: UInt64, tableCount: Int) -> String {
    ReportText.count(count, "record")
      + (tableCount == 0 && count > 0 ? " (all still in the log)" : "")
  }
}

/// What `seandb repair` has done with an engine's files.
struct StoreMending {
  let hasLosses: Bool
  /// Whether it has said anything.
  let isDone: Bool
}
