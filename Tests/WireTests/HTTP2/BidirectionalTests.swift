import Bytes
import TestSupport
import Testing
import Wire

/// Answers each message with one of `answerBytes`. Confined to the test's loop.
// SAFETY of `@unchecked Sendable`: the test and its embedded loop are one thread.
private final class Answering: StreamingHandler, StreamingCall, @unchecked Sendable {
  private let answerBytes: Int
  private var answers = 0
  private(set) var received: [Int] = []
  private(set) var halfCloses = 0
  private(set) var cancels = 0

  init(answerBytes: Int) { self.answerBytes = answerBytes }

  func start(_ context: CallContext) -> any StreamingCall { self }

  func pull(_ response: inout ByteWriter) -> PullOutcome {
    guard answers < received.count else { return halfCloses > 0 ? .finished(nil) : .needsMessage }
    answers += 1
    response.append([UInt8](repeating: UInt8(truncatingIfNeeded: answers), count: answerBytes))
    return .message
  }

  func receive(_ message: UnsafeRawBufferPointer) { received.append(message.count) }
  func halfClose() { halfCloses += 1 }
  func cancel() { cancels += 1 }
}

@Suite("Bidirectional call") struct BidirectionalTests {
  private static let path = "/t.S/Chat"

  private func link(
    _ handler: Answering, windowBytes: UInt32 = 65535, readsAtOnce: Bool = true,
    _ configure: (inout WireConfiguration) -> Void = { _ in }
  ) throws -> ServiceLink {
    try ServiceLink(
      streaming: [(Self.path, handler)],
      client: HTTP2TestClient(windowBytes: windowBytes, readsAtOnce: readsAtOnce), configure)
  }

  @Test(arguments: [0, 1, 7, 3_000_000])
  func answersEveryMessageInOrder(_ bytes: Int) throws {
    let handler = Answering(answerBytes: bytes / 2)
    let link = try link(handler)
    let stream = link.open(
      Self.path, (0..<5).map { [UInt8](repeating: UInt8($0), count: bytes) })
    #expect(handler.received == [Int](repeating: bytes, count: 5))
    #expect(try link.messages(stream).map(\.count) == [Int](repeating: bytes / 2, count: 5))
    #expect(link.status(stream) == "0")
    #expect(handler.cancels == 0)
    #expect(link.requestBytes == 0)
  }

  @Test func takesAMessageInPieces() throws {
    let handler = Answering(answerBytes: 1)
    let link = try link(handler)
    let stream = link.client.request(Self.path, body: [], endsStream: false)
    link.exchange()
    for byte in HTTP2TestClient.framed([1, 2, 3]) + HTTP2TestClient.framed([4]) {
      link.client.send([byte], on: stream)
      link.exchange()
    }
    #expect(handler.received == [3, 1])
    link.client.send([], on: stream, endsStream: true)
    link.exchange()
    #expect(link.status(stream) == "0")
  }

  @Test func stopsAClientThatSendsAndDoesNotRead() throws {
    let handler = Answering(answerBytes: 50_000)
    let link = try link(handler, windowBytes: 1000, readsAtOnce: false)
    let count = 6000
    let request = HTTP2TestClient.framed([UInt8](repeating: 0, count: 95))
    let stream = link.client.request(
      Self.path, body: (0..<count).flatMap { _ in request })
    link.exchange()
    // The answers to two messages are over the mark; of the others a window's worth has come.
    #expect(handler.received.count == 2)
    #expect(link.answerBytes == 100_010)
    #expect(link.requestBytes <= 256 << 10)
    #expect(link.client.unsentBytes(stream) >= count * 100 - (256 << 10))
    link.server?.expireCalls(now: .max / 2)
    link.exchange()
    #expect(handler.received.count == 2)
    // Others on the connection are not held up by it.
    let other = link.client.request(Self.path, body: request, endsStream: false)
    link.exchange()
    #expect(handler.received.count == 3)
    link.client.reset(other)
    var read = 0
    for _ in 0..<2000 {
      let received = link.client.responses[stream]?.body.count ?? 0
      link.client.read(stream, received - read)
      read = received
      link.exchange()
    }
    #expect(handler.received.count > 30)
    #expect(link.answerBytes <= (64 << 10) + 50_005)
    #expect(link.client.responses[stream]?.isClosed != true)
    link.client.reset(stream)
    link.exchange()
    #expect(handler.cancels == 2)
    #expect(link.answerBytes == 0)
    #expect(link.requestBytes == 0)
  }

  @Test(
    arguments: [
      ([2, 0, 0, 0, 0], "13"), ([0, 0, 0, 0, 9, 1], "13"), ([0, 255, 255, 255, 255], "8"),
    ]
      as [([UInt8], String)])
  func endsACallThatSendsNonsenseAfterItsAnswers(_ nonsense: [UInt8], _ status: String) throws {
    let handler = Answering(answerBytes: 10)
    let link = try link(handler)
    let stream = link.client.request(
      Self.path, body: HTTP2TestClient.framed([1]) + nonsense)
    link.exchange()
    #expect(try link.messages(stream).count == 1)
    #expect(link.status(stream) == status)
    #expect(handler.cancels == 1)
    #expect(handler.halfCloses == 0)
    #expect(link.requestBytes == 0)
  }

  @Test func waitsForMemoryForAnswers() throws {
    let handler = Answering(answerBytes: 10_000)
    let link = try link(handler, windowBytes: 0, readsAtOnce: false) {
      $0.maximumAnswerMemoryBytes = 15_000
    }
    let message = HTTP2TestClient.framed([1])
    let first = link.client.request(Self.path, body: message + message + message)
    link.exchange()
    #expect(handler.received.count == 2)
    link.client.reset(first)
    let second = link.client.request(Self.path, body: message)
    link.exchange()
    #expect(handler.received.count == 3)
    #expect(link.status(second) == nil)
  }
}
