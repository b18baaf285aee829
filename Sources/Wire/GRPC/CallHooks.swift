/// What a server lets others have a say in, beside its handlers. By default nothing, which costs nothing.
package struct CallHooks: Sendable {
  /// Asked of each call, before its handler runs.
  package var gate: (any CallGate)?
  /// Told of the end of each call. With one, the clock is read twice a call.
  package var observer: (any CallObserver)?
  /// Lower-case names of the request headers that ``CallContext/metadata(_:)`` finds, of all methods; others are kept
  /// only for methods that were registered with their names. At most 255.
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
/// Thread-safety: ``prepare(_:)`` once, before there is a connection; ``makeConnectionGate()`` on every event loop.
package protocol CallGate: Sendable {
  /// Tells of the server's methods, by their ``CallMethod/index``.
  func prepare(_ methods: [CallMethod])
  /// For a new connection, on its event loop.
  func makeConnectionGate() -> any ConnectionGate
}

/// Decides for the calls of one connection.
///
/// Of who calls, a call keeps a number of the gate's own; 0 is a call without an `authorization` header.
///
/// Thread-safety: confined to the connection's event loop, which it must not block.
package protocol ConnectionGate: AnyObject {
  /// Who is at the other end: told when the connection begins, and again when its TLS handshake has told more.
  func peerBecame(_ peer: PeerIdentity)

  /// Reads an `authorization` header.
  ///
  /// - Parameters:
  ///   - value: valid until the return.
  ///   - isRepeated: the call has had one before.
  /// - Returns: the number of who calls.
  @safe
  func caller(_ value: UnsafeRawBufferPointer, isRepeated: Bool) -> UInt32

  /// Asked when a call's headers have come and nothing is wrong with them, so that a call that may not run costs no
  /// memory for its message; and again after ``refresh()``. Calls of methods that are not there are not asked about.
  ///
  /// - Parameters:
  ///   - method: see ``CallMethod/index``.
  ///   - caller: see ``caller(_:isRepeated:)``.
  /// - Returns: nil lets the call run; else it fails with the status, and its handler never sees it.
  func refusal(method: Int, caller: UInt32) -> RPCStatus?

  /// Takes what has changed of who may do what. Calls that wait for their message, and streams, are asked about once
  /// more after it.
  func refresh()
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
