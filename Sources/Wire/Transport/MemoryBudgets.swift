import Synchronization

/// How much memory all connections together may hold. Sizes in bytes.
///
/// Thread-safety: every call from any thread.
package final class MemoryBudgets: Sendable {
  /// Request messages that are still arriving.
  package let requests: MemoryBudget
  /// Answers that were made and not yet taken by their clients.
  package let answers: MemoryBudget

  /// - Parameters: the limits of ``requests`` and ``answers``, over all connections of a server.
  package init(requestBytes: Int, answerBytes: Int) {
    requests = MemoryBudget(limit: requestBytes)
    answers = MemoryBudget(limit: answerBytes)
  }
}

/// One count with a limit.
package final class MemoryBudget: Sendable {
  /// Bytes, beyond which it is spent.
  package let limit: Int
  private let used = Atomic<Int>(0)

  /// Told once when it is no longer spent.
  private let waiters = Mutex<[@Sendable () -> Void]>([])
  private let hasWaiters = Atomic<Bool>(false)

  init(limit: Int) { self.limit = limit }

  /// Bytes that are held now.
  package var usedBytes: Int { used.load(ordering: .relaxed) }

  private let refused = Atomic<Bool>(false)

  /// Whether a connection that holds `held` bytes should hold no more: its share is as much as is free. So whoever
  /// comes finds some room, however much others hold.
  func isSpent(for held: Int) -> Bool { used.load(ordering: .relaxed) + held >= limit }

  /// Somebody's call was refused. What a connection that holds much is refused is its own matter.
  func noteRefusal(of held: Int) {
    if held < limit / 16 { refused.store(true, ordering: .relaxed) }
  }

  /// Whether somebody who holds little was refused since ``didMakeRoom()``.
  var hasRefused: Bool { refused.load(ordering: .relaxed) }

  /// Those who hold the most have given some up, as far as they could.
  func didMakeRoom() { refused.store(false, ordering: .relaxed) }

  /// Whether nothing more should be begun.
  package var isSpent: Bool { used.load(ordering: .relaxed) >= limit }

  /// Counts bytes that came (positive) or went (negative).
  func add(_ bytes: Int) {
    let now = used.wrappingAdd(bytes, ordering: .sequentiallyConsistent).newValue
    if bytes < 0, now < limit, hasWaiters.load(ordering: .sequentiallyConsistent) { wake() }
  }

  /// Has `body` called once, soon after there is room: now if there is. On the thread that made the room.
  func whenNotSpent(_ body: @escaping @Sendable () -> Void) {
    waiters.withLock {
      $0.append(body)
      hasWaiters.store(true, ordering: .sequentiallyConsistent)
    }
    // Room that was made before the store saw no waiter; the load after the store sees that room. In the one order of
    // all four accesses one of the two comes first, so that no wake-up is lost.
    if used.load(ordering: .sequentiallyConsistent) < limit { wake() }
  }

  private func wake() {
    let woken = waiters.withLock { waiters in
      defer { waiters = [] }
      hasWaiters.store(false, ordering: .sequentiallyConsistent)
      return waiters
    }
    for body in woken { body() }
  }
}
