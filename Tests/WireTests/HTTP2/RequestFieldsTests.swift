import Bytes
import NIOEmbedded
import TestSupport
import Testing
import Wire

/// What of a request's header fields is refused: the verdicts are those of nghttp2, which would find them more slowly.
@Suite("Request fields") struct RequestFieldsTests {
  private static let protocolError: UInt32 = 1

  private struct Echo: UnaryHandler {
    func call(
      _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
    ) -> UnaryOutcome {
      response.append(request)
      return .done
    }
  }

  /// The same bytes for a server of ours and for the judge.
  private final class Trial {
    let client = HTTP2TestClient()
    let judge = HTTP2Judge()
    let server: InMemoryConnection

    init() throws {
      server = try #require(
        InMemoryConnection(
          eventLoop: EmbeddedEventLoop(), configuration: WireConfiguration(loopCount: 1),
          unary: [("/t.S/Echo", Echo())]))
      exchange()
    }

    private func exchange() {
      while true {
        let toServer = client.output()
        judge.receive(toServer)
        server.receive(toServer)
        let toClient = server.send()
        client.receive(toClient)
        if toServer.isEmpty && toClient.isEmpty { return }
      }
    }

    /// Whether each of the two resets the stream.
    func isMalformed(
      _ fields: [Field], body: [UInt8], endsStream: Bool = true
    ) -> (ours: Bool, theirs: Bool) {
      let stream = client.request(fields: fields, body: body, endsStream: endsStream)
      exchange()
      return (
        client.responses[stream]?.resetCode == protocolError,
        judge.resets[stream] == protocolError
      )
    }
  }

  typealias Field = ([UInt8], [UInt8])

  private static func field(_ name: String, _ value: String) -> Field {
    (Array(name.utf8), Array(value.utf8))
  }

  private static let request = [
    field(":method", "POST"), field(":scheme", "http"), field(":path", "/t.S/Echo"),
    field(":authority", "test"), field("content-type", "application/grpc"), field("te", "trailers"),
  ]

  private static let names = [
    ":method", ":scheme", ":path", ":authority", ":protocol", ":status", ":", ":other", "host",
    "te",
    "content-length", "content-type", "connection", "keep-alive", "proxy-connection",
    "transfer-encoding", "upgrade", "x", "X", "x-A", "x y", "x\0", "x:", "é", "", "grpc-timeout",
    "grpc-encoding", "user-agent", "cookie", "priority", "x~!#$%&'*+-.^_`|", "x(",
  ]
  private static let values = [
    "", "POST", "GET", "CONNECT", "OPTIONS", "P T", "http", "HTTPS", "h2 c", "9p", "coap+tcp",
    "/t.S/Echo", "/", "*", "x", "/ a", "/\u{7f}", "/é", "test", "te st", "a:1", "[::1]", "a/b",
    "trailers", "Trailers", "gzip", " x", "x ", "\tx", "x\t", "a\tb", "a\u{1}b", "a\u{7f}b",
    "12345678\u{1f}", "1234567\u{7f}8", "0", "7", "07", "6", "8", "+7", "-1", "7 ",
    "9223372036854775807", "9223372036854775808", "99999999999999999999999", "1S",
    "application/grpc",
  ]

  private static func fields(_ generator: inout SeededGenerator) -> [Field] {
    var fields = request
    func name() -> [UInt8] { Array(names[generator.below(names.count)].utf8) }
    func value() -> [UInt8] {
      generator.below(8) == 0
        ? generator.bytes(generator.below(20)) : Array(values[generator.below(values.count)].utf8)
    }
    for _ in 0..<generator.below(4) {
      let place = generator.below(fields.count)
      switch generator.below(6) {
      case 0: fields.remove(at: place)
      case 1: fields.insert(fields[generator.below(fields.count)], at: place)
      case 2: fields.swapAt(place, generator.below(fields.count))
      case 3: fields[place].1 = value()
      case 4: fields[place].0 = name()
      default: fields.insert((name(), value()), at: generator.below(fields.count + 1))
      }
      if fields.isEmpty { fields = request }
    }
    return fields
  }

  @Test(arguments: SeededGenerator.seeds) func judgesAsNghttp2Does(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var (malformed, fine) = (0, 0)
    for _ in 0..<1500 {
      // Too many errors would end the connection.
      let trial = try Trial()
      for _ in 0..<4 {
        let fields = Self.fields(&generator)
        let body =
          [HTTP2TestClient.framed([1, 2]), [], HTTP2TestClient.framed([1])][generator.below(3)]
        let (ours, theirs) = trial.isMalformed(
          fields, body: body, endsStream: generator.below(4) > 0)
        if theirs { malformed += 1 } else { fine += 1 }
        guard ours == theirs else {
          let text = fields.map {
            "\(String(decoding: $0.0, as: UTF8.self)): \(String(decoding: $0.1, as: UTF8.self))"
          }
          Issue.record("\(text), \(body.count) bytes: ours \(ours), nghttp2's \(theirs)")
          return
        }
      }
    }
    #expect(malformed > 500 && fine > 500)
  }

  @Test(
    arguments: [
      ([], false), ([field("x", "a\u{1}")], true), ([field("x y", "a")], true),
      ([field("connection", "close")], true),
      ([field("te", "gzip")], true),
      ([field("content-length", "7")], false), ([field("content-length", "8")], true),
      ([field("content-length", "6")], true), ([field(":path", "/")], true),
      ([field("host", "a"), field("host", "a")], true),
    ] as [([Field], Bool)]) func refusesWhatIsNoRequest(_ more: [Field], _ isMalformed: Bool) throws
  {
    let (ours, theirs) = try Trial().isMalformed(
      Self.request + more, body: HTTP2TestClient.framed([1, 2]))
    #expect(ours == isMalformed && theirs == isMalformed)
  }
}
