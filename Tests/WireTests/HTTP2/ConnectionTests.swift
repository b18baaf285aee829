import Bytes
import NIOEmbedded
import Synchronization
import TestSupport
import Testing
import Wire

/// A server connection and a client, joined without a socket.
private final class Link {
  let client: HTTP2TestClient
  let loop = EmbeddedEventLoop()
  let server: InMemoryConnection

  init(
    _ handlers: [(String, any UnaryHandler)], windowBytes: UInt32 = 65535,
    _ configure: (inout WireConfiguration) -> Void = { _ in }
  ) throws {
    client = HTTP2TestClient(windowBytes: windowBytes)
    var configuration = WireConfiguration(loopCount: 1)
    configure(&configuration)
    server = try #require(
      InMemoryConnection(eventLoop: loop, configuration: configuration, unary: handlers))
    exchange()
  }

  /// Carries bytes both ways until neither side has any; the client's in pieces of `step` bytes.
  func exchange(step: Int = .max) {
    while true {
      let toServer = client.output()
      var rest = toServer[...]
      while !rest.isEmpty {
        server.receive(Array(rest.prefix(step)))
        rest = rest.dropFirst(step)
      }
      let toClient = server.send()
      client.receive(toClient)
      if toServer.isEmpty && toClient.isEmpty { return }
    }
  }

  func call(_ message: [UInt8], headers: [(String, String)] = []) -> HTTP2TestClient.Response {
    call("/t.S/Echo", message, headers: headers)
  }

  func call(_ path: String, _ message: [UInt8], headers: [(String, String)] = [])
    -> HTTP2TestClient.Response
  {
    let stream = client.request(path, body: HTTP2TestClient.framed(message), headers: headers)
    exchange()
    return client.responses[stream] ?? .init()
  }
}

private final class Echo: UnaryHandler {
  let calls = Atomic<Int>(0)

  func call(_ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter)
    -> UnaryOutcome
  {
    calls.wrappingAdd(1, ordering: .relaxed)
    response.append(request)
    return .done
  }
}

/// Never answers by itself; keeps the token.
private final class Later: UnaryHandler {
  let tokens = Mutex<[CallToken]>([])

  func call(_ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter)
    -> UnaryOutcome
  {
    response.append("must not be seen")
    tokens.withLock { $0.append(context.token) }
    return .pending
  }
}

/// Hands its work to somebody who can be told to stop.
private final class Cancellable: UnaryHandler {
  let cancellations = Mutex<[CallCancellation]>([])

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    let cancellation = CallCancellation()
    cancellations.withLock { $0.append(cancellation) }
    return .cancellable(cancellation)
  }
}

private struct Failing: UnaryHandler {
  func call(_ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter)
    -> UnaryOutcome
  {
    response.append("must not be seen")
    return .failed(RPCStatus(.notFound, reason: "NO_DOG", "no dog ü"))
  }
}

@Suite("HTTP/2 connection") struct ConnectionTests {
  @Test func unfinishedRequestsThatFillTheMemoryAreRefused() throws {
    let link = try Link([("/t.S/Echo", Echo())]) { $0.maximumRequestMemoryBytes = 100 }
    let part = HTTP2TestClient.framed([UInt8](repeating: 1, count: 200)).prefix(150)
    let stream = link.client.request("/t.S/Echo", body: Array(part), endsStream: false)
    link.exchange()
    #expect(link.client.responses[stream] == nil)
    link.client.send([1], on: stream)
    link.exchange()
    let response = try #require(link.client.responses[stream])
    #expect(response.headers["grpc-status"] == "8")
    #expect(
      response.headers["grpc-message"]
        == "too many bytes of unfinished requests are waiting in the server's memory; send fewer at once"
    )
  }

  @Test func answersAUnaryCall() throws {
    let link = try Link([("/t.S/Echo", Echo())])
    let response = link.call([1, 2, 3])
    #expect(response.headers[":status"] == "200")
    #expect(response.headers["content-type"] == "application/grpc")
    #expect(response.headers["grpc-status"] == "0")
    #expect(response.body == HTTP2TestClient.framed([1, 2, 3]))
    #expect(response.isClosed)
  }

  @Test(arguments: [1, 2, 3, 5, 7, 9, 13, 64])
  func assemblesMessagesHoweverTheBytesAreCut(_ step: Int) throws {
    let link = try Link([("/t.S/Echo", Echo())])
    let messages: [[UInt8]] = [[], [7], Array(repeating: 9, count: 300), Array(0...255)]
    let streams = messages.map {
      link.client.request("/t.S/Echo", body: HTTP2TestClient.framed($0))
    }
    link.exchange(step: step)
    for (stream, message) in zip(streams, messages) {
      #expect(link.client.responses[stream]?.body == HTTP2TestClient.framed(message))
      #expect(link.client.responses[stream]?.headers["grpc-status"] == "0")
    }
  }

  @Test func carriesMessagesLargerThanTheWindows() throws {
    let link = try Link([("/t.S/Echo", Echo())])
    let message = (0..<900_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let response = link.call(message)
    #expect(response.body == HTTP2TestClient.framed(message))
  }

  @Test func sendsFailuresAsTrailersOnly() throws {
    let link = try Link([("/t.S/Fail", Failing())])
    let response = link.call("/t.S/Fail", [1])
    #expect(response.headers[":status"] == "200")
    #expect(response.headers["grpc-status"] == "5")
    #expect(response.headers["grpc-message"] == "no dog %C3%BC")
    #expect(response.headers["grpc-status-details-bin"] != nil)
    #expect(response.body.isEmpty)
  }

  @Test func neverRunsAStreamResetInTheSameRead() throws {
    let echo = Echo()
    let link = try Link([("/t.S/Echo", echo)])
    let stream = link.client.request("/t.S/Echo", body: HTTP2TestClient.framed([1]))
    let opened = link.client.output()
    link.client.reset(stream)
    link.server.receive(opened + link.client.output())
    #expect(echo.calls.load(ordering: .relaxed) == 0)
    #expect(link.call([2]).headers["grpc-status"] == "0")
  }

  @Test func completesPendingCallsAndDropsStaleTokens() throws {
    let later = Later()
    let link = try Link([("/t.S/Later", later)])
    let first = link.client.request("/t.S/Later", body: HTTP2TestClient.framed([1]))
    let second = link.client.request("/t.S/Later", body: HTTP2TestClient.framed([2]))
    link.exchange()
    link.client.reset(first)
    link.exchange()
    let tokens = later.tokens.withLock { $0 }
    #expect(tokens.count == 2)
    var completions = link.server.completions()
    for token in tokens + tokens { completions.complete(token, .empty) }
    completions.post()
    link.loop.run()
    link.exchange()
    #expect(link.client.responses[second]?.headers["grpc-status"] == "0")
    #expect(link.client.responses[second]?.body == [0, 0, 0, 0, 0])
    #expect(link.client.responses[first]?.headers["grpc-status"] == nil)
  }

  @Test func usesSlotsAgainWithoutMixingCalls() throws {
    let link = try Link([("/t.S/Echo", Echo()), ("/t.S/Fail", Failing())])
    for round in 0..<200 {
      let message = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: round * 11)
      #expect(link.call(message).body == HTTP2TestClient.framed(message))
      #expect(link.call("/t.S/Fail", message).headers["grpc-status"] == "5")
    }
  }

  @Test func expiresCallsAtTheirDeadline() throws {
    let later = Later()
    let link = try Link([("/t.S/Later", later)])
    let stream = link.client.request(
      "/t.S/Later", body: HTTP2TestClient.framed([1]), headers: [("grpc-timeout", "1H")])
    link.exchange()
    #expect(link.client.responses[stream] == nil)
    link.server.expireCalls(now: .max / 2 + .max / 4)
    link.exchange()
    #expect(link.client.responses[stream]?.headers["grpc-status"] == "4")
    let past = link.call("/t.S/Later", [1], headers: [("grpc-timeout", "0n")])
    #expect(past.headers["grpc-status"] == "4")
    #expect(later.tokens.withLock { $0.count } == 1)
  }

  @Test func tellsWhoeverWorksOnACallThatNobodyWaits() throws {
    let worker = Cancellable()
    let link = try Link([("/t.S/Work", worker)])
    let streams = (0..<3).map { _ in
      link.client.request(
        "/t.S/Work", body: HTTP2TestClient.framed([1]), headers: [("grpc-timeout", "1H")])
    }
    link.exchange()
    let cancellations = worker.cancellations.withLock { $0 }
    #expect(cancellations.map(\.isCancelled) == [false, false, false])
    link.client.reset(streams[1])
    link.exchange()
    #expect(cancellations.map(\.isCancelled) == [false, true, false])
    link.server.expireCalls(now: .max / 2 + .max / 4)
    #expect(cancellations.map(\.isCancelled) == [true, true, true])
  }

  @Test func givesUpAnAnswerThatNobodyReadsAtItsDeadline() throws {
    let link = try Link([("/t.S/Echo", Echo())], windowBytes: 0)
    let stream = link.client.request(
      "/t.S/Echo", body: HTTP2TestClient.framed([1, 2, 3]), headers: [("grpc-timeout", "1H")])
    link.exchange()
    #expect(link.client.responses[stream]?.headers[":status"] == "200")
    #expect(link.client.responses[stream]?.isClosed == false)
    link.server.expireCalls(now: .max / 2 + .max / 4)
    link.exchange()
    // RST_STREAM with CANCEL: trailers would make half a message look whole.
    #expect(link.client.responses[stream]?.resetCode == 8)
    #expect(link.client.responses[stream]?.headers["grpc-status"] == nil)
  }

  /// Body bytes, headers, and the status they must get.
  @Test(
    arguments: [
      ("/t.S/Nope", [0, 0, 0, 0, 0], "12"), ("/t.X/Echo", [0, 0, 0, 0, 0], "12"),
      ("/nonsense", [0, 0, 0, 0, 0], "12"),
      ("/t.S/Echo", [], "12"), ("/t.S/Echo", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "12"),
      ("/t.S/Echo", [2, 0, 0, 0, 0], "13"), ("/t.S/Echo", [1, 0, 0, 0, 0], "13"),
      ("/t.S/Echo", [0, 0, 0, 0], "13"), ("/t.S/Echo", [0, 0, 0, 0, 9, 1], "13"),
      ("/t.S/Echo", [0, 0xff, 0xff, 0xff, 0xff], "8"),
    ] as [(String, [UInt8], String)])
  func refusesWrongRequestsAndServesOn(_ path: String, _ body: [UInt8], _ status: String) throws {
    let link = try Link([("/t.S/Echo", Echo())])
    let stream = link.client.request(path, body: body)
    link.exchange()
    #expect(link.client.responses[stream]?.headers["grpc-status"] == status)
    #expect(link.call([5]).headers["grpc-status"] == "0")
  }

  @Test func refusesAnOversizedMessageByItsPrefixAlone() throws {
    let link = try Link([("/t.S/Echo", Echo())]) { $0.maximumRequestBytes = 1000 }
    let stream = link.client.request("/t.S/Echo", body: [0, 0, 0, 3, 0xe9], endsStream: false)
    link.exchange()
    #expect(link.client.responses[stream]?.headers["grpc-status"] == "8")
    // The client may stop sending: it is told so without an error.
    #expect(link.client.responses[stream]?.resetCode == 0)
    #expect(link.call(Array(repeating: 1, count: 1000)).headers["grpc-status"] == "0")
  }

  @Test(arguments: [
    ("POST", "text/plain", "415"), ("GET", "text/html", "415"),
    ("POST", "application/grpc-web", "415"),
    ("POST", "application/grpc+json", "415"), ("GET", "application/grpc", "405"),
    ("POST", "application/grpc;charset=utf-8", "200"), ("POST", "application/grpc+proto", "200"),
  ])
  func tellsPlainHTTPClientsWhatThisIs(_ method: String, _ contentType: String, _ status: String)
    throws
  {
    let link = try Link([("/t.S/Echo", Echo())])
    let stream = link.client.request(
      "/t.S/Echo", body: HTTP2TestClient.framed([1]), method: method, contentType: contentType)
    link.exchange()
    #expect(link.client.responses[stream]?.headers[":status"] == status)
    #expect(link.client.responses[stream]?.isClosed == true)
    #expect((link.client.responses[stream]?.body.isEmpty == false) == (status != "405"))
  }

  @Test func boundsTheHeaders() throws {
    let link = try Link([("/t.S/Echo", Echo())])
    let response = link.call([1], headers: [("x-large", String(repeating: "a", count: 17 << 10))])
    #expect(response.headers["grpc-status"] == "8")
    #expect(link.call([1]).headers["grpc-status"] == "0")
  }

  @Test func namesTheEncodingsItTakes() throws {
    let link = try Link([("/t.S/Echo", Echo())])
    let stream = link.client.request(
      "/t.S/Echo", body: HTTP2TestClient.framed([1], flag: 1),
      headers: [("grpc-encoding", "snappy")])
    link.exchange()
    let response = try #require(link.client.responses[stream])
    #expect(response.headers["grpc-status"] == "12")
    #expect(response.headers["grpc-accept-encoding"] == "identity,gzip")
  }

  @Test func drainsInTwoSteps() throws {
    let later = Later()
    let link = try Link([("/t.S/Later", later), ("/t.S/Echo", Echo())])
    let stream = link.client.request("/t.S/Later", body: HTTP2TestClient.framed([1]))
    link.exchange()
    link.server.beginDrain()
    #expect(!link.server.isFinished)
    link.exchange()
    #expect(link.client.goAwayCount == 2)
    #expect(!link.server.isFinished)
    var completions = link.server.completions()
    for token in later.tokens.withLock({ $0 }) { completions.complete(token, .empty) }
    completions.post()
    link.loop.run()
    link.exchange()
    #expect(link.client.responses[stream]?.headers["grpc-status"] == "0")
    #expect(link.server.isFinished)
  }

  @Test func survivesRandomBytes() throws {
    let seed = UInt64.random(in: .min ... .max)
    var state = seed
    func random() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 33
    }
    for _ in 0..<300 {
      let link = try Link([("/t.S/Echo", Echo())])
      _ = link.client.request("/t.S/Echo", body: HTTP2TestClient.framed([1, 2, 3]))
      var bytes = link.client.output()
      for _ in 0..<(1 + random() % 4) {
        let index = Int(random() % UInt64(bytes.count))
        bytes[index] ^= UInt8(1 << (random() % 8))
      }
      link.server.receive(bytes)
      _ = link.server.send()
      let fresh = try Link([("/t.S/Echo", Echo())])
      #expect(fresh.call([4]).headers["grpc-status"] == "0", "seed \(seed)")
    }
  }
}
