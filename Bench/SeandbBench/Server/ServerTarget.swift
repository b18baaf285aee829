/// The servers that the benchmark knows: seandb on each of its engines, and what people would use instead.
enum ServerTarget: String, CaseIterable, Sendable {
  /// Hand-written in C++ for the same `database.proto` (Bench/Peers/grpc-cpp-rocksdb).
  case grpcCppRocksDB = "grpc-cpp-rocksdb"
  case seandbRocksDB = "seandb-rocksdb"
  case seandbLSM = "seandb-lsm"
  /// The same with an access file, and a token on every call.
  case seandbLSMToken = "seandb-lsm-token"
  /// seandb with indexes on its model, on each engine.
  case seandbRocksDBIndexed = "seandb-rocksdb-indexed"
  case seandbRocksDBIndexed2 = "seandb-rocksdb-indexed-2"
  case seandbRocksDBIndexed3 = "seandb-rocksdb-indexed-3"
  case seandbRocksDBCovered = "seandb-rocksdb-covered"
  case seandbLSMIndexed = "seandb-lsm-indexed"
  case seandbLSMIndexed2 = "seandb-lsm-indexed-2"
  case seandbLSMIndexed3 = "seandb-lsm-indexed-3"
  case seandbLSMCovered = "seandb-lsm-covered"
  case etcd
  case redis
  /// nghttp2's own server with a static file: the limit of HTTP/2.
  case nghttpd
  /// One that runs already, with the service of the seed's `database.proto`, and where it is asked by indexes, with
  /// those of ``DogIndexes/covered``.
  case external

  /// How a seandb is made; nil for all else.
  var seandb: (engine: String, indexes: DogIndexes)? {
    switch self {
    case .seandbRocksDB: ("rocksdb", .none)
    case .seandbRocksDBIndexed: ("rocksdb", .one)
    case .seandbRocksDBIndexed2: ("rocksdb", .two)
    case .seandbRocksDBIndexed3: ("rocksdb", .three)
    case .seandbRocksDBCovered: ("rocksdb", .covered)
    case .seandbLSM, .seandbLSMToken: ("lsm", .none)
    case .seandbLSMIndexed: ("lsm", .one)
    case .seandbLSMIndexed2: ("lsm", .two)
    case .seandbLSMIndexed3: ("lsm", .three)
    case .seandbLSMCovered: ("lsm", .covered)
    case .grpcCppRocksDB, .etcd, .redis, .nghttpd, .external: nil
    }
  }

  /// Whether its model has indexes, so that records need the fields for them.
  var hasIndexes: Bool { seandb.map { $0.indexes != .none } ?? false }

  var operations: Set<Operation> {
    if let seandb { return seandb.indexes.operations }
    return switch self {
    case .grpcCppRocksDB: SeandbDialect.seedOperations
    case .etcd: EtcdDialect.operations
    case .redis: RedisDialect.operations
    case .nghttpd: FileDialect.operations
    default: SeandbDialect.operations
    }
  }

  func supports(_ workload: ServerWorkload, _ sizes: CallSizes) -> Bool {
    // The hand-written server has no ranges but those of a prefix.
    if self == .grpcCppRocksDB, workload.operations.contains(.rangeGet), !sizes.rangesHavePrefix {
      return false
    }
    // What the others store has no fields that change.
    let isTransaction = self == .etcd && workload == .transact
    if workload.isOfIndexes, seandb == nil, self != .external, !isTransaction { return false }
    return workload.operations.allSatisfy(operations.contains)
  }

  /// Whether the benchmark can reach it over TLS.
  var hasTLS: Bool { self != .redis && self != .external }

  /// Whether it takes part when nobody says which ones do.
  var isUsual: Bool { self != .external && self != .seandbLSMToken && !hasIndexes }

  /// Whether it keeps what it is given.
  var stores: Bool { self != .nghttpd }
}

/// What an acknowledged write survives.
enum ServerDurability: String, CaseIterable, Sendable {
  /// The end of the process.
  case buffered
  /// A power cut.
  case sync
}
