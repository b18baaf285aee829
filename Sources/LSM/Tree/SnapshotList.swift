import Synchronization

/// The snapshots in force.
///
/// Thread-safety: every call from any thread.
final class SnapshotList: Sendable {
  /// How many snapshots are at a sequence number.
  private let counts = Monitor<[SequenceNumber: Int]>([:])

  /// Takes a snapshot at what `visible` says under the list's lock: a compaction that asks
  /// ``stripes`` afterwards knows it, and one that asked before saw no later change.
  func take(_ visible: () -> SequenceNumber) -> SequenceNumber {
    counts.withLock { counts in
      let sequence = visible()
      counts[sequence, default: 0] += 1
      return sequence
    }
  }

  /// - Returns: whether it was the last one at its place.
  func release(_ sequence: SequenceNumber) -> Bool {
    counts.withLock { counts in
      guard let count = counts[sequence] else { preconditionFailure("released twice") }
      counts[sequence] = count == 1 ? nil : count - 1
      return count == 1
    }
  }

  var stripes: SnapshotStripes { counts.withLock { SnapshotStripes($0.keys.sorted()) } }

  /// The oldest snapshot in force; `.maximum` without one.
  var oldest: SequenceNumber { counts.withLock { $0.keys.min() } ?? .maximum }

  var count: Int { counts.withLock { $0.values.reduce(0, +) } }
}
