import CMalloc
import Engine

/// One target's turn in a round: all workloads, on fresh stores.
struct EngineTurn {
  let target: EngineTarget
  let round: Int
  let workloads: Set<Workload>
  let settings: BenchSettings
  /// Reads run with each of them, the rest with the first, as ``settings`` says.
  let threadCounts: [Int]
  let scratch: ScratchDirectory
  /// Told what starts.
  let onStart: (Workload) -> Void
  /// Told what a workload has taken.
  let onEnd: ([Measurement]) throws -> Void

  func run() throws {
    for workload in Workload.allCases
    where workload.hasOwnStore && workloads.contains(workload) {
      try withFreshStore { store in
        onStart(workload)
        let measurements = try store.fill(workload)
        try store.verify(workload)
        try onEnd(measurements)
      }
    }
    let shared = Workload.allCases.filter { !$0.hasOwnStore && workloads.contains($0) }
    guard let last = shared.last else { return }
    try withFreshStore { store in
      for workload in Workload.allCases.drop(while: \.hasOwnStore) {
        let isWanted = shared.contains(workload)
        // These two make the store that the others read, wanted or not.
        guard isWanted || workload == .fillrandom || workload == .compact else { continue }
        for threads in workload.canRunAgain ? threadCounts[...] : threadCounts.prefix(1) {
          onStart(workload)
          store.settings.threads = threads
          try store.prepare(workload)
          let measurements = try store.run(workload)
          if isWanted { try onEnd(measurements) }
        }
        if workload == last { break }
      }
    }
  }

  /// Opens the target in a new directory, and removes the directory afterwards.
  private func withFreshStore(_ body: (inout Store) throws -> Void) throws {
    defer { scratch.remove(target.rawValue) }
    try Store.withOpen(
      target, directory: "\(scratch.path)/\(target.rawValue)", round: round, settings: settings,
      body)
  }
}

extension Store {
  /// Opens the target, runs `body`, and closes it.
  static func withOpen(
    _ target: EngineTarget, directory: String, round: Int, settings: BenchSettings,
    _ body: (inout Store) throws -> Void
  ) throws {
    // What the allocator keeps from earlier stores would count as memory of this one.
    malloc_trim(0)
    let engine = try target.engine.open(directory, options: target.options(settings))
    var store = Store(
      target, engine: engine, directory: directory, round: round, settings: settings)
    do {
      try body(&store)
    } catch {
      // The first error is the one to tell.
      try? engine.close()
      throw error
    }
    try engine.close()
  }
}
