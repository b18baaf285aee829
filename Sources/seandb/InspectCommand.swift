import ArgumentParser
import Engine
import LSM
import Records
import Server

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
    guard location.engine == .lsm else { showStatistics(location) }
    let fileSystem = POSIXFileSystem()
    let directory = location.storePath
    do throws(LSMError) {
      let isWhole: Bool
      if let table {
        let view = TableView(records: records, values: values)
        try FileInspection.table(
          fileSystem, directory: directory, FileNumber(table), records: records, view.show)
        isWhole = view.isWhole
      } else if let log {
        let view = LogView(values: values)
        try FileInspection.log(fileSystem, directory: directory, FileNumber(log), view.show)
        isWhole = view.isWhole
      } else if manifest {
        let damage = FileInspection.manifest(
          fileSystem, directory: directory, ManifestView.show)
        if let damage { Terminal.say("damaged: \(damage)") }
        isWhole = damage == nil
      } else {
        let inspection = try StoreInspection(fileSystem, directory: directory)
        let view = StoreView(inspection, location)
        for line in json ? [view.json.text()] : view.lines { Terminal.say(line) }
        isWhole = inspection.findings.isEmpty
      }
      Terminal.end(isWhole ? 0 : Terminal.failure)
    } catch {
      Terminal.fail(error)
    }
  }

  /// What RocksDB says of itself; its own `ldb` and `sst_dump` show the files.
  private func showStatistics(_ location: StoreLocation) -> Never {
    guard table == nil, log == nil, !manifest, !json else {
      Terminal.fail(
        "\(location.storePath) is a store of RocksDB: its files are shown by ldb and sst_dump (docs/engines.md)"
      )
    }
    let engine = location.openForReading()
    do throws(EngineError) {
      let statistics = try engine.statistics()
      try engine.close()
      Terminal.say("store: \(location.storePath), engine rocksdb")
      Terminal.say("records: about \(ReportText.grouped(statistics.estimatedKeyCount))")
      for (level, figures) in statistics.levels.enumerated() where figures.fileCount > 0 {
        Terminal.say(
          "level \(level): \(ReportText.count(figures.fileCount, "table")), "
            + ReportText.bytes(figures.bytes))
      }
      Terminal.say("logs: \(ReportText.bytes(statistics.logBytes))")
      Terminal.say("its files are shown by ldb and sst_dump (docs/engines.md)")
      Terminal.end(0)
    } catch {
      Terminal.fail(error)
    }
  }
}
