import Bytes
package import Logging
package import NIOCore
import Platform

// SAFETY: the array lends its bytes until the connection has dispatched them (invariant 3 of `Connection`).

/// The server side of one connection without a socket: bytes in, bytes out.
///
/// It runs the same ``Connection`` as a server does. For tests, fuzzing and profiling.
///
/// Thread-safety: confined to `eventLoop`.
package final class InMemoryConnection {
  private let loop: LoopContext
  private let connection: Connection
  private let handler: ConnectionHandler

  /// Serves the methods that are given by their paths (`/package.Service/Method`). Nil when there is no memory.
  ///
  /// - Parameters:
  ///   - metadata: the request headers that a handler wants, by its path.
  ///   - peer: who is at the other end, for the gate and the handlers.
  ///   - logger: nil logs nothing.
  ///   - other: one whose event loop and limits it shares.
  package init?(
    eventLoop: any EventLoop, configuration: WireConfiguration, unary: [(String, any UnaryHandler)],
    streaming: [(String, any StreamingHandler)] = [],
    serverStreams: [(String, any ServerStreamHandler)] = [], metadata: [String: [String]] = [:],
    hooks: CallHooks = CallHooks(),
    peer: PeerIdentity? = nil, logger: Logger? = nil, beside other: InMemoryConnection? = nil
  ) {
    func method(_ path: String, _ handler: MethodTable.Handler) -> MethodTable.Method {
      .init(path: Array(path.utf8), handler: handler, metadata: metadata[path] ?? [])
    }
    let methods = MethodTable(
      unary.map { method($0.0, .unary($0.1)) } + streaming.map { method($0.0, .streaming($0.1)) }
        + serverStreams.map { method($0.0, .serverStream($0.1)) }, keeping: hooks.keptMetadata)
    loop =
      other?.loop
      ?? LoopContext(
        index: 0, eventLoop: eventLoop,
        budgets: MemoryBudgets(
          requestBytes: configuration.maximumRequestMemoryBytes,
          answerBytes: configuration.maximumAnswerMemoryBytes),
        calls: CallLimit(
          configuration.maximumCalls, callsPerConnection: configuration.maximumConcurrentStreams),
        holders: LargestHolders(loopCount: 1), hooks: hooks,
        compressionTurn: configuration.compressionTurn,
        logger: logger ?? Logger(label: "seandb") { _ in SwiftLogNoOpLogHandler() },
        sessionMemory: nil)
    handler = ConnectionHandler(loop: loop, configuration: configuration, methods: methods)
    hooks.gate?.prepare(methods.names)
    guard let connection = handler.startWithoutChannel() else { return nil }
    connection.peer = peer
    self.connection = connection
  }

  deinit {
    handler.stop()
    loop.stopTimer()
  }

  /// What its calls hold of the server's memory.
  package var budgets: MemoryBudgets { loop.budgets }

  /// Memory of requests and answers that its slots hold, those of calls and free ones.
  package var keptBytes: Int { connection.keptBytes }

  /// Takes bytes of the client and runs the calls they complete.
  package func receive(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes {
      unsafe connection.receive($0)
      connection.dispatch()
    }
  }

  /// The bytes for the client.
  package func send() -> [UInt8] {
    var bytes: [UInt8] = []
    while connection.send(limit: 64 << 10) { bytes += loop.output.array() }
    return bytes
  }

  /// Completes calls of this connection.
  package func completions() -> Completions { Completions(loops: [loop]) }

  /// Ends the calls whose deadline is at `now` or before.
  package func expireCalls(now: UInt64) { connection.expireCalls(now: now) }

  /// See ``GRPCServer/recheckCalls()``.
  package func recheckCalls() { connection.recheckCalls() }

  /// Sends GOAWAY and has calls under way end.
  package func beginDrain() { connection.beginDrain(.shutdown, now: MonotonicClock.now()) }

  /// Looks after the connection, as the loop's timer does twice a second.
  ///
  /// - Parameters: whether the socket, if there were one, would be read from, and take bytes.
  package func look(now: UInt64, isReading: Bool = true, isWriting: Bool = true) {
    _ = connection.look(now: now, isReading: isReading, isWriting: isWriting)
    loop.makeRoom()
  }

  /// Whether nothing more is read or sent.
  package var isFinished: Bool { connection.isFinished }
}
