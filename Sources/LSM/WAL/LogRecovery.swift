/// Replays the logs of a store after it was closed or died.
///
/// The logs form a chain: each names the one before it. Recovery starts from the highest log that has a
/// header, goes back to the first one needed, and reads forward: all but the last exactly to the length
/// that the successor names. A log that is missing, short or damaged is an error, never a shorter answer.
/// Logs whose creation was cut short hold no records and are passed over.
///
/// Each log is synced before it is read. Even so, after a failed fsync of the process before, its
/// last records may be in memory only, and Linux calls them clean: write what was recovered to tables,
/// and install them, before a new log is made or a read is answered.
package enum LogRecovery {
  /// What the logs were found to be.
  package struct Outcome: Equatable, Sendable {
    /// Of the last log; nil when there is none. The predecessor of the next one.
    package let end: LogEnd?
    /// Whether the last log was finished; or has no record yet, and the one before it was.
    package let isSealed: Bool
    /// Logs that were read, oldest first.
    package let logs: [FileNumber]
    /// Logs without a header: to be removed with the others once their records are in tables.
    package let unborn: [FileNumber]
  }

  /// Hands every record of the logs from `first` on to `visit`, in the order of sequence numbers.
  ///
  /// - Parameters:
  ///   - first: the oldest log whose records are in no table yet, as the manifest says; it must be there.
  ///     Nil when the manifest names none: then every log found is read.
  ///   - limit: logs from this number on are not the store's own.
  ///   - dropsDamagedTail: ends at the first damaged record instead of throwing; the outcome has no `end` then.
  ///   - isReadOnly: syncs nothing; for a look at a directory that may belong to another process.
  ///   - visit: gets the log's number and the record, whose bytes are borrowed until it returns.
  package static func replay(
    _ fileSystem: any FileSystem, directory: String, store: StoreID, from first: FileNumber?,
    before limit: FileNumber = FileNumber(.max), dropsDamagedTail: Bool = false,
    isReadOnly: Bool = false,
    _ visit: (FileNumber, LogReader.Record) throws(LSMError) -> Void
  ) throws(LSMError) -> Outcome {
    let headers = try headers(
      fileSystem, directory, store, (first ?? 0)..<max(first ?? 0, limit), isReadOnly)
    let unborn = headers.filter { $0.header == nil }.map(\.number)
    let chain = try chain(
      headers.reduce(into: [:]) { if let header = $1.header { $0[$1.number] = header } },
      unborn: unborn, from: first, directory)
    var end: LogEnd?
    var isSealed = false
    for (index, header) in chain.enumerated() {
      let successor = index + 1 < chain.count ? chain[index + 1] : nil
      let reader = try LogReader(
        fileSystem, directory: directory, name: .log(header.number), store: store,
        ending: successor?.predecessor.map { .at($0) } ?? .open)
      do throws(LSMError) {
        while let record = try reader.next() {
          isSealed = false
          try visit(header.number, record)
        }
      } catch {
        guard dropsDamagedTail, error.isCorruption else { throw error }
        return Outcome(end: nil, isSealed: false, logs: chain.map(\.number), unborn: unborn)
      }
      end = reader.end
      // An empty log after a finished one: a repair that was cut short has made it.
      isSealed = isSealed || reader.isSealed
    }
    return Outcome(end: end, isSealed: isSealed, logs: chain.map(\.number), unborn: unborn)
  }

  private static func headers(
    _ fileSystem: any FileSystem, _ directory: String, _ store: StoreID,
    _ range: Range<FileNumber>, _ isReadOnly: Bool
  ) throws(LSMError) -> [(number: FileNumber, header: LogHeader?)] {
    var numbers: [FileNumber] = []
    for name in try fileSystem.list(directory) {
      if case .log(let number)? = FileName(name), range.contains(number) {
        numbers.append(number)
      }
    }
    var headers: [(number: FileNumber, header: LogHeader?)] = []
    for number in numbers.sorted() {
      if !isReadOnly { try fileSystem.sync(FileName.log(number).path(in: directory)) }
      let reader = try LogReader(
        fileSystem, directory: directory, name: .log(number), store: store, ending: .open)
      headers.append((number, reader.header))
    }
    return headers
  }

  /// The logs to read, oldest first.
  private static func chain(
    _ headers: [FileNumber: LogHeader], unborn: [FileNumber], from first: FileNumber?,
    _ directory: String
  ) throws(LSMError) -> [LogHeader] {
    func missing(_ number: FileNumber) -> LSMError {
      let path = FileName.log(number).path(in: directory)
      // A log that others follow, or that the manifest names, had a header.
      let kind = unborn.contains(number) ? LogFormat.headerIsAbsent : .missing
      return .corruption(LSMError.Damage(path: path, offset: 0, kind))
    }
    var chain: [LogHeader] = []
    var next = headers.keys.max()
    while let number = next {
      guard let header = headers[number] else { throw missing(number) }
      chain.append(header)
      next = header.predecessor?.number
      guard let before = next else { break }
      guard before < number else {
        throw .corruption(
          LSMError.Damage(
            path: FileName.log(number).path(in: directory), offset: 0,
            .length(
              field: "the predecessor", value: before.rawValue, limit: number.rawValue - 1)))
      }
      if let first, before < first { break }
    }
    chain.reverse()
    if let first, chain.first?.number != first { throw missing(first) }
    if chain.count < headers.count,
      let stray = headers.keys.min(where: { number in
        !chain.contains { $0.number == number }
      })
    {
      throw .corruption(
        LSMError.Damage(
          path: FileName.log(stray).path(in: directory), offset: 0, .outsideChain))
    }
    return chain
  }
}

extension Sequence where Element: Comparable {
  fileprivate func min(where condition: (Element) -> Bool) -> Element? { filter(condition).min() }
}
