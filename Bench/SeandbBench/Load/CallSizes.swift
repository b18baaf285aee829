/// How many records a call of each kind is about.
package struct CallSizes: Sendable {
  package var batchPut: Int
  package var rangeGet: Int
  package var page: Int
  /// Keys, of which some may be the same.
  package var `in`: Int
  package var count: Int
  package var stream: Int

  package init(
    batchPut: Int = 100, rangeGet: Int = 10, page: Int = 20, in keys: Int = 50, count: Int = 1000,
    stream: Int = 10_000
  ) {
    self.batchPut = batchPut
    self.rangeGet = rangeGet
    self.page = page
    self.in = keys
    self.count = count
    self.stream = stream
  }

  /// Those of a store that may have fewer records.
  func within(_ records: Int) -> CallSizes {
    CallSizes(
      batchPut: batchPut, rangeGet: min(rangeGet, records), page: min(page, records), in: self.in,
      count: min(count, records), stream: min(stream, records))
  }

  @inline(__always)
  package func records(of operation: Operation) -> Int {
    switch operation {
    case .get, .put, .delete, .uniqueGet, .write, .update: 1
    case .transact: 2
    case .batchPut: batchPut
    case .rangeGet, .indexGet: rangeGet
    case .page: page
    case .in: self.in
    case .count: count
    case .stream: stream
    }
  }

  /// Whether the records of a `range-get` are all whose keys have a prefix.
  package var rangesHavePrefix: Bool { [1, 10, 100, 1000, 10_000].contains(rangeGet) }

  /// Bytes of that prefix.
  var rangePrefixByteCount: Int { RecordSource.keyByteCount - String(rangeGet).count + 1 }
}
