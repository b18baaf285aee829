import Engine

extension Store {
  /// Writes new records, in the workload's order, batches and durability.
  mutating func fill(_ workload: Workload) throws -> [Measurement] {
    recordCount = settings.records
    let sequential = Permutation(sequential: recordCount)
    switch workload {
    case .fillsync:
      // As many records as it writes, so that it leaves no hole.
      recordCount = max(1, settings.records / Workload.syncShare)
      return try write(
        workload, permutation(workload, count: recordCount), durability: .sync)
    case .fillbatch:
      return try write(workload, sequential, batchSize: Workload.groupSize)
    case .fillseq:
      return try write(workload, sequential)
    default:
      return try write(workload, permutation(workload, count: recordCount))
    }
  }

  /// Writes every record anew, so that reads must find the new values and no old one.
  mutating func overwrite() throws -> [Measurement] {
    let generation = generations.upperBound + 1
    generations = generation...generation
    return try write(.overwrite, permutation(.overwrite, count: recordCount))
  }

  private func write(
    _ workload: Workload, _ order: Permutation, batchSize: Int = 1,
    durability: Durability = .buffered
  ) throws -> [Measurement] {
    let generation = generations.upperBound
    return try measure(workload, threads: settings.threads, operations: order.count) {
      worker, recorder in
      while let position = worker.next() {
        worker.put(order.number(at: position), generation: generation)
        if worker.batchCount < batchSize && !worker.isLast { continue }
        try worker.apply(durability)
        recorder.lap()
      }
    }
  }

  /// Flushes and compacts everything: what the writes before have left for later.
  func compact() throws -> [Measurement] {
    let engine = engine
    return try measure(.compact, operations: recordCount) { _, recorder in
      try engine.settle()
      recorder.lap()
    }
  }

  /// Reads back what ``fill(_:)`` wrote. Not measured.
  func verify(_ workload: Workload) throws {
    _ = try measure(workload, operations: recordCount) { worker, _ in
      try worker.scanAll(.ascending) {}
    }
  }
}
