import LSM
import LSMTestSupport

/// Makes the tables of a version, in a file system in memory.
final class TableMaker {
  private let tables: TableStore
  private var nextNumber: UInt64 = 1

  init() throws {
    let fileSystem = MemoryFileSystem()
    try fileSystem.createDirectory("/db")
    var options = TableOptions()
    options.compression = .none
    tables = TableStore(
      fileSystem: fileSystem, directory: "/db", store: StoreID(low: 1, high: 2), options: options,
      cache: BlockCache(capacityBytes: 1 << 20), obsolete: ObsoleteFiles())
  }

  /// A table with one entry for each of `keys`, with the sequence numbers from `sequence` on.
  ///
  /// - Parameter deleting: a range tombstone over these keys, with the sequence number after all entries.
  func table(
    _ keys: ClosedRange<UInt8>, sequence: UInt64 = 1, epoch: UInt64 = 1, valueBytes: Int = 10,
    kind: EntryKind = .value, deleting: ClosedRange<UInt8>? = nil
  ) throws -> TableFile {
    let output = try tables.begin(FileNumber(nextNumber))
    nextNumber += 1
    let value = [UInt8](repeating: 7, count: kind == .value ? valueBytes : 0)
    for (index, key) in keys.enumerated() {
      try Entry([key], sequence + UInt64(index), kind).withKey { (internalKey) throws(LSMError) in
        var failure: LSMError?
        value.withUnsafeBytes { bytes in
          do throws(LSMError) { try output.add(internalKey, value: bytes) } catch {
            failure = error
          }
        }
        if let failure { throw failure }
      }
    }
    guard let deleting else { return try output.finish(epoch: epoch) }
    var made: Result<TableFile, LSMError>?
    withBytes([deleting.lowerBound], [deleting.upperBound, 0]) { lower, upper in
      made = Result { () throws(LSMError) in
        try output.add(
          RangeTombstone(
            lower: lower, upper: upper,
            sequence: SequenceNumber(rawValue: sequence + UInt64(keys.count))))
        return try output.finish(epoch: epoch)
      }
    }
    guard let made else { throw LSMError.wouldBlock }
    return try made.get()
  }

  /// A version of tables by level.
  static func version(_ levels: [Int: [TableFile]]) throws(LSMError) -> Version {
    try VersionBuilder.version(
      after: .empty, removing: [],
      adding: levels.flatMap { level, files in files.map { (level, $0) } })
  }
}

extension Version {
  func numbers(_ level: Int) -> [FileNumber] { files(at: level).map(\.metadata.number) }
}
