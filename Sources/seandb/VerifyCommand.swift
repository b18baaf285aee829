import ArgumentParser
import Engine
import LSM
import Records
import Server

/// `seandb verify`.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Reads everything a store holds and reports all that is damaged.",
    discussion: """
      Changes nothing and takes no lock, so it works beside a running server. Every problem is a line on \
      stdout, with file and offset; the last line sums up. Exit code 0: the store is whole. 1: it is not.

      Of the engine lsm it checks every checksum, the order of all keys, all counts and bounds, that filter and \
      index lead to every entry, the logs, and that the manifest agrees with the files. Of RocksDB it reads all \
      records in both directions.
      """)

  @OptionGroup var store: StoreArgument

  func run() async throws {
    let location = store.locate()
    switch location.engine {
    case .lsm: verify(location)
    case .rocksdb: verifyByReading(location)
    }
  }

  private func verify(_ location: StoreLocation) -> Never {
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
      var parts: [String] = []
      var problems = summary.problemCount
      if problems == 0 {
        let engine = location.openForReading()
        problems += location.problems(
          expectation, location.dataDirectory.flatMap { try? StoreFacts(of: engine, directory: $0) }
        )
        if let count = summary.liveRecordCount {
          parts.append(
            Self.records(
              UInt64(count) - min(UInt64(count), engine.catalogueEntryCount()), summary.tableCount))
        }
        try? engine.close()
      }
      parts += [
        ReportText.count(summary.tableCount, "table"), ReportText.bytes(summary.tableBytes),
        ReportText.count(summary.entryCount, "entry", "entries"),
      ]
      if summary.rangeTombstoneCount > 0 {
        parts.append(ReportText.count(summary.rangeTombstoneCount, "range tombstone"))
      }
      parts.append(
        ReportText.count(summary.logCount, "log") + " with "
          + ReportText.count(summary.recordCount, "batch", "batches"))
      end(parts, problems: problems)
    } catch {
      line.clear()
      Terminal.fail(error)
    }
  }

  /// RocksDB checks each block's checksum when it reads it, and this reads all.
  private func verifyByReading(_ location: StoreLocation) -> Never {
    let expectation = location.expectation()
    let reading = StoreReading(location)
    for problem in reading.problems { Terminal.say(problem) }
    let problems = reading.problems.count + location.problems(expectation, reading.facts)
    Terminal.warn(
      "note: RocksDB checks the checksum of each block as it is read, and all were; its own sst_dump looks further"
    )
    end(
      [
        Self.records(reading.recordCount, Int(reading.tableCount)),
        ReportText.count(reading.tableCount, "table"), ReportText.bytes(reading.tableBytes),
      ], problems: problems)
  }

  private static func records(_ count: UInt64, _ tableCount: Int) -> String {
    ReportText.count(count, "record")
      + (tableCount == 0 && count > 0 ? " (all still in the log)" : "")
  }

  private func end(_ parts: [String], problems: Int) -> Never {
    let verdict = problems == 0 ? "ok" : "damaged"
    let all = parts + [ReportText.count(problems, "problem")]
    Terminal.say("\(verdict): " + all.joined(separator: ", "))
    Terminal.end(problems == 0 ? 0 : Terminal.failure)
  }
}
