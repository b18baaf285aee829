package import Bytes

/// Names one call from any thread, for as long as anyone keeps it.
///
/// It holds no reference: when the call or its connection is gone, completing it does nothing.
package struct CallToken: Sendable, Equatable {
  let loop: UInt32
  let connection: UInt32
  let connectionGeneration: UInt32
  let slot: UInt32
  let generation: UInt32
}

extension CallToken {
  /// The token as numbers that mean nothing to anybody else.
  package var words: (UInt64, UInt64, UInt32) {
    (
      UInt64(loop) << 32 | UInt64(connection), UInt64(connectionGeneration) << 32 | UInt64(slot),
      generation
    )
  }

  /// - Parameter words: of a token of this process.
  package init(words: (UInt64, UInt64, UInt32)) {
    loop = UInt32(truncatingIfNeeded: words.0 >> 32)
    connection = UInt32(truncatingIfNeeded: words.0)
    connectionGeneration = UInt32(truncatingIfNeeded: words.1 >> 32)
    slot = UInt32(truncatingIfNeeded: words.1)
    generation = words.2
  }
}

/// What a unary handler made of a request.
package enum UnaryOutcome {
  /// The answer's bytes are in the response writer.
  case done
  /// The call failed; what was written is dropped.
  case failed(RPCStatus)
  /// Somebody completes the token later, through ``Completions``. What was written is dropped.
  case pending
  /// As `pending`; the work can be given up when the cancellation says so.
  case cancellable(CallCancellation)
}

/// Answers one unary method.
package protocol UnaryHandler: Sendable {
  /// Runs on the connection's event loop and must not block it.
  ///
  /// - Parameters:
  ///   - request: the message's bytes, valid until the return.
  ///   - response: receives the answer's message bytes, appended after what is there.
  @safe
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome
}
