import Synchronization

/// The snapshots in force.
///
/// Thread-safety: every call from any thread.
final class SnapshotList: Sendable {
  private struct State {
    /// How many snapshots are at a sequence number.
    var counts: [SequenceNumber: Int] = [:]
    /// Whether somebody waits for the oldest one to go.
    var isAwaited = false

    var oldest: SequenceNumber { counts.keys.min() ?? .maximum }
  }

  private let state = Monitor(State())

  /// Takes a snapshot at what `visible` says under the list's lock: a compaction that asks
  /// ``stripes`` afterwards knows it, and one that asked before saw no later change.
  func take(_ visible: () -> SequenceNumber) -> SequenceNumber {
    state.withLock { state in
      let sequence = visible()
      state.counts[sequence, default: 0] += 1
      return sequence
    }
  }

  /// - Returns: whether somebody waits for this: most snapshots come and go with a read, and hold nothing back.
  func release(_ sequence: SequenceNumber) -> Bool {
    state.withLock { state in
      guard let count = state.counts[sequence] else { preconditionFailure("released twice") }
      state.counts[sequence] = count == 1 ? nil : count - 1
      guard count == 1, state.isAwaited else { return false }
      state.isAwaited = false
      return true
    }
  }

  /// Has the next ``release(_:)`` say so.
  ///
  /// - Returns: false when `oldest` is not the oldest snapshot any more: look again instead of waiting.
  func awaitRelease(ofOldest oldest: SequenceNumber) -> Bool {
    state.withLock { state in
      guard state.oldest == oldest else { return false }
      state.isAwaited = true
      return true
    }
  }

  var stripes: SnapshotStripes { state.withLock { SnapshotStripes($0.counts.keys.sorted()) } }

  /// The oldest snapshot in force; `.maximum` without one.
  var oldest: SequenceNumber { state.withLock { $0.oldest } }

  var count: Int { state.withLock { $0.counts.values.reduce(0, +) } }
}
