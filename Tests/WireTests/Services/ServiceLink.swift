import Bytes
import NIOEmbedded
import Synchronization
import TestSupport
import Testing
import Wire

/// A server with services and a client, joined without a socket.
final class ServiceLink {
  let client: HTTP2TestClient
  let loop = EmbeddedEventLoop()
  private(set) var server: InMemoryConnection?

  init(
    unary: [(String, any UnaryHandler)] = [], streaming: [(String, any StreamingHandler)] = [],
    serverStreams: [(String, any ServerStreamHandler)] = [], metadata: [String: [String]] = [:],
    hooks: CallHooks = CallHooks(), peer: PeerIdentity? = nil,
    client: HTTP2TestClient = HTTP2TestClient(),
    _ configure: (inout WireConfiguration) -> Void = { _ in }
  ) throws {
    self.client = client
    var configuration = WireConfiguration(loopCount: 1)
    configure(&configuration)
    server = InMemoryConnection(
      eventLoop: loop, configuration: configuration, unary: unary, streaming: streaming,
      serverStreams: serverStreams, metadata: metadata, hooks: hooks, peer: peer)
    try #require(server != nil)
    exchange()
  }

  /// The client's socket is gone.
  func disconnect() {
    server = nil
    loop.run()
  }

  /// Bytes of answers that the server holds.
  var answerBytes: Int { server?.budgets.answers.usedBytes ?? 0 }

  /// Bytes of requests that the server holds.
  var requestBytes: Int { server?.budgets.requests.usedBytes ?? 0 }

  /// Carries bytes both ways, and lets the event loop run, until nothing moves.
  func exchange() {
    while let server {
      let toServer = client.output()
      server.receive(toServer)
      loop.run()
      let toClient = server.send()
      client.receive(toClient)
      if toServer.isEmpty && toClient.isEmpty { return }
    }
  }

  /// Sends messages on a new stream; the stream's number.
  func open(_ path: String, _ messages: [[UInt8]], halfClose: Bool = true) -> Int32 {
    let stream = client.request(
      path, body: messages.flatMap { HTTP2TestClient.framed($0) }, endsStream: halfClose)
    exchange()
    return stream
  }

  func status(_ stream: Int32) -> String? { client.responses[stream]?.headers["grpc-status"] }

  /// What the status says to a person.
  func sentence(_ stream: Int32) -> String? { client.responses[stream]?.headers["grpc-message"] }

  /// The messages of the response so far.
  func messages(_ stream: Int32) throws -> [[UInt8]] {
    var rest = (client.responses[stream]?.body ?? [])[...]
    var messages: [[UInt8]] = []
    while !rest.isEmpty {
      let length = try #require(rest.count >= 5 ? rest.dropFirst().prefix(4) : nil)
        .reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(5)
      try #require(rest.count >= length)
      messages.append(Array(rest.prefix(length)))
      rest = rest.dropFirst(length)
    }
    return messages
  }
}

/// Answers with the request.
struct EchoHandler: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    response.append(request)
    return .done
  }
}

/// The fields of a protobuf message, for looking into answers.
struct TestFields {
  private(set) var varints: [Int: [UInt64]] = [:]
  private(set) var bytes: [Int: [[UInt8]]] = [:]

  init(_ message: [UInt8]) throws {
    try message.withUnsafeBytes { message in
      var reader = ProtobufReader(message)
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        switch tag.wireType {
        case 0: varints[tag.number, default: []].append(try reader.nextVarint())
        case 2: bytes[tag.number, default: []].append(Array(try reader.nextLengthDelimited()))
        default: try reader.skip(tag)
        }
      }
    }
  }

  func strings(_ number: Int) -> [String] {
    (bytes[number] ?? []).map { String(decoding: $0, as: UTF8.self) }
  }

  func messages(_ number: Int) throws -> [TestFields] {
    try (bytes[number] ?? []).map { try TestFields($0) }
  }
}

/// Builds protobuf messages for requests and descriptors.
func protobuf(_ build: (inout ByteWriter) -> Void) -> [UInt8] {
  var writer = ByteWriter()
  build(&writer)
  return writer.array()
}

/// Never answers by itself; keeps the tokens.
final class LaterHandler: UnaryHandler {
  let tokens = Mutex<[CallToken]>([])

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    tokens.withLock { $0.append(context.token) }
    return .pending
  }
}
