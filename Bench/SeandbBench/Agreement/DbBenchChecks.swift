import EngineRocksDB
import Glibc

/// The cases that db_bench and the workloads on the target `rocksdb` have in common.
///
/// Not among them: `overwrite`, where db_bench draws keys with repetition and the workload writes each once.
/// `fillrandom` is compared with `filluniquerandom`, which writes each once as well.
///
/// Confined to one thread.
final class DbBenchChecks {
  private let tool: DbBench
  private let settings: BenchSettings
  private let scratch: ScratchDirectory
  /// The round whose filled and compacted store is there.
  private var storeRound = 0
  private let storeName = "store"

  /// Makes an empty store, to see the settings that RocksDB writes down. The tuned ones: of tables whose indexes and
  /// filters are pinned it writes none.
  init(program: String, settings: BenchSettings, scratch: ScratchDirectory) throws {
    self.settings = settings
    self.scratch = scratch
    let directory = "\(scratch.path)/empty"
    try Store.withOpen(.rocksdbTuned, directory: directory, round: 0, settings: settings) { _ in }
    guard
      let name = ScratchDirectory.names(in: directory).filter({ $0.hasPrefix("OPTIONS-") }).max(),
      let options = SystemFile.read("\(directory)/\(name)")
    else { throw DbBench.Failure(description: "RocksDB has written no OPTIONS file") }
    let optionsFile = "\(scratch.path)/OPTIONS"
    SystemFile.write(try Self.completed(options), to: optionsFile)
    scratch.remove("empty")
    tool = DbBench(
      program: program, optionsFile: optionsFile, settings: settings, scratch: scratch)
  }

  /// RocksDB writes down of a filter policy that was made by its C API the name alone, and reads that as no filter.
  private static func completed(_ options: String) throws -> String {
    var count = 0
    let lines = options.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      guard line.drop(while: { $0 == " " }) == "filter_policy=bloomfilter" else { return line }
      count += 1
      return "  filter_policy=bloomfilter:\(RocksDBSettings.filterBitsPerKey):false"
    }
    guard count == 1 else {
      throw DbBench.Failure(description: "RocksDB's OPTIONS file does not name its bloom filter")
    }
    return lines.joined(separator: "\n")
  }

  var checks: [AgreementCheck] {
    let syncedCount = max(1, settings.records / Workload.syncShare)
    let seekCount = max(1, settings.records / Workload.longShare)
    // The shorter a measurement, the more turns: so that each case takes about as long.
    return [
      fill(.fillseq, "fillseq", turns: 2),
      fill(
        .fillsync, "fillrandom", turns: 2, flags: ["--sync=1", "--writes=\(syncedCount)"]),
      fill(.fillbatch, "fillbatch", turns: 3),
      fill(.fillrandom, "filluniquerandom", turns: 1),
      read(.readrandom, turns: 1, found: settings.records),
      read(.readmissing, turns: 4, found: 0),
      read(.readseq, turns: 4),
      read(.readreverse, turns: 4),
      // Both read the value of ten records and step on to one more.
      read(
        .seekrandom, turns: 1, found: seekCount,
        flags: ["--seek_nexts=\(Workload.seekLength - 1)", "--reads=\(seekCount)"]),
    ]
  }

  private func fill(
    _ workload: Workload, _ benchmark: String, turns: Int, flags: [String] = []
  ) -> AgreementCheck {
    let directory = "\(scratch.path)/fill"
    return AgreementCheck(name: workload.rawValue, tool: .dbBench) { [self] round in
      try AgreementTurn.alternate(
        turns, round: round,
        ours: {
          defer { scratch.remove("fill") }
          return try run(workload, in: directory, round)
        },
        theirs: {
          defer { scratch.remove("fill") }
          sync()
          return try tool.run(
            benchmark, directory: directory, isExisting: false, round: round, flags: flags)
        })
    }
  }

  private func read(
    _ workload: Workload, turns: Int, found: Int? = nil, flags: [String] = []
  ) -> AgreementCheck {
    let directory = "\(scratch.path)/\(storeName)"
    return AgreementCheck(name: workload.rawValue, tool: .dbBench) { [self] round in
      try makeStore(round)
      return try AgreementTurn.alternate(
        turns, round: round,
        ours: { try run(workload, in: directory, round) },
        theirs: {
          try tool.run(
            workload.rawValue, directory: directory, isExisting: true, round: round,
            found: found, flags: flags)
        })
    }
  }

  private func run(_ workload: Workload, in directory: String, _ round: Int) throws -> Double {
    // What earlier cases have left to write would be written during this one.
    sync()
    var rate = 0.0
    try Store.withOpen(.rocksdbTuned, directory: directory, round: round, settings: settings) {
      store in
      store.recordCount = settings.records
      rate = try store.run(workload)[0].operationsPerSecond
    }
    return rate
  }

  /// Fills and compacts the store that the reads of a round are about, unless it is there.
  private func makeStore(_ round: Int) throws {
    guard storeRound != round else { return }
    scratch.remove(storeName)
    try Store.withOpen(
      .rocksdbTuned, directory: "\(scratch.path)/\(storeName)", round: round, settings: settings
    ) { store in
      for workload in [Workload.fillrandom, .compact] { _ = try store.run(workload) }
    }
    storeRound = round
  }
}
