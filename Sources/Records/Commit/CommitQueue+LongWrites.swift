import Dispatch
import Engine
import Synchronization

/// Writes that take long to check: they are checked, and their changes made, on a thread of their own.
extension CommitQueue {
  /// Long writes that wait may hold so much of ``maximumQueuedBytes``: what short ones need stays free.
  static let maximumLongBytes = 192 << 20

  /// Takes a place for one call whose changes are made later, in their order; the observer hears of the commit.
  ///
  /// - Parameters:
  ///   - byteCount: about how many bytes the changes will have.
  ///   - make: appends the changes to the group, on another thread; false when nothing is to be committed: then nobody
  ///     but `make` itself tells the call. It always runs, also after its client has gone: what came later is stored.
  /// - Returns: false, and `make` never runs, when the queue is full or stopping.
  package func enqueueLong(
    _ call: CommitTicket, byteCount: Int, _ make: @escaping @Sendable (CommitGroup) -> Bool
  ) -> Bool {
    state.withLock { state in
      guard !state.isStopping, Self.hasRoom(state, byteCount) else { return false }
      state.queuedBytes += byteCount
      let entry = state.long.append(call, byteCount: byteCount, after: state.openedGroups)
      // Under the lock: none comes after the stop.
      checks.submit { [self] in didCheck(entry, isMade: make(entry.group)) }
      return true
    }
  }

  private static func hasRoom(_ state: State, _ byteCount: Int) -> Bool {
    // What is larger than the queue is taken when it is alone, as a short write is.
    guard state.queuedBytes > 0 else { return true }
    return state.queuedBytes + byteCount <= maximumQueuedBytes
      && (state.long.bytes == 0 || state.long.bytes + byteCount <= maximumLongBytes)
  }

  private func didCheck(_ entry: LongLane.Entry, isMade: Bool) {
    let mustWake = state.withLock { state -> Bool in
      if isMade {
        state.queuedBytes += state.long.complete(entry)
      } else {
        state.queuedBytes -= entry.group.queuedBytes
        state.long.remove(entry)
      }
      defer { state.isIdle = false }
      return state.isIdle
    }
    if mustWake { wakeUp.signal() }
  }
}
