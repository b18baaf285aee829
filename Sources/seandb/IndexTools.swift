import Engine
import Logging
import Records
import Server

/// What `seandb verify`, `inspect` and `repair --indexes` do with the indexes of a database.
enum IndexTools {
  /// Adds what a look at records and entries has found.
  static func verify(_ location: StoreLocation, _ verdict: inout StoreVerdict) {
    guard let directory = location.dataDirectory else { return }
    let engine = location.openForReading()
    defer { try? engine.close() }
    do throws(DatabaseError) {
      guard let indexes = try StoredIndexes(engine, directory: directory) else { return }
      do throws(EngineError) {
        let found = try indexes.check { Terminal.say($0) }
        verdict.problemCount += found.problemCount
        if found.indexCount > 0 {
          verdict.contents.append(
            ReportText.count(found.indexCount, "index", "indexes") + " with "
              + ReportText.count(found.entryCount, "entry", "entries"))
        }
        if found.problemCount > 0 {
          Terminal.warn(
            "note: the records are what counts; with the server stopped, `seandb repair --indexes \(directory)` makes the entries anew"
          )
        }
      } catch {
        throw .engine(error)
      }
    } catch {
      Terminal.say("\(error)")
      verdict.problemCount += 1
    }
  }

  /// Prints the state of each index.
  static func inspect(_ location: StoreLocation) {
    guard let directory = location.dataDirectory else { return }
    let engine = location.openForReading()
    defer { try? engine.close() }
    guard let indexes = try? StoredIndexes(engine, directory: directory) else { return }
    let lines = indexes.descriptions
    guard !lines.isEmpty else { return }
    Terminal.say("indexes: \(lines.count)")
    for line in lines { Terminal.say("  \(line)") }
  }

  /// Makes all entries anew, and ends the process.
  static func rebuild(_ location: StoreLocation) -> Never {
    guard let path = location.dataDirectory else {
      Terminal.fail("\(location.storePath) is in no data directory, which has the indexes")
    }
    let logger = Logger(label: "seandb") { _ in SwiftLogNoOpLogHandler() }
    let line = ProgressLine()
    do throws(DatabaseError) {
      let database = try Database.open(
        schema: nil, path: path, engine: location.engine, options: EngineOptions(), logger: logger)
      let (count, failures) = try StoredIndexes.rebuild(database, logger: logger) { model, done in
        line.show("\(model): \(ReportText.count(done, "record"))")
      }
      line.clear()
      guard database.close() else { Terminal.fail("\(path) was not closed in good order") }
      for failure in failures { Terminal.say("problem: \(failure)") }
      Terminal.say(
        count == 0
          ? "ok: there are no indexes"
          : "repaired: \(ReportText.count(count - failures.count, "index", "indexes")) made anew")
      Terminal.end(failures.isEmpty ? 0 : Terminal.failure)
    } catch {
      line.clear()
      if case .directoryInUse(let path) = error { RepairCommand.failInUse(path) }
      Terminal.fail(error)
    }
  }
}
