import Glibc
package import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Platform
import Synchronization

/// A gRPC server for raw message bytes, over HTTP/2: by TLS, or in plaintext with prior knowledge.
///
/// Register methods, then ``start(_:tls:)`` for each address; ``drain()`` and ``close()`` end it.
///
/// Thread-safety: `register` before `start`, by one thread; all else from any thread.
package final class GRPCServer: Sendable {
  private let configuration: WireConfiguration
  private let logger: Logger
  private let group: MultiThreadedEventLoopGroup
  private let loops: [LoopContext]
  private let clock: LoopClock
  private let gate: (any CallGate)?
  /// See ``CallHooks/keptMetadata``.
  private let keptMetadata: [String]
  /// Memory in use over all connections.
  package let budgets: MemoryBudgets
  private let connectionLimit: ConnectionLimit
  private let state = Mutex(State())

  private struct State {
    var methods: [MethodTable.Method] = []
    var listeners: [Listener] = []
  }

  private struct Listener {
    let channel: any Channel
    /// Has the path of a Unix socket, which goes when nobody listens on it any more.
    let address: BoundAddress
  }

  /// Starts the event loops; nothing is served before a start.
  package init(
    configuration: WireConfiguration, logger: Logger, hooks: CallHooks = CallHooks()
  ) {
    self.configuration = configuration
    self.logger = logger
    gate = hooks.gate
    keptMetadata = hooks.keptMetadata
    group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.loopCount)
    let budgets = MemoryBudgets(
      requestBytes: configuration.maximumRequestMemoryBytes,
      answerBytes: configuration.maximumAnswerMemoryBytes)
    self.budgets = budgets
    let calls = CallLimit(
      configuration.maximumCalls, callsPerConnection: configuration.maximumConcurrentStreams)
    connectionLimit = ConnectionLimit(configuration.maximumConnections)
    let holders = LargestHolders(loopCount: configuration.loopCount)
    loops = group.makeIterator().enumerated().map {
      LoopContext(
        index: UInt32($0.offset), eventLoop: $0.element, budgets: budgets, calls: calls,
        holders: holders, hooks: hooks, compressionTurn: configuration.compressionTurn,
        logger: logger, sessionMemory: SessionMemory())
    }
    clock = LoopClock(loops)
    for loop in loops { loop.clock = clock }
  }

  /// Adds a method; before the start only.
  ///
  /// - Parameters:
  ///   - path: `/package.Service/Method`.
  ///   - metadata: lower-case names of the request headers that the handler wants, see ``CallContext/metadata(_:)``. At
  ///     most 255 different ones, over all methods.
  package func register(
    _ path: String, unary handler: any UnaryHandler, metadata: [String] = []
  ) {
    register(path, .unary(handler), metadata)
  }

  /// Adds a client-streaming or bidirectional method, otherwise as ``register(_:unary:metadata:)``.
  package func register(
    _ path: String, streaming handler: any StreamingHandler, metadata: [String] = []
  ) {
    register(path, .streaming(handler), metadata)
  }

  /// Adds a server-streaming method, otherwise as ``register(_:unary:metadata:)``.
  package func register(
    _ path: String, serverStream handler: any ServerStreamHandler, metadata: [String] = []
  ) {
    register(path, .serverStream(handler), metadata)
  }

  private func register(_ path: String, _ handler: MethodTable.Handler, _ metadata: [String]) {
    state.withLock {
      $0.methods.append(.init(path: Array(path.utf8), handler: handler, metadata: metadata))
    }
  }

  /// An empty collection of outcomes for calls of this server.
  package func completions() -> Completions { Completions(loops: loops) }

  /// Listens on `address` and accepts, each time on one more.
  ///
  /// - Parameter tls: what clients are shown; nil takes plaintext.
  /// - Returns: the port; 0 of a Unix socket.
  @discardableResult
  package func start(
    _ address: BoundAddress, tls: TLSIdentity? = nil
  ) async throws(ListenError) -> Int {
    let socket = try address.listen(backlog: Self.backlog)
    do {
      let listener = try await accept(socket, isTCP: address.address.port != nil, tls)
      state.withLock { $0.listeners.append(Listener(channel: listener, address: address)) }
      return listener.localAddress?.port ?? address.port
    } catch {
      throw ListenError(detail: "\(error)")
    }
  }

  /// A client that comes when so many wait to be accepted tries again a second later; the system may have a
  /// lower limit.
  private static let backlog: CInt = 4096

  /// - Parameter socket: becomes the channel's, also when this fails.
  private func accept(
    _ socket: CInt, isTCP: Bool, _ tls: TLSIdentity?
  ) async throws -> any Channel {
    let table = MethodTable(state.withLock { $0.methods }, keeping: keptMetadata)
    gate?.prepare(table.names)
    let byLoop = Dictionary(
      uniqueKeysWithValues: loops.map { (ObjectIdentifier($0.eventLoop), $0) })
    let configuration = configuration
    let limit = connectionLimit
    let loops = loops
    var bootstrap = ServerBootstrap(group: group)
      .serverChannelInitializer { channel in
        // Without it, a process out of files would try to accept in a loop that takes a whole core.
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(AcceptBackoffHandler())
        }
      }
      .childChannelOption(.maxMessagesPerRead, value: UInt(tls == nil ? 4 : 1))
      .childChannelOption(
        .recvAllocator,
        value: AdaptiveRecvByteBufferAllocator(
          minimum: 2048, initial: 4096, maximum: tls == nil ? 65536 : Self.encryptedReadBytes)
      )
      .childChannelOption(.writeBufferWaterMark, value: .init(low: 128 << 10, high: 512 << 10))
      .childChannelInitializer { channel in
        guard let loop = byLoop[ObjectIdentifier(channel.eventLoop)], limit.enter(loop, of: loops)
        else { return channel.close() }
        return channel.eventLoop.makeCompletedFuture {
          let open = OpenConnection(loop: loop, channel: channel, now: MonotonicClock.now())
          channel.closeFuture.assumeIsolated().whenComplete { _ in
            limit.leave()
            open.didClose()
          }
          guard let tls else {
            return try channel.pipeline.syncOperations.addHandler(
              ConnectionHandler(
                loop: loop, configuration: configuration, methods: table, open: open))
          }
          let (handler, authorities) = try Self.addTLS(tls, to: channel)
          open.tls = handler
          try Self.addHandshake(
            handler, tls, authorities, to: channel, loop, configuration, table, open)
        }
      }
    if isTCP {
      for (option, value) in TCPKeepalive.options {
        bootstrap = bootstrap.childChannelOption(option, value: value)
      }
    }
    let channel = try await bootstrap.withBoundSocket(socket).get()
    // NIO has had the socket listen once more, with a queue of 128.
    _ = Glibc.listen(socket, Self.backlog)
    return channel
  }

  /// What is read of a TLS connection at once. It bounds the buffer for what was decrypted, which a connection keeps.
  private static let encryptedReadBytes = 32 << 10

  /// - Returns: the handler that decrypts, and whose clients it lets in.
  private static func addTLS(
    _ tls: TLSIdentity, to channel: any Channel
  ) throws -> (NIOSSLServerHandler, ClientAuthorities?) {
    var kept = NIOSSLHandler.Configuration()
    kept.maximumPreservedOutboundBufferCapacity = encryptedReadBytes
    let (context, authorities) = tls.current
    let handler = NIOSSLServerHandler(context: context, configuration: kept)
    try channel.pipeline.syncOperations.addHandler(handler)
    return (handler, authorities)
  }

  private static func addHandshake(
    _ handler: NIOSSLServerHandler, _ tls: TLSIdentity, _ authorities: ClientAuthorities?,
    to channel: any Channel, _ loop: LoopContext, _ configuration: WireConfiguration,
    _ table: MethodTable, _ open: OpenConnection
  ) throws {
    try channel.pipeline.syncOperations.addHandler(
      HandshakeHandler(
        tls: handler, limit: .nanoseconds(Int64(clamping: configuration.handshakeTime)),
        logger: loop.logger
      ) { certificate in
        var client: VerifiedClient?
        if let certificate, let authorities {
          client = VerifiedClient(certificate, tls, verifiedBy: authorities)
        }
        return ConnectionHandler(
          loop: loop, configuration: configuration, methods: table, link: .tls,
          certificate: certificate.map(PeerCertificate.init), client: client, open: open)
      })
  }

  /// Has the gate look again at all calls that it let through, see ``ConnectionGate/refresh()``. Blocks until that
  /// is done: from then on every call is decided by what the gate knows now. Not for an event loop, or a task.
  package func recheckCalls() {
    for loop in loops { try? loop.eventLoop.submit { loop.recheckCalls() }.wait() }
  }

  /// Ends the connections of clients whose certificates are not vouched for any more after
  /// ``TLSIdentity/reload(settle:)``; without it that takes up to half a second. Blocks until they are ended. Not for
  /// an event loop, or a task.
  package func recheckClients() {
    for loop in loops {
      try? loop.eventLoop.submit { loop.forEachHandler { $0.recheckClient() } }.wait()
    }
  }

  /// Stops accepting, lets the calls under way end (at most the configured grace), and closes all
  /// connections. Outcomes may still be posted afterwards; they go nowhere.
  package func drain() async {
    let listeners = state.withLock { state in
      defer { state.listeners = [] }
      return state.listeners
    }
    for listener in listeners {
      try? await listener.channel.close().get()
      listener.address.removePath()
    }
    for loop in loops { try? await loop.eventLoop.submit { loop.beginDrain() }.get() }
    let end = MonotonicClock.now() + configuration.lifetime.drainGrace
    while await openConnections() > 0 {
      let grace = configuration.drainStallGrace
      for loop in loops {
        try? await loop.eventLoop.submit { loop.endStalled(grace: grace) }.get()
      }
      if MonotonicClock.now() >= end {
        logger.warning("calls still running after the drain grace; closing their connections")
        break
      }
      try? await Task.sleep(for: .milliseconds(5))
    }
    for loop in loops { try? await loop.eventLoop.submit { loop.closeAll() }.get() }
  }

  /// Ends the event loops. Call it after ``drain()``, when nothing posts outcomes any more.
  package func close() async {
    try? await group.shutdownGracefully()
  }

  private func openConnections() async -> Int {
    var count = 0
    for loop in loops {
      count += (try? await loop.eventLoop.submit { loop.connectionCount }.get()) ?? 0
    }
    return count
  }
}
