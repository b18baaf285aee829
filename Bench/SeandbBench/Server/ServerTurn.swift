import Glibc
import Platform

/// One server's turn in a round, with one durability: starts it, fills it, puts every load on it and ends it.
struct ServerTurn {
  let target: ServerTarget
  let durability: ServerDurability
  let round: Int
  let plan: ServerPlan
  let launcher: ServerLauncher
  let records: RecordSource
  let tls: TLSClient?
  let capacities: Capacities
  let onStart: (String) -> Void
  /// Told what a step has given; nil when it is left out.
  let onEnd: (Measurement?) throws -> Void
  /// Told what took long and is no step.
  var onNote: (String) -> Void = { _ in }

  func run() throws {
    try withServer { _, server in
      for step in plan.steps(of: target, durability) {
        if let rate = step.ratePerSecond,
          !capacities.allow(rate, of: target, step.workload, durability)
        {
          try onEnd(nil)
          continue
        }
        onStart(step.title)
        let measurement = try measure(step, on: server)
        if step.ratePerSecond == nil {
          capacities.note(measurement.operationsPerSecond, of: target, step.workload, durability)
        }
        try onEnd(measurement)
      }
    }
  }

  /// Starts and fills the server, and ends it and removes its data afterwards.
  func withServer<R>(_ body: (ServerTurn, RunningServer) throws -> R) throws -> R {
    var server = try launcher.start(target, durability)
    defer {
      server.stop()
      launcher.scratch.remove(target.rawValue)
    }
    do {
      if target.stores, target != .external || !plan.isFilled {
        try fill(server)
      }
      if target == .etcd {
        // etcd 3.4 copies its buffer of uncommitted writes for each read, and that buffer keeps the size that the
        // fill has given it.
        server.stop()
        server = try launcher.start(target, durability, isNew: false)
        // Its first write waits for the election of a leader.
        try fill(server, FillSlice(firstBatch: 0, batches: 1))
      }
      if target.stores, plan.warmGets > 0 { try warm(server) }
      return try body(self, server)
    } catch {
      // What the server says about it, if anything.
      if let process = server.process { throw process.failure("failed: \(error)") }
      throw error
    }
  }

  /// Stores all records, and lets the server finish what that has left it to do.
  private func fill(_ server: RunningServer) throws {
    let start = MonotonicClock.now()
    func elapsed() -> Double { Double(MonotonicClock.now() - start) / 1e9 }
    let batches = plan.records / plan.sizes.batchPut
    let slices = FillSlice.slices(ofBatches: batches)
    for slice in slices {
      onStart("filling, \(slice.firstBatch * 100 / batches) % done")
      guard elapsed() < plan.fillSeconds else {
        throw LoadFailure(
          "the fill has taken \(Figure.fixed(elapsed(), places: 0)) s for \(slice.firstBatch) of "
            + "\(batches) batches: --fill-seconds allows no more")
      }
      try fill(server, slice)
    }
    let filled = elapsed()
    guard plan.settleSeconds > 0, let process = server.process else { return }
    onStart("compacting")
    let isQuiet = process.waitUntilQuiet(timeoutSeconds: plan.settleSeconds)
    onNote(
      "\(target.rawValue) was filled in \(Figure.fixed(filled, places: 1)) s and "
        + "\(isQuiet ? "quiet" : "not quiet yet") \(Figure.fixed(elapsed() - filled, places: 1)) s later"
    )
  }

  /// Random gets that do not count, until the cache holds what it will.
  private func warm(_ server: RunningServer) throws {
    onStart("warming its cache")
    guard let load = plan.loads.last else { return }
    var shape = plan.shape(
      of: ServerStep(workload: .get, connections: load.connections, inFlight: load.inFlight), round)
    shape.warmUp = 0
    shape.callCount = plan.warmGets
    // Other records than the measured gets begin with.
    shape.stream = UInt64(round) | 1 << 32
    let result = try self.load(shape, on: server, onBegin: {}, onEnd: {})
    if let text = result.firstError { throw LoadFailure("cannot warm the cache: \(text)") }
  }

  private func fill(_ server: RunningServer, _ slice: FillSlice) throws {
    var shape = plan.shape(of: ServerStep(workload: .batchPut, connections: 2, inFlight: 4), round)
    shape.threads = 1
    shape.warmUp = 0
    shape.callCount = slice.batches
    shape.firstFillBatch = slice.firstBatch
    let result = try load(shape, on: server, onBegin: {}, onEnd: {})
    if result.errors > 0 {
      throw LoadFailure("cannot fill the store: \(result.firstError ?? "")")
    }
  }

  func measure(_ step: ServerStep, on server: RunningServer) throws -> Measurement {
    let shape = plan.shape(of: step, round)
    server.process?.resetPeak()
    var before: ChildProcess.Usage?
    var after: ChildProcess.Usage?
    var (ownBefore, ownAfter) = (0.0, 0.0)
    let result = try load(
      shape, on: server,
      onBegin: {
        before = server.process?.usage
        ownBefore = ProcessUsage.now().cpuSeconds
      },
      onEnd: {
        after = server.process?.usage
        ownAfter = ProcessUsage.now().cpuSeconds
      })
    var cost = Measurement.Cost()
    cost.generatorCPUSeconds = ownAfter - ownBefore
    if let before, let after {
      cost.cpuSeconds = after.cpuSeconds - before.cpuSeconds
      cost.writtenBytes = after.writtenBytes - before.writtenBytes
      cost.peakResidentBytes = after.peakResidentBytes
    }
    if result.storedRecords > 0 {
      cost.userBytes = UInt64(result.storedRecords * records.byteCount)
    }
    if target.stores {
      cost.diskBytes = server.directory.map { ScratchDirectory.allocatedBytes(of: $0) }
    }
    if let text = result.firstError {
      throw LoadFailure("\(step.title): \(result.errors) errors, the first one: \(text)")
    }
    var measurement = Measurement(
      workload: step.workload.rawValue, target: target.rawValue, round: round,
      load: Load(
        threads: shape.threads,
        network: Load.Network(
          connections: shape.connections, inFlight: shape.inFlight,
          ratePerSecond: shape.ratePerSecond, usesTLS: tls != nil,
          durability: step.workload.writes ? durability.rawValue : nil,
          recordBytes: records.byteCount, keys: plan.keys.rawValue)),
      operations: result.times.count, errors: result.errors, seconds: result.times.seconds,
      latency: result.times.latency, timeline: result.times.timeline(factor: 1), cost: cost)
    if step.workload.isOfSeveral { measurement.records = result.records }
    if step.workload.isOfSeveral && !step.workload.writes {
      measurement.answerBytes = result.answerBytes
    }
    return measurement
  }

  /// Asks the server in its own protocol.
  private func load(
    _ shape: LoadShape, on server: RunningServer, onBegin: () -> Void, onEnd: () -> Void
  ) throws -> LoadResult {
    func run(_ dialect: some Dialect) throws -> LoadResult {
      try LoadGenerator.run(
        dialect, shape: shape, address: server.address, tls: tls, onBegin: onBegin, onEnd: onEnd)
    }
    let scheme = tls == nil ? "http" : "https"
    return switch target {
    case .etcd: try run(EtcdDialect(shape: shape, records: records, scheme: scheme))
    case .redis: try run(RedisDialect(shape: shape, records: records))
    case .nghttpd:
      try run(
        FileDialect(
          path: "/" + ServerLauncher.fileName, fileByteCount: launcher.answerByteCount,
          scheme: scheme))
    default:
      try run(
        SeandbDialect(
          shape: shape, records: records, scheme: scheme, authorization: server.authorization))
    }
  }
}
