import Records
package import Wire

// SAFETY: what is kept of a request lends its bytes until the check returns, whose changes are copies.

/// Requests that would keep an event loop busy for long are only copied there; the rest is another thread's.
package enum LongRequest {
  /// Bytes of a request from which on it is long: 2 ms to check when it is one of tiny records.
  package static let bytes = 64 << 10
}

/// Writes whose requests are long: checked, and made into changes, on the commit queue's thread for that.
///
/// Thread-safety: any thread.
package struct LongWrites: Sendable {
  private let makeCompletions: @Sendable () -> Completions

  /// - Parameter makeCompletions: those of the server that the handlers are of.
  package init(_ makeCompletions: @escaping @Sendable () -> Completions) {
    self.makeCompletions = makeCompletions
  }

  /// Takes a place in the queue, see ``CommitQueue/enqueueLong(_:byteCount:_:)``.
  typealias Enqueue = (
    _ ticket: CommitTicket, _ byteCount: Int, _ make: @escaping @Sendable (CommitGroup) -> Bool
  ) -> Bool
  /// Appends the changes to the group; or says how the call ends, and nothing is stored.
  typealias Check =
    @Sendable (UnsafeRawBufferPointer, CommitTicket, CommitGroup) -> Completions.Outcome?

  /// Has a long request of a write checked later.
  @safe
  func submit(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, to store: ModelStore,
    _ check: @escaping Check
  ) -> UnaryOutcome {
    submit(request, context, enqueue: store.enqueueLong, check)
  }

  /// The same for what is no store's.
  @safe
  func submit(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, enqueue: Enqueue,
    _ check: @escaping Check
  ) -> UnaryOutcome {
    let token = context.token
    // The queue counts its bytes.
    let kept = KeptRequest(request, countedBy: nil)
    let ticket = CommitTicket(token)
    let isTaken = enqueue(ticket, request.count) { group in
      guard let outcome = kept.withBytes({ unsafe check($0, ticket, group) }) else { return true }
      var completions = makeCompletions()
      completions.complete(token, outcome)
      completions.post()
      return false
    }
    return isTaken ? .pending : .failed(StatusMapping.writeQueueFull)
  }
}
