import ArgumentParser

/// How many records a call is about, each at most all of the store.
struct CallSizeOptions: ParsableArguments {
  @Option(help: "Records of a batch-put.")
  var batchRecords = CallSizes().batchPut

  @Option(
    help: """
      Records of a range-get, at most 10,000. For a power of ten their keys begin alike; other numbers are a range \
      with two bounds, which grpc-cpp-rocksdb does not have.
      """)
  var rangeRecords = CallSizes().rangeGet

  @Option(help: "Records of a page.")
  var pageRecords = CallSizes().page

  @Option(help: "Keys of an in, at most 1,000, of which some may be the same.")
  var inRecords = CallSizes().in

  @Option(help: "Records that a count counts.")
  var countRecords = CallSizes().count

  @Option(help: "Records of a stream; as many as --records for the whole store.")
  var streamRecords = CallSizes().stream

  var sizes: CallSizes {
    CallSizes(
      batchPut: batchRecords, rangeGet: rangeRecords, page: pageRecords, in: inRecords,
      count: countRecords, stream: streamRecords)
  }

  func validate() throws {
    guard (1...10_000).contains(batchRecords), (1...10_000).contains(rangeRecords) else {
      throw ValidationError("--batch-records and --range-records must be from 1 to 10000")
    }
    guard (1...1000).contains(inRecords) else {
      throw ValidationError("--in-records must be from 1 to 1000")
    }
    guard pageRecords > 0, pageRecords <= UInt32.max, countRecords > 0, streamRecords > 0 else {
      throw ValidationError(
        "--page-records, --count-records and --stream-records must be positive")
    }
  }

  /// - Throws: when a store of `records` cannot be filled by batches, or has a range that is not whole.
  func check(records: Int) throws {
    guard (1...1 << 40).contains(records), records % batchRecords == 0,
      !sizes.rangesHavePrefix || records % rangeRecords == 0
    else {
      throw ValidationError(
        "--records must be a multiple of --batch-records, and of --range-records when that is a power of ten"
      )
    }
  }
}
