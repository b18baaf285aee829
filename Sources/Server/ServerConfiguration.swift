package import Engine
package import Platform
import Records
package import Wire

/// How a database server runs. Sizes in bytes.
package struct ServerConfiguration: Sendable {
  /// Those that this program has.
  package let engines: EngineList
  /// One of ``engines``; nil: the one that the data directory has; in a new one the standard one.
  package var engine: EngineDescriptor?
  /// Made when it is not there.
  package var dataDirectory = "./data"
  /// Where to listen, at least one. Default: this machine alone.
  package var addresses: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 50051)]
  /// The certificate of all TCP addresses; nil: plaintext. Unix sockets are plaintext always.
  package var tls: TLSFiles?
  /// Who may do what; nil: everybody may do everything.
  package var accessFile: String?
  /// How often the files of ``tls`` and ``accessFile`` are looked at, in milliseconds. Default a minute.
  package var fileCheckMilliseconds = 60_000
  /// Where refusals, range deletes and reloads are written down; nil: nowhere.
  package var auditFile: String?
  /// Whether an address may be listened on that other machines reach, without protection; and tokens be taken there.
  package var isInsecure = false
  /// What an acknowledged write survives; see ``Durability``. Default: a power cut.
  package var durability = Durability.sync
  /// Memory for uncompressed blocks of the store and for popular records. Default:
  /// ``EngineOptions/cacheSizeBytes``, for any machine.
  package var cacheSizeBytes = EngineOptions().cacheSizeBytes
  /// Of ``cacheSizeBytes``, for popular records; nil: an eighth.
  package var recordCacheSizeBytes: Int?
  /// The same, known.
  package var recordCacheBytes: Int {
    min(recordCacheSizeBytes ?? cacheSizeBytes / 8, cacheSizeBytes)
  }
  /// The share of the memory of the process that ``takeCacheSize(of:)`` takes.
  private static let cacheShare = 4
  /// Size of one memtable; the store holds up to four. Default: ``EngineOptions/memtableSizeBytes``.
  package var memtableSizeBytes = EngineOptions().memtableSizeBytes
  /// The codec of tables that are written from now on. Default: ``EngineOptions/compression``.
  package var compression = EngineOptions().compression
  /// See ``WireConfiguration/compressesAnswers``.
  package var compressesAnswers = false
  /// The largest request message. Default: ``WireConfiguration/maximumRequestBytes``.
  package var maximumRequestBytes = WireConfiguration(loopCount: 1).maximumRequestBytes
  /// The most writes of one transaction. Default: ``Transactions/defaultMaximumWrites``.
  package var maximumTransactionWrites = Transactions.defaultMaximumWrites
  /// The largest answer; a larger one is RESOURCE_EXHAUSTED, never cut. Default 64 MiB.
  package var maximumResponseBytes = 64 << 20
  /// How long a stream may read one moment, which keeps what is overwritten meanwhile on the disk. Default 5 minutes.
  package var maximumStreamSeconds = 300
  /// How long connections are kept.
  package var lifetime = LifetimeLimits()
  /// Event loops. Default: one a core, at least 1.
  package var eventLoops: Int
  /// Threads for look-ups that touch the disk, as many for other short reads, and as many for long ones. Default: two a
  /// core.
  package var storageThreads: Int
  /// Threads for the messages of streams. Default: one a core, at least 1.
  package var streamThreads: Int

  /// The defaults for a machine.
  ///
  /// - Parameter coreCount: of the cores that the process may use.
  package init(engines: EngineList, coreCount: Int) {
    self.engines = engines
    eventLoops = max(1, coreCount)
    storageThreads = max(2, coreCount * 2)
    streamThreads = max(1, coreCount)
  }

  /// A cache of a quarter of what the process may use, in whole MiB, and at least the default.
  ///
  /// The rest is for memtables, answers and requests, and for the system's page cache, which holds the tables
  /// compressed. A limit of address space leaves less. Set the other sizes before.
  package mutating func takeCacheSize(of memory: MemoryLimit) {
    let least = EngineOptions().cacheSizeBytes
    var size = memory.bytes / Self.cacheShare
    if let limit = AddressSpaceLimit.current() {
      cacheSizeBytes = 0
      size = min(size, Int(clamping: limit) - Int(clamping: AddressSpaceLimit.neededBytes(self)))
    }
    cacheSizeBytes = max(least, (size >> 20) << 20)
  }
}
