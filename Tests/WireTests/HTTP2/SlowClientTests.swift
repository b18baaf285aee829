import Bytes
import NIOEmbedded
import Platform
import TestSupport
import Testing
import Wire

private let second: UInt64 = 1_000_000_000
private let calm: UInt32 = 11
private let refused: UInt32 = 7

private struct Never: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome { .pending }
}

/// Takes messages and answers none of them.
private struct Taking: StreamingHandler {
  private final class Call: StreamingCall {
    func pull(_ response: inout ByteWriter) -> PullOutcome { .needsMessage }
    func receive(_ message: UnsafeRawBufferPointer) {}
    func halfClose() {}
    func cancel() {}
  }

  func start(_ context: CallContext) -> any StreamingCall { Call() }
}

private func makeLink(
  _ client: HTTP2TestClient = HTTP2TestClient(),
  _ configure: (inout WireConfiguration) -> Void = { _ in }
) throws -> ServiceLink {
  try ServiceLink(
    unary: [("/t.S/Echo", EchoHandler()), ("/t.S/Never", Never())],
    streaming: [("/t.S/Taking", Taking())],
    client: client, configure)
}

@Suite("Clients that are slow or busy on purpose") struct SlowClientTests {
  private let began = MonotonicClock.now()
  private let message = HTTP2TestClient.framed([1])

  /// Has the server look after the connection, some seconds after it began, and carries what it sends.
  private func look(
    _ link: ServiceLink, after seconds: UInt64, isReading: Bool = true, isWriting: Bool = true
  ) {
    link.server?.look(now: began + seconds * second, isReading: isReading, isWriting: isWriting)
    link.exchange()
  }

  // MARK: - Streams and resets

  @Test func refusesStreamsBeyondTheLimitAlone() throws {
    let link = try makeLink { $0.maximumConcurrentStreams = 4 }
    #expect(link.client.mostStreams == 4)
    // This client does not wait to be told.
    let client = HTTP2TestClient()
    var configuration = WireConfiguration(loopCount: 1)
    configuration.maximumConcurrentStreams = 4
    let server = try #require(
      InMemoryConnection(
        eventLoop: EmbeddedEventLoop(), configuration: configuration,
        unary: [("/t.S/Echo", EchoHandler()), ("/t.S/Never", Never())]))
    let streams = (0..<6).map { _ in client.request("/t.S/Never", body: message) }
    server.receive(client.output())
    client.receive(server.send())
    #expect(
      streams.map { client.responses[$0]?.resetCode } == [nil, nil, nil, nil, refused, refused])
    // When one is over there is room for another.
    client.reset(streams[0])
    let next = client.request("/t.S/Echo", body: message)
    server.receive(client.output())
    client.receive(server.send())
    #expect(client.responses[next]?.headers["grpc-status"] == "0")
    #expect(client.goAways.isEmpty)
  }

  @Test func countsResetsOfCallsThatStillRun() throws {
    let link = try makeLink()
    for _ in 0..<3 {
      let streams = (0..<700).map { _ in link.client.request("/t.S/Never", body: message) }
      link.exchange()
      for stream in streams { link.client.reset(stream) }
      link.exchange()
    }
    #expect(link.client.goAways.map(\.code) == [calm])
    #expect(link.client.goAways.map(\.text) == ["too_many_resets"])
  }

  @Test func forgivesResetsInTime() throws {
    let link = try makeLink()
    for time in UInt64(1)...10 {
      for _ in 0..<400 {
        let stream = link.client.request("/t.S/Never", body: message)
        link.exchange()
        link.client.reset(stream)
        link.exchange()
      }
      look(link, after: time)
    }
    #expect(link.client.goAways.isEmpty)
  }

  // MARK: - First steps

  @Test func endsAClientThatDoesNotAcknowledgeTheSettings() throws {
    let client = HTTP2TestClient()
    let server = try #require(
      InMemoryConnection(
        eventLoop: EmbeddedEventLoop(), configuration: WireConfiguration(loopCount: 1),
        unary: [("/t.S/Echo", EchoHandler())]))
    server.receive(client.output())
    client.receive(server.send())
    // Its answer may come after the bytes that came.
    server.look(now: began + 5 * second)
    server.look(now: began + 14 * second)
    #expect(!server.isFinished)
    server.look(now: began + 16 * second)
    client.receive(server.send())
    #expect(client.goAways.map(\.text) == ["settings_timeout"])
    #expect(server.isFinished)
  }

  // MARK: - Requests

  @Test func endsARequestThatComesTooSlowly() throws {
    let link = try makeLink()
    let body = HTTP2TestClient.framed([UInt8](repeating: 1, count: 100))
    let stream = link.client.request("/t.S/Echo", body: Array(body.prefix(50)), endsStream: false)
    link.exchange()
    for time in UInt64(1)...30 {
      link.client.send([1], on: stream)
      link.exchange()
      look(link, after: time)
    }
    #expect(link.status(stream) == nil)
    look(link, after: 32)
    #expect(link.status(stream) == "8")
    let message = link.client.responses[stream]?.headers["grpc-message"]
    #expect(message?.contains("bytes a second of the request came over 30 s") == true)
    #expect(link.requestBytes == 0)
    // The connection goes on.
    #expect(link.status(link.open("/t.S/Echo", [[1]])) == "0")
  }

  /// Calls share a slow network, and one of them may have to wait for another.
  @Test func sparesSlowRequestsOfABusyConnectionWhileThereIsMemory() throws {
    let link = try makeLink { $0.maximumRequestMemoryBytes = 400_000 }
    let body = HTTP2TestClient.framed([UInt8](repeating: 1, count: 250_000))
    let still = link.client.request("/t.S/Echo", body: Array(body.prefix(50)), endsStream: false)
    let busy = link.client.request("/t.S/Echo", body: Array(body.prefix(50)), endsStream: false)
    link.exchange()
    for time in UInt64(1)...60 {
      link.client.send([UInt8](repeating: 1, count: 1500), on: busy)
      link.exchange()
      look(link, after: time)
    }
    #expect(link.status(still) == nil)
    link.client.send([UInt8](repeating: 1, count: 110_000), on: busy)
    link.exchange()
    try #require(link.requestBytes >= 200_000)
    look(link, after: 61)
    #expect(link.status(still) == "8")
    #expect(link.status(busy) == nil)
  }

  /// Nothing is read of a client that does not read.
  @Test func doesNotCountTheTimeInWhichNothingIsRead() throws {
    let link = try makeLink()
    let stream = link.client.request(
      "/t.S/Echo", body: Array(HTTP2TestClient.framed([1, 2]).prefix(6)), endsStream: false)
    link.exchange()
    for time in UInt64(1)...60 { look(link, after: time, isReading: false) }
    for time in UInt64(61)...90 { look(link, after: time) }
    #expect(link.status(stream) == nil)
    look(link, after: 92)
    #expect(link.status(stream) == "8")
  }

  @Test func letsABidirectionalCallBeSilentBetweenMessagesOnly() throws {
    let link = try makeLink()
    let stream = link.open("/t.S/Taking", [[1]], halfClose: false)
    for time in UInt64(1)...100 { look(link, after: time) }
    #expect(link.status(stream) == nil)
    link.client.send([0, 0], on: stream)
    link.exchange()
    for time in UInt64(101)...130 { look(link, after: time) }
    #expect(link.status(stream) == nil)
    look(link, after: 132)
    #expect(link.status(stream) == "8")
    #expect(link.requestBytes == 0)
  }

  // MARK: - Answers

  @Test(arguments: [false, true])
  func endsAnAnswerThatIsTakenTooSlowly(isCompressed: Bool) throws {
    let link = try makeLink(HTTP2TestClient(windowBytes: 0)) { $0.compressesAnswers = isCompressed }
    let stream = link.client.request(
      "/t.S/Echo", body: HTTP2TestClient.framed([UInt8](repeating: 7, count: 10_000)),
      headers: [("grpc-accept-encoding", "gzip")])
    link.exchange()
    let isSmall = link.answerBytes < 10_000
    #expect(link.answerBytes > 0 && isSmall == isCompressed)
    for time in [UInt64(1), 30, 32] {
      #expect(link.client.responses[stream]?.isClosed != true)
      look(link, after: time)
    }
    #expect(link.client.responses[stream]?.resetCode == calm)
    #expect(link.answerBytes == 0)
    #expect(link.client.goAways.isEmpty)
  }

  /// How fast the answers in a full socket move is not known here.
  @Test func doesNotCountTheTimeInWhichTheSocketIsFull() throws {
    let link = try makeLink(HTTP2TestClient(windowBytes: 0))
    let stream = link.open("/t.S/Echo", [[UInt8](repeating: 7, count: 10_000)])
    for time in UInt64(1)...60 { look(link, after: time, isWriting: false) }
    for time in UInt64(61)...90 { look(link, after: time) }
    #expect(link.client.responses[stream]?.isClosed != true)
    look(link, after: 92)
    #expect(link.client.responses[stream]?.resetCode == calm)
  }
}
