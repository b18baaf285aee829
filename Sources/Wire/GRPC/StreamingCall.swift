/// Starts calls of one method whose clients send any number of messages: a client-streaming or a bidirectional one. One
/// that takes a single request is a ``ServerStreamHandler``.
package protocol StreamingHandler: Sendable {
  /// Runs on the connection's event loop when the request's headers have come, and must not block.
  func start(_ context: CallContext) -> any StreamingCall
}

/// One client-streaming or bidirectional call. All of it runs on the connection's event loop and must not block it.
///
/// It is *pulled*, as a ``ServerStream`` is, and asks for what its client sends by what it answers to a pull:
///
///     final class Sum: StreamingCall {
///       func pull(_ response: inout ByteWriter) -> PullOutcome {
///         guard isAtEnd else { return .needsMessage }
///         guard !isAnswered else { return .finished(nil) }
///         isAnswered = true
///         response.append(sum)
///         return .message
///       }
///       func receive(_ message: UnsafeRawBufferPointer) { sum += Number(message) }
///       func halfClose() { isAtEnd = true }
///       func cancel() {}
///     }
///
/// So there is back-pressure both ways. A call that does not ask for messages gets none: they wait, their client gets
/// no credit for them, and its window closes. A client that does not take its answers has its call not pulled, and by
/// that not given any message.
package protocol StreamingCall: ServerStream {
  /// A whole request message, which the call has asked for; the bytes are valid until the return. A pull follows.
  ///
  /// The work on a message may be another thread's: the next pull is then `pending`, and completed when it is done, by
  /// `streamRetry` if nothing is to be answered.
  @safe
  func receive(_ message: UnsafeRawBufferPointer)

  /// The client sends no more messages: once, in place of a message that was asked for. A pull follows; what asks for
  /// messages after that waits for ever.
  func halfClose()

  /// The server is about to end. A status ends the call with it, after the messages that were made; nil lets it go on:
  /// for calls that end by themselves, such as an upload. By default `RPCStatus.shuttingDown`.
  func drain() -> RPCStatus?
}

extension StreamingCall {
  package func drain() -> RPCStatus? { .shuttingDown }
}
