import ArgumentParser
import Engine
import LSM
import Records
import Server

/// `seandb repair`.
struct RepairCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair",
    abstract: "Makes a damaged store open again, and says exactly what could not be saved.",
    discussion: """
      With the server stopped. Of the engine lsm, whole tables stay; damaged ones are written anew from what can \
      be read; without a readable manifest all tables are merged. The logs are replayed up to the first damage. \
      Replaced files are kept in store/lost+found-N. A store in which nothing is wrong is not changed.

      Of RocksDB, whose own tool `ldb repair` mends its files, it reads all records. Of both engines it takes the \
      store as it is then: it says how many acknowledged changes are gone, and the next start does not miss them.

      Exit code 0: the store is whole, and nothing was lost. 1: something was lost (each loss is a line that \
      begins with "lost:"; the store opens all the same), or the repair failed. 75: a server is using it; nothing was changed.
      """)

  @OptionGroup var store: StoreArgument

  @Flag(help: "Only say what is wrong and what would be lost.")
  var dryRun = false

  func run() async throws {
    let location = store.locate()
    OpenFileLimit.raise()
    let lock: StoreLock
    do throws(DatabaseError) {
      try location.checkStore()
      lock = try StoreLock(location)
    } catch {
      if case .directoryInUse(let path) = error { Self.failInUse(path) }
      Terminal.fail(error)
    }
    withExtendedLifetime(lock) { repair(location) }
  }

  private static func failInUse(_ path: String) -> Never {
    Terminal.fail(
      "\(path) is in use; stop the server that has it, then run this again",
      code: Terminal.tryAgain)
  }

  private func repair(_ location: StoreLocation) -> Never {
    guard location.engine == .lsm else {
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
      accept(location, hasLosses: false, isDone: false)
    }
    var options = StoreRepair.Options()
    options.isDryRun = dryRun
    options.remark = { ranges in
      ranges.contains(where: Self.touchesCatalogue)
        ? "the schema or the models' ids may be among what is lost; a server that starts on this store may "
          + "give them anew, and other ids than the records have: restore a backup unless you know better"
        : nil
    }
    let line = ProgressLine()
    do throws(LSMError) {
      let report = try StoreRepair.run(
        POSIXFileSystem(), directory: location.storePath, options: options
      ) { line.show($0) }
      line.clear()
      guard say(report, location) else { Self.failUntold() }
      let hasLosses = !report.losses.isEmpty || report.earlier.contains(where: \.hasLosses)
      guard !dryRun || report.problems.isEmpty else {
        Terminal.end(hasLosses ? Terminal.failure : 0)
      }
      if !dryRun {
        // What cannot be noted is told twice.
        try? StoreRepair.setTold(report, POSIXFileSystem(), directory: location.storePath)
      }
      accept(
        location, hasLosses: hasLosses, isDone: report.isNeeded || !report.earlier.isEmpty)
    } catch {
      line.clear()
      if case .lockHeld = error {
        Self.failInUse(location.dataDirectory ?? location.storePath)
      }
      Terminal.fail("\(error)")
    }
  }

  /// - Returns: whether stdout has taken all of it.
  private func say(_ report: StoreRepair.Report, _ location: StoreLocation) -> Bool {
    var lines = report.lines
    for earlier in report.earlier {
      lines.append(
        "note: a repair that was cut short has left its report in \(location.storePath)/\(earlier.folder):"
      )
      lines += earlier.lines
    }
    if report.isNeeded { lines += outcome(report, location) }
    return lines.allSatisfy { Terminal.say($0) }
  }

  private func outcome(_ report: StoreRepair.Report, _ location: StoreLocation) -> [String] {
    let lost =
      report.losses.isEmpty
      ? "nothing is lost" : "what is lost stands above"
    if dryRun {
      return ["would repair: \(ReportText.count(report.problems.count, "problem")); \(lost)"]
    }
    var parts = [
      "\(ReportText.count(report.tableCount, "table")) with "
        + ReportText.count(report.entryCount, "entry", "entries")
    ]
    for (count, what) in [
      (report.keptTableCount, "kept"), (report.rewrittenTableCount, "written anew"),
      (report.mergedTableCount, "merged"), (report.lostTableCount, "lost"),
    ] where count > 0 {
      parts.append("\(ReportText.grouped(count)) \(what)")
    }
    if report.replayedChangeCount > 0 {
      parts.append(ReportText.count(report.replayedChangeCount, "change") + " from logs")
    }
    var lines = ["repaired: " + parts.joined(separator: ", ") + "; \(lost)"]
    if let folder = report.folder {
      lines.append(
        "the replaced files are in \(location.storePath)/\(folder); remove it when you miss nothing"
      )
    }
    return lines
  }

  /// Ends before what is lost is forgotten.
  private static func failUntold() -> Never {
    Terminal.fail("what is lost could not be written to stdout. Run it again to get it")
  }

  /// Makes marker and commit mark fit the store as it is now.
  ///
  /// - Parameter isDone: whether there is anything to say already.
  private func accept(_ location: StoreLocation, hasLosses: Bool, isDone: Bool) -> Never {
    let code = hasLosses ? Terminal.failure : 0
    guard let directory = location.dataDirectory else { Terminal.end(code) }
    do throws(DatabaseError) {
      let acceptance = try StoreAcceptance(location, directory: directory)
      var lines = acceptance.problems.map { "problem: \($0)" }
      if acceptance.lostChangeCount > 0 {
        lines.append(
          "lost: the last \(ReportText.count(acceptance.lostChangeCount, "acknowledged change"))")
      }
      if acceptance.isLossUnknown {
        lines.append(
          "lost: whether acknowledged changes are gone cannot be told without COMMITTED; the store ends with change "
            + "\(acceptance.lastSequence)")
      }
      // Before the mark forgets them.
      guard lines.allSatisfy({ Terminal.say($0) }) else { Self.failUntold() }
      guard !acceptance.problems.isEmpty else {
        if !isDone { Terminal.say("ok: nothing to repair") }
        Terminal.end(code)
      }
      if dryRun {
        Terminal.say("would take the store as it is")
      } else {
        try acceptance.apply()
        Terminal.say("repaired: the store is taken as it is, and the next start misses nothing")
      }
      Terminal.end(
        acceptance.lostChangeCount > 0 || acceptance.isLossUnknown ? Terminal.failure : code)
    } catch {
      Terminal.fail(error)
    }
  }

  /// Whether keys of the catalogue, which come before all others, may be in a range.
  private static func touchesCatalogue(_ range: StoreRepair.Report.KeyRange) -> Bool {
    range.lower.map { $0.first ?? 0 == KeyKind.catalogue.rawValue } ?? true
  }
}
