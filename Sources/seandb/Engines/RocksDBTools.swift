import Engine
import Records
import Server

/// RocksDB's own tools look at its files and mend them; these read its records.
enum RocksDBTools: StoreTools {
  /// RocksDB checks each block's checksum when it reads it, and this reads all.
  static func verify(_ location: StoreLocation) -> StoreVerdict {
    var expectation = location.expectation()
    var reading = StoreReading(location)
    if !location.isMet(expectation, reading.facts) {
      // Beside a server that is making its first tables, a look can come between a log's end and its table's
      // beginning. What is really wrong is so in another look as well.
      expectation = location.expectation()
      reading = StoreReading(location)
    }
    for problem in reading.problems { Terminal.say(problem) }
    let problems = reading.problems.count + location.problems(expectation, reading.facts)
    Terminal.warn(
      "note: RocksDB checks the checksum of each block as it is read, and all were; its own sst_dump looks further"
    )
    return StoreVerdict(
      contents: [
        StoreVerdict.records(reading.recordCount, tableCount: Int(reading.tableCount)),
        ReportText.count(reading.tableCount, "table"), ReportText.bytes(reading.tableBytes),
      ], problemCount: problems)
  }

  /// What RocksDB says of itself; its own `ldb` and `sst_dump` show the files.
  static func inspect(_ location: StoreLocation, _ command: InspectCommand) -> Bool {
    guard command.table == nil, command.log == nil, !command.manifest, !command.json else {
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
      return true
    } catch {
      Terminal.fail(error)
    }
  }

  /// Mends nothing; ends the process when something does not read.
  static func repair(_ location: StoreLocation, isDryRun: Bool) -> StoreMending {
    let reading = StoreReading(
      location,
      advice:
        "RocksDB's own tool repairs its files: keep a copy, run `ldb repair --db=\(location.storePath)`, "
        + "then this again")
    for problem in reading.problems { Terminal.say("problem: \(problem)") }
    guard reading.problems.isEmpty else {
      Terminal.fail(
        "RocksDB's own tool repairs its files: ldb repair --db=\(location.storePath). Then run this again"
      )
    }
    return StoreMending(hasLosses: false, isDone: false)
  }
}
