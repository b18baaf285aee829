import Engine

/// What is measured: an engine with its settings.
enum EngineTarget: String, CaseIterable, Sendable {
  /// RocksDB with the settings of `seandb serve`.
  case rocksdb
  /// Our own tree with the settings of `seandb serve`.
  case lsm
  /// RocksDB with the settings that it has when nothing is set, cache and memtable too.
  case rocksdbDefaults = "rocksdb-defaults"

  var kind: EngineKind { self == .lsm ? .lsm : .rocksdb }

  func options(_ settings: BenchSettings) -> EngineOptions {
    var options = EngineOptions()
    options.cacheSizeBytes = settings.cacheSizeBytes
    options.memtableSizeBytes = settings.memtableSizeBytes
    if self == .rocksdbDefaults {
      options.rocksDBSettings = .defaults
      // Flushing for range deletes is ours, not RocksDB's.
      options.rangeDeletesBeforeFlush = .max
    }
    return options
  }
}
