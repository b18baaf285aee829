package import Bytes

/// Starts calls of one server-streaming method: one request message, any number of answers.
///
/// A stream is *pulled*: it is asked for one message at a time, and only while its client takes them. So a slow client
/// costs the memory of about two messages, and is never cut off. A method that sends the pages of a long read:
///
///     struct PagesHandler: ServerStreamHandler {
///       func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart {
///         guard let query = Query(request) else { return .failed(.malformedQuery) }
///         return .stream(Pages(query, context.token))
///       }
///     }
///
///     final class Pages: ServerStream {
///       func pull(_ response: inout ByteWriter) -> PullOutcome {
///         if let page = query.nextPageFromMemory() { response.append(page); return .message }
///         if query.isAtEnd { return .finished(nil) }
///         threads.submit { [token, query] in                 // it would block: another thread answers the pull
///           completions.complete(token, .streamMessage(OwnedMessage(query.readNextPage())))
///           completions.post()
///         }
///         return .pending
///       }
///       func cancel() { query.close() }
///     }
///
/// Make messages of up to about 256 KiB: larger ones cost more memory for each slow client, much smaller ones time.
package protocol ServerStreamHandler: Sendable {
  /// Runs on the connection's event loop, when the one request message is there, and must not block.
  ///
  /// - Parameter request: the message's bytes, valid until the return.
  @safe
  func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart
}

/// What a handler made of the request of a server-streaming call.
package enum ServerStreamStart {
  /// The call ends with this status and no message.
  case failed(RPCStatus)
  /// The call's answers come from this stream, which is first pulled right after.
  case stream(any ServerStream)
}

/// The answers of one server-streaming call. All of it runs on the connection's event loop and must not block it.
package protocol ServerStream: AnyObject {
  /// The client has room: makes one message, or ends the call.
  ///
  /// It is not called again before a pull is answered, and not after the end. A pull is answered by the return, or
  /// after `pending` by completing the call's token, once, from any thread and at any time: with `streamMessage`,
  /// `streamRetry` or `streamFinish` through ``Completions`` or ``CallContext/output``. An answer that was not asked
  /// for is dropped.
  ///
  /// - Parameter response: receives the message's bytes, appended after what is there.
  func pull(_ response: inout ByteWriter) -> PullOutcome

  /// The call ended before the stream: it was reset, its connection or its deadline ended it, or the server is shutting
  /// down (the client gets UNAVAILABLE after the messages that were made). Called once, and nothing is pulled after it.
  /// A pull that is under way on another thread may still be answered; that is dropped.
  func cancel()
}

/// What a stream answers to a pull.
package enum PullOutcome {
  /// One message, whose bytes are in the response writer.
  case message
  /// The end of the call; nil is OK. What was written is dropped.
  case finished(RPCStatus?)
  /// Somebody completes the call's token later. What was written is dropped.
  case pending
  /// Nothing before the client's next message, or its half-close: the pull is repeated after that. Of a
  /// ``StreamingCall`` alone. As after `pending`, somebody may complete the token before, which then answers the pull.
  /// What was written is dropped.
  case needsMessage
}
