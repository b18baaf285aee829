/// The snapshots in force.
///
/// Thread-safety: every call from any thread.
package final class SnapshotList: Sendable {
  private struct State {
    /// How many snapshots are at a sequence number.
    var counts: [SequenceNumber: Int] = [:]
    /// Whether somebody may wait for the oldest one to go: until a look at the tables has found that nobody does.
    var isAwaited = true

    var oldest: SequenceNumber { counts.keys.min() ?? .maximum }
  }

  private let state = Monitor(State())

  package init() {}

  /// Takes a snapshot at what `visible` says under the list's lock: a compaction that asks
  /// ``stripes`` afterwards knows it, and one that asked before saw no later change.
  package func take(_ visible: () -> SequenceNumber) -> SequenceNumber {
    state.withLock { state in
      let sequence = visible()
      state.counts[sequence, default: 0] += 1
      return sequence
    }
  }

  /// - Returns: whether somebody may wait for this: most snapshots come and go with a read, and hold nothing back.
  package func release(_ sequence: SequenceNumber) -> Bool {
    state.withLock { state in
      guard let count = state.counts[sequence] else { preconditionFailure("released twice") }
      state.counts[sequence] = count == 1 ? nil : count - 1
      return count == 1 && state.isAwaited
    }
  }

  /// Notes whether a look at the tables, with `oldest` as the oldest snapshot, found one that waits for it to go.
  ///
  /// - Returns: false when it is not the oldest one any more: look again.
  package func note(isAwaited: Bool, oldest: SequenceNumber) -> Bool {
    state.withLock { state in
      guard state.oldest == oldest else { return false }
      state.isAwaited = isAwaited
      return true
    }
  }

  /// Other tables are there, which nobody has looked at.
  package func noteNewTables() { state.withLock { $0.isAwaited = true } }

  var stripes: SnapshotStripes { state.withLock { SnapshotStripes($0.counts.keys.sorted()) } }

  /// The oldest snapshot in force; `.maximum` without one.
  package var oldest: SequenceNumber { state.withLock { $0.oldest } }

  var count: Int { state.withLock { $0.counts.values.reduce(0, +) } }
}
