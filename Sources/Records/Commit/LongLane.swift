import Engine

/// Long writes on their way to the commit thread, and what the same sources have sent after them.
///
/// Calls of one source are committed in their order. Those of others need not wait for a long write to be checked, nor
/// for all that are queued: they have a lane of their own, and the commit thread takes from both in turn. What comes
/// from a source that has a long write here follows it in this lane; what it sent before comes first.
///
/// Thread-safety: none; guarded by the queue.
struct LongLane {
  /// A group of the lane.
  // SAFETY of `@unchecked Sendable`: `isReady` is guarded by the queue; of the group see there.
  final class Entry: @unchecked Sendable {
    let group = CommitGroup()
    /// Whose write is being checked; nil of short writes that follow a long one.
    let source: CommitTicket.Source?
    /// It comes after so many groups of short writes.
    let after: Int
    /// Whether its changes are there.
    var isReady: Bool

    init(source: CommitTicket.Source?, after: Int) {
      self.source = source
      self.after = after
      isReady = source == nil
    }
  }

  private var entries: [Entry] = []
  /// How many calls of a source are in the lane.
  private var calls: [CommitTicket.Source: Int] = [:]
  /// Of the long writes in it; of those that are not checked yet, bytes of their requests.
  private(set) var bytes = 0

  var isEmpty: Bool { entries.isEmpty }

  /// Whether a call of the source has to follow in this lane.
  func holds(_ source: CommitTicket.Source) -> Bool { calls[source] != nil }

  /// Takes a place for a long write, whose changes come later.
  mutating func append(_ call: CommitTicket, byteCount: Int, after: Int) -> Entry {
    let entry = Entry(source: call.source, after: after)
    entry.group.calls.append(call)
    entry.group.queuedBytes = byteCount
    bytes += byteCount
    calls[call.source, default: 0] += 1
    entries.append(entry)
    return entry
  }

  /// The group for a short write of a source that the lane holds.
  mutating func openGroup(for call: CommitTicket, byteCount: Int) -> CommitGroup {
    calls[call.source, default: 0] += 1
    if let last = entries.last, last.source == nil, last.group.takes(byteCount) {
      return last.group
    }
    let entry = Entry(source: nil, after: 0)
    entries.append(entry)
    return entry.group
  }

  /// The changes of a long write are there.
  ///
  /// - Returns: by how many bytes it is larger than it was taken for.
  mutating func complete(_ entry: Entry) -> Int {
    entry.isReady = true
    let growth = entry.group.byteCount - entry.group.queuedBytes
    entry.group.queuedBytes += growth
    bytes += growth
    return growth
  }

  /// Nothing is to be committed of a long write.
  mutating func remove(_ entry: Entry) {
    entries.removeAll { $0 === entry }
    didTake(entry)
  }

  /// Takes the first group, and those after it that may be committed with it.
  ///
  /// - Parameter taken: how many groups of short writes were taken so far.
  /// - Returns: empty when the first one is not ready, or has to wait for short writes.
  mutating func takeFirst(taken: Int) -> [CommitGroup] {
    var count = 0
    var (byteCount, callCount) = (0, 0)
    while count < entries.count {
      let entry = entries[count]
      guard entry.isReady, entry.after <= taken else { break }
      byteCount += entry.group.byteCount
      callCount += entry.group.callCount
      let isTogether =
        byteCount <= CommitQueue.groupBytes && callCount <= CommitQueue.groupCalls
      guard count == 0 || isTogether else { break }
      count += 1
    }
    guard count > 0 else { return [] }
    let first = entries[..<count]
    entries.removeFirst(count)
    for entry in first { didTake(entry) }
    return first.map(\.group)
  }

  private mutating func didTake(_ entry: Entry) {
    if entry.source != nil { bytes -= entry.group.queuedBytes }
    for call in entry.group.allCalls {
      let left = (calls[call.source] ?? 1) - 1
      calls[call.source] = left == 0 ? nil : left
    }
  }
}
