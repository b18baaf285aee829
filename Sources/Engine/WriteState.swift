/// Whether an engine takes writes.
package enum WriteState: Equatable, Sendable {
  case open
  /// Writes are taken, and a flush or a compaction has failed. It is tried again; should it go on failing, writes
  /// will have to wait.
  case strained(reason: String)
  /// Writes are refused for now, and nothing that was acknowledged is in doubt: the disk is full, or refuses for
  /// another cause that may pass. The engine tries again by itself and goes back to ``open``.
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

extension WriteState {
  /// Whether a write that comes now may be stored.
  package var takesWrites: Bool {
    switch self {
    case .open, .strained: true
    case .paused, .refused: false
    }
  }
}
