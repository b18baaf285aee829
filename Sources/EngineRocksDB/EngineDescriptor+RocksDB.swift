package import Engine
import Glibc

extension EngineDescriptor {
  /// RocksDB by its C API: the production engine.
  package static let rocksDB = rocksDB(.production)

  /// RocksDB with other settings, under the same name: for benchmarks.
  package static func rocksDB(_ settings: RocksDBSettings) -> EngineDescriptor {
    EngineDescriptor(
      name: "rocksdb",
      files: StoreFileNames(
        current: "CURRENT", manifestPrefix: "MANIFEST-", logSuffix: ".log", tableSuffix: ".sst",
        otherSuffixes: [".blob"]),
      likeness: RocksDBFiles.likeness, isLocked: RocksDBFiles.isLocked
    ) { directory, options throws(EngineError) in
      try RocksDBEngine(directory: directory, options: options, settings: settings)
    }
  }
}

// SAFETY: The path is a string of our own and the lock a local variable; the system keeps neither.
extension RocksDBFiles {
  fileprivate static func likeness(of names: [String]) -> StoreLikeness {
    let isLike = names.contains {
      $0.hasSuffix(".sst") || $0 == "IDENTITY" || $0.hasPrefix("OPTIONS-")
    }
    return isLike ? .likely : .none
  }

  /// Whether another process has RocksDB's lock of a store (`fcntl`, over the whole file).
  fileprivate static func isLocked(_ directory: String) -> Bool {
    let file = unsafe open(directory + "/LOCK", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    var lock = Glibc.flock()
    lock.l_type = Int16(F_RDLCK)
    lock.l_whence = Int16(SEEK_SET)
    guard unsafe fcntl(file, F_GETLK, &lock) == 0 else { return false }
    return lock.l_type != Int16(F_UNLCK)
  }
}
