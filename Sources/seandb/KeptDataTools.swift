import Engine
import Logging
import Records
import Server

/// What `seandb verify`, `inspect` and `repair --indexes` do with what a database keeps beside its records: indexes,
/// request ids, and changes.
enum KeptDataTools {
  /// Adds what a look at all of it has found.
  static func verify(_ location: StoreLocation, _ verdict: inout StoreVerdict) {
    guard let directory = location.dataDirectory else { return }
    let engine = location.openForReading()
    defer { try? engine.close() }
    verifyIndexes(engine, directory, &verdict)
    verifyRequests(engine, &verdict)
    verifyChanges(engine, directory, &verdict)
  }

  private static func verifyChanges(
    _ engine: any StorageEngine, _ directory: String, _ verdict: inout StoreVerdict
  ) {
    do throws(DatabaseError) {
      let found = try ChangeCheck.run(engine, directory: directory)
      for problem in found.problems { Terminal.say(problem) }
      verdict.problemCount += found.problems.count
      if found.count > 0 { verdict.contents.append(ReportText.count(found.count, "change")) }
    } catch {
      Terminal.say("\(error)")
      verdict.problemCount += 1
    }
  }

  private static func verifyRequests(_ engine: any StorageEngine, _ verdict: inout StoreVerdict) {
    do throws(EngineError) {
      let found = try KeptRequests.check(engine)
      for problem in found.problems { Terminal.say(problem) }
      verdict.problemCount += found.problems.count
      if found.idCount > 0 {
        verdict.contents.append(ReportText.count(found.idCount, "request id"))
      }
    } catch {
      Terminal.say("\(error)")
      verdict.problemCount += 1
    }
  }

  private static func verifyIndexes(
    _ engine: any StorageEngine, _ directory: String, _ verdict: inout StoreVerdict
  ) {
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

  /// Prints the state of each index, and how many request ids and changes are kept.
  static func inspect(_ location: StoreLocation) {
    guard let directory = location.dataDirectory else { return }
    let engine = location.openForReading()
    defer { try? engine.close() }
    if let indexes = try? StoredIndexes(engine, directory: directory) {
      let lines = indexes.descriptions
      if !lines.isEmpty { Terminal.say("indexes: \(lines.count)") }
      for line in lines { Terminal.say("  \(line)") }
    }
    if let requests = try? KeptRequests.check(engine), requests.idCount > 0 {
      Terminal.say("request ids: \(requests.idCount)")
    }
    if let changes = try? ChangeCheck.run(engine, directory: directory), changes.count > 0 {
      Terminal.say(
        "changes: \(ReportText.grouped(changes.count)), revisions \(changes.first) to \(changes.last), \(ReportText.bytes(changes.bytes))"
      )
    }
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
