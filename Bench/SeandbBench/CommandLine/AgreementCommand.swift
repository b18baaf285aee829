import ArgumentParser
import CMalloc
import Engine
import Glibc
import Platform

/// `seandb-bench agreement`.
struct AgreementCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "agreement",
    abstract: "Compares figures of this benchmark with those of other tools for the same work.",
    discussion: """
      db_bench: runs RocksDB's own benchmark and the workloads on the target rocksdb in turns, with the same \
      settings, sizes and cases. h2load: asks nghttpd for a file, the C++ peer for one record and seandb for \
      ten, in turns with the load generator of `server`. Figures within 10 % of each other agree. The table \
      goes to stdout.
      """)

  @Option(help: "Tools to compare with, by commas.")
  var tool = CommaList<AgreementTool>()

  @Option(help: "RocksDB's benchmark: a path, or a name in $PATH (default: db_bench in --peers).")
  var dbBench: String?

  @OptionGroup var programs: ProgramOptions

  @Option(help: "Seconds of a measurement with h2load; a quarter of it goes before.")
  var seconds = 0.8

  @Option(help: "Cases, by commas, as the table names them (default: all).")
  var cases: String?

  @Option(help: "Records of a store.")
  var records = 500_000

  @Option(help: "Bytes of a value; a key has 16.")
  var valueBytes = 100

  @Option(help: "Rounds; in each, every case is run by both, short ones several times.")
  var rounds = 4

  @OptionGroup var options: RunOptions

  @Flag(help: "Ends with exit code 1 when a case does not agree.")
  var strict = false

  func validate() throws {
    try RunOptions.check(rounds: rounds)
    guard (Workload.groupSize...1 << 40).contains(records),
      ValueSource.byteCountRange.contains(valueBytes), options.seed < 1 << 31
    else { throw ValidationError("--records, --value-bytes or --seed is out of range") }
    guard (0.01...3600).contains(seconds) else {
      throw ValidationError("--seconds must be from 0.01 to 3600")
    }
  }

  func run() throws {
    // As the server does it.
    mallopt(M_MMAP_THRESHOLD, 256 << 10)
    let file = try options.makeOutputFile()
    let scratch = try options.makeScratchDirectory()
    InterruptWatch.start { scratch.remove() }
    defer { scratch.remove() }
    let engine = EngineOptions()
    let settings = BenchSettings(
      records: records, valueByteCount: valueBytes, cacheSizeBytes: engine.cacheSizeBytes,
      memtableSizeBytes: engine.memtableSizeBytes, threads: 1, seed: options.seed)
    var obstacles: [String] = []
    let checks = try selected(
      tool.elements.flatMap { (tool) throws -> [AgreementCheck] in
        switch tool {
        case .dbBench:
          let dbBench = dbBench ?? "\(programs.peers)/db_bench"
          guard CommandOutput.firstLine(of: "command -v '\(dbBench)'") != nil else {
            obstacles.append(
              "db_bench is left out: there is no \(dbBench); `make peers` makes one")
            return []
          }
          return try DbBenchChecks(program: dbBench, settings: settings, scratch: scratch).checks
        case .h2load:
          let h2load = H2loadChecks(
            seandb: programs.seandb, peers: programs.peers, seconds: seconds, seed: options.seed,
            scratch: scratch)
          if let obstacle = h2load.obstacle { obstacles.append("h2load is left out: \(obstacle)") }
          return h2load.obstacle == nil ? h2load.checks : []
        }
      })
    var report = report(checks, directory: scratch.path)
    let progress = Progress(rounds: rounds, stepCount: rounds * checks.count)
    for obstacle in obstacles { progress.note(obstacle) }
    guard !checks.isEmpty else { throw LoadFailure("there is no tool to compare with; see above") }
    for round in 1...rounds {
      for (index, check) in checks.enumerated() {
        progress.start(check.name, on: check.tool.rawValue, round: round)
        let turns = try check.run(round)
        report.results[index].add(turns)
        try file?.replace(with: report.json.text + "\n")
        let ours = Figure.median(turns.map(\.ours)) ?? 0
        let theirs = Figure.median(turns.map(\.theirs)) ?? 0
        progress.end(
          "round \(round)/\(rounds) \(check.name) ours \(Figure.grouped(ours)), "
            + "\(check.tool.rawValue) \(Figure.grouped(theirs)) op/s")
      }
    }
    progress.finish()
    report.isComplete = true
    try file?.replace(with: report.json.text + "\n")
    print(report.table)
    if strict && !report.results.allSatisfy(\.agrees) { throw ExitCode.failure }
  }

  private func selected(_ checks: [AgreementCheck]) throws -> [AgreementCheck] {
    guard let cases else { return checks }
    let names = cases.split(separator: ",").map(String.init)
    let selected = checks.filter { names.contains($0.name) }
    guard names.allSatisfy({ name in checks.contains { $0.name == name } }), !selected.isEmpty
    else {
      throw ValidationError(
        "--cases knows \(checks.map(\.name).joined(separator: ", "))")
    }
    return selected
  }

  private func report(_ checks: [AgreementCheck], directory: String) -> AgreementReport {
    AgreementReport(
      origin: Origin(
        directory: directory,
        packages: [
          "rocksdb": "librocksdb-dev", "db_bench": "librocksdb-dev",
          "h2load": "nghttp2-client", "nghttpd": "nghttp2-server", "glibc": "libc6",
        ]),
      options: [
        ("rounds", .integer(rounds)), ("records", .integer(records)),
        ("keyBytes", .integer(KeyBuffer.byteCount)), ("valueBytes", .integer(valueBytes)),
        ("seed", .string(String(options.seed))),
      ],
      heading: """
        \(Figure.grouped(Double(records))) records, keys of \(KeyBuffer.byteCount) bytes, \
        values of \(valueBytes), seed \(options.seed), medians of all turns in \
        \(rounds) \(rounds == 1 ? "round" : "rounds")
        """,
      results: checks.map(AgreementResult.init))
  }
}
