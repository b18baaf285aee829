import LSM
import Platform
import Records
import Server

/// The overview of a store that `seandb inspect` prints.
struct StoreView {
  private let inspection: StoreInspection
  private let location: StoreLocation

  init(_ inspection: StoreInspection, _ location: StoreLocation) {
    self.inspection = inspection
    self.location = location
  }

  // MARK: - Text

  var lines: [String] {
    var lines = head
    let byLevel = Dictionary(grouping: inspection.tables) { $0.level ?? -1 }
    for level in byLevel.keys.sorted() { lines += tables(byLevel[level] ?? [], level) }
    if inspection.tables.isEmpty { lines.append("no tables") }
    lines += logs
    if !inspection.leftovers.isEmpty {
      lines.append("files that nothing needs (the next start removes them):")
      for file in inspection.leftovers {
        lines.append("  \(file.name), \(ReportText.bytes(file.fileBytes))")
      }
    }
    if !inspection.others.isEmpty {
      lines.append("other files: \(inspection.others.joined(separator: ", "))")
    }
    lines += inspection.findings.map { "damaged: \($0)" }
    return lines
  }

  private var identity: String? {
    inspection.current.map {
      ReportText.hexadecimal($0.store.low) + ReportText.hexadecimal($0.store.high)
    }
  }

  private var head: [String] {
    var lines = [
      "store: \(location.storePath), engine lsm" + (identity.map { ", id \($0)" } ?? "")
    ]
    lines.append(
      inspection.current.map { "CURRENT: names \(FileName.manifest($0.manifest))" }
        ?? "CURRENT: cannot be read")
    guard let manifest = inspection.manifest else {
      return lines + ["manifest: cannot be read; the tables below are those in the directory"]
    }
    lines.append(
      "manifest: \(FileName.manifest(manifest.number)), \(ReportText.bytes(manifest.fileBytes)), "
        + ReportText.count(manifest.editCount, "edit")
        + (manifest.isSealed ? ", sealed" : ", not sealed"))
    let log = manifest.logNumber == 0 ? "none" : "\(FileName.log(manifest.logNumber))"
    lines.append(
      "counters: next file number \(manifest.nextFileNumber), next epoch \(manifest.nextEpoch), "
        + "flushed sequence number \(manifest.flushedSequence.rawValue), oldest log needed \(log)")
    return lines
  }

  private func tables(_ tables: [StoreInspection.Table], _ level: Int) -> [String] {
    let bytes = tables.reduce(0) { $0 + $1.metadata.fileBytes }
    let entries = tables.reduce(0) { $0 + $1.metadata.entryCount }
    let title =
      (level < 0 ? "tables" : "level \(level)")
      + ": \(ReportText.count(tables.count, "table")), \(ReportText.bytes(bytes)), "
      + ReportText.count(entries, "entry", "entries")
    let rows = tables.map { table -> [String] in
      let metadata = table.metadata
      return [
        "\(FileName.table(metadata.number))", ReportText.bytes(metadata.fileBytes),
        ReportText.grouped(metadata.entryCount), ReportText.grouped(metadata.tombstoneCount),
        ReportText.grouped(metadata.rangeTombstoneCount),
        "\(metadata.smallestSequence.rawValue)-\(metadata.largestSequence.rawValue)",
        KeyText.userKey(metadata.smallest) + " .. " + KeyText.userKey(metadata.largest),
      ]
    }
    return [title]
      + ReportText.columns(
        ["table", "size", "entries", "tombstones", "range tombstones", "sequence", "keys"], rows,
        left: [0, 6])
  }

  private var logs: [String] {
    guard !inspection.logs.isEmpty else { return ["no logs"] }
    let rows = inspection.logs.map { log -> [String] in
      [
        "\(FileName.log(log.number))", ReportText.bytes(log.fileBytes),
        ReportText.grouped(log.recordCount), ReportText.grouped(log.changeCount),
        log.sequences.map { "\($0.lowerBound)-\($0.upperBound)" } ?? "-",
        Self.ending(log) + (log.isNeeded ? "" : ", not needed any more"),
      ]
    }
    return ["logs: \(inspection.logs.count)"]
      + ReportText.columns(
        ["log", "size", "batches", "changes", "sequence", "end"], rows, left: [0, 5])
  }

  private static func ending(_ log: StoreInspection.Log) -> String {
    switch log.ending {
    case .sealed: "sealed"
    case .unborn: "never begun"
    case .damaged: "damaged"
    case .open(let unreadBytes):
      unreadBytes == 0
        ? "open" : "open; \(ReportText.bytes(unreadBytes)) behind it, written ahead or torn"
    }
  }

  // MARK: - JSON

  var json: JSONValue {
    .members([
      ("store", .string(location.storePath)), ("engine", .string("lsm")),
      ("id", .optional(identity)),
      ("current", .optional(inspection.current.map { "\(FileName.manifest($0.manifest))" })),
      ("manifest", manifest), ("tables", .array(inspection.tables.map(Self.table))),
      ("logs", .array(inspection.logs.map(Self.log))),
      (
        "leftovers",
        .array(
          inspection.leftovers.map {
            .members([("file", .string($0.name)), ("bytes", .unsigned($0.fileBytes))])
          })
      ),
      ("others", .array(inspection.others.map { .string($0) })),
      (
        "damage",
        .array(
          inspection.findings.map {
            .members([
              ("file", .string($0.file)), ("offset", .optional($0.offset)),
              ("what", .string($0.what)),
            ])
          })
      ),
    ])
  }

  private var manifest: JSONValue {
    guard let manifest = inspection.manifest else { return .null }
    return .members([
      ("file", .string("\(FileName.manifest(manifest.number))")),
      ("bytes", .unsigned(manifest.fileBytes)), ("edits", .unsigned(UInt64(manifest.editCount))),
      ("sealed", .bool(manifest.isSealed)),
      ("nextFileNumber", .unsigned(manifest.nextFileNumber.rawValue)),
      ("nextEpoch", .unsigned(manifest.nextEpoch)),
      ("flushedSequence", .unsigned(manifest.flushedSequence.rawValue)),
      ("logNumber", .unsigned(manifest.logNumber.rawValue)),
    ])
  }

  private static func table(_ table: StoreInspection.Table) -> JSONValue {
    let metadata = table.metadata
    let level = table.level.map { UInt64($0) }
    return .members([
      ("file", .string("\(FileName.table(metadata.number))")),
      ("level", .optional(level)), ("bytes", .unsigned(metadata.fileBytes)),
      ("epoch", .unsigned(metadata.epoch)), ("entries", .unsigned(metadata.entryCount)),
      ("tombstones", .unsigned(metadata.tombstoneCount)),
      ("rangeTombstones", .unsigned(metadata.rangeTombstoneCount)),
      ("smallestSequence", .unsigned(metadata.smallestSequence.rawValue)),
      ("largestSequence", .unsigned(metadata.largestSequence.rawValue)),
      (
        "smallestKey",
        .string(ReportText.hexadecimal(metadata.smallest.dropLast(InternalKey.trailerBytes)))
      ),
      (
        "largestKey",
        .string(ReportText.hexadecimal(metadata.largest.dropLast(InternalKey.trailerBytes)))
      ),
    ])
  }

  private static func log(_ log: StoreInspection.Log) -> JSONValue {
    let end =
      switch log.ending {
      case .sealed: "sealed"
      case .unborn: "unborn"
      case .damaged: "damaged"
      case .open: "open"
      }
    return .members([
      ("file", .string("\(FileName.log(log.number))")), ("bytes", .unsigned(log.fileBytes)),
      ("batches", .unsigned(log.recordCount)), ("changes", .unsigned(log.changeCount)),
      ("firstSequence", .optional(log.sequences?.lowerBound)),
      ("lastSequence", .optional(log.sequences?.upperBound)), ("end", .string(end)),
      ("needed", .bool(log.isNeeded)),
    ])
  }
}
