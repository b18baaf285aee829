import ArgumentParser
import CMalloc
import Engine
import Glibc
import Platform

/// `seandb-bench engine`.
struct EngineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "engine",
    abstract: "Measures the storage engines, with the workloads of RocksDB's db_bench and of YCSB.",
    discussion: """
      Every engine runs the same code, a key at a time: lsm and rocksdb with the settings they have in \
      production, rocksdb-tuned with whole indexes and filters as lsm has them, rocksdb-defaults with RocksDB's \
      own settings. Every answer is checked; a wrong one ends the program \
      with exit code 1. The table goes to stdout: each figure is the median of the rounds, and a ratio, to the \
      first engine, the median of the rounds' ratios.
      """)

  @Option(help: "Records of a store.")
  var records = 1_000_000

  @Option(help: "Bytes of a value; a key has 16.")
  var valueBytes = 100

  @Option(help: "Engines, by commas; the first one is what the others are compared with.")
  var engines = CommaList<EngineTarget>(EngineTarget.usual)

  @Option(help: "Workloads, by commas. They run in the default's order.")
  var workloads = CommaList<Workload>()

  @Option(help: "Rounds; the engines take turns in each.")
  var rounds = 3

  @OptionGroup var options: RunOptions
  @OptionGroup var memory: MemoryOptions

  @Option(
    help: """
      Threads that share a workload's operations; those of one scan or compaction have one. With several numbers, \
      by commas, random reads run with each and all else with the first.
      """)
  var threads = ThreadCounts()

  func validate() throws {
    guard (Workload.groupSize...1 << 40).contains(records) else {
      throw ValidationError("--records must be from \(Workload.groupSize) to 2^40")
    }
    let sizes = ValueSource.byteCountRange
    guard sizes.contains(valueBytes) else {
      throw ValidationError(
        "--value-bytes must be from \(sizes.lowerBound) to \(sizes.upperBound)")
    }
    try RunOptions.check(rounds: rounds)
    guard memory.memtableSize.bytes >= 64 << 10 else {
      throw ValidationError("--memtable-size must be at least 64K")
    }
  }

  func run() throws {
    // As the server does it.
    mallopt(M_MMAP_THRESHOLD, 256 << 10)
    let file = try options.makeOutputFile()
    let scratch = try options.makeScratchDirectory()
    let record = RunRecord(report(directory: scratch.path), file: file)
    InterruptWatch.start {
      scratch.remove()
      record.printInterrupted()
    }
    defer { scratch.remove() }
    let settings = BenchSettings(
      records: records, valueByteCount: valueBytes, cacheSizeBytes: memory.cacheSize.bytes,
      memtableSizeBytes: memory.memtableSize.bytes, threads: threads.counts[0],
      seed: options.seed)
    let steps = workloads.elements.map { $0.canRunAgain ? threads.counts.count : 1 }
    let progress = Progress(
      rounds: rounds, stepCount: rounds * engines.elements.count * steps.reduce(0, +))
    if Machine(directory: scratch.path).keepsFilesInMemory {
      progress.note("\(scratch.path) is in memory: fillsync means nothing there")
    }
    for round in 1...rounds {
      for target in engines.elements.turns(in: round) {
        let turn = EngineTurn(
          target: target, round: round, workloads: Set(workloads.elements), settings: settings,
          threadCounts: threads.counts, scratch: scratch,
          onStart: { progress.start($0.rawValue, on: target.rawValue, round: round) },
          onEnd: { measurements in
            progress.end(measurements)
            for measurement in measurements { try record.add(measurement) }
          })
        try turn.run()
      }
    }
    progress.finish()
    try record.complete()
    print(record.table)
  }

  private func report(directory: String) -> Report {
    let cache = Figure.short(Double(memory.cacheSize.bytes) / 1_048_576)
    let memtable = Figure.short(Double(memory.memtableSize.bytes) / 1_048_576)
    return Report(
      "engine",
      origin: Origin(
        directory: directory,
        packages: ["rocksdb": "librocksdb-dev", "lz4": "liblz4-dev", "glibc": "libc6"]),
      targets: engines.elements.map(\.rawValue), rounds: rounds,
      options: [
        ("records", .integer(records)), ("keyBytes", .integer(KeyBuffer.byteCount)),
        ("valueBytes", .integer(valueBytes)), ("cacheBytes", .integer(memory.cacheSize.bytes)),
        ("memtableBytes", .integer(memory.memtableSize.bytes)), ("threads", threads.json),
        // A string: readers of JSON keep 53 bits of a number.
        ("seed", .string(String(options.seed))),
      ],
      heading: """
        \(Figure.grouped(Double(records))) records, keys of \(KeyBuffer.byteCount) bytes, \
        values of \(valueBytes), cache \(cache) MiB, memtable \(memtable) MiB, seed \(options.seed)
        """)
  }
}

extension ThreadCounts {
  /// A number, or several in a text.
  fileprivate var json: JSONValue {
    counts.count == 1 ? .integer(counts[0]) : .string(text)
  }
}
