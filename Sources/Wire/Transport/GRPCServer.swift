import Glibc
package import Logging
import NIOCore
import NIOPosix
import Platform
import Synchronization

/// A gRPC server for raw message bytes, over plaintext HTTP/2 with prior knowledge.
///
/// Register methods, then ``start(_:)``; ``drain()`` and ``close()`` end it. It can be started once.
///
/// Thread-safety: `register` before `start`, by one thread; all else from any thread.
package final class GRPCServer: Sendable {
  private let configuration: WireConfiguration
  private let logger: Logger
  private let group: MultiThreadedEventLoopGroup
  private let loops: [LoopContext]
  private let gate: (any CallGate)?
  /// Memory in use over all connections.
  package let budgets: MemoryBudgets
  private let state = Mutex(State())

  private struct State {
    var methods: [MethodTable.Method] = []
    var listener: (any Channel)?
  }

  /// Starts the event loops; nothing is served before a start.
  package init(
    configuration: WireConfiguration, logger: Logger, hooks: CallHooks = CallHooks()
  ) {
    self.configuration = configuration
    self.logger = logger
    gate = hooks.gate
    group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.loopCount)
    let budgets = MemoryBudgets(
      requestBytes: configuration.maximumRequestMemoryBytes,
      answerBytes: configuration.maximumAnswerMemoryBytes)
    self.budgets = budgets
    loops = group.makeIterator().enumerated().map {
      LoopContext(
        index: UInt32($0.offset), eventLoop: $0.element, budgets: budgets, hooks: hooks,
        logger: logger)
    }
  }

  /// Adds a method. `path` is `/package.Service/Method`.
  package func register(_ path: String, unary handler: any UnaryHandler) {
    state.withLock { $0.methods.append(.init(path: Array(path.utf8), handler: .unary(handler))) }
  }

  /// Adds a streaming method; before the start only.
  package func register(_ path: String, streaming handler: any StreamingHandler) {
    state.withLock {
      $0.methods.append(.init(path: Array(path.utf8), handler: .streaming(handler)))
    }
  }

  /// Adds a server-streaming method; before the start only.
  package func register(_ path: String, serverStream handler: any ServerStreamHandler) {
    state.withLock {
      $0.methods.append(.init(path: Array(path.utf8), handler: .serverStream(handler)))
    }
  }

  /// An empty collection of outcomes for calls of this server.
  package func completions() -> Completions { Completions(loops: loops) }

  /// Listens on `address` and accepts.
  /// - Returns: the port.
  package func start(_ address: BoundAddress) async throws(ListenError) -> Int {
    let socket = try address.listen(backlog: Self.backlog)
    do {
      let listener = try await accept(socket)
      state.withLock { $0.listener = listener }
      return listener.localAddress?.port ?? address.port
    } catch {
      throw ListenError(detail: "\(error)")
    }
  }

  private static let backlog: CInt = 1024

  /// - Parameter socket: becomes the channel's, also when this fails.
  private func accept(_ socket: CInt) async throws -> any Channel {
    let table = MethodTable(state.withLock { $0.methods })
    gate?.prepare(table.names)
    let byLoop = Dictionary(
      uniqueKeysWithValues: loops.map { (ObjectIdentifier($0.eventLoop), $0) })
    let configuration = configuration
    let limit = ConnectionLimit(configuration.maximumConnections)
    return try await ServerBootstrap(group: group)
      .serverChannelInitializer { channel in
        // Without it, a process out of files would try to accept in a loop that takes a whole core.
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(AcceptBackoffHandler())
        }
      }
      .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
      .childChannelOption(.maxMessagesPerRead, value: 4)
      .childChannelOption(
        .recvAllocator,
        value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 4096, maximum: 65536)
      )
      .childChannelOption(.writeBufferWaterMark, value: .init(low: 128 << 10, high: 512 << 10))
      .childChannelInitializer { channel in
        guard limit.enter(until: channel.closeFuture) else { return channel.close() }
        return channel.eventLoop.makeCompletedFuture {
          guard let loop = byLoop[ObjectIdentifier(channel.eventLoop)] else { return }
          try channel.pipeline.syncOperations.addHandler(
            ConnectionHandler(loop: loop, configuration: configuration, methods: table))
        }
      }
      .withBoundSocket(socket).get()
  }

  /// Has the gate look again at all calls that it let through, see ``ConnectionGate/refresh()``. Blocks until that
  /// is done: from then on every call is decided by what the gate knows now. Not for an event loop, or a task.
  package func recheckCalls() {
    for loop in loops { try? loop.eventLoop.submit { loop.recheckCalls() }.wait() }
  }

  /// Stops accepting, lets the calls under way end (at most the configured grace), and closes all
  /// connections. Outcomes may still be posted afterwards; they go nowhere.
  package func drain() async {
    let listener = state.withLock { state in
      defer { state.listener = nil }
      return state.listener
    }
    try? await listener?.close().get()
    for loop in loops { try? await loop.eventLoop.submit { loop.beginDrain() }.get() }
    let start = MonotonicClock.now()
    let end = start + configuration.drainGrace
    while await openConnections() > 0 {
      if MonotonicClock.now() >= start + Self.goAwayGrace {
        let grace = configuration.drainStallGrace
        for loop in loops {
          try? await loop.eventLoop.submit { loop.finishIdle(grace: grace) }.get()
        }
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

  /// How long a client may take to answer the GOAWAY of a connection without calls, in nanoseconds.
  private static let goAwayGrace: UInt64 = 1_000_000_000

  private func openConnections() async -> Int {
    var count = 0
    for loop in loops {
      count += (try? await loop.eventLoop.submit { loop.connectionCount }.get()) ?? 0
    }
    return count
  }
}

/// Counts the connections of all loops.
private final class ConnectionLimit: Sendable {
  private let count = Atomic<Int>(0)
  private let limit: Int

  init(_ limit: Int) { self.limit = limit }

  /// Counts a connection until it closes; false when there are too many.
  func enter(until closed: EventLoopFuture<Void>) -> Bool {
    guard count.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
      count.wrappingSubtract(1, ordering: .relaxed)
      return false
    }
    closed.whenComplete { _ in self.count.wrappingSubtract(1, ordering: .relaxed) }
    return true
  }
}
