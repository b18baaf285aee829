/// Whether an engine takes writes.
package enum WriteState: Equatable, Sendable {
  case open
  /// Writes are refused for now, and nothing that was acknowledged is in doubt: a flush or a compaction found no
  /// room on the disk. The engine tries again by itself and goes back to ``open``.
  case paused(reason: String)
  /// Writes are refused until the store is opened again: what a failed write has left on the disk is not known,
  /// or the engine was opened for reading.
  case refused(reason: String)
}

/// A file of which more bytes than these may be there later, but never fewer, as long as it is there.
package struct ManifestExtent: Equatable, Sendable {
  /// The number in the file's name.
  package let number: UInt64
  package let bytes: UInt64

  package init(number: UInt64, bytes: UInt64) {
    self.number = number
    self.bytes = bytes
  }
}
