/// The records that an answer must hold, in their order; those that may be deleted are allowed to be missing.
struct ExpectedRecords {
  private let records: RecordSource
  private let deleted: DeletedRecords
  private let end: Int
  private var next: Int

  /// - Parameter range: of the records' indexes.
  init(_ range: Range<Int>, of records: RecordSource, deleted: DeletedRecords) {
    self.records = records
    self.deleted = deleted
    next = range.lowerBound
    end = range.upperBound
  }

  /// Whether `record` is one that may come now. All later ones come after it.
  @inline(__always)
  @safe
  mutating func accepts(_ record: UnsafeRawBufferPointer) -> Bool {
    while next < end, deleted.contains(next), !records.isRecord(record, of: next) { next += 1 }
    guard next < end, records.isRecord(record, of: next) else { return false }
    next += 1
    return true
  }

  /// Whether no record is missing that must be there.
  var areComplete: Bool { (next..<end).allSatisfy(deleted.contains) }
}
