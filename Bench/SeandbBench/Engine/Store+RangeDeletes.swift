import Engine

extension Store {
  /// Deletes every second range of ``Workload/groupSize`` keys, in a random order, and then counts what is
  /// left by a scan, which is the second measurement.
  func deleteRanges() throws -> [Measurement] {
    let rangeCount = settings.records / Workload.groupSize
    let deletedCount = (rangeCount + 1) / 2
    return [
      try deleteRanges(count: deletedCount),
      try scanAroundRangeDeletes(
        rangeCount: rangeCount,
        expectedCount: settings.records - deletedCount * Workload.groupSize),
    ]
  }

  private func deleteRanges(count: Int) throws -> Measurement {
    let engine = engine
    let order = Permutation(
      count: count, seed: settings.seed, stream: Workload.deleterange.stream(round: round))
    let batch = WriteBatch()
    var lower = KeyBuffer()
    var upper = KeyBuffer()
    return try measure(.deleterange, operations: count) { recorder in
      for position in 0..<count {
        let start = order.number(at: position) * 2 * Workload.groupSize
        lower.write(start)
        upper.write(start + Workload.groupSize)
        batch.deleteRange(lower.bytes, upper.bytes)
        try engine.apply(batch, durability: .buffered)
        batch.clear()
        recorder.lap()
      }
    }
  }

  private func scanAroundRangeDeletes(
    rangeCount: Int, expectedCount: Int
  ) throws -> Measurement {
    let engine = engine
    let byteCount = settings.valueByteCount
    let generations = generations
    return try measure(.deleterange, part: ".scan", operations: expectedCount) { recorder in
      var count = 0
      var last = -1
      let outcome = try engine.scan(
        .all, direction: .ascending, limit: .max, snapshot: nil, tier: .any
      ) { key, value in
        guard let index = KeyBuffer.index(of: key), index > last,
          ValueSource.isValue(value, of: index, byteCount: byteCount, generations: generations)
        else { return .stop }
        let range = index / Workload.groupSize
        if range % 2 == 0 && range < rangeCount { return .stop }
        last = index
        count += 1
        recorder.lap()
        return .next
      }
      guard outcome == .complete, count == expectedCount else {
        throw wrong(
          .deleterange,
          "\(count) records, not \(expectedCount), are left; the last one right is \(last)")
      }
    }
  }
}
