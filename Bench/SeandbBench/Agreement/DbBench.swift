import Glibc

/// Runs RocksDB's db_bench, one benchmark at a time, with the settings of the target `rocksdb`.
struct DbBench {
  /// The program: a path, or a name to look up in `PATH`.
  let program: String
  /// What RocksDB itself wrote down of the settings: db_bench takes all from it but the cache, which it makes by
  /// its own flags.
  let optionsFile: String
  let settings: BenchSettings
  let scratch: ScratchDirectory

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Runs `benchmark` on the store in `directory`.
  ///
  /// - Parameters:
  ///   - isExisting: whether the store is there already; else it is made.
  ///   - found: how many of its reads must find their key; nil for a benchmark that does not say.
  ///   - flags: for this benchmark.
  /// - Returns: operations a second.
  func run(
    _ benchmark: String, directory: String, isExisting: Bool, round: Int, found: Int? = nil,
    flags: [String] = []
  ) throws -> Double {
    let command =
      [
        program, "--benchmarks=\(benchmark)", "--db=\(directory)",
        "--use_existing_db=\(isExisting ? 1 : 0)", "--options_file=\(optionsFile)",
        "--cache_size=\(settings.cacheSizeBytes)",
        // What RocksDB gives a cache when nothing is said; db_bench says 0.
        "--cache_high_pri_pool_ratio=0.5",
        "--num=\(settings.records)", "--key_size=\(KeyBuffer.byteCount)",
        "--value_size=\(settings.valueByteCount)", "--compression_ratio=0.5", "--threads=1",
        "--bloom_bits=-1", "--disable_wal=0", "--seed=\(settings.seed + UInt64(round))",
        // It reads the clock once an operation then, as the recorder here does.
        "--histogram=1", "--statistics=0", "--progress_reports=0",
      ] + flags
    let child = try ChildProcess.start(command, outputTo: "\(scratch.path)/db_bench")
    try child.waitForSuccess()
    // fillseq      :       2.570 micros/op 389040 ops/sec 2.570 seconds 1000000 operations; ...
    guard
      let line = child.output.split(separator: "\n").first(where: {
        $0.hasPrefix(benchmark) && $0.contains("ops/sec")
      })
    else { throw child.failure("said nothing of \(benchmark)") }
    let words = line.split(separator: " ")
    guard let unit = words.firstIndex(of: "ops/sec"), unit > 0, let rate = Double(words[unit - 1])
    else { throw Failure(description: "cannot read what \(program) says: \(line)") }
    if let found, !line.contains("(\(found) of ") {
      throw Failure(description: "\(program) did not find what is there: \(line)")
    }
    return rate
  }
}
