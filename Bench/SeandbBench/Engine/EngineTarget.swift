import Engine
import EngineLSM
import EngineRocksDB

/// What is measured: an engine with its settings.
enum EngineTarget: String, CaseIterable, Sendable {
  /// RocksDB with the settings of `seandb serve`, but whole indexes and filters, as `lsm` has them.
  case rocksdbTuned = "rocksdb-tuned"
  /// Our own tree with the settings of `seandb serve`.
  case lsm
  /// RocksDB with the settings that it has when nothing is set, cache and memtable too.
  case rocksdbDefaults = "rocksdb-defaults"
  /// RocksDB with the settings of `seandb serve`.
  case rocksdb

  /// Those that are measured when nothing is said.
  static let usual: [EngineTarget] = [.rocksdbTuned, .lsm, .rocksdbDefaults]

  var engine: EngineDescriptor {
    switch self {
    case .rocksdbTuned: .rocksDB(.likeLSM)
    case .lsm: .lsm
    case .rocksdbDefaults: .rocksDB(.defaults)
    case .rocksdb: .rocksDB
    }
  }

  func options(_ settings: BenchSettings) -> EngineOptions {
    var options = EngineOptions()
    options.cacheSizeBytes = settings.cacheSizeBytes
    options.memtableSizeBytes = settings.memtableSizeBytes
    // Flushing for range deletes is ours, not RocksDB's.
    if self == .rocksdbDefaults { options.rangeDeletesBeforeFlush = .max }
    return options
  }
}
