import ArgumentParser
import Engine
import Glibc
import Logging
import Platform
import Server
import Wire

/// The flags of a server, the same for `seandb serve` and `out/server`.
struct ServerOptions: ParsableArguments {
  static let discussion = """
    Prints `listening on ADDRESS` on stdout for each address once it accepts calls; logs go to stderr. \
    SIGTERM and SIGINT drain and end it; a second one ends it at once. SIGHUP has the certificate and the \
    --access file read again.
    """

  /// What a flag that is not given says.
  private static let defaults = ServerConfiguration(engines: .installed, coreCount: 1)

  @Option(help: "Where the data live; made when missing. One process at a time.")
  var data = defaults.dataDirectory

  // The value of a flag is what comes next, also when it looks like another flag (-1): the value says what is wrong.
  @Option(
    parsing: .unconditional,
    help:
      "The storage engine (default: the one that the data directory has; in a new one \(EngineList.installed.standard.name))."
  )
  var engine: Given<EngineFlag>?

  @Option(
    name: .customLong("listen"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "The address to listen on; port 0 takes a free one (default: \(defaults.addresses[0])). unix:PATH: a Unix socket. May be given several times.",
      valueName: "address"))
  private var listenFlags: [Given<ListenAddress>] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The certificate for TLS, in PEM, with those between it and its authority. Read again on SIGHUP, and when it has changed.",
      valueName: "file"), completion: .file())
  var tlsCert: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The key of the certificate, in PEM, without a passphrase.", valueName: "file"),
    completion: .file())
  var tlsKey: String?

  @Option(
    name: .customLong("tls-client-ca"), parsing: .unconditional,
    help: ArgumentHelp(
      "Certificates of authorities, in PEM: clients need a certificate of one of them.",
      valueName: "file"), completion: .file())
  var tlsClientAuthorities: String?

  @Option(
    parsing: .unconditional,
    help: "What an acknowledged write survives. sync: a power cut. buffered: kill -9.")
  var durability = Given(DurabilityOption.sync)

  @Option(
    parsing: .unconditional,
    help:
      "Memory for uncompressed blocks of the store: bytes, or with K, M or G. auto: a quarter of what the process may use, at least \(ByteSize(bytes: defaults.cacheSizeBytes))."
  )
  var cacheSize = Given(CacheSize.auto)

  @Option(
    parsing: .unconditional,
    help:
      "What of --cache-size is for popular records, one by one, once blocks have filled the rest; 0: nothing. auto: an eighth."
  )
  var recordCacheSize = Given(CacheSize.auto)

  @Option(
    parsing: .unconditional,
    help: "Writes gathered in memory before they become a table; the store holds up to four.")
  var memtableSize = Given(ByteSize(bytes: defaults.memtableSizeBytes))

  @Option(
    parsing: .unconditional,
    help: "How tables are compressed from now on. lz4: fast reads. zstd: fewer bytes on the disk.")
  var compression = Given(defaults.compression)

  @Option(
    parsing: .unconditional,
    help:
      "How answers of more than 1K are compressed, up to 512K a message, for clients that take it: none or gzip. For slow networks: it costs processor time."
  )
  var answerCompression = Given(AnswerCompressionOption.none)

  @Option(parsing: .unconditional, help: "The largest request message.")
  var maxRequestSize = Given(ByteSize(bytes: defaults.maximumRequestBytes))

  @Option(parsing: .unconditional, help: "The largest answer; a larger one is an error, never cut.")
  var maxResponseSize = Given(ByteSize(bytes: defaults.maximumResponseBytes))

  @Option(parsing: .unconditional, help: "The most writes of one transaction.")
  var maxTransactionWrites = Given(WriteCount(count: defaults.maximumTransactionWrites))

  @Option(parsing: .unconditional, help: "Threads that serve connections (default: one a core).")
  var eventLoops: Given<ThreadCount>?

  @OptionGroup var connections: ConnectionOptions

  @Option(
    help:
      "Who may do what: a file of roles, tokens and certificates (docs/security.md). Without it, everybody may do everything."
  )
  var access: String?

  @Option(help: "Where refusals, range deletes and reloads are written down, a JSON object a line.")
  var audit: String?

  @Flag(help: "Take a --listen that other machines reach without protection, and tokens there.")
  var insecure = false

  @Option(
    name: .customLong("log-level"), parsing: .unconditional,
    help: "trace, debug, info, notice, warning, error or critical.")
  private var logLevelFlag = Given(Logger.Level.info)

  private var addresses: [ListenAddress] {
    listenFlags.isEmpty ? Self.defaults.addresses : listenFlags.map(\.value)
  }
  var logLevel: Logger.Level { logLevelFlag.value }

  func validate() throws {
    guard !data.isEmpty else { throw ValidationError("--data takes a directory; it is empty") }
    guard access != "" else { throw ValidationError("--access takes a file; it is empty") }
    guard audit != "" else { throw ValidationError("--audit takes a file; it is empty") }
    try engine?.value(of: "--engine")
    for flag in listenFlags { try flag.value(of: "--listen") }
    try checkTLS()
    try durability.value(of: "--durability")
    try cacheSize.check("--cache-size", from: 0, to: 1 << 40)
    try recordCacheSize.check("--record-cache-size", from: 0, to: 1 << 40)
    try memtableSize.check("--memtable-size", from: 64 << 10, to: 1 << 30)
    try compression.value(of: "--compression")
    try answerCompression.value(of: "--answer-compression")
    try maxRequestSize.check("--max-request-size", from: 1 << 10, to: 1 << 30)
    try maxResponseSize.check("--max-response-size", from: 1 << 10, to: 2 << 30)
    try maxTransactionWrites.value(of: "--max-transaction-writes")
    try eventLoops?.value(of: "--event-loops")
    try connections.check()
    try logLevelFlag.value(of: "--log-level")
  }

  private func checkTLS() throws {
    let files = [
      ("--tls-cert", tlsCert), ("--tls-key", tlsKey), ("--tls-client-ca", tlsClientAuthorities),
    ]
    for (flag, path) in files where path == "" {
      throw ValidationError("\(flag) takes a file; it is empty")
    }
    if (tlsCert == nil) != (tlsKey == nil) {
      throw ValidationError("--tls-cert and --tls-key need each other")
    }
    if tlsClientAuthorities != nil && tlsCert == nil {
      throw ValidationError("--tls-client-ca goes with --tls-cert and --tls-key")
    }
    if tlsCert != nil, addresses.allSatisfy({ $0.port == nil }) {
      throw ValidationError(
        "--tls-cert is for addresses of TCP, and none is listened on; leave it out, or add --listen HOST:PORT"
      )
    }
    if case .refused(let sentence) = listenVerdict { throw ValidationError(sentence) }
  }

  private var listenVerdict: ListenRule.Verdict {
    ListenRule.verdict(
      on: addresses, hasTLS: tlsCert != nil,
      knowsCallers: access != nil || tlsClientAuthorities != nil, isInsecure: insecure)
  }

  /// What the log should say of addresses that are open to others; nil when none is.
  var exposureWarning: String? {
    guard case .warned(let sentence) = listenVerdict, logLevel <= .warning else { return nil }
    return "warning: " + sentence
  }

  /// What the log should say of sizes that the machine, or its control group, does not have; nil when it has them.
  func memoryWarning(_ configuration: ServerConfiguration) -> String? {
    let wanted = configuration.cacheSizeBytes + 4 * configuration.memtableSizeBytes
    let limit = MemoryLimit.ofThisProcess()
    guard wanted > limit.bytes, logLevel <= .warning else { return nil }
    let there = limit.isOfControlGroup ? "this process may use" : "this machine has"
    return
      "warning: --cache-size and four of --memtable-size are \(wanted >> 20) MiB together, \(there) "
      + "\(limit.bytes >> 20) MiB; give it smaller sizes, or it may be killed for want of memory"
  }

  var serverConfiguration: ServerConfiguration {
    var configuration = ServerConfiguration(
      engines: .installed, coreCount: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    configuration.engine = engine?.value.engine
    configuration.dataDirectory = data
    configuration.addresses = addresses
    if let tlsCert, let tlsKey {
      configuration.tls = TLSFiles(
        certificate: tlsCert, key: tlsKey, clientAuthorities: tlsClientAuthorities)
    }
    configuration.accessFile = access
    configuration.auditFile = audit
    configuration.isInsecure = insecure
    configuration.durability = durability.value == .sync ? .sync : .buffered
    configuration.memtableSizeBytes = memtableSize.value.bytes
    configuration.compression = compression.value
    configuration.compressesAnswers = answerCompression.value == .gzip
    configuration.maximumRequestBytes = maxRequestSize.value.bytes
    configuration.maximumTransactionWrites = maxTransactionWrites.value.count
    configuration.maximumResponseBytes = maxResponseSize.value.bytes
    if let eventLoops { configuration.eventLoops = eventLoops.value.count }
    configuration.lifetime = connections.limits
    switch cacheSize.value {
    case .size(let size): configuration.cacheSizeBytes = size.bytes
    case .auto: configuration.takeCacheSize(of: MemoryLimit.ofThisProcess())
    }
    if case .size(let size) = recordCacheSize.value {
      configuration.recordCacheSizeBytes = size.bytes
    }
    return configuration
  }
}
