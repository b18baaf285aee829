/// The snapshots in force, as cuts in the order of changes.
///
/// Two versions of a key with no snapshot between them are in one stripe: no reader can tell the older
/// one from nothing, so it may go.
struct SnapshotStripes: Sendable {
  /// Ascending, each once.
  let snapshots: [SequenceNumber]

  init(_ snapshots: [SequenceNumber]) { self.snapshots = snapshots }

  var count: Int { snapshots.count + 1 }

  /// The stripe a change is in; 0 is the oldest, which every snapshot sees.
  @inline(__always)
  func stripe(of sequence: SequenceNumber) -> Int {
    if snapshots.isEmpty { return 0 }
    var low = 0
    var high = snapshots.count
    while low < high {
      let middle = (low + high) / 2
      if snapshots[middle] < sequence { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The last change that belongs to a stripe.
  func top(of stripe: Int) -> SequenceNumber {
    stripe < snapshots.count ? snapshots[stripe] : .maximum
  }

  /// Whether every reader sees all changes up to `sequence`.
  func isSeenByAll(_ sequence: SequenceNumber) -> Bool {
    snapshots.first.map { sequence <= $0 } ?? true
  }
}
