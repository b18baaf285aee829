/// The servers that the benchmark knows: seandb on each of its engines, and what people would use instead.
enum ServerTarget: String, CaseIterable, Sendable {
  /// Hand-written in C++ for the same `database.proto` (Bench/Peers/grpc-cpp-rocksdb).
  case grpcCppRocksDB = "grpc-cpp-rocksdb"
  case seandbRocksDB = "seandb-rocksdb"
  case seandbLSM = "seandb-lsm"
  /// The same with an access file, and a token on every call.
  case seandbLSMToken = "seandb-lsm-token"
  case etcd
  case redis
  /// nghttp2's own server with a static file: the limit of HTTP/2.
  case nghttpd
  /// One that runs already, with the service of the seed's `database.proto`.
  case external

  var operations: Set<Operation> {
    switch self {
    case .seandbRocksDB, .seandbLSM, .seandbLSMToken, .external: SeandbDialect.operations
    case .grpcCppRocksDB: SeandbDialect.seedOperations
    case .etcd: EtcdDialect.operations
    case .redis: RedisDialect.operations
    case .nghttpd: FileDialect.operations
    }
  }

  func supports(_ workload: ServerWorkload, _ sizes: CallSizes) -> Bool {
    // The hand-written server has no ranges but those of a prefix.
    if self == .grpcCppRocksDB, workload.operations.contains(.rangeGet), !sizes.rangesHavePrefix {
      return false
    }
    return workload.operations.allSatisfy(operations.contains)
  }

  /// Whether the benchmark can reach it over TLS.
  var hasTLS: Bool { self != .redis && self != .external }

  /// Whether it takes part when nobody says which ones do.
  var isUsual: Bool { self != .external && self != .seandbLSMToken }

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
