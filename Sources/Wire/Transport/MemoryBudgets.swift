import Synchronization

/// How much memory all connections together may hold. Sizes in bytes.
///
/// Thread-safety: every call from any thread.
package final class MemoryBudgets: Sendable {
  /// Request messages that are still arriving.
  let requests: MemoryBudget
  /// Answers that were made and not yet taken by their clients.
  package let answers: MemoryBudget

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

  init(limit: Int) { self.limit = limit }

  /// Whether nothing more should be begun.
  package var isSpent: Bool { used.load(ordering: .relaxed) >= limit }

  /// Counts bytes that came (positive) or went (negative).
  func add(_ bytes: Int) { used.wrappingAdd(bytes, ordering: .relaxed) }
}
