import Synchronization

/// Hands out the numbers of new records, and knows up to which one all are there: YCSB's
/// AcknowledgedCounterGenerator.
///
/// Thread-safety: any thread.
package final class InsertSequence: Sendable {
  private let next: Atomic<Int>
  private let acknowledged: Atomic<Int>
  /// Inserted, after a number that is not yet.
  private let early = Mutex<Set<Int>>([])

  /// - Parameter count: records that are there already.
  package init(count: Int) {
    next = Atomic(count)
    acknowledged = Atomic(count)
  }

  /// Records that are there from the first one on.
  @inline(__always)
  package var count: Int { acknowledged.load(ordering: .acquiring) }

  /// The number of the next record; whoever takes it inserts it.
  package func take() -> Int { next.add(1, ordering: .relaxed).oldValue }

  /// The record `number` is inserted.
  package func acknowledge(_ number: Int) {
    early.withLock { early in
      early.insert(number)
      var count = acknowledged.load(ordering: .relaxed)
      while early.remove(count) != nil { count += 1 }
      acknowledged.store(count, ordering: .releasing)
    }
  }
}
