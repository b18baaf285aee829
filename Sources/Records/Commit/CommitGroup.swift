import Engine

/// Changes of several calls, to be committed together.
// SAFETY of `@unchecked Sendable`: a group is in the queue, behind its mutex, with the thread that checks a long write,
// or with the commit thread alone.
final class CommitGroup: @unchecked Sendable {
  let batch = WriteBatch()
  var calls: [CommitTicket] = []
  /// Its share of what the queue counts.
  var queuedBytes = 0

  /// Whether a call with so many bytes may be committed with those that are here.
  func takes(_ byteCount: Int) -> Bool {
    // A large call is alone: should it be too large for the engine, no other one fails with it.
    batch.byteCount < CommitQueue.groupBytes && byteCount < CommitQueue.groupBytes
      && calls.count < CommitQueue.groupCalls
  }

  func removeAll() {
    queuedBytes = 0
    batch.clear(keepingAtMost: CommitQueue.groupBytes)
    calls.removeAll(keepingCapacity: true)
  }

  /// Takes over what another group has, after its own.
  func append(_ other: CommitGroup) {
    batch.append(other.batch)
    calls += other.calls
    queuedBytes += other.queuedBytes
  }
}
