/// What a server lets others have a say in, beside its handlers. By default nothing, which costs nothing.
package struct CallHooks: Sendable {
  /// Asked before each handler runs.
  package var gate: (any CallGate)?
  /// Told of the end of each call. With one, the clock is read twice a call.
  package var observer: (any CallObserver)?
  /// Lower-case names of the request headers that ``CallContext/metadata(_:)`` finds; others are not kept. At most 255.
  package var keptMetadata: [String]

  package init(
    gate: (any CallGate)? = nil, observer: (any CallObserver)? = nil, keptMetadata: [String] = []
  ) {
    precondition(keptMetadata.count <= 255)
    self.gate = gate
    self.observer = observer
    self.keptMetadata = keptMetadata
  }
}

/// A method of the server, for whoever looks at calls.
package struct CallMethod: Sendable {
  /// Its place in the order of registration: an index into tables of one's own.
  package let index: Int
  /// `/package.Service/Method`.
  package let path: String
}

/// Decides whether calls may run.
///
/// Thread-safety: asked on every event loop.
package protocol CallGate: Sendable {
  /// Runs on the connection's event loop and must not block it. A unary call or a server stream is there as a whole by
  /// then, of a bidirectional call only the headers. Calls that fail before (an unknown method, a broken message, a
  /// deadline that has passed) are not asked about.
  ///
  /// - Returns: nil lets the call run; else it fails with the status, and its handler never sees it.
  func refusal(_ method: CallMethod, _ context: CallContext) -> RPCStatus?
}

/// Is told how calls ended.
///
/// Thread-safety: told on every event loop.
package protocol CallObserver: Sendable {
  /// Runs on the connection's event loop and must not block it: once for each call whose headers came as a whole, when
  /// its stream is over, however that came about. A stream that HTTP/2 itself does not allow is no call.
  func callEnded(_ call: EndedCall)
}

/// A call that is over.
package struct EndedCall: Sendable {
  /// Nil when the server has no such method.
  package let method: CallMethod?
  /// What the client was told, or would have been; `cancelled` when the client or its connection ended the call before.
  package let status: StatusCode
  /// Whole messages that came, and their bytes without gRPC's prefix. Of a bidirectional call those that it was given.
  package let requestMessages: Int
  /// See ``requestMessages``.
  package let requestBytes: Int
  /// Messages that were made, and their bytes without gRPC's prefix; the client may not have taken all of them.
  package let responseMessages: Int
  /// See ``responseMessages``.
  package let responseBytes: Int
  /// When its headers began, in nanoseconds of `MonotonicClock`.
  package let began: UInt64
  /// From then until its stream was over, in nanoseconds.
  package let duration: UInt64
}
