import Engine

extension Store {
  /// Deletes every second range of ``Workload/groupSize`` keys, in a random order, and then counts what is
  /// left by a scan, which is the second measurement.
  mutating func deleteRanges() throws -> [Measurement] {
    let rangeCount = recordCount / Workload.groupSize
    let order = permutation(.deleterange, count: (rangeCount + 1) / 2)
    deletedCount = order.count * Workload.groupSize
    let deletes = try measure(.deleterange, operations: order.count) { worker, recorder in
      while let position = worker.next() {
        let start = order.number(at: position) * 2 * Workload.groupSize
        worker.delete(start..<start + Workload.groupSize)
        try worker.apply()
        recorder.lap()
      }
    }
    let scan = try measure(
      .deleterange, part: ".scan", operations: recordCount - deletedCount
    ) { worker, recorder in
      try worker.scanAll(
        .ascending,
        where: { index in
          let range = index / Workload.groupSize
          return range % 2 == 1 || range >= rangeCount
        }, onRecord: { recorder.lap() })
    }
    return deletes + scan
  }
}
