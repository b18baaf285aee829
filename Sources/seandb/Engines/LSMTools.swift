import Engine
import LSM
import Platform
import Records
import Server

/// The tools of the LSM's own library.
enum LSMTools: StoreTools {
  static func verify(_ location: StoreLocation) -> StoreVerdict {
    let expectation = location.expectation()
    let line = ProgressLine()
    do throws(LSMError) {
      let summary = try StoreVerification.run(
        POSIXFileSystem(), directory: location.storePath, progress: { line.show($0) },
        report: { finding in
          line.clear()
          Terminal.say("\(finding)")
        },
        remark: { remark in
          line.clear()
          Terminal.warn("note: \(remark)")
        })
      line.clear()
      var contents: [String] = []
      var problems = summary.problemCount
      if problems == 0 {
        let engine = location.openForReading()
        problems += location.problems(
          expectation, location.dataDirectory.flatMap { try? StoreFacts(of: engine, directory: $0) }
        )
        if let count = summary.liveRecordCount {
          contents.append(
            StoreVerdict.records(
              UInt64(count) - min(UInt64(count), engine.entryCountBesideRecords()),
              tableCount: summary.tableCount))
        }
        try? engine.close()
      }
      return StoreVerdict(contents: contents + Self.contents(summary), problemCount: problems)
    } catch {
      line.clear()
      Terminal.fail(error)
    }
  }

  private static func contents(_ summary: StoreVerification.Summary) -> [String] {
    var contents = [
      ReportText.count(summary.tableCount, "table"), ReportText.bytes(summary.tableBytes),
      ReportText.count(summary.entryCount, "entry", "entries"),
    ]
    if summary.rangeTombstoneCount > 0 {
      contents.append(ReportText.count(summary.rangeTombstoneCount, "range tombstone"))
    }
    contents.append(
      ReportText.count(summary.logCount, "log") + " with "
        + ReportText.count(summary.recordCount, "batch", "batches"))
    return contents
  }

  static func inspect(_ location: StoreLocation, _ command: InspectCommand) -> Bool {
    let fileSystem = POSIXFileSystem()
    let directory = location.storePath
    do throws(LSMError) {
      if let table = command.table {
        let view = TableView(records: command.records, values: command.values)
        try FileInspection.table(
          fileSystem, directory: directory, FileNumber(table), records: command.records, view.show)
        return view.isWhole
      }
      if let log = command.log {
        let view = LogView(values: command.values)
        try FileInspection.log(fileSystem, directory: directory, FileNumber(log), view.show)
        return view.isWhole
      }
      if command.manifest {
        let damage = FileInspection.manifest(
          fileSystem, directory: directory, ManifestView.show)
        if let damage { Terminal.say("damaged: \(damage)") }
        return damage == nil
      }
      let inspection = try StoreInspection(fileSystem, directory: directory)
      let view = StoreView(inspection, location)
      for line in command.json ? [view.json.text] : view.lines { Terminal.say(line) }
      return inspection.findings.isEmpty
    } catch {
      Terminal.fail(error)
    }
  }
}
