/// The logs of a store, each read as far as it can be.
///
/// ``LogRecovery`` is all or nothing; this tells what is wrong where, and goes on with the next log.
struct LogChain {
  struct Log {
    let number: FileNumber
    let fileBytes: UInt64
    var header: LogHeader?
    /// Batches.
    var recordCount: UInt64 = 0
    /// Changes: the records of all batches.
    var changeCount: UInt64 = 0
    var firstSequence: UInt64?
    /// Of the last record read; without one, what the header says of the log before it.
    var lastSequence: UInt64 = 0
    /// Where the records end; nil when damage came first.
    var end: LogEnd?
    var isSealed = false
    var damage: LSMError?

    var name: FileName { .log(number) }
    /// Whether nothing was ever written to it, because its creation was cut short or it is the empty log of a
    /// repair that was.
    var isIdle: Bool {
      damage == nil && recordCount == 0 && header?.predecessor == nil
    }
    var finding: Finding? { damage.map { Finding($0, in: name) } }
  }

  /// Oldest first.
  private(set) var logs: [Log] = []

  /// Reads the logs from `first` on.
  ///
  /// - Parameters:
  ///   - store: nil takes what each log says.
  ///   - numbers: the logs that are there.
  ///   - isReadOnly: syncs nothing.
  ///   - visit: sees every record that is whole, as a batch too, with its summary.
  /// - Throws: ``LSMError/unsupportedFormat(path:version:)``.
  init(
    _ fileSystem: any FileSystem, directory: String, store: StoreID?, numbers: [FileNumber],
    from first: FileNumber, isReadOnly: Bool,
    _ visit: (FileNumber, LogReader.Record, BatchReader.Summary) throws(LSMError) -> Void =
      { _, _, _ in }
  ) throws(LSMError) {
    let wanted = numbers.filter { $0 >= first }
    var successor: [FileNumber: LogEnd] = [:]
    for number in wanted {
      guard
        let header = try Self.header(
          fileSystem, directory, number, store, isReadOnly: isReadOnly),
        let before = header.predecessor
      else { continue }
      successor[before.number] = before
    }
    for number in wanted {
      logs.append(
        try Self.read(
          fileSystem, directory, number, store, successor[number].map { .at($0) } ?? .open, visit))
    }
  }

  private static func header(
    _ fileSystem: any FileSystem, _ directory: String, _ number: FileNumber, _ store: StoreID?,
    isReadOnly: Bool
  ) throws(LSMError) -> LogHeader? {
    let name = FileName.log(number)
    do throws(LSMError) {
      if !isReadOnly { try fileSystem.sync(name.path(in: directory)) }
      return try LogReader(
        fileSystem, directory: directory, name: name, store: store, ending: .open
      ).header
    } catch {
      if case .unsupportedFormat = error { throw error }
      return nil
    }
  }

  static func read(
    _ fileSystem: any FileSystem, _ directory: String, _ number: FileNumber, _ store: StoreID?,
    _ ending: LogReader.Ending,
    _ visit: (FileNumber, LogReader.Record, BatchReader.Summary) throws(LSMError) -> Void
  ) throws(LSMError) -> Log {
    let name = FileName.log(number)
    var log = Log(number: number, fileBytes: size(fileSystem, name.path(in: directory)))
    let reader: LogReader
    do throws(LSMError) {
      reader = try LogReader(
        fileSystem, directory: directory, name: name, store: store, ending: ending)
    } catch {
      if case .unsupportedFormat = error { throw error }
      log.damage = error
      return log
    }
    log.header = reader.header
    log.lastSequence = reader.header?.predecessor?.lastSequence ?? 0
    while true {
      let record: LogReader.Record
      let summary: BatchReader.Summary
      do throws(LSMError) {
        guard let next = try reader.next() else { break }
        summary = try next.batchSummary(after: log.lastSequence, reader.path)
        record = next
      } catch {
        log.damage = error
        return log
      }
      try visit(number, record, summary)
      if log.firstSequence == nil {
        log.firstSequence = record.sequence - UInt64(summary.count) + 1
      }
      log.recordCount += 1
      log.changeCount += UInt64(summary.count)
      log.lastSequence = record.sequence
    }
    log.end = reader.end
    log.isSealed = reader.isSealed
    return log
  }

  private static func size(_ fileSystem: any FileSystem, _ path: String) -> UInt64 {
    do throws(LSMError) {
      let file = try fileSystem.open(path)
      defer { file.close() }
      return file.size
    } catch {
      return 0
    }
  }
}
