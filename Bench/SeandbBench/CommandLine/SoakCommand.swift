import ArgumentParser
import CMalloc
import Engine
import EngineLSM
import EngineRocksDB
import Glibc
import Platform

/// `seandb-bench soak`.
struct SoakCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "soak",
    abstract: "Runs a mixed load on an engine for long, and checks every answer and what it costs.",
    discussion: """
      Puts, deletes, range deletes, reads and scans, compared with a model in memory; another thread reads at \
      the same time. Ends with exit code 1 when an answer is wrong, or when space, memory or open files grow \
      beyond their bounds. The directory stays, so that `seandb verify` can look at it.
      """)

  @Option(help: "The engine.")
  var engine = EngineDescriptor.lsm

  @Option(help: "Minutes to run.")
  var minutes = 30.0

  @Option(help: "Keys that may exist at once.")
  var keys = 2_000_000

  @Option(help: "Bytes of a value.")
  var valueBytes = 400

  @Option(help: "Keys and values written a second, at most: bytes, or with K, M or G.")
  var rate = ByteSize(bytes: 10 << 20)

  @Option(help: "The engine's block cache: bytes, or with K, M or G.")
  var cacheSize = ByteSize(bytes: 64 << 20)

  @Option(help: "Replays the random choices of another run.")
  var seed: UInt64 = 1

  @Option(help: "Where the store is made; must not exist.", completion: .directory)
  var directory = "soak"

  func validate() throws {
    guard minutes > 0, keys >= 10_000, rate.bytes > 0,
      ValueSource.byteCountRange.contains(valueBytes)
    else { throw ValidationError("--minutes, --keys, --value-bytes or --rate is out of range") }
  }

  func run() throws {
    mallopt(M_MMAP_THRESHOLD, 256 << 10)
    var options = EngineOptions()
    options.cacheSizeBytes = cacheSize.bytes
    var soak = try Soak(
      engine, directory: directory, options: options, keyCount: keys,
      valueByteCount: valueBytes, seed: seed)
    try soak.run(seconds: minutes * 60, bytesPerSecond: UInt64(rate.bytes))
  }
}

extension EngineDescriptor: ExpressibleByArgument {
  private static let engines = EngineList([.rocksDB, .lsm])

  public init?(argument: String) {
    guard let engine = Self.engines.named(argument) else { return nil }
    self = engine
  }

  public var defaultValueDescription: String { name }
  public static var allValueStrings: [String] { engines.all.map(\.name) }
}
