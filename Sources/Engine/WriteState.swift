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

extension WriteState {
  /// Whether a write that comes now may be stored.
  package var takesWrites: Bool {
    switch self {
    case .open, .strained: true
    case .paused, .refused: false
    }
  }
}
