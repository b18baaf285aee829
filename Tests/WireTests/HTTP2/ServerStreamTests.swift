import Bytes
import TestSupport
import Testing
import Wire

/// Sends messages of equal size, numbered by their bytes. Confined to the test's loop.
final class NumberedStream: ServerStream {
  enum Manner: CaseIterable {
    /// In the pull.
    case now
    /// By a completion, which the test's loop delivers.
    case later
    /// When the test says so.
    case told
  }

  private let output: ResponseStream
  private let manner: Manner
  private let count: Int
  private let messageBytes: Int
  private let status: RPCStatus?
  private(set) var pulls = 0
  private(set) var cancels = 0

  init(
    _ context: CallContext, _ manner: Manner, count: Int, messageBytes: Int, status: RPCStatus?
  ) {
    output = context.output
    self.manner = manner
    self.count = count
    self.messageBytes = messageBytes
    self.status = status
  }

  func pull(_ response: inout ByteWriter) -> PullOutcome {
    pulls += 1
    response.append(message)
    switch manner {
    case .now: return pulls > count ? .finished(status) : .message
    case .later: answer()
    case .told: break
    }
    return .pending
  }

  func answer() {
    guard pulls <= count else { return output.finish(status) }
    var writer = ByteWriter()
    writer.append(message)
    output.send(writer)
  }

  func retry() { output.retry() }

  func cancel() { cancels += 1 }

  private var message: [UInt8] { Self.message(pulls - 1, messageBytes) }

  static func message(_ number: Int, _ bytes: Int) -> [UInt8] {
    [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes)
  }
}

// SAFETY of `@unchecked Sendable`: the test and its embedded loop are one thread.
final class NumberedStreams: ServerStreamHandler, @unchecked Sendable {
  private let manner: NumberedStream.Manner
  private let count: Int
  private let messageBytes: Int
  private let status: RPCStatus?
  private(set) var streams: [NumberedStream] = []

  init(
    _ manner: NumberedStream.Manner = .now, count: Int, messageBytes: Int, status: RPCStatus? = nil
  ) {
    self.manner = manner
    self.count = count
    self.messageBytes = messageBytes
    self.status = status
  }

  func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart {
    guard request.count != 13 else {
      return .failed(RPCStatus(.invalidArgument, reason: "UNLUCKY", "13 bytes"))
    }
    let stream = NumberedStream(
      context, manner, count: count, messageBytes: messageBytes, status: status)
    streams.append(stream)
    return .stream(stream)
  }
}

@Suite("Server stream") struct ServerStreamTests {
  private static let path = "/t.S/Numbers"
  private static let farFuture = UInt64.max / 2 + UInt64.max / 4

  private func link(
    _ handler: NumberedStreams, windowBytes: UInt32 = 65535, readsAtOnce: Bool = true,
    _ configure: (inout WireConfiguration) -> Void = { _ in }
  ) throws -> ServiceLink {
    try ServiceLink(
      unary: [], serverStreams: [(Self.path, handler)],
      client: HTTP2TestClient(windowBytes: windowBytes, readsAtOnce: readsAtOnce), configure)
  }

  @Test(
    arguments: NumberedStream.Manner.allCases.filter { $0 != .told },
    [(0, 10), (1, 0), (1000, 0), (3, 10), (700, 1000), (9, 300_000)])
  func sendsEveryMessageInOrder(_ manner: NumberedStream.Manner, _ shape: (Int, Int)) throws {
    let (count, bytes) = shape
    let link = try link(NumberedStreams(manner, count: count, messageBytes: bytes))
    let stream = link.open(Self.path, [[1, 2]])
    #expect(
      try link.messages(stream) == (0..<count).map { NumberedStream.message($0, bytes) })
    #expect(link.status(stream) == "0")
    #expect(link.client.responses[stream]?.isClosed == true)
    #expect(link.answerBytes == 0)
  }

  @Test(arguments: [0, 2])
  func endsWithItsStatusAfterTheMessages(_ count: Int) throws {
    let status = RPCStatus(.dataLoss, reason: "DAMAGED", "a page is damaged")
    let link = try link(NumberedStreams(count: count, messageBytes: 5, status: status))
    let stream = link.open(Self.path, [[]])
    #expect(try link.messages(stream).count == count)
    #expect(link.status(stream) == "15")
    #expect(link.sentence(stream) == "a page is damaged")
  }

  @Test func failsBeforeTheFirstMessage() throws {
    let link = try link(NumberedStreams(count: 1, messageBytes: 1))
    let stream = link.open(Self.path, [[UInt8](repeating: 0, count: 13)])
    #expect(link.status(stream) == "3")
  }

  @Test(
    arguments: [
      ([], "12"), ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "12"), ([2, 0, 0, 0, 0], "13"),
      ([0, 0, 0, 0, 9, 1], "13"), ([0, 0xff, 0xff, 0xff, 0xff], "8"),
    ] as [([UInt8], String)])
  func takesExactlyOneRequest(_ body: [UInt8], _ status: String) throws {
    let handler = NumberedStreams(count: 1, messageBytes: 1)
    let link = try link(handler)
    let stream = link.client.request(Self.path, body: body)
    link.exchange()
    #expect(link.status(stream) == status)
    #expect(handler.streams.isEmpty)
  }

  @Test(arguments: [NumberedStream.Manner.now, .later])
  func pullsAsTheClientReads(_ manner: NumberedStream.Manner) throws {
    let (count, bytes, window) = (12, 200_000, 300_000)
    let handler = NumberedStreams(manner, count: count, messageBytes: bytes)
    let link = try link(handler, windowBytes: UInt32(window), readsAtOnce: false)
    let stream = link.open(Self.path, [[]])
    let framed = bytes + 5
    var read = 0
    while link.status(stream) == nil {
      let received = link.client.responses[stream]?.body.count ?? 0
      #expect(received - read <= window)
      // What is out, at most one message and less than the low mark beside it.
      #expect(handler.streams[0].pulls <= received / framed + 3)
      #expect(link.answerBytes <= framed + (64 << 10))
      let pulls = handler.streams[0].pulls
      link.server?.expireCalls(now: Self.farFuture)
      link.exchange()
      #expect(handler.streams[0].pulls == pulls, "nothing is pulled while nothing is read")
      try #require(received > read)
      link.client.read(stream, received - read)
      read = received
      link.exchange()
    }
    #expect(
      try link.messages(stream) == (0..<count).map { NumberedStream.message($0, bytes) })
    #expect(link.client.responses[stream]?.resetCode == 0)
    #expect(handler.streams[0].cancels == 0)
  }

  @Test func holdsNoMemoryWhileItWaits() throws {
    let handler = NumberedStreams(.told, count: 3, messageBytes: 700_000)
    let link = try link(handler)
    let stream = link.open(Self.path, [[]])
    for number in 1...3 {
      #expect(handler.streams[0].pulls == number)
      handler.streams[0].answer()
      link.exchange()
      #expect(try link.messages(stream).count == number)
      #expect(link.answerBytes == 0)
    }
    #expect(link.status(stream) == nil)
  }

  @Test func dropsAnswersThatWereNotAskedFor() throws {
    let handler = NumberedStreams(.told, count: 9, messageBytes: 7)
    let link = try link(handler)
    let stream = link.open(Self.path, [[]])
    for _ in 0..<3 { handler.streams[0].answer() }
    link.exchange()
    // The first answer had the next message pulled at once, which the second answered, and so on.
    #expect(try link.messages(stream).count == 3)
    #expect(handler.streams[0].pulls == 4)
    let held = NumberedStreams(.told, count: 9, messageBytes: 100_000)
    let slow = try self.link(held, windowBytes: 0)
    let heldStream = slow.open(Self.path, [[]])
    for _ in 0..<3 { held.streams[0].answer() }
    slow.exchange()
    #expect(held.streams[0].pulls == 1)
    #expect(slow.answerBytes == 100_005)
    #expect(slow.status(heldStream) == nil)
  }

  enum End: CaseIterable { case reset, deadline, disconnect, drain }

  @Test(arguments: End.allCases, [NumberedStream.Manner.now, .told])
  func tellsTheStreamOnceThatItsCallEnded(_ end: End, _ manner: NumberedStream.Manner) throws {
    let handler = NumberedStreams(manner, count: .max, messageBytes: 1000)
    let link = try link(handler, windowBytes: 100_000, readsAtOnce: false)
    let stream = link.client.request(
      Self.path, body: HTTP2TestClient.framed([]), headers: [("grpc-timeout", "1H")])
    link.exchange()
    let numbered = try #require(handler.streams.first)
    if manner == .told {
      numbered.answer()
      link.exchange()
    }
    #expect(numbered.cancels == 0)
    switch end {
    case .reset: link.client.reset(stream)
    case .deadline: link.server?.expireCalls(now: Self.farFuture)
    case .disconnect: link.disconnect()
    case .drain: link.server?.beginDrain()
    }
    link.exchange()
    #expect(numbered.cancels == 1)
    let pulls = numbered.pulls
    numbered.answer()
    let received = link.client.responses[stream]?.body.count ?? 0
    link.client.read(stream, received)
    link.exchange()
    link.client.read(stream, (link.client.responses[stream]?.body.count ?? 0) - received)
    link.exchange()
    #expect(numbered.pulls == pulls)
    #expect(numbered.cancels == 1)
    switch end {
    case .deadline: #expect(link.status(stream) == "4")
    case .drain: #expect(link.status(stream) == "14")
    case .reset, .disconnect: #expect(link.status(stream) == nil)
    }
    if end == .drain {
      // Whole messages, then the status.
      #expect(try link.messages(stream).count == (manner == .told ? 1 : pulls))
      #expect(link.server?.isFinished == true)
    }
    if end != .disconnect { #expect(link.answerBytes == 0) }
  }

  @Test func refusesNewStreamsWhileItDrains() throws {
    let handler = NumberedStreams(count: 1, messageBytes: 1)
    let link = try link(handler)
    link.server?.beginDrain()
    let stream = link.client.request(Self.path, body: HTTP2TestClient.framed([]))
    link.exchange()
    #expect(link.status(stream) == "14")
    #expect(handler.streams.isEmpty)
  }

  @Test func waitsForMemoryForAnswersAndIsNeverEndedByIt() throws {
    let handler = NumberedStreams(count: 4, messageBytes: 100_000)
    let link = try link(handler, windowBytes: 10_000, readsAtOnce: false) {
      $0.maximumAnswerMemoryBytes = 150_000
    }
    let streams = (0..<5).map { _ in link.open(Self.path, [[]]) }
    // Two messages are more than the limit: who comes later waits.
    #expect(handler.streams.map(\.pulls) == [1, 1, 0, 0, 0])
    #expect(link.answerBytes == 2 * 100_005)
    // One that ends while it waits, and one that ends while it holds memory.
    link.client.reset(streams[3])
    link.exchange()
    #expect(handler.streams[3].cancels == 1)
    link.client.reset(streams[0])
    link.exchange()
    #expect(handler.streams.map(\.pulls) == [1, 1, 1, 0, 0], "the first that waited is the next")
    // Reading frees memory, of which each gets some.
    var read = [Int](repeating: 0, count: 5)
    var rounds = 0
    while [1, 2, 4].contains(where: { link.status(streams[$0]) == nil }) {
      rounds += 1
      try #require(rounds < 1000)
      for index in [1, 2, 4] {
        let received = link.client.responses[streams[index]]?.body.count ?? 0
        link.client.read(streams[index], received - read[index])
        read[index] = received
      }
      link.exchange()
      #expect(link.answerBytes <= 150_000 + 100_005)
    }
    for index in [1, 2, 4] {
      #expect(
        try link.messages(streams[index]) == (0..<4).map { NumberedStream.message($0, 100_000) })
    }
    #expect(link.answerBytes == 0)
  }

  @Test func pullsAgainWhenThereIsMemoryAfterAPullThatCameToNothing() throws {
    let handler = NumberedStreams(.told, count: 9, messageBytes: 100_000)
    let link = try link(handler, windowBytes: 10_000, readsAtOnce: false) {
      $0.maximumAnswerMemoryBytes = 50_000
    }
    let streams = (0..<2).map { _ in link.open(Self.path, [[]]) }
    #expect(handler.streams.map(\.pulls) == [1, 1])
    handler.streams[0].answer()
    link.exchange()
    handler.streams[1].retry()
    link.exchange()
    #expect(handler.streams.map(\.pulls) == [1, 1], "the first one's message is all the memory")
    link.client.reset(streams[0])
    link.exchange()
    #expect(handler.streams[1].pulls == 2)
    handler.streams[1].retry()
    link.exchange()
    #expect(handler.streams[1].pulls == 3, "there is memory, so it is asked at once")
    #expect(link.status(streams[1]) == nil)
  }

  @Test func forgetsStreamsThatEndWhileTheyWaitForMemory() throws {
    let handler = NumberedStreams(count: 1, messageBytes: 1000)
    let link = try link(handler, windowBytes: 0, readsAtOnce: false) {
      $0.maximumAnswerMemoryBytes = 1000
    }
    let holder = link.open(Self.path, [[]])
    for _ in 0..<500 {
      link.client.reset(link.open(Self.path, [[]]))
      link.exchange()
    }
    let last = link.open(Self.path, [[]])
    #expect(handler.streams.last?.pulls == 0)
    link.client.reset(holder)
    link.exchange()
    #expect(handler.streams.last?.pulls == 1)
    #expect(link.status(last) == nil)
  }
}
