import LSM

// SAFETY: keys and values are lent for the time of a visit, which makes text of them.

/// Prints the blocks and records of a table.
final class TableView {
  private let records: Bool
  private let values: Bool
  private(set) var isWhole = true

  init(records: Bool, values: Bool) {
    self.records = records
    self.values = values
  }

  func show(_ item: FileInspection.TableItem) {
    switch item {
    case .properties(let properties): show(properties)
    case .rangeTombstone(let tombstone):
      Terminal.say(
        unsafe "range tombstone: \(KeyText.readable(tombstone.lower)) up to \(KeyText.readable(tombstone.upper)), "
          + "sequence number \(tombstone.sequence.rawValue)")
    case .block(let block):
      let compression =
        switch block.compression {
        case .zstd?: "zstd, \(block.rawBytes) bytes before"
        case .lz4?: "LZ4, \(block.rawBytes) bytes before"
        case Compression.none?: "not compressed"
        case nil: "compression unknown"
        }
      let firstKey = unsafe KeyText.readable(block.firstKey)
      Terminal.say(
        "block \(block.index): at byte \(block.offset), \(block.storedBytes) bytes, \(compression), "
          + "\(ReportText.count(block.entryCount, "entry", "entries")), first key \(firstKey)")
    case .record(let key, let value): show(key, value)
    case .damage(let finding):
      isWhole = false
      Terminal.say("damaged: \(finding)")
    }
  }

  private func show(_ properties: TableProperties) {
    Terminal.say(
      "\(ReportText.count(properties.entryCount, "entry", "entries")) "
        + "(\(ReportText.count(properties.tombstoneCount, "tombstone"))), "
        + "\(ReportText.count(properties.rangeTombstoneCount, "range tombstone")), "
        + "\(ReportText.count(properties.dataBlockCount, "data block"))")
    Terminal.say(
      "keys \(ReportText.bytes(properties.keyBytes)), values \(ReportText.bytes(properties.valueBytes)), "
        + "blocks \(ReportText.bytes(properties.rawDataBytes)), stored \(ReportText.bytes(properties.storedDataBytes))"
    )
    Terminal.say(
      "sequence numbers \(properties.smallestSequence.rawValue) to \(properties.largestSequence.rawValue)"
    )
    Terminal.say(
      "keys from \(KeyText.userKey(properties.smallest)) to \(KeyText.userKey(properties.largest))")
  }

  @safe
  private func show(_ key: InternalKey, _ value: UnsafeRawBufferPointer) {
    let text = unsafe "  \(KeyText.readable(key.userKey, limit: .max)) @\(key.sequence.rawValue)"
    guard key.kind == .value else {
      Terminal.say(text + " deleted")
      return
    }
    Terminal.say(
      text
        + (values ? unsafe " = \(KeyText.readable(value, limit: .max))" : " \(value.count) bytes"))
  }
}

/// Prints the records of a log.
final class LogView {
  private let values: Bool
  private(set) var isWhole = true

  init(values: Bool) { self.values = values }

  func show(_ item: FileInspection.LogItem) {
    switch item {
    case .header(let header):
      let before =
        header.predecessor.map {
          "after \(FileName.log($0.number)), which has \($0.length) bytes and ends with sequence number "
            + "\($0.lastSequence)"
        } ?? "after no other"
      Terminal.say("log \(header.number), \(before)")
    case .record(let offset, let sequence, let bytes): show(offset, sequence, bytes)
    case .end(let end, let isSealed):
      Terminal.say(
        "end at byte \(end.length), last sequence number \(end.lastSequence)"
          + (isSealed ? ", sealed" : ", not sealed"))
    case .damage(let finding):
      isWhole = false
      Terminal.say("damaged: \(finding)")
    }
  }

  @safe
  private func show(_ offset: UInt64, _ sequence: UInt64, _ bytes: UnsafeRawBufferPointer) {
    do throws(LSMError) {
      var reader = try unsafe BatchReader(bytes)
      Terminal.say(
        "batch at byte \(offset): \(ReportText.count(reader.count, "change")), up to sequence number "
          + "\(sequence)")
      while let record = try reader.next() { show(record) }
    } catch {
      isWhole = false
      Terminal.say("damaged: the batch at byte \(offset): \(error)")
    }
  }

  private func show(_ record: BatchReader.Record) {
    @safe func text(_ key: UnsafeRawBufferPointer) -> String {
      unsafe KeyText.readable(key, limit: .max)
    }
    switch record {
    case .put(let key, let value):
      Terminal.say(
        "  put \(text(key))" + (values ? " = \(text(value))" : " \(value.count) bytes"))
    case .delete(let key): Terminal.say("  delete \(text(key))")
    case .deleteRange(let lower, let upper):
      Terminal.say("  delete from \(text(lower)) up to \(text(upper))")
    }
  }
}

/// Prints the edits of a manifest.
enum ManifestView {
  static func show(_ offset: UInt64, _ edit: VersionEdit) {
    let kind = edit.kind == .state ? "state" : "change"
    Terminal.say(
      "edit at byte \(offset): \(kind), next file number \(edit.nextFileNumber), next epoch "
        + "\(edit.nextEpoch), flushed sequence number \(edit.flushedSequence.rawValue), log "
        + "\(edit.logNumber)")
    for removal in edit.removed {
      Terminal.say("  - \(FileName.table(removal.number)) from level \(removal.level)")
    }
    for addition in edit.added {
      let table = addition.table
      Terminal.say(
        "  + \(FileName.table(table.number)) to level \(addition.level): "
          + "\(ReportText.bytes(table.fileBytes)), \(ReportText.count(table.entryCount, "entry", "entries")), "
          + "\(KeyText.userKey(table.smallest)) .. \(KeyText.userKey(table.largest))")
    }
  }
}
