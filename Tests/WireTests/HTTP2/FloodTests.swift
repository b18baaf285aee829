import Bytes
import NIOEmbedded
import Platform
import TestSupport
import Testing
import Wire

private let second: UInt64 = 1_000_000_000
private let calm: UInt32 = 11

private struct Never: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome { .pending }
}

/// A client of bytes alone, that keeps to no window.
private final class RawClient {
  struct Frame {
    var type: UInt8
    var flags: UInt8
    var payload: [UInt8]

    func isGoAway(_ code: UInt32, _ text: String) -> Bool {
      type == 7 && payload[4..<8].elementsEqual(bigEndianBytes(code))
        && payload[8...].elementsEqual(text.utf8)
    }
  }

  let server: InMemoryConnection

  init(window: UInt32 = 65_535, _ configure: (inout WireConfiguration) -> Void = { _ in }) throws {
    var configuration = WireConfiguration(loopCount: 1)
    configure(&configuration)
    server = try #require(
      InMemoryConnection(
        eventLoop: EmbeddedEventLoop(), configuration: configuration,
        unary: [("/t.S/Echo", EchoHandler()), ("/t.S/Never", Never())]))
    var hello = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    hello += http2Frame(4, 0, 0, [0, 4] + bigEndianBytes(window))
    hello += http2Frame(4, 1, 0)
    _ = exchange(hello)
  }

  /// The server's frames after these bytes.
  func exchange(_ bytes: [UInt8]) -> [Frame] {
    server.receive(bytes)
    var rest = server.send()[...]
    var frames: [Frame] = []
    while rest.count >= 9 {
      let header = Array(rest.prefix(9))
      let length = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
      frames.append(
        Frame(type: header[3], flags: header[4], payload: Array(rest.dropFirst(9).prefix(length))))
      rest = rest.dropFirst(9 + length)
    }
    return frames
  }
}

/// Frames that carry nothing, for ever: each kind ends the connection, and what honest clients send does not.
@Suite("Floods") struct FloodTests {
  private let began = MonotonicClock.now()

  private func makeLink(_ client: HTTP2TestClient = HTTP2TestClient()) throws -> ServiceLink {
    try ServiceLink(
      unary: [("/t.S/Echo", EchoHandler()), ("/t.S/Never", Never())], client: client)
  }

  static let zeros = [UInt8](repeating: 0, count: 8)
  static let one = bigEndianBytes(1)

  struct Flood: CustomTestStringConvertible, Sendable {
    var testDescription: String
    /// Its piece, from how many have gone before. The client has stream 1 open.
    var piece: @Sendable (UInt32) -> [UInt8]
    var reason = "too_many_frames"

    init(
      _ name: String, _ reason: String = "too_many_frames",
      _ piece: @escaping @Sendable (UInt32) -> [UInt8]
    ) {
      testDescription = name
      self.reason = reason
      self.piece = piece
    }
  }

  /// HEADERS of a new stream with these fields, none of which is Huffman-coded or kept.
  private static func begin(
    _ stream: UInt32, _ more: [(String, String)] = [], path: String = "/t.S/Never"
  ) -> [UInt8] {
    let fields = [
      (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "t"),
      ("content-type", "application/grpc"),
    ]
    var block: [UInt8] = []
    for (name, value) in fields + more {
      block += [0, UInt8(name.utf8.count)]
      block += name.utf8
      block.append(UInt8(value.utf8.count))
      block += value.utf8
    }
    return http2Frame(1, 4, stream, block)
  }

  /// A field of 4 KB is kept in the table, where it is 62, and is named 12,000 times: 48 MB.
  private static func bomb(_ stream: UInt32) -> [UInt8] {
    var block: [UInt8] = [0x40, 3]
    block += Array("x-x".utf8)
    block += [0x7F, 0xA1, 0x1E]
    block += [UInt8](repeating: 0x78, count: 4000)
    block += [UInt8](repeating: 0xBE, count: 12_000)
    return http2Frame(1, 4, stream, block)
  }

  static let floods: [Flood] = [
    Flood("answers to PINGs that nobody sent") { _ in http2Frame(6, 1, 0, zeros) },
    Flood("WINDOW_UPDATE of 1") { _ in http2Frame(8, 0, 0, one) },
    Flood("WINDOW_UPDATE of 1 on a stream") { _ in http2Frame(8, 0, 1, one) },
    Flood("PRIORITY") { _ in http2Frame(2, 0, 1, [0, 0, 0, 0, 15]) },
    Flood("PRIORITY of idle streams") { http2Frame(2, 0, 2 * $0 + 3, [0, 0, 0, 0, 15]) },
    Flood("frames of an unknown type") { _ in http2Frame(0x5A, 0, 0, zeros) },
    Flood("empty DATA") { _ in http2Frame(0, 0, 1) },
    Flood("SETTINGS") { _ in http2Frame(4, 0, 0, [0, 4, 0, 0, 255, 255]) },
    Flood("RST_STREAM of streams that have ended") { _ in http2Frame(3, 0, 1, bigEndianBytes(8))
    },
    Flood("calls with a stream's window over the most", "too_many_errors") {
      begin(2 * $0 + 3) + http2Frame(8, 0, 2 * $0 + 3, bigEndianBytes(1 << 31 - 1))
    },
    Flood("calls with another content-length", "too_many_errors") {
      begin(2 * $0 + 3, [("content-length", "1")]) + http2Frame(0, 0, 2 * $0 + 3, zeros)
    },
    Flood("calls with a content-length that is not reached", "too_many_errors") {
      begin(2 * $0 + 3, [("content-length", "99")]) + http2Frame(0, 1, 2 * $0 + 3, zeros)
    },
    Flood("calls with bad headers", "too_many_errors") {
      begin(2 * $0 + 3, [("connection", "close")])
    },
    Flood("calls whose headers are too large") {
      begin(2 * $0 + 3, (0..<110).map { ("x-\($0)", String(repeating: "x", count: 120)) })
    },
  ]

  @Test(arguments: floods)
  func endsAClientThatFloods(_ flood: Flood) throws {
    let client = try RawClient()
    var frames = client.exchange(Self.begin(1))
    var pieces: UInt32 = 0
    while !client.server.isFinished && pieces < 20_000 {
      var bytes: [UInt8] = []
      for _ in 0..<20 {
        bytes += flood.piece(pieces)
        pieces += 1
      }
      frames = client.exchange(bytes)
    }
    #expect(frames.contains { $0.isGoAway(calm, flood.reason) }, "after \(pieces)")
  }

  /// Less than a second gives back, each second, for more than there is at first.
  @Test(
    arguments: floods.filter {
      $0.testDescription.contains("WINDOW_UPDATE of 1") || $0.testDescription == "PRIORITY"
    })
  func forgivesWhatComesSlowly(_ flood: Flood) throws {
    let link = try makeLink()
    _ = link.client.request("/t.S/Never", body: [], endsStream: false)
    link.exchange()
    var pieces: UInt32 = 0
    for time in UInt64(1)...40 {
      for _ in 0..<900 {
        link.server?.receive(flood.piece(pieces))
        pieces += 1
      }
      link.server?.look(now: began + time * second)
      link.exchange()
    }
    #expect(link.client.goAways.isEmpty)
  }

  @Test func endsAClientWhoseHeadersInflateWithoutEnd() throws {
    let link = try makeLink()
    link.server?.receive(Self.bomb(1))
    link.exchange()
    #expect(link.client.goAways.map(\.text) == ["headers_too_large"])
  }

  /// Nobody looks at the headers of streams that are refused.
  @Test func endsAClientWhoseHeadersInflateOnRefusedStreams() throws {
    let client = try RawClient { $0.maximumConcurrentStreams = 1 }
    _ = client.exchange(Self.begin(1))
    #expect(client.exchange(Self.begin(3)).contains { $0.type == 3 })
    let frames = client.exchange(Self.bomb(5))
    #expect(frames.contains { $0.isGoAway(calm, "too_many_frames") })
  }

  /// An answer that is taken a byte at a time, by a window of 1.
  @Test func endsAClientThatTakesItsAnswerInCrumbs() throws {
    let client = try RawClient(window: 1)
    var frames = client.exchange(Self.begin(1, path: "/t.S/Echo") + Self.body(50_000))
    var rounds = 0
    while !client.server.isFinished && rounds < 20_000 {
      frames = client.exchange(http2Frame(8, 0, 1, Self.one))
      rounds += 1
    }
    #expect(frames.contains { $0.isGoAway(calm, "too_many_frames") })
    // Each round is a frame of either side.
    #expect(rounds > FrameBudget.capacity / 2 - 20 && rounds < FrameBudget.capacity / 2 + 10)
  }

  /// Both windows are opened for each DATA frame that comes, whatever its size.
  @Test(arguments: [4000, 64])
  func letsClientsOpenTheirWindowsForEachFrame(_ bytes: Int) throws {
    let client = try RawClient(window: UInt32(bytes))
    var updates = 0
    var stream: UInt32 = 1
    while updates < 3 * FrameBudget.capacity && !client.server.isFinished {
      var request = Self.begin(stream, path: "/t.S/Echo")
      request += Self.body(60_000, on: stream)
      var frames = client.exchange(request)
      var hasEnded = false
      while !frames.isEmpty {
        var answer: [UInt8] = []
        for frame in frames where frame.type == 0 && !frame.payload.isEmpty {
          let count = bigEndianBytes(UInt32(frame.payload.count))
          answer += http2Frame(8, 0, 0, count)
          answer += http2Frame(8, 0, stream, count)
          updates += 2
        }
        hasEnded = hasEnded || frames.contains { $0.type == 1 && $0.flags & 1 != 0 }
        frames = answer.isEmpty ? [] : client.exchange(answer)
      }
      try #require(hasEnded)
      stream += 2
    }
    #expect(!client.server.isFinished)
  }

  /// One message of zeros in DATA frames that end the request.
  private static func body(_ bytes: Int, on stream: UInt32 = 1) -> [UInt8] {
    let message = HTTP2TestClient.framed([UInt8](repeating: 0, count: bytes))
    var frames: [UInt8] = []
    var start = 0
    while start < message.count {
      let end = min(start + 16_384, message.count)
      frames += http2Frame(0, end == message.count ? 1 : 0, stream, Array(message[start..<end]))
      start = end
    }
    return frames
  }

  @Test func letsTenThousandCallsBe() throws {
    let link = try makeLink()
    let message = HTTP2TestClient.framed([1])
    for _ in 0..<100 {
      let streams = (0..<100).map { _ in link.client.request("/t.S/Echo", body: message) }
      link.exchange()
      #expect(streams.allSatisfy { link.status($0) == "0" })
    }
    #expect(link.client.goAways.isEmpty)
  }

  // MARK: - Requests that are no calls

  /// What is wrong with the rest of such a request is seen first, and one that does not end is answered all the same.
  @Test func answersARequestThatIsNoCallWhenItHasEnded() throws {
    let link = try makeLink()
    func begin() -> Int32 {
      link.client.request("/", body: [1], endsStream: false, contentType: "application/json")
    }
    let ending = begin()
    let open = begin()
    link.exchange()
    #expect(link.client.responses[ending]?.headers[":status"] == nil)
    link.client.send([2], on: ending, endsStream: true)
    link.exchange()
    #expect(link.client.responses[ending]?.headers[":status"] == "415")
    link.server?.look(now: began)
    link.exchange()
    #expect(link.client.responses[open]?.headers[":status"] == nil)
    link.server?.look(now: began + second)
    link.exchange()
    #expect(link.client.responses[open]?.headers[":status"] == "415")
    #expect(link.client.responses[open]?.isClosed == true)
  }
}
