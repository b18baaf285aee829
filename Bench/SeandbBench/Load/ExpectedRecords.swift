/// The records that an answer must hold, in their order; those that may be deleted are allowed to be missing.
struct ExpectedRecords {
  private let records: RecordSource
  private let deleted: DeletedRecords
  /// Whether none of them may have been changed.
  private let areOriginal: Bool
  /// To the next one: 1 or -1, or more in an index.
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
    areOriginal = false
    step = isDescending ? -1 : 1
    next = isDescending ? range.upperBound - 1 : range.lowerBound
    restCount = range.count
  }

  /// The records of a group, whose first one is `first`, as they were stored first.
  init(groupOf first: Int, count: Int, step: Int, of records: RecordSource) {
    self.records = records
    deleted = .none
    areOriginal = true
    self.step = step
    next = first
    restCount = count
  }

  /// Whether `record` is one that may come now. All later ones come after it.
  @inline(__always)
  @safe
  mutating func accepts(_ record: UnsafeRawBufferPointer) -> Bool {
    while restCount > 0, deleted.contains(next), !records.isRecord(record, of: next) { skip() }
    guard restCount > 0, records.isRecord(record, of: next, isOriginal: areOriginal) else {
      return false
    }
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
