import Bytes
import CNghttp2
import Logging
import NIOCore
import Platform

// SAFETY: the buffer of a read lends its bytes until the connection has dispatched them (invariant 3 of `Connection`).

/// The one handler of a channel: moves bytes between the socket and the ``Connection``.
///
/// Reads feed the connection; its requests are dispatched at the end of each read, and everything to be
/// sent leaves in one write when the read batch is over: straight to the socket, or, of what that does not take at once
/// and of a connection by TLS, through the channel.
///
/// Back-pressure: while the socket takes nothing, no frames are produced and no more input is read.
final class ConnectionHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let loop: LoopContext
  private let configuration: WireConfiguration
  private let methods: MethodTable
  /// Of a client that came by TLS.
  private let link: PeerIdentity.Link
  private let certificate: PeerCertificate?
  private var client: VerifiedClient?
  /// Nil where there is no socket.
  private let open: OpenConnection?
  private(set) var connection: Connection?
  private var context: ChannelHandlerContext?
  /// Nil of a connection by TLS, and when the channel is closed.
  private var socket: SocketWriter?
  /// Writes that the channel has not finished: what is written meanwhile comes after them.
  private var channelWrites = 0
  private var place: UInt32?
  private var isReadHeld = false
  /// Whether the client has sent the preface of HTTP/2. Until then nothing is sent to it: one that speaks
  /// something else could not read it.
  private(set) var isHTTP2 = false
  /// What it has sent as long as that does not tell what it speaks: fewer than 24 bytes.
  private var firstBytes: [UInt8] = []
  private var linger = Linger()
  private var farewell: FarewellPing?
  var isDirty = false

  /// Bytes given to the socket in one write.
  private static let writeBytes = 256 << 10
  /// Writes after which other connections, and what this client has sent meanwhile, have their turn.
  private static let writesPerTurn = 4
  private var hasTurnToCome = false

  init(
    loop: LoopContext, configuration: WireConfiguration, methods: MethodTable,
    link: PeerIdentity.Link = .plaintext, certificate: PeerCertificate? = nil,
    client: VerifiedClient? = nil, open: OpenConnection? = nil
  ) {
    self.loop = loop
    self.configuration = configuration
    self.methods = methods
    self.link = link
    self.certificate = certificate
    self.client = client
    self.open = open
    open?.handler = self
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { start() }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    stop()
    self.context = nil
  }

  func channelActive(context: ChannelHandlerContext) {
    start()
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    stop()
    context.fireChannelInactive()
  }

  private func start() {
    guard connection == nil, place == nil else { return }
    guard let connection = startWithoutChannel() else { return closeNow() }
    if case .plaintext = link { socket = context.flatMap { SocketWriter($0.channel) } }
    // What it was verified by may have changed during its handshake.
    recheckClient()
    if loop.draining {
      connection.beginDrain(.shutdown, now: MonotonicClock.now())
      flush()
    }
  }

  /// Makes the connection and gives it its place in the loop; nil when nghttp2 has no memory for it.
  func startWithoutChannel() -> Connection? {
    let (index, generation) = loop.register(self)
    place = index
    connection = Connection(
      loop: loop, index: index, generation: generation, configuration: configuration,
      methods: methods)
    connection?.peer = context.map {
      PeerIdentity(
        remoteAddress: $0.channel.remoteAddress, link: link, certificate: certificate)
    }
    return connection
  }

  func stop() {
    socket = nil
    if let place {
      self.place = nil
      loop.unregister(place)
    }
    connection?.close()
    connection = nil
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard let connection, !linger.isShut else { return }
    let buffer = unwrapInboundIn(data)
    unsafe buffer.withUnsafeReadableBytes { bytes in
      guard isHTTP2 else { return unsafe receiveFirst(bytes, connection) }
      guard farewell == nil else { return unsafe receiveFarewell(Array(bytes), connection) }
      unsafe connection.receive(bytes)
      connection.dispatch()
    }
  }

  /// Takes bytes of a client that has not yet said what it speaks.
  private func receiveFirst(_ bytes: UnsafeRawBufferPointer, _ connection: Connection) {
    guard firstBytes.isEmpty else {
      let all = unsafe firstBytes + bytes
      firstBytes = []
      return unsafe all.withUnsafeBytes { unsafe receiveFirst($0, connection) }
    }
    switch ClientProtocol(firstBytes: bytes) {
    case nil: firstBytes = unsafe Array(bytes)
    case .http2:
      isHTTP2 = true
      unsafe connection.receive(bytes)
      connection.dispatch()
    case .http1(let isHead):
      log("a client speaks HTTP/1; it was told to use gRPC")
      let answer = ByteBuffer(string: ClientProtocol.http1Answer(toHead: isHead))
      writeToChannel(answer)
      finish()
    case .tls:
      log("a client speaks TLS, and this port does not; its connection is closed")
      finish()
    case .unknown:
      log("a client speaks no HTTP; its connection is closed")
      finish()
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    flush()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    guard context.channel.isWritable else { return }
    flush()
  }

  /// Reads nothing more of the client, or goes on.
  private func holdReads(_ isHeld: Bool) {
    guard isHeld != isReadHeld else { return }
    isReadHeld = isHeld
    // It fails when the channel is closed.
    try? context?.channel.syncOptions?.setOption(.autoRead, value: !isHeld)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // Resets and broken pipes of the peer: the connection is gone, its calls are cancelled.
    context.close(promise: nil)
  }

  /// Writes what the connection has to send, until the socket takes no more.
  func flush() {
    guard let connection, context != nil, !linger.isShut else { return }
    guard !loop.isSending else { return loop.flushLater(self) }
    var writes = 0
    while isHTTP2, canWrite, writes < Self.writesPerTurn, connection.send(limit: Self.writeBytes) {
      unsafe write(loop.output.bytes)
      writes += 1
    }
    holdReads(!canWrite)
    // A client that takes all as fast as it comes would keep the loop otherwise.
    if writes == Self.writesPerTurn { flushAfterOthers() }
    if connection.isFinished { finish() }
  }

  private func flushAfterOthers() {
    guard !hasTurnToCome else { return }
    hasTurnToCome = true
    loop.afterOthers { [self] in
      hasTurnToCome = false
      flush()
    }
  }

  /// Whether the socket, or the channel, takes more.
  private var canWrite: Bool {
    if socket != nil && channelWrites == 0 { return true }
    return context?.channel.isWritable == true
  }

  private func write(_ bytes: UnsafeRawBufferPointer) {
    var rest = unsafe bytes
    if let socket, channelWrites == 0 {
      let written = socket.write(bytes)
      guard written < bytes.count else { return }
      unsafe rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
    }
    unsafe writeToChannel(ByteBuffer(bytes: rest))
  }

  private func writeToChannel(_ bytes: ByteBuffer) {
    guard let context else { return }
    guard socket != nil else {
      return context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }
    channelWrites += 1
    context.writeAndFlush(wrapOutboundOut(bytes)).assumeIsolated().whenComplete { _ in
      self.channelWrites -= 1
    }
  }

  /// For whoever looks for the reason why a client cannot connect.
  private func log(_ message: Logger.Message) {
    let peer = context?.channel.remoteAddress
    loop.logger.debug(message, metadata: ["client": "\(peer.map(\.description) ?? "")"])
  }

  // MARK: - The end

  /// Looks after the connection, twice a second.
  func look(now: UInt64) {
    recheckClient()
    if linger.hasBegun { carryOut(linger.look(now: now)) }
    guard let connection, !linger.hasBegun else { return }
    guard isHTTP2 else {
      guard connection.lifetime.opening.isLateForPreface(now: now) else { return }
      log("a client did not say in time what it speaks; its connection is closed")
      return finish()
    }
    let isWriting = canWrite
    let mustFlush = connection.look(now: now, isReading: !isReadHeld, isWriting: isWriting)
    open?.note(
      hasCalls: connection.callCount > 0, hadCalls: connection.lifetime.hadCalls, now: now)
    guard mustFlush else { return }
    flush()
    // A reset does not get through to a client that reads nothing at all.
    if connection.lifetime.hasResetSlowAnswer && !isWriting { closeNow() }
    connection.lifetime.hasResetSlowAnswer = false
  }

  /// Closes the connection without cutting what was sent, see ``Linger``.
  func finish() {
    let mayAsk = isHTTP2 && connection?.mustClose == false
    carryOut(
      linger.end(
        now: MonotonicClock.now(), mayBeUnread: mayAsk && connection?.lifetime.mayBeUnread == true,
        isAbrupt: !mayAsk))
  }

  /// Closes the connection to make room for others, unless it has calls; its client is told so if it speaks HTTP/2.
  ///
  /// - Returns: whether it is on its way out.
  func endForOthers() -> Bool {
    guard let connection, connection.callCount == 0 else { return false }
    connection.end(NGHTTP2_NO_ERROR, "too_many_connections")
    flush()
    return true
  }

  /// See ``Connection/shed(_:_:mayEndMoving:)``.
  func shed(_ resource: SharedResource, _ wanted: Int, mayEndMoving: Bool) -> Int {
    guard let connection, !linger.hasBegun else { return 0 }
    let freed = connection.shed(resource, wanted, mayEndMoving: mayEndMoving)
    flush()
    // A reset does not get through to a client that reads nothing at all.
    if freed > 0 && !canWrite { closeNow() }
    return freed
  }

  private func carryOut(_ step: Linger.Step) {
    switch step {
    case .none: break
    case .ask:
      let ping = FarewellPing(data: MonotonicClock.now())
      farewell = ping
      writeToChannel(ByteBuffer(bytes: ping.frame))
    case .shut: shut()
    case .close: closeNow()
    }
  }

  /// Takes what comes of a client that was asked whether it has read all.
  private func receiveFarewell(_ bytes: [UInt8], _ connection: Connection) {
    guard farewell?.isAnswered(by: bytes) == true else { return }
    connection.lifetime.didReadAll()
  }

  private func shut() {
    guard let context else { return }
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
      channel.close(mode: .output, promise: nil)
      self.linger.didShut(now: MonotonicClock.now())
    }
    // Closing a socket with unread input would reset it.
    holdReads(false)
  }

  /// Ends the connection if its client is not to be let in any more. O(1) unless the authorities have changed.
  func recheckClient() {
    guard let connection, !linger.hasBegun, let lost = client?.lostTrust() else { return }
    log(
      "the certificate of a client has \(lost == .expired ? "expired" : "no authority any more"); its connection is closed"
    )
    connection.endUntrusted(lost)
    if isHTTP2 { flush() } else { finish() }
  }

  func beginDrain() {
    connection?.beginDrain(.shutdown, now: MonotonicClock.now())
    flush()
  }

  func closeNow() {
    context?.close(promise: nil)
  }
}
