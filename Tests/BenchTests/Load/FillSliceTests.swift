import Testing
import seandb_bench

@Suite("Slices of a fill")
struct FillSliceTests {
  @Test(arguments: [1, 2, 999, 1000, 1999, 2000, 12_345, 100_000])
  func haveEachBatchOnceAndInOrder(batches: Int) {
    let slices = FillSlice.slices(ofBatches: batches)
    #expect((1...50).contains(slices.count))
    var next = 0
    for slice in slices {
      #expect(slice.firstBatch == next)
      #expect(slice.batches > 0)
      next += slice.batches
    }
    #expect(next == batches)
  }

  /// A connection that is made anew costs more than few batches do.
  @Test func areFewInASmallStore() {
    #expect(FillSlice.slices(ofBatches: 1000).map(\.batches) == [1000])
  }

  @Test(arguments: [1, 2, 3])
  func storeEachRecordOnce(threads: Int) {
    let (records, batchSize) = (60_000, 10)
    var shape = LoadShape(
      workload: .batchPut, connections: 4, inFlight: 1, threads: threads, duration: 0,
      records: records, sizes: CallSizes(batchPut: batchSize), seed: 1, stream: 1)
    var counts = [Int](repeating: 0, count: records)
    for slice in FillSlice.slices(ofBatches: records / batchSize) {
      shape.firstFillBatch = slice.firstBatch
      for thread in 0..<threads {
        // As many as the thread makes of the slice's calls.
        let calls = slice.batches / threads + (thread < slice.batches % threads ? 1 : 0)
        for batch in 0..<calls {
          let first = shape.fillIndex(ofBatch: batch, thread: thread)
          for index in first..<first + batchSize { counts[index] += 1 }
        }
      }
    }
    #expect(counts.allSatisfy { $0 == 1 })
  }
}
