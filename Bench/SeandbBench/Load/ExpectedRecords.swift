/// The records that an answer must hold, in their order; those that may be deleted are allowed to be missing.
struct ExpectedRecords {
  private let records: RecordSource
  private let deleted: DeletedRecords
  /// To the next one: 1 or -1.
  private let step: Int
  private var next: Int
  private var restCount: Int

  /// - Parameter range: of the records' indexes.
  init(
    _ range: Range<Int>, isDescending: Bool = false, of records: RecordSource,
    deleted: DeletedRecords
  ) {
    self.records = records
    self.deleted = deleted
    step = isDescending ? -1 : 1
    next = isDescending ? range.upperBound - 1 : range.lowerBound
    restCount = range.count
  }

  /// Whether `record` is one that may come now. All later ones come after it.
  @inline(__always)
  @safe
  mutating func accepts(_ record: UnsafeRawBufferPointer) -> Bool {
    while restCount > 0, deleted.contains(next), !records.isRecord(record, of: next) { skip() }
    guard restCount > 0, records.isRecord(record, of: next) else { return false }
    skip()
    return true
  }

  private mutating func skip() {
    next += step
    restCount -= 1
  }

  /// Whether no record is missing that must be there.
  var areComplete: Bool {
    var rest = self
    while rest.restCount > 0, deleted.contains(rest.next) { rest.skip() }
    return rest.restCount == 0
  }
}
