/// The engines a data directory can belong to. The raw value is what `--engine` takes and what the
/// directory's marker stores.
package enum EngineKind: String, CaseIterable, Sendable {
  /// RocksDB by its C API: the production engine.
  case rocksdb
  /// Our own log-structured merge tree, in Swift.
  case lsm

  /// Opens the engine of `kind` in `directory`, replaying its log. Blocks on disk I/O.
  ///
  /// - Parameter directory: created when it is missing, but not its parents. It belongs to this engine
  ///   until ``StorageEngine/close()``.
  /// - Throws: ``EngineError/lockHeld(directory:)`` when it is open already;
  ///   ``EngineError/corruption(_:)`` when the log or the manifest is damaged.
  package static func open(
    _ kind: EngineKind, directory: String, options: EngineOptions = EngineOptions()
  ) throws(EngineError) -> any StorageEngine {
    switch kind {
    case .rocksdb: try RocksDBEngine(directory: directory, options: options)
    case .lsm: try LSMEngine(directory: directory, options: options)
    }
  }
}
