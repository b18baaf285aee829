import Bytes
import Synchronization
import TestSupport
import Testing
import Wire

/// A call that does its work elsewhere: after each message its pull is pending. Confined to the test's loop.
// SAFETY of `@unchecked Sendable`: the test and its embedded loop are one thread.
private final class Upload: StreamingHandler, StreamingCall, @unchecked Sendable {
  private(set) var token: CallToken?
  private(set) var receivedBytes = 0
  private(set) var messages = 0
  private(set) var cancels = 0
  private(set) var halfCloses = 0
  var isBusy: Bool
  private let goesOnInADrain: Bool
  private var isWorking = false
  private var isAnswered = false

  init(isBusy: Bool, goesOnInADrain: Bool = true) {
    self.isBusy = isBusy
    self.goesOnInADrain = goesOnInADrain
  }

  func start(_ context: CallContext) -> any StreamingCall {
    token = context.token
    return self
  }

  func pull(_ response: inout ByteWriter) -> PullOutcome {
    if isWorking {
      isWorking = false
      return .pending
    }
    guard halfCloses > 0 else { return .needsMessage }
    guard !isAnswered else { return .finished(nil) }
    isAnswered = true
    response.append(String(receivedBytes))
    return .message
  }

  func receive(_ message: UnsafeRawBufferPointer) {
    receivedBytes += message.count
    messages += 1
    isWorking = isBusy
  }

  func halfClose() { halfCloses += 1 }
  func cancel() { cancels += 1 }
  func drain() -> RPCStatus? { goesOnInADrain ? nil : .shuttingDown }
}

@Suite("Streaming call") struct StreamingCallTests {
  private static let path = "/t.S/Upload"

  private func complete(
    _ link: ServiceLink, _ token: CallToken?, _ outcome: Completions.Outcome
  ) throws {
    var completions = try #require(link.server?.completions())
    completions.complete(try #require(token), outcome)
    completions.post()
    link.exchange()
  }

  @Test(arguments: [(0, 10), (1, 200), (100_000, 20), (3_000_000, 3)])
  func takesAnyNumberOfMessagesAndAnswersOnce(_ bytes: Int, _ count: Int) throws {
    let upload = Upload(isBusy: false)
    let link = try ServiceLink(streaming: [(Self.path, upload)])
    let stream = link.open(
      Self.path, [[UInt8]](repeating: .init(repeating: 1, count: bytes), count: count))
    #expect(try link.messages(stream) == [Array(String(bytes * count).utf8)])
    #expect(link.status(stream) == "0")
    #expect(upload.messages == count)
    #expect(link.requestBytes == 0)
  }

  @Test func aCallAtWorkStopsItsClientAndNobodyElse() throws {
    let upload = Upload(isBusy: true)
    let link = try ServiceLink(
      streaming: [(Self.path, upload), ("/t.S/Other", Upload(isBusy: false))])
    let (count, window) = (6000, 256 << 10)
    let stream = link.open(
      Self.path, [[UInt8]](repeating: .init(repeating: 1, count: 995), count: count))
    #expect(upload.messages == 1)
    #expect(link.requestBytes <= window)
    #expect(link.client.unsentBytes(stream) >= count * 1000 - window - 1000)
    // More than the connection's window goes by the one that waits.
    let other = link.open(
      "/t.S/Other", [[UInt8]](repeating: .init(repeating: 2, count: 1 << 20), count: 6))
    #expect(link.status(other) == "0")
    #expect(upload.messages == 1)
    for done in 1..<count {
      try #require(upload.messages == done)
      try complete(link, upload.token, .streamRetry)
    }
    #expect(link.client.unsentBytes(stream) == 0)
    try complete(link, upload.token, .streamRetry)
    #expect(try link.messages(stream) == [Array(String(count * 995).utf8)])
    #expect(link.status(stream) == "0")
    #expect(link.requestBytes == 0)
  }

  enum End: CaseIterable { case reset, deadline, disconnect }

  @Test(arguments: End.allCases, [true, false])
  func tellsACallOnceThatItsClientIsGone(_ end: End, _ isBusy: Bool) throws {
    let upload = Upload(isBusy: isBusy)
    let link = try ServiceLink(streaming: [(Self.path, upload)])
    let stream = link.client.request(
      Self.path, body: HTTP2TestClient.framed([1, 2]) + [0, 0], endsStream: false,
      headers: [("grpc-timeout", "1H")])
    link.exchange()
    #expect((upload.messages, upload.cancels) == (1, 0))
    switch end {
    case .reset: link.client.reset(stream)
    case .deadline: link.server?.expireCalls(now: .max / 2 + .max / 4)
    case .disconnect: link.disconnect()
    }
    link.exchange()
    #expect((upload.messages, upload.cancels, upload.halfCloses) == (1, 1, 0))
    #expect(link.requestBytes == 0)
    if end == .deadline { #expect(link.status(stream) == "4") }
    // What the call's thread comes with now goes nowhere.
    if end != .disconnect { try complete(link, upload.token, .streamRetry) }
    #expect((upload.messages, upload.cancels) == (1, 1))
  }

  @Test(arguments: [true, false])
  func anUploadMayGoOnInADrain(_ goesOn: Bool) throws {
    let upload = Upload(isBusy: false, goesOnInADrain: goesOn)
    let link = try ServiceLink(streaming: [(Self.path, upload)])
    let stream = link.open(Self.path, [[1]], halfClose: false)
    link.server?.beginDrain()
    link.exchange()
    #expect(link.status(stream) == (goesOn ? nil : "14"))
    #expect(upload.cancels == (goesOn ? 0 : 1))
    guard goesOn else { return }
    link.client.send(HTTP2TestClient.framed([2, 3]), on: stream, endsStream: true)
    link.exchange()
    #expect(try link.messages(stream) == [Array("3".utf8)])
    #expect(link.status(stream) == "0")
  }

  /// Another thread has something to say while the call waits for its client.
  @Test func answersBeforeTheNextMessage() throws {
    let upload = Upload(isBusy: false)
    let link = try ServiceLink(streaming: [(Self.path, upload)])
    let stream = link.open(Self.path, [[1]], halfClose: false)
    for text in ["a", "b"] {
      var message = ByteWriter()
      message.append(text)
      try complete(link, upload.token, .streamMessage(OwnedMessage(message)))
    }
    #expect(try link.messages(stream) == [[97], [98]])
    link.client.send(HTTP2TestClient.framed([2]), on: stream, endsStream: true)
    link.exchange()
    #expect(try link.messages(stream) == [[97], [98], Array("2".utf8)])
    #expect(link.status(stream) == "0")
  }

  @Test func endsBeforeItsClientDoes() throws {
    let upload = Upload(isBusy: true)
    let link = try ServiceLink(streaming: [(Self.path, upload)])
    let stream = link.open(Self.path, [[1], [2]], halfClose: false)
    try complete(
      link, upload.token, .streamFinish(RPCStatus(.aborted, reason: "ENOUGH", "enough")))
    #expect(link.status(stream) == "10")
    // Told to stop sending, without an error.
    #expect(link.client.responses[stream]?.resetCode == 0)
    #expect(link.requestBytes == 0)
    #expect(upload.messages == 1)
  }
}
