import Engine

extension Store {
  /// Looks up random keys that are there.
  func readRandom() throws -> Measurement {
    let engine = engine
    let records = settings.records
    let byteCount = settings.valueByteCount
    let generations = generations
    var random = random(.readrandom)
    var keys = KeyBuffer()
    return try measure(.readrandom, operations: records) { recorder in
      for _ in 0..<records {
        let index = random.next(below: records)
        keys.write(index)
        var isRight = false
        let outcome = try engine.get(keys.bytes, snapshot: nil, tier: .any) { value in
          isRight = ValueSource.isValue(
            value, of: index, byteCount: byteCount, generations: generations)
        }
        guard outcome == .found, isRight else {
          throw wrong(.readrandom, "key \(index) is \(outcome == .found ? "wrong" : "missing")")
        }
        recorder.lap()
      }
    }
  }

  /// Looks up random keys that are not there.
  func readMissing() throws -> Measurement {
    let engine = engine
    let records = settings.records
    var random = random(.readmissing)
    var keys = KeyBuffer()
    return try measure(.readmissing, operations: records) { recorder in
      for _ in 0..<records {
        let index = random.next(below: records)
        keys.writeMissing(index)
        let outcome = try engine.get(keys.bytes, snapshot: nil, tier: .any) { _ in }
        guard outcome == .absent else {
          throw wrong(.readmissing, "a key beside \(index) is there and was never written")
        }
        recorder.lap()
      }
    }
  }

  /// Reads all records by one scan; a lap is the time from one record to the next.
  func readAll(_ workload: Workload, _ direction: ScanDirection) throws -> Measurement {
    let engine = engine
    let records = settings.records
    let byteCount = settings.valueByteCount
    let generations = generations
    let step = direction == .ascending ? 1 : -1
    return try measure(workload, operations: records) { recorder in
      var index = direction == .ascending ? 0 : records - 1
      let outcome = try engine.scan(
        .all, direction: direction, limit: .max, snapshot: nil, tier: .any
      ) { key, value in
        guard KeyBuffer.index(of: key) == index,
          ValueSource.isValue(value, of: index, byteCount: byteCount, generations: generations)
        else { return .stop }
        index += step
        recorder.lap()
        return .next
      }
      let end = direction == .ascending ? records : -1
      guard outcome == .complete, index == end else {
        throw wrong(workload, "where record \(index) of \(records) should be")
      }
    }
  }

  /// Finds a random key and reads the records behind it.
  func seekRandom() throws -> Measurement {
    let engine = engine
    let records = settings.records
    let byteCount = settings.valueByteCount
    let generations = generations
    var random = random(.seekrandom)
    var keys = KeyBuffer()
    var range = KeyRange.from(KeyBuffer.key(0))
    return try measure(.seekrandom, operations: records) { recorder in
      for _ in 0..<records {
        let start = random.next(below: records)
        keys.write(start)
        range.lower.withUnsafeMutableBytes { $0.copyMemory(from: keys.bytes) }
        var index = start
        _ = try engine.scan(
          range, direction: .ascending, limit: Workload.seekLength, snapshot: nil, tier: .any
        ) { key, value in
          guard KeyBuffer.index(of: key) == index,
            ValueSource.isValue(value, of: index, byteCount: byteCount, generations: generations)
          else { return .stop }
          index += 1
          return .next
        }
        guard index == min(start + Workload.seekLength, records) else {
          throw wrong(.seekrandom, "where record \(index) should be, behind \(start)")
        }
        recorder.lap()
      }
    }
  }
}
