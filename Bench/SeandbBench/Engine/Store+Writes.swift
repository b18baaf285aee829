import Engine

extension Store {
  /// Writes new records, in the workload's order, batches and durability.
  func fill(_ workload: Workload) throws -> Measurement {
    let records = settings.records
    return switch workload {
    case .fillsync:
      try write(
        workload, permutation(workload), count: max(1, records / Workload.syncShare),
        durability: .sync)
    case .fillbatch:
      try write(
        workload, Permutation(sequential: records), count: records,
        batchSize: Workload.groupSize)
    case .fillseq:
      try write(workload, Permutation(sequential: records), count: records)
    default:
      try write(workload, permutation(workload), count: records)
    }
  }

  /// Writes every record anew, so that reads must find the new values and no old one.
  mutating func overwrite() throws -> Measurement {
    let generation = generations.upperBound + 1
    generations = generation...generation
    return try write(.overwrite, permutation(.overwrite), count: settings.records)
  }

  private func write(
    _ workload: Workload, _ order: Permutation, count: Int, batchSize: Int = 1,
    durability: Durability = .buffered
  ) throws -> Measurement {
    let engine = engine
    let generation = generations.upperBound
    let batch = WriteBatch()
    var keys = KeyBuffer()
    var values = ValueSource(byteCount: settings.valueByteCount, seed: settings.seed)
    let userBytes = count * (KeyBuffer.byteCount + settings.valueByteCount)
    return try measure(workload, operations: count, userBytes: userBytes) { recorder in
      for position in 0..<count {
        let index = order.number(at: position)
        keys.write(index)
        batch.put(keys.bytes, values.next(for: index, generation: generation))
        if batch.count < batchSize && position + 1 < count { continue }
        try engine.apply(batch, durability: durability)
        batch.clear()
        recorder.lap()
      }
    }
  }

  /// Flushes and compacts everything: what the writes before have left for later.
  func compact() throws -> Measurement {
    let engine = engine
    return try measure(.compact, operations: settings.records) { recorder in
      try engine.flush()
      try engine.compact(nil)
      recorder.lap()
    }
  }

  /// Reads back what ``fill(_:)`` wrote. Not measured.
  func verify(_ workload: Workload) throws {
    let expected =
      workload == .fillsync ? max(1, settings.records / Workload.syncShare) : settings.records
    let byteCount = settings.valueByteCount
    let generations = generations
    var count = 0
    let outcome = try engine.scan(
      .all, direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { key, value in
      guard let index = KeyBuffer.index(of: key),
        ValueSource.isValue(value, of: index, byteCount: byteCount, generations: generations)
      else { return .stop }
      count += 1
      return .next
    }
    guard outcome == .complete, count == expected else {
      throw wrong(workload, "record \(count) of \(expected) is wrong, or there are more or less")
    }
  }
}
