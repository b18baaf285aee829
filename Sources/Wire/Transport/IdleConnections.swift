import Synchronization

/// The connections of an event loop that have no calls, the one that has had none for longest first.
///
/// Whether a connection has calls is looked at twice a second, and once more before it is let go of: calls themselves
/// have nothing to do here.
///
/// Thread-safety: ``oldest`` from any thread; everything else on the event loop.
// SAFETY of `@unchecked Sendable`: `order` is touched by the event loop's thread only.
final class IdleConnections: @unchecked Sendable {
  private var order = IdleOrder<OpenConnection>()
  private let firstSince = Atomic<UInt64>(.max)

  /// Since when the first one has no calls, in nanoseconds of the monotonic clock; `UInt64.max` when there is none.
  var oldest: UInt64 { firstSince.load(ordering: .relaxed) }

  func append(_ connection: OpenConnection, since: UInt64) -> Int {
    defer { publish() }
    return order.append(connection, since: since)
  }

  func remove(_ place: Int) {
    order.remove(place)
    publish()
  }

  /// Lets go of the first one that has no calls now either. Amortised O(1): a connection that has calls by now is not
  /// seen here again before it was looked at.
  ///
  /// - Parameter atOnce: whether its socket must be closed when this returns.
  /// - Returns: false when there is none.
  func evict(atOnce: Bool) -> Bool {
    while let connection = order.first {
      if connection.evict(atOnce: atOnce) { return true }
    }
    return false
  }

  private func publish() { firstSince.store(order.firstSince, ordering: .relaxed) }
}
