import Bytes

/// A copy of a request, for work on another thread. Its bytes count as the server's memory for requests until it is
/// gone.
///
/// Thread-safety: constant; any thread.
// SAFETY: what the writer lends is there until `body` returns, which holds this object. `@unchecked Sendable`: the
// writer is not changed after the init.
package final class KeptRequest: @unchecked Sendable {
  private let writer: ByteWriter
  private let budget: MemoryBudget?

  /// Copies a request. O(bytes).
  ///
  /// - Parameter budget: nil when somebody else counts the bytes.
  @safe
  package init(_ request: UnsafeRawBufferPointer, countedBy budget: MemoryBudget?) {
    var writer = ByteWriter(capacity: request.count)
    writer.append(request)
    self.writer = writer
    self.budget = budget
    budget?.add(request.count)
  }

  deinit { budget?.add(-writer.count) }

  /// Lends the bytes until `body` returns.
  @safe
  package func withBytes<R, E>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try unsafe body(writer.bytes)
  }
}
