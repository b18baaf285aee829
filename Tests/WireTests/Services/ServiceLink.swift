import Bytes
import NIOEmbedded
import TestSupport
import Testing
import Wire

/// A server with services and a client, joined without a socket.
final class ServiceLink {
  let client = HTTP2TestClient()
  private let loop = EmbeddedEventLoop()
  private let server: InMemoryConnection

  init(
    unary: [(String, any UnaryHandler)] = [], streaming: [(String, any StreamingHandler)] = []
  ) throws {
    server = try #require(
      InMemoryConnection(
        eventLoop: loop, configuration: WireConfiguration(loopCount: 1), unary: unary,
        streaming: streaming))
    exchange()
  }

  /// Carries bytes both ways, and lets the event loop run, until nothing moves.
  func exchange() {
    while true {
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
