/// A ``StorageEngine`` that keeps its data in files of its own, on this machine.
///
/// Thread-safety: every call, from any thread at any time.
package protocol LocalStore: StorageEngine {
  /// Writes a copy of the state of now, which opens as an engine of its own. Blocks on disk I/O; writes
  /// go on meanwhile. Files that never change are hard-linked where the file system allows it.
  ///
  /// - Parameter directory: must not exist; its parent must. On the same file system it costs little.
  func checkpoint(to directory: String) throws(EngineError)

  /// Writes what is in memory to tables and waits for it.
  func flush() throws(EngineError)

  /// Rewrites the tables that overlap `range` (nil: all) so that overwritten and deleted records give
  /// their space back. Waits for the end; ``close()`` cuts it short.
  func compact(_ range: KeyRange?) throws(EngineError)

  /// The file that names the tables which count, and its size; nil for an engine whose open finds out by itself
  /// that the end of that file is gone. One look at the file system.
  func manifestExtent() -> ManifestExtent?
}

extension LocalStore {
  package func manifestExtent() -> ManifestExtent? { nil }
}

/// A file of which more bytes than these may be there later, but never fewer, as long as it is there.
package struct ManifestExtent: Equatable, Sendable {
  /// The number in the file's name.
  package let number: UInt64
  /// Its size when it was looked at.
  package let bytes: UInt64

  package init(number: UInt64, bytes: UInt64) {
    self.number = number
    self.bytes = bytes
  }
}
