import NIOCore

/// The one handler of a channel: moves bytes between the socket and the ``Connection``.
///
/// Reads feed the connection; its requests are dispatched at the end of each read, and everything to be
/// sent leaves in one write when the read batch is over.
///
/// Back-pressure: while the socket takes nothing, no frames are produced and no more input is read.
final class ConnectionHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let loop: LoopContext
  private let configuration: WireConfiguration
  private let methods: MethodTable
  private(set) var connection: Connection?
  private var context: ChannelHandlerContext?
  private var place: UInt32?
  private var isReadHeld = false
  private var isClosing = false
  var isDirty = false

  /// Bytes given to the socket in one write.
  private static let writeBytes = 256 << 10

  init(loop: LoopContext, configuration: WireConfiguration, methods: MethodTable) {
    self.loop = loop
    self.configuration = configuration
    self.methods = methods
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
    if loop.draining { connection.beginDrain() }
    flush()
  }

  /// Makes the connection and gives it its place in the loop; nil when nghttp2 has no memory for it.
  func startWithoutChannel() -> Connection? {
    let (index, generation) = loop.register(self)
    place = index
    connection = Connection(
      loop: loop, index: index, generation: generation, configuration: configuration,
      methods: methods)
    return connection
  }

  func stop() {
    if let place {
      self.place = nil
      loop.unregister(place)
    }
    connection?.close()
    connection = nil
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard let connection, !isClosing else { return }
    let buffer = unwrapInboundIn(data)
    buffer.withUnsafeReadableBytes { bytes in
      connection.receive(bytes)
      connection.dispatch()
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    flush()
  }

  func read(context: ChannelHandlerContext) {
    if context.channel.isWritable || isClosing {
      context.read()
    } else {
      isReadHeld = true
    }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    guard context.channel.isWritable else { return }
    flush()
    if isReadHeld && context.channel.isWritable {
      isReadHeld = false
      context.read()
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // Resets and broken pipes of the peer: the connection is gone, its calls are cancelled.
    context.close(promise: nil)
  }

  /// Writes what the connection has to send, until the socket takes no more.
  func flush() {
    guard let context, let connection, !isClosing else { return }
    while context.channel.isWritable, let bytes = connection.send(limit: Self.writeBytes) {
      context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }
    if connection.isFinished { finish() }
  }

  /// Closes the connection without cutting what was sent: after the last byte has left, the sending side
  /// is shut; the rest follows when the client has closed its side, or soon after.
  ///
  /// Input is read and dropped until then: closing a socket with unread input would reset it, and take
  /// bytes along that the client has not read yet.
  func finish() {
    guard let context, !isClosing else { return }
    isClosing = true
    let channel = context.channel
    let eventLoop = context.eventLoop
    let linger = connection?.hasAnsweredLately == true ? Self.answerLingerTime : Self.idleLingerTime
    context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in
      channel.close(mode: .output, promise: nil)
      eventLoop.scheduleTask(in: linger) { channel.close(promise: nil) }
    }
    if isReadHeld {
      isReadHeld = false
      context.read()
    }
    // A client that takes nothing any more is not waited for for ever.
    eventLoop.scheduleTask(in: Self.finishTime) { channel.close(promise: nil) }
  }

  /// How long a client may take to read what the kernel still has of an answer, and to close its side.
  /// Clients that know HTTP/2 close as soon as they have read to the end.
  private static let answerLingerTime = TimeAmount.seconds(10)
  private static let idleLingerTime = TimeAmount.seconds(1)
  private static let finishTime = TimeAmount.seconds(30)

  func beginDrain() {
    connection?.beginDrain()
    flush()
  }

  func closeNow() {
    context?.close(promise: nil)
  }
}
