import Bytes
import Engine
import Glibc

// SAFETY: the path ends with NUL, and is lent to the system call until that returns.

/// What h2load can ask as well: a file of nghttpd, a record of the C++ peer, a range of seandb, always the same.
///
/// Calls for which the server is the limit and not a generator, which would be what is compared: so servers
/// have one thread for connections where they can be told, and seandb, which answers a `get` or `put` faster
/// than h2load can ask, is asked for ranges.
struct H2loadChecks {
  private let tool: H2load
  private let plan: ServerPlan
  private let launcher: ServerLauncher
  private let records: RecordSource
  private let scratch: ScratchDirectory
  /// Of nghttpd's file. What it does with a short one depends on how many requests it finds in a socket's buffer.
  private static let fileByteCount = 4096
  /// Turns of a check in a round.
  private static let turns = 3

  /// - Parameters:
  ///   - seandb: the program; `peers`: the directory of h2load and nghttpd.
  init(
    seandb: String, peers: String, seconds: Double, seed: UInt64, scratch: ScratchDirectory
  ) {
    self.scratch = scratch
    let load = ConnectionLoad(connections: 16, inFlight: 64)
    tool = H2load(program: peers + "/h2load", scratch: scratch, load: load, seconds: seconds)
    records = RecordSource(byteCount: 100, seed: seed)
    plan = ServerPlan(
      workloads: [], loads: [load], rates: [], durabilities: [.buffered], threads: 1,
      seconds: seconds, writeSeconds: seconds, calls: nil, records: 10_000,
      cacheSizeBytes: EngineOptions().cacheSizeBytes, keys: .single,
      sizes: CallSizes(), seed: seed)
    let engine = EngineOptions()
    launcher = ServerLauncher(
      seandb: seandb, peers: peers, scratch: scratch, cacheSizeBytes: engine.cacheSizeBytes,
      memtableSizeBytes: engine.memtableSizeBytes, answerByteCount: Self.fileByteCount,
      certificate: nil, connectionThreads: 1, externalAddress: nil)
  }

  /// Why they cannot run; nil when they can.
  var obstacle: String? {
    if unsafe access(tool.program, X_OK) != 0 { return "there is no \(tool.program)" }
    return launcher.obstacle(of: .nghttpd) ?? launcher.obstacle(of: .seandbLSM)
  }

  var checks: [AgreementCheck] {
    [
      check(.nghttpd, .get), check(.grpcCppRocksDB, .get), check(.grpcCppRocksDB, .put),
      check(.seandbRocksDB, .rangeGet), check(.seandbLSM, .rangeGet),
    ].filter { launcher.obstacle(of: $0.target) == nil }.map(\.check)
  }

  private func check(
    _ target: ServerTarget, _ workload: ServerWorkload
  ) -> (target: ServerTarget, check: AgreementCheck) {
    let load = plan.loads[0]
    let step = ServerStep(
      workload: workload, connections: load.connections, inFlight: load.inFlight)
    let check = AgreementCheck(
      name: "\(target.rawValue) \(workload.rawValue)", tool: .h2load
    ) { round in
      // One server for both: two differ by where their memory and threads happen to lie.
      try turn(target, round).withServer { turn, server in
        try AgreementTurn.alternate(
          Self.turns, round: round,
          ours: { try turn.measure(step, on: server).operationsPerSecond },
          theirs: { try askByTool(step, server, round) })
      }
    }
    return (target, check)
  }

  private func askByTool(
    _ step: ServerStep, _ server: RunningServer, _ round: Int
  ) throws -> Double {
    guard server.target != .nghttpd else {
      return try tool.run(server.address, path: "/" + ServerLauncher.fileName, body: nil)
    }
    var slot = CallSlot()
    slot.operation = step.workload.operations[0]
    let dialect = SeandbDialect(
      shape: plan.shape(of: step, round), records: records, scheme: "http")
    dialect.writeRequest(&slot)
    return try tool.run(
      server.address, path: SeandbDialect.path(slot.operation), body: slot.request.array())
  }

  private func turn(_ target: ServerTarget, _ round: Int) -> ServerTurn {
    ServerTurn(
      target: target, durability: .buffered, round: round, plan: plan, launcher: launcher,
      records: records, tls: nil, capacities: Capacities(), onStart: { _ in }, onEnd: { _ in })
  }
}
