import Engine
import LSM
import Records
import Server

extension LSMTools {
  static func repair(_ location: StoreLocation, isDryRun: Bool) -> StoreMending {
    var options = StoreRepair.Options()
    options.isDryRun = isDryRun
    options.remark = { ranges in
      ranges.contains(where: touchesCatalogue)
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
      guard say(report, location, isDryRun: isDryRun) else { RepairCommand.failUntold() }
      let hasLosses = !report.losses.isEmpty || report.earlier.contains(where: \.hasLosses)
      guard !isDryRun || report.problems.isEmpty else {
        Terminal.end(hasLosses ? Terminal.failure : 0)
      }
      if !isDryRun {
        // What cannot be noted is told twice.
        try? StoreRepair.setTold(report, POSIXFileSystem(), directory: location.storePath)
      }
      return StoreMending(
        hasLosses: hasLosses, isDone: report.isNeeded || !report.earlier.isEmpty)
    } catch {
      line.clear()
      if case .lockHeld = error {
        RepairCommand.failInUse(location.dataDirectory ?? location.storePath)
      }
      Terminal.fail("\(error)")
    }
  }

  /// - Returns: whether stdout has taken all of it.
  private static func say(
    _ report: StoreRepair.Report, _ location: StoreLocation, isDryRun: Bool
  ) -> Bool {
    var lines = report.lines
    for earlier in report.earlier {
      lines.append(
        "note: a repair that was cut short has left its report in \(location.storePath)/\(earlier.folder):"
      )
      lines += earlier.lines
    }
    if report.isNeeded { lines += outcome(report, location, isDryRun: isDryRun) }
    return lines.allSatisfy { Terminal.say($0) }
  }

  private static func outcome(
    _ report: StoreRepair.Report, _ location: StoreLocation, isDryRun: Bool
  ) -> [String] {
    let lost =
      report.losses.isEmpty
      ? "nothing is lost" : "what is lost stands above"
    if isDryRun {
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

  /// Whether keys of the catalogue, which come before all others, may be in a range.
  private static func touchesCatalogue(_ range: StoreRepair.Report.LostRange) -> Bool {
    range.lower.map { $0.first ?? 0 == KeyKind.catalogue.rawValue } ?? true
  }
}
