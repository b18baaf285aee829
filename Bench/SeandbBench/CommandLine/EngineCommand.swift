import ArgumentParser
import CMalloc
import Engine
import Glibc

/// `seandb-bench engine`.
struct EngineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "engine",
    abstract: "Measures the storage engines, with the workloads of RocksDB's db_bench.",
    discussion: """
      Every engine runs the same code, a key at a time, with the settings it has in production. Every answer \
      is checked; a wrong one ends the program with exit code 1. The table goes to stdout: each figure is \
      the median of the rounds, and a ratio, to the first engine, the median of the rounds' ratios.
      """)

  @Option(help: "Records of a store.")
  var records = 1_000_000

  @Option(help: "Bytes of a value; a key has 16.")
  var valueBytes = 100

  @Option(help: "Engines, by commas; the first one is what the others are compared with.")
  var engines = CommaList<EngineKind>()

  @Option(help: "Workloads, by commas. They run in the default's order.")
  var workloads = CommaList<Workload>()

  @Option(help: "Rounds; the engines take turns in each.")
  var rounds = 3

  @Option(help: "Replays the random choices of another run.")
  var seed: UInt64 = 1

  @Option(
    help: "Where to make a temporary directory for the stores (default: $TMPDIR or /var/tmp).",
    completion: .directory)
  var directory: String?

  @Option(help: "Also writes every figure of every round to this file.", completion: .file())
  var json: String?

  @Option(help: "The engine's block cache: bytes, or with K, M or G.")
  var cacheSize = ByteSize(bytes: 256 << 20)

  func validate() throws {
    guard (Workload.groupSize...1 << 40).contains(records) else {
      throw ValidationError("--records must be from \(Workload.groupSize) to 2^40")
    }
    let sizes = ValueSource.byteCountRange
    guard sizes.contains(valueBytes) else {
      throw ValidationError(
        "--value-bytes must be from \(sizes.lowerBound) to \(sizes.upperBound)")
    }
    guard (1...1000).contains(rounds) else {
      throw ValidationError("--rounds must be from 1 to 1000")
    }
  }

  func run() throws {
    // As the server does it.
    mallopt(M_MMAP_THRESHOLD, 256 << 10)
    // Opened first: not to find out after minutes that it cannot be written.
    let file = try json.map { try OutputFile(path: $0) }
    // /tmp is in memory on many systems, where an fsync costs nothing.
    let parent = directory ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"
    let scratch = try ScratchDirectory(in: parent)
    InterruptWatch.start { scratch.remove() }
    defer { scratch.remove() }
    let settings = BenchSettings(
      records: records, valueByteCount: valueBytes, cacheSizeBytes: cacheSize.bytes, seed: seed)
    let progress = Progress(rounds: rounds)
    let machine = Machine(directory: scratch.path)
    if machine.keepsFilesInMemory {
      progress.note("\(parent) is in memory: fillsync means nothing there")
    }
    var report = EngineReport(
      machine: machine, settings: settings, engines: engines.elements, rounds: rounds)
    for round in 1...rounds {
      for kind in turns(in: round) {
        let turn = EngineTurn(
          kind: kind, round: round, workloads: Set(workloads.elements), settings: settings,
          scratch: scratch,
          onStart: { progress.start($0, of: kind, in: round) },
          onMeasurement: {
            progress.end($0, of: kind, in: round)
            report.add($0, of: kind, in: round)
          })
        try turn.run()
      }
    }
    progress.finish()
    print(report.table)
    try file?.write(report.json.text + "\n")
  }

  /// The engines, beginning with another one in each round: none is always the first.
  private func turns(in round: Int) -> [EngineKind] {
    let first = (round - 1) % engines.elements.count
    return Array(engines.elements[first...] + engines.elements[..<first])
  }
}
