import Engine

extension Store {
  /// A core workload of YCSB; the measurements after the first are those of its kinds of operations.
  mutating func ycsb(_ workload: Workload, _ mix: YCSBMix) throws -> [Measurement] {
    let operations = max(
      1, recordCount / (mix.first == .scan ? Workload.scanShare : Workload.longShare))
    let sequence = InsertSequence(count: recordCount)
    let newest = generations.upperBound
    let changes = mix.second == .update || mix.second == .readModifyWrite
    if changes { generations = generations.lowerBound...newest + 1 }
    let generation = generations.upperBound
    // YCSB: twice as many as will be inserted, so that the last records are drawn as often as the others.
    let insertCount = mix.second == .insert ? operations * (100 - mix.firstPercent) / 100 : 0
    let domain = recordCount + 2 * insertCount
    let records = recordCount
    let crew = Crew(
      threads: settings.threads, operations: operations,
      kinds: mix.operations.count == 1 ? [] : mix.operations.map { ".\($0.rawValue)" }
    ) { worker, recorder in
      let scattered = ScrambledZipfian(count: domain)
      var latest = Zipfian(count: records)
      while worker.next() != nil {
        let kind = mix.kind(&worker.random)
        let operation = kind == 0 ? mix.first : mix.second
        if operation == .insert {
          let index = sequence.take()
          worker.put(index, generation: generation)
          try worker.apply()
          sequence.acknowledge(index)
          recorder.lap(kind: kind)
          continue
        }
        let count = sequence.count
        var index: Int
        if mix.prefersLatest {
          latest.grow(to: count)
          index = count - 1 - latest.next(&worker.random)
        } else {
          repeat { index = scattered.next(&worker.random) } while index >= count
        }
        switch operation {
        case .read: try worker.read(index)
        case .scan:
          let length = 1 + worker.random.next(below: YCSBMix.maximumScanLength)
          try worker.scan(from: index, count: length, knownCount: count)
        case .update, .readModifyWrite:
          if operation == .readModifyWrite { try worker.read(index) }
          worker.put(index, generation: generation)
          try worker.apply()
        case .insert: break
        }
        recorder.lap(kind: kind)
      }
    }
    var measurements = try measure(workload, [crew])
    recordCount = sequence.count
    measurements[0].cost.liveBytes = liveBytes
    return measurements
  }
}
