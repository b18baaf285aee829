import ArgumentParser
import Engine
import Glibc
import Logging
import Server

/// The flags of a server, the same for `seandb serve` and `out/server`.
struct ServerOptions: ParsableArguments {
  static let discussion = """
    Prints `listening on HOST:PORT` on stdout once it accepts calls; logs go to stderr. SIGTERM and \
    SIGINT drain and end it; a second one ends it at once.
    """

  @Option(help: "Where the data live; made when missing. One process at a time.")
  var data = "./data"

  @Option(
    help: "The storage engine (default: the one that the data directory has; in a new one rocksdb)."
  )
  var engine: EngineKind?

  @Option(help: "The address to listen on; port 0 takes a free one.")
  var listen = ListenAddress(host: "127.0.0.1", port: 50051)

  @Option(help: "What an acknowledged write survives. sync: a power cut. buffered: kill -9.")
  var durability = DurabilityOption.sync

  @Option(help: "Memory for uncompressed blocks of the store: bytes, or with K, M or G.")
  var cacheSize = ByteSize(bytes: 256 << 20)

  @Option(help: "Writes gathered in memory before they become a table; the store holds up to four.")
  var memtableSize = ByteSize(bytes: 64 << 20)

  @Option(help: "The largest request message.")
  var maxRequestSize = ByteSize(bytes: 4 << 20)

  @Option(help: "The largest answer; a larger one is an error, never cut.")
  var maxResponseSize = ByteSize(bytes: 64 << 20)

  @Option(help: "Threads that serve connections (default: one a core).")
  var eventLoops: Int?

  @Option(help: "trace, debug, info, notice, warning, error or critical.")
  var logLevel = LogLevel(.info)

  func validate() throws {
    guard maxRequestSize.bytes >= 1 << 10, maxRequestSize.bytes <= 1 << 30 else {
      throw ValidationError("--max-request-size must be from 1K to 1G")
    }
    guard maxResponseSize.bytes >= 1, maxResponseSize.bytes <= 2 << 30 else {
      throw ValidationError("--max-response-size must be from 1 to 2G")
    }
    guard cacheSize.bytes <= 1 << 40 else {
      throw ValidationError("--cache-size must be at most 1024G")
    }
    guard memtableSize.bytes >= 64 << 10, memtableSize.bytes <= 1 << 30 else {
      throw ValidationError("--memtable-size must be from 64K to 1G")
    }
    if let eventLoops, !(1...1024).contains(eventLoops) {
      throw ValidationError("--event-loops must be from 1 to 1024")
    }
  }

  var serverConfiguration: ServerConfiguration {
    var configuration = ServerConfiguration(coreCount: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    configuration.engine = engine
    configuration.dataDirectory = data
    configuration.host = listen.host
    configuration.port = listen.port
    configuration.durability = durability == .sync ? .sync : .buffered
    configuration.cacheSizeBytes = cacheSize.bytes
    configuration.memtableSizeBytes = memtableSize.bytes
    configuration.maximumRequestBytes = maxRequestSize.bytes
    configuration.maximumResponseBytes = maxResponseSize.bytes
    if let eventLoops { configuration.eventLoops = eventLoops }
    return configuration
  }
}

extension EngineKind: ExpressibleByArgument {}

/// `--log-level`: swift-log's levels by their names.
struct LogLevel: ExpressibleByArgument {
  let level: Logger.Level

  init(_ level: Logger.Level) { self.level = level }

  init?(argument: String) {
    guard let level = Logger.Level(rawValue: argument) else { return nil }
    self.init(level)
  }

  static var allValueStrings: [String] { Logger.Level.allCases.map(\.rawValue) }
  var defaultValueDescription: String { level.rawValue }
}

/// `--durability`.
enum DurabilityOption: String, CaseIterable, ExpressibleByArgument {
  case sync
  case buffered
}

/// `HOST:PORT`; an IPv6 host stands in brackets.
struct ListenAddress: ExpressibleByArgument {
  let host: String
  let port: Int

  init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  init?(argument: String) {
    guard let colon = argument.lastIndex(of: ":"),
      let port = Int(argument[argument.index(after: colon)...]), (0...65535).contains(port)
    else { return nil }
    var host = String(argument[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard !host.isEmpty else { return nil }
    self.init(host: host, port: port)
  }

  /// The address as it is printed and parsed.
  var defaultValueDescription: String { text(port: port) }

  func text(port: Int) -> String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A size in bytes: `1048576`, `1024K`, `1M`; the units are powers of 1024.
struct ByteSize: ExpressibleByArgument {
  let bytes: Int

  init(bytes: Int) { self.bytes = bytes }

  init?(argument: String) {
    var digits = argument.uppercased()
    if digits.hasSuffix("IB") {
      digits.removeLast(2)
    } else if digits.hasSuffix("B") {
      digits.removeLast()
    }
    var unit = 1
    if let last = digits.last, let shift = ["K": 10, "M": 20, "G": 30][last] {
      unit = 1 << shift
      digits.removeLast()
    }
    guard let amount = Int(digits), amount >= 0 else { return nil }
    let (bytes, overflow) = amount.multipliedReportingOverflow(by: unit)
    guard !overflow else { return nil }
    self.init(bytes: bytes)
  }

  var defaultValueDescription: String {
    for (unit, shift) in [("G", 30), ("M", 20), ("K", 10)]
    where bytes >= 1 << shift && bytes % (1 << shift) == 0 {
      return "\(bytes >> shift)\(unit)"
    }
    return String(bytes)
  }
}
