import Synchronization

/// How many reads wait for a storage thread of any kind or are with one, and the limit of it.
///
/// Thread-safety: every call from any thread.
package final class QueuedReads: Sendable {
  /// Reads; beyond it, calls are refused.
  package static let limit = 8192

  private let count = Atomic<Int>(0)

  package init() {}

  /// Counts one more; false, and not counted, when there are as many as there may be.
  package func add() -> Bool {
    guard count.wrappingAdd(1, ordering: .relaxed).newValue <= Self.limit else {
      count.wrappingSubtract(1, ordering: .relaxed)
      return false
    }
    return true
  }

  /// Whether one more would be refused.
  var isFull: Bool { count.load(ordering: .relaxed) >= Self.limit }

  /// Counts one more that was taken before in another form.
  func addTaken() { count.wrappingAdd(1, ordering: .relaxed) }

  /// Counts so many less.
  package func remove(_ reads: Int) { count.wrappingSubtract(reads, ordering: .relaxed) }
}
