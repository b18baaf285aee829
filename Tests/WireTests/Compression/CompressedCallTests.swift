import Bytes
import NIOCore
import NIOEmbedded
import TestSupport
import Testing
import Wire

/// Answers as many zeros as the request has bytes, times 1000.
private struct Zeros: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    response.append([UInt8](repeating: 0, count: request.count * 1000))
    return .done
  }
}

private struct EchoStream: StreamingHandler {
  private final class Call: StreamingCall {
    private var answer: [UInt8]?
    private var isAtEnd = false

    func pull(_ response: inout ByteWriter) -> PullOutcome {
      guard let bytes = answer.take() else { return isAtEnd ? .finished(nil) : .needsMessage }
      response.append(bytes)
      return .message
    }

    func receive(_ message: UnsafeRawBufferPointer) { answer = Array(message) }
    func halfClose() { isAtEnd = true }
    func cancel() {}
  }

  func start(_ context: CallContext) -> any StreamingCall { Call() }
}

/// Answers with the request, compressed if its first byte is 1.
private struct Choosing: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    context.compressAnswers(request.first == 1)
    response.append(Array(request))
    return .done
  }
}

/// Answers with as many messages as the request has bytes, each of a thousand of one, compressed if that is 1.
private struct ChoosingStream: ServerStreamHandler {
  private final class Call: ServerStream {
    private var rest: ArraySlice<UInt8>
    private let output: ResponseStream

    init(_ request: [UInt8], _ output: ResponseStream) {
      rest = request[...]
      self.output = output
    }

    func pull(_ response: inout ByteWriter) -> PullOutcome {
      guard let byte = rest.popFirst() else { return .finished(nil) }
      output.compressMessages(byte == 1)
      response.append([UInt8](repeating: byte, count: 1000))
      return .message
    }

    func cancel() {}
  }

  func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart {
    .stream(Call(Array(request), context.output))
  }
}

/// The rows hold for a loop that has time, and for one that stops after each piece of a message.
@Suite("Compressed calls") struct CompressedCallTests {
  private static let turns: [UInt64] = [60_000_000_000, 0]
  private static let paths = ["/t.S/Echo", "/t.S/EchoStream"]
  private static let gzip = ("grpc-encoding", "gzip")
  private static let takesGzip = ("grpc-accept-encoding", "identity, deflate, gzip")

  private func link(
    _ turn: UInt64 = turns[0], client: HTTP2TestClient = HTTP2TestClient(windowBytes: 8 << 20),
    _ configure: (inout WireConfiguration) -> Void = { _ in }
  ) throws -> ServiceLink {
    try ServiceLink(
      unary: [("/t.S/Echo", EchoHandler()), ("/t.S/Zeros", Zeros()), ("/t.S/Choose", Choosing())],
      streaming: [("/t.S/EchoStream", EchoStream())],
      serverStreams: [
        ("/t.S/Numbers", NumberedStreams(count: 5, messageBytes: 3000)),
        ("/t.S/ChooseEach", ChoosingStream()),
      ],
      client: client
    ) {
      $0.compressionTurn = turn
      $0.maximumRequestBytes = 1 << 20
      configure(&$0)
    }
  }

  /// Runs the loop until a stream is over.
  private func settle(_ link: ServiceLink, _ streams: Int32...) {
    for _ in 0..<1000 where streams.contains(where: { link.client.responses[$0]?.isClosed != true })
    {
      link.loop.advanceTime(by: .milliseconds(1))
      link.exchange()
    }
  }

  private func call(
    _ link: ServiceLink, _ path: String, _ body: [UInt8], _ headers: [(String, String)]
  ) -> HTTP2TestClient.Response {
    let stream = link.client.request(path, body: body, headers: headers)
    link.exchange()
    settle(link, stream)
    #expect(link.requestBytes == 0)
    return link.client.responses[stream] ?? .init()
  }

  // MARK: - Requests

  @Test(arguments: turns, paths)
  func takesCompressedAndPlainMessages(_ turn: UInt64, _ path: String) throws {
    let link = try link(turn)
    for count in [0, 1, 5000, 300_000, 1 << 20] {
      let bytes = GzipMessages.text(count)
      for body in [GzipMessages.framed(bytes), HTTP2TestClient.framed(bytes)] {
        let response = call(link, path, body, [Self.gzip])
        #expect(response.headers["grpc-status"] == "0")
        #expect(response.headers["grpc-encoding"] == nil)
        #expect(response.body == HTTP2TestClient.framed(bytes))
      }
    }
  }

  @Test(arguments: turns)
  func takesSeveralMessagesOfAStream(_ turn: UInt64) throws {
    let link = try link(turn)
    let messages = [GzipMessages.text(70_000), [1], [], GzipMessages.text(9000), [2, 3]]
    let body = messages.enumerated().flatMap { index, bytes in
      index % 2 == 0 ? GzipMessages.framed(bytes) : HTTP2TestClient.framed(bytes)
    }
    let response = call(link, "/t.S/EchoStream", body, [Self.gzip])
    #expect(response.body == messages.flatMap { HTTP2TestClient.framed($0) })
    #expect(response.headers["grpc-status"] == "0")
  }

  @Test(arguments: turns)
  func takesAMessageInPieces(_ turn: UInt64) throws {
    let link = try link(turn)
    let bytes = GzipMessages.text(3000)
    for path in Self.paths {
      let stream = link.client.request(path, body: [], endsStream: false, headers: [Self.gzip])
      for byte in GzipMessages.framed(bytes) {
        link.client.send([byte], on: stream)
        link.exchange()
      }
      link.client.send([], on: stream, endsStream: true)
      link.exchange()
      settle(link, stream)
      #expect(link.client.responses[stream]?.body == HTTP2TestClient.framed(bytes))
      #expect(link.requestBytes == 0)
    }
  }

  /// Encoding, message with its prefix, status and the reason it has to have.
  private static let refusals: [(String?, [UInt8], String)] = [
    (nil, GzipMessages.framed([1]), "13"),
    ("identity", GzipMessages.framed([1]), "13"),
    ("deflate", GzipMessages.framed([1]), "12"),
    ("snappy", GzipMessages.framed([1]), "12"),
    ("", GzipMessages.framed([1]), "12"),
    ("snappy", HTTP2TestClient.framed([1]), "0"),
    ("gzip", HTTP2TestClient.framed([1], flag: 2), "13"),
    ("gzip", HTTP2TestClient.framed([1], flag: 1), "13"),
    ("gzip", HTTP2TestClient.framed([], flag: 1), "13"),
    ("gzip", HTTP2TestClient.framed(GzipMessages.gzip([1]).dropLast(), flag: 1), "13"),
    ("gzip", HTTP2TestClient.framed(GzipMessages.gzip([1]) + [0], flag: 1), "13"),
    (
      "gzip",
      HTTP2TestClient.framed(GzipMessages.gzip([1]) + GzipMessages.gzip([2]), flag: 1), "13"
    ),
    ("gzip", GzipMessages.framed([UInt8](repeating: 0, count: (1 << 20) + 1)), "8"),
    ("gzip", GzipMessages.framed([UInt8](repeating: 0, count: 10 << 20)), "8"),
  ]

  @Test(arguments: turns, refusals.indices)
  func refusesWhatIsNotGzip(_ turn: UInt64, _ row: Int) throws {
    let link = try link(turn)
    let (encoding, body, status) = Self.refusals[row]
    for path in Self.paths {
      let headers = encoding.map { [("grpc-encoding", $0)] } ?? []
      let response = call(link, path, body, headers)
      #expect(response.headers["grpc-status"] == status, "\(path)")
      #expect(response.headers["grpc-accept-encoding"] == (status == "12" ? "identity,gzip" : nil))
      let next = call(link, path, GzipMessages.framed([7]), [Self.gzip])
      #expect(next.body == HTTP2TestClient.framed([7]))
    }
  }

  @Test func namesTheEncodingsAfterAnAnswerToo() throws {
    let link = try link()
    let body = HTTP2TestClient.framed([1]) + HTTP2TestClient.framed([2], flag: 1)
    let response = call(link, "/t.S/EchoStream", body, [("grpc-encoding", "br")])
    #expect(response.body == HTTP2TestClient.framed([1]))
    #expect(response.headers["grpc-status"] == "12")
    #expect(response.headers["grpc-accept-encoding"] == "identity,gzip")
  }

  // MARK: - Memory and time

  @Test(arguments: turns)
  func holdsOneInflatedMessageAtATime(_ turn: UInt64) throws {
    let link = try link(turn)
    let bomb = GzipMessages.framed([UInt8](repeating: 0, count: 10 << 20))
    let streams = (0..<20).map { index in
      link.client.request(Self.paths[index % 2], body: bomb, headers: [Self.gzip])
    }
    let bodies = 20 * bomb.count
    for _ in 0..<2000 where streams.contains(where: { link.status($0) == nil }) {
      link.exchange()
      #expect(link.requestBytes <= (1 << 20) + bodies)
      link.loop.advanceTime(by: .milliseconds(1))
    }
    #expect(streams.allSatisfy { link.status($0) == "8" })
    #expect(link.requestBytes == 0)
  }

  @Test(arguments: turns)
  func countsInflatedBytesAsRequests(_ turn: UInt64) throws {
    let link = try link(turn) { $0.maximumRequestMemoryBytes = 121_000 }
    let held = link.client.request(
      "/t.S/Echo",
      body: Array(HTTP2TestClient.framed([UInt8](repeating: 1, count: 70_000)).prefix(61_000)),
      endsStream: false)
    link.exchange()
    let refused = link.client.request(
      "/t.S/Echo", body: GzipMessages.framed([UInt8](repeating: 0, count: 100_000)),
      headers: [Self.gzip])
    link.exchange()
    settle(link, refused)
    #expect(link.status(refused) == "8")
    link.client.reset(held)
    link.exchange()
    let taken = call(
      link, "/t.S/Echo", GzipMessages.framed(GzipMessages.text(100_000)), [Self.gzip])
    #expect(taken.headers["grpc-status"] == "0")
  }

  @Test func servesOthersWhileMessagesWaitForTheirTurns() throws {
    let link = try link(0)
    let message = GzipMessages.framed(GzipMessages.text(1 << 20))
    let streams = Self.paths.map {
      link.client.request($0, body: message, headers: [Self.gzip])
    }
    link.exchange()
    link.loop.advanceTime(by: .microseconds(100))
    let other = link.open("/t.S/Echo", [[1]])
    #expect(link.status(other) == "0")
    #expect(streams.allSatisfy { link.status($0) == nil })
    link.client.reset(streams[0])
    link.exchange()
    settle(link, streams[1])
    #expect(link.status(streams[1]) == "0")
    #expect(link.requestBytes == 0)
  }

  @Test func dropsCallsThatEndWhileTheyWait() throws {
    let link = try link(0)
    let message = GzipMessages.framed(GzipMessages.text(1 << 20))
    let streams = (0..<6).map { index in
      link.client.request(
        Self.paths[index % 2], body: message,
        headers: [Self.gzip] + (index < 2 ? [("grpc-timeout", "1H")] : []))
    }
    link.exchange()
    // The time of one turn: a part of the first message.
    link.loop.advanceTime(by: .microseconds(100))
    link.server?.expireCalls(now: .max / 2 + .max / 4)
    for stream in streams[2..<4] { link.client.reset(stream) }
    link.exchange()
    settle(link, streams[4], streams[5])
    #expect(streams[..<2].allSatisfy { link.status($0) == "4" })
    #expect(streams[4...].allSatisfy { link.status($0) == "0" })
    #expect(link.requestBytes == 0)
    let gone = link.client.request("/t.S/Echo", body: message, headers: [Self.gzip])
    link.exchange()
    #expect(link.status(gone) == nil)
    link.disconnect()
    link.loop.advanceTime(by: .milliseconds(10))
  }

  // MARK: - Answers

  /// Whether the server compresses, what the client takes, the bytes of the answer, and whether it is compressed.
  @Test(
    arguments: [
      (true, "gzip", 1025, true), (true, "identity, deflate, gzip", 50_000, true),
      (true, "gzip ,identity", 1025, true), (true, "gzip", 1 << 19, true),
      (true, "gzip", 1024, false), (true, "gzip", (1 << 19) + 1, false), (true, "gzip", 0, false),
      (true, "identity,deflate", 50_000, false), (true, "gzipped,xgzip", 50_000, false),
      (true, "", 50_000, false), (false, "gzip", 50_000, false),
    ] as [(Bool, String, Int, Bool)])
  func compressesAnswersThatClientsTake(
    _ isOn: Bool, _ accepted: String, _ count: Int, _ isCompressed: Bool
  ) throws {
    let link = try link { $0.compressesAnswers = isOn }
    let bytes = GzipMessages.text(count)
    let response = call(
      link, "/t.S/Echo", HTTP2TestClient.framed(bytes), [("grpc-accept-encoding", accepted)])
    #expect(response.headers["grpc-status"] == "0")
    #expect(response.headers["grpc-encoding"] == (isCompressed ? "gzip" : nil))
    #expect(response.body.first == (isCompressed ? 1 : 0))
    #expect(isCompressed == (response.body.count < bytes.count))
    if isCompressed {
      let inflated = GzipMessages.inflate(
        GzipInflater(), Array(response.body.dropFirst(5)), limit: count)
      #expect(inflated.step == .whole)
      #expect(inflated.bytes == bytes)
    } else {
      #expect(response.body == HTTP2TestClient.framed(bytes))
    }
    #expect(link.answerBytes == 0)
  }

  @Test func leavesAnswersThatWouldNotBecomeSmaller() throws {
    let link = try link { $0.compressesAnswers = true }
    let bytes = GzipMessages.noise(20_000)
    let response = call(link, "/t.S/Echo", HTTP2TestClient.framed(bytes), [Self.takesGzip])
    #expect(response.headers["grpc-encoding"] == nil)
    #expect(response.body == HTTP2TestClient.framed(bytes))
  }

  @Test func compressesEachMessageOfAStream() throws {
    let link = try link { $0.compressesAnswers = true }
    let inflater = GzipInflater()
    let response = call(link, "/t.S/Numbers", HTTP2TestClient.framed([1, 2]), [Self.takesGzip])
    #expect(response.headers["grpc-encoding"] == "gzip")
    #expect(response.headers["grpc-status"] == "0")
    #expect(response.body.count < 5 * 100)
    var rest = response.body[...]
    for number in 0..<5 {
      let length = Int(rest.dropFirst(4).first ?? 0)
      #expect(rest.first == 1)
      let message = Array(rest.dropFirst(5).prefix(length))
      #expect(
        GzipMessages.inflate(inflater, message, limit: 3000).bytes
          == NumberedStream.message(number, 3000))
      rest = rest.dropFirst(5 + length)
    }
    #expect(rest.isEmpty)
  }

  @Test func sendsAnswersAsTheyAreWhenThereIsNoTime() throws {
    let link = try link(0) { $0.compressesAnswers = true }
    let bytes = GzipMessages.text(50_000)
    let response = call(link, "/t.S/Echo", HTTP2TestClient.framed(bytes), [Self.takesGzip])
    #expect(response.headers["grpc-encoding"] == nil)
    #expect(response.body == HTTP2TestClient.framed(bytes))
  }

  /// Whether handlers may choose, whether the client takes gzip, the message's first byte and size.
  @Test(
    arguments: [
      (true, true, 1, 200_000, true), (true, true, 1, 300, true), (true, true, 1, 1 << 19, true),
      (true, true, 1, (1 << 19) + 1, false), (true, true, 1, 1, false),
      (true, true, 0, 200_000, false), (true, false, 1, 200_000, false),
      (false, true, 1, 200_000, false),
    ] as [(Bool, Bool, UInt8, Int, Bool)])
  func letsHandlersChoose(
    _ mayChoose: Bool, _ isTaken: Bool, _ byte: UInt8, _ count: Int, _ isCompressed: Bool
  ) throws {
    // Also without time for it.
    for turn in Self.turns {
      let link = try link(turn) { $0.letsHandlersCompress = mayChoose }
      let message = [byte] + [UInt8](repeating: 7, count: count - 1)
      let response = call(
        link, "/t.S/Choose", HTTP2TestClient.framed(message), isTaken ? [Self.takesGzip] : [])
      #expect(response.headers["grpc-status"] == "0")
      #expect(response.headers["grpc-encoding"] == (isCompressed ? "gzip" : nil))
      #expect(response.body.first == (isCompressed ? 1 : 0))
      #expect((response.body == HTTP2TestClient.framed(message)) == !isCompressed)
      #expect(link.answerBytes == 0)
    }
  }

  @Test(arguments: [true, false]) func letsHandlersChooseForEachMessage(_ isTaken: Bool) throws {
    let link = try link { $0.letsHandlersCompress = true }
    let response = call(
      link, "/t.S/ChooseEach", HTTP2TestClient.framed([1, 0, 1, 1, 0]),
      isTaken ? [Self.takesGzip] : [])
    #expect(response.headers["grpc-encoding"] == (isTaken ? "gzip" : nil))
    var (rest, flags): (ArraySlice<UInt8>, [UInt8]) = (response.body[...], [])
    while let flag = rest.first {
      flags.append(flag)
      rest = rest.dropFirst(5 + rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) })
    }
    #expect(flags == (isTaken ? [1, 0, 1, 1, 0] : [0, 0, 0, 0, 0]))
    // The next call of the slot begins anew.
    let next = call(link, "/t.S/Echo", HTTP2TestClient.framed([1, 2]), [Self.takesGzip])
    #expect(next.headers["grpc-encoding"] == nil)
  }

  @Test func countsACompressedAnswerByWhatItHolds() throws {
    let link = try link(client: HTTP2TestClient(windowBytes: 0, readsAtOnce: false)) {
      $0.compressesAnswers = true
    }
    let stream = link.client.request(
      "/t.S/Zeros", body: HTTP2TestClient.framed([UInt8](repeating: 0, count: 500)),
      headers: [Self.takesGzip])
    link.exchange()
    #expect(link.client.responses[stream]?.headers["grpc-encoding"] == "gzip")
    #expect((1...20_000).contains(link.answerBytes))
    link.client.reset(stream)
    link.exchange()
    #expect(link.answerBytes == 0)
  }
}
