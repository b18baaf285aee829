import Platform

/// All rounds of the server benchmark.
struct ServerRun {
  private let plan: ServerPlan
  private let rounds: Int
  private let targets: [ServerTarget]
  private let records: RecordSource
  private let launcher: ServerLauncher
  private let tls: TLSClient?
  private let record: RunRecord
  private let progress: Progress

  /// Looks which servers can take part, and makes ready for an interruption.
  init(
    plan: ServerPlan, rounds: Int, targets: [ServerTarget], records: RecordSource, origin: Origin,
    scratch: ScratchDirectory, file: OutputFile?,
    launcher: (Certificate?) -> ServerLauncher, usesTLS: Bool
  ) throws {
    self.plan = plan
    self.rounds = rounds
    self.records = records
    let interruption = Interruption(scratch: scratch)
    InterruptWatch.start { interruption.run() }
    self.launcher = launcher(usesTLS ? try Certificate(in: scratch.path) : nil)
    tls = usesTLS ? try TLSClient() : nil
    var obstacles: [(ServerTarget, String)] = []
    var usable: [ServerTarget] = []
    for target in targets {
      if let obstacle = self.launcher.obstacle(of: target) {
        obstacles.append((target, obstacle))
      } else {
        usable.append(target)
      }
    }
    self.targets = usable
    guard !usable.isEmpty else {
      let reasons = obstacles.map { "\n  \($0.0.rawValue): \($0.1)" }.joined()
      throw LoadFailure("no server can take part:\(reasons)")
    }
    record = RunRecord(
      Report(
        "server", origin: origin, targets: usable.map(\.rawValue), rounds: rounds,
        options: plan.options(records), heading: plan.heading(records)), file: file)
    interruption.watch(record)
    let stepCount = plan.durabilities.map { durability in
      usable.map { plan.steps(of: $0, durability).count }.reduce(0, +)
    }.reduce(0, +)
    progress = Progress(rounds: rounds, stepCount: stepCount * rounds)
    for (target, obstacle) in obstacles {
      progress.note("\(target.rawValue) is left out: \(obstacle)")
    }
    if origin.machine.keepsFilesInMemory {
      progress.note("\(scratch.path) is in memory: sync means nothing there")
    }
  }

  func run() throws {
    let capacities = Capacities()
    for round in 1...rounds {
      for target in targets.turns(in: round) {
        for durability in plan.durabilities where !plan.steps(of: target, durability).isEmpty {
          let turn = ServerTurn(
            target: target, durability: durability, round: round, plan: plan, launcher: launcher,
            records: records, tls: tls, capacities: capacities,
            onStart: { progress.start($0, on: target.rawValue, round: round) },
            onEnd: { measurement in
              progress.end(measurement.map { [$0] } ?? [])
              if let measurement { try record.add(measurement) }
            }, onNote: { progress.note($0) })
          try turn.run()
        }
      }
    }
    progress.finish()
    try record.complete()
    print(record.table)
  }
}

extension ServerPlan {
  /// For the file of results.
  fileprivate func options(_ source: RecordSource) -> [(name: String, value: JSONValue)] {
    [
      ("records", .integer(records)), ("recordBytes", .integer(source.byteCount)),
      ("keys", .string(keys.rawValue)), ("batchRecords", .integer(sizes.batchPut)),
      ("rangeRecords", .integer(sizes.rangeGet)), ("pageRecords", .integer(sizes.page)),
      ("inRecords", .integer(sizes.in)), ("countRecords", .integer(sizes.count)),
      ("streamRecords", .integer(sizes.stream)), ("seconds", .number(seconds)),
      ("writeSeconds", .number(writeSeconds)), ("threads", .integer(threads)),
      ("cacheBytes", .integer(cacheSizeBytes)), ("seed", .string(String(seed))),
    ]
  }

  /// For the head of the table.
  fileprivate func heading(_ source: RecordSource) -> String {
    """
    \(Figure.grouped(Double(records))) records of \(source.byteCount) bytes, keys \(keys.rawValue), \
    batches of \(sizes.batchPut), ranges of \(sizes.rangeGet), seed \(seed)
    """
  }
}
