import Engine

extension Store {
  /// Looks up random keys that are there, of the first `bound`.
  func readRandom(_ workload: Workload, below bound: Int) throws -> [Measurement] {
    try measure(
      workload, [randomReads(below: bound, threads: settings.threads, operations: recordCount)])
  }

  func randomReads(below bound: Int, threads: Int, operations: Int) -> Crew {
    Crew(threads: threads, operations: operations) { worker, recorder in
      while worker.next() != nil {
        try worker.read(worker.random.next(below: bound))
        recorder.lap()
      }
    }
  }

  /// Looks up random keys that are not there.
  func readMissing() throws -> [Measurement] {
    let records = recordCount
    return try measure(.readmissing, threads: settings.threads, operations: records) {
      worker, recorder in
      while worker.next() != nil {
        try worker.readMissing(besides: worker.random.next(below: records))
        recorder.lap()
      }
    }
  }

  /// Reads all records by one scan; a lap is the time from one record to the next.
  func readAll(_ workload: Workload, _ direction: ScanDirection) throws -> [Measurement] {
    try measure(workload, operations: recordCount) { worker, recorder in
      try worker.scanAll(direction) { recorder.lap() }
    }
  }

  /// Finds a random key and reads the records after it.
  func seekRandom() throws -> [Measurement] {
    let records = recordCount
    return try measure(
      .seekrandom, threads: settings.threads,
      operations: max(1, records / Workload.longShare)
    ) { worker, recorder in
      while worker.next() != nil {
        try worker.scan(
          from: worker.random.next(below: records), count: Workload.seekLength,
          knownCount: records)
        recorder.lap()
      }
    }
  }

  /// Reads all records of a random key prefix.
  func scanPrefixes() throws -> [Measurement] {
    let records = recordCount
    return try measure(
      .prefixscan, threads: settings.threads,
      operations: max(1, records / Workload.prefixScanShare)
    ) { worker, recorder in
      while worker.next() != nil {
        try worker.scanPrefix(of: worker.random.next(below: records))
        recorder.lap()
      }
    }
  }
}
