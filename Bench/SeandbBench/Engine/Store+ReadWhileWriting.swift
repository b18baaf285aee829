import Engine

extension Store {
  /// `readrandom` while one more thread overwrites random records as fast as it can.
  ///
  /// The second measurement is the writer's: an engine that writes more meanwhile makes its own reads dearer.
  mutating func readWhileWriting() throws -> [Measurement] {
    let records = recordCount
    let generation = generations.upperBound + 1
    generations = generations.lowerBound...generation
    let writer = Crew(part: ".writes") { worker, recorder in
      while worker.next() != nil {
        worker.put(worker.random.next(below: records), generation: generation)
        try worker.apply()
        recorder.lap()
      }
    }
    let readers = randomReads(
      below: records, threads: settings.threads,
      operations: max(1, records / Workload.longShare))
    return try measure(.readwhilewriting, [readers, writer])
  }
}
