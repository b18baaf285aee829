import Bytes
import Synchronization
import TestSupport
import Testing
import Wire

private let calm: UInt32 = 11
private let refused: UInt32 = 7

/// Remembers how much memory requests hold when it is called.
private final class Measuring: UnaryHandler {
  let calls = Atomic<Int>(0)

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    calls.wrappingAdd(1, ordering: .relaxed)
    return .done
  }
}

@Suite("Memory that connections share") struct FairMemoryTests {
  private static let echo: [(String, any UnaryHandler)] = [("/t.S/Echo", EchoHandler())]

  /// Clients that take nothing of their answers.
  private func silent(_ count: Int) -> [HTTP2TestClient] {
    (0..<count).map { _ in HTTP2TestClient(windowBytes: 0) }
  }

  // MARK: - Answers

  @Test func aConnectionHoldsAsMuchAsIsFree() throws {
    let link = try Neighbours(silent(2), unary: Self.echo) {
      $0.maximumAnswerMemoryBytes = 100_000
    }
    let calls = (0..<5).map { _ in link.call(0, "/t.S/Echo", 20_000) }
    // 60,000 bytes are held when 40,000 are free.
    #expect(calls.map { link.status(0, $0) } == [nil, nil, nil, "8", "8"])
    // The other one finds room, and what it was refused is its neighbour's matter alone.
    let other = link.call(1, "/t.S/Echo", 20_000)
    #expect(link.status(1, other) == nil)
    #expect(link.answerBytes == 4 * 20_005)
    for time in 1...3 { link.look(after: Double(time)) }
    #expect(link.answerBytes == 4 * 20_005, "nobody was refused who holds little")
  }

  @Test func theLargestHolderPaysWhenOthersAreRefused() throws {
    let link = try Neighbours(silent(2) + [HTTP2TestClient()], unary: Self.echo) {
      $0.maximumAnswerMemoryBytes = 100_000
    }
    let large = [10_000, 35_000, 8_000].map { link.call(0, "/t.S/Echo", $0) }
    let middle = link.call(1, "/t.S/Echo", 46_000)
    _ = link.call(1, "/t.S/Echo", 9_000)
    #expect(link.answerBytes == 99_020)
    // A small one is counted at a look.
    _ = link.call(1, "/t.S/Echo", 4_000)
    link.look(after: 0.5)
    #expect(link.answerBytes == 103_025)
    let early = link.call(2, "/t.S/Echo", 10_000)
    #expect(link.status(2, early) == "8")
    link.look(after: 1)
    // The largest answer of the largest holder; an eighth is free now.
    #expect(large.map { link.resetCode(0, $0) } == [nil, calm, nil])
    #expect(link.resetCode(1, middle) == nil)
    #expect(link.answerBytes == 103_025 - 35_005)
    let late = link.call(2, "/t.S/Echo", 10_000)
    #expect(link.status(2, late) == "0")
    #expect(link.clients.allSatisfy { $0.goAways.isEmpty })
  }

  @Test func endsCallsThatStandStillBeforeOthers() throws {
    let reading = HTTP2TestClient(windowBytes: 1000, readsAtOnce: false)
    let link = try Neighbours([reading] + silent(1) + [HTTP2TestClient()], unary: Self.echo) {
      $0.maximumAnswerMemoryBytes = 100_000
    }
    let moving = link.call(0, "/t.S/Echo", 46_000)
    let still = link.call(0, "/t.S/Echo", 30_000)
    let other = link.call(1, "/t.S/Echo", 24_000)
    link.look(after: 0.5)
    reading.read(moving, 1000)
    link.exchange()
    let early = link.call(2, "/t.S/Echo", 10_000)
    #expect(link.status(2, early) == "8")
    link.look(after: 1)
    #expect(link.resetCode(0, moving) == nil)
    #expect(link.resetCode(0, still) == calm)
    #expect(link.resetCode(1, other) == nil)
    #expect(link.status(2, link.call(2, "/t.S/Echo", 10_000)) == "0")
  }

  @Test func countsSmallAnswersThatAreNotTaken() throws {
    let link = try Neighbours(silent(1), unary: Self.echo)
    for _ in 0..<10 { _ = link.call(0, "/t.S/Echo", 1000) }
    link.look(after: 0.5)
    #expect(link.answerBytes == 10 * 1005)
  }

  // MARK: - Requests

  /// None of them is refused, and they never hold much more than one connection may.
  @Test func longMessagesOfAConnectionTakeTurns() throws {
    let measuring = Measuring()
    let link = try Neighbours([HTTP2TestClient()], unary: [("/t.S/Take", measuring)]) {
      $0.maximumAssembledBytes = 500_000
    }
    let client = link.clients[0]
    let body = HTTP2TestClient.framed([UInt8](repeating: 1, count: 271_828))
    let streams = (0..<100).map { _ in client.request("/t.S/Take", body: body) }
    var most = 0
    link.exchange { most = max(most, link.requestBytes) }
    #expect(streams.allSatisfy { link.status(0, $0) == "0" })
    #expect(measuring.calls.load(ordering: .relaxed) == 100)
    // Each has its first window, and one is a message ahead.
    #expect(most > 1_000_000 && most <= 100 * 65_535 + 500_000)
    #expect(link.requestBytes == 0)
  }

  @Test func theLargestHolderOfRequestsPaysToo() throws {
    let link = try Neighbours((0..<6).map { _ in HTTP2TestClient() }, unary: Self.echo) {
      $0.maximumRequestMemoryBytes = 200_000
    }
    let large = (0..<2).map { _ in link.call(0, "/t.S/Echo", 64_000, sent: 50_005) }
    let middle = link.call(1, "/t.S/Echo", 64_000, sent: 60_005)
    let small = link.call(2, "/t.S/Echo", 30_000, sent: 16_005)
    for (client, bytes) in [(3, 14_005), (4, 10_005)] {
      _ = link.call(client, "/t.S/Echo", 30_000, sent: bytes)
    }
    #expect(link.requestBytes == 200_000)
    let early = link.call(5, "/t.S/Echo", 30_000)
    #expect(link.status(5, early) == "8")
    link.look(after: 0.5)
    #expect(large.filter { link.status(0, $0) == "8" }.count == 1)
    #expect(link.requestBytes == 150_000)
    #expect(link.status(5, link.call(5, "/t.S/Echo", 30_000)) == "0")
    // What is left of the others is served.
    for (client, stream, message, sent) in [
      (1, middle, 64_000, 60_005), (2, small, 30_000, 16_005),
    ] {
      let body = HTTP2TestClient.framed([UInt8](repeating: 7, count: message))
      link.clients[client].send(Array(body.dropFirst(sent)), on: stream, endsStream: true)
      link.exchange()
      #expect(link.status(client, stream) == "0")
    }
    #expect(link.requestBytes == 50_000 + 14_000 + 10_000)
  }

  // MARK: - Calls

  @Test func callsOfAllConnectionsAreLimitedAndTheLargestHolderPays() throws {
    let link = try Neighbours((0..<4).map { _ in HTTP2TestClient() }, unary: Self.echo) {
      $0.maximumCalls = 64
    }
    // Each may have as many as are free, and 32 in any case.
    let first = (0..<40).map { _ in link.call(0, "/t.S/Echo", 10, sent: 3) }
    #expect(first.filter { link.resetCode(0, $0) == refused }.count == 8)
    let second = (0..<30).map { _ in link.call(1, "/t.S/Echo", 10, sent: 3) }
    #expect(second.allSatisfy { link.resetCode(1, $0) == nil })
    let third = (0..<3).map { _ in link.call(2, "/t.S/Echo", 10, sent: 3) }
    #expect(third.map { link.resetCode(2, $0) } == [nil, nil, refused])
    #expect(link.resetCode(3, link.call(3, "/t.S/Echo", 10)) == refused)
    link.look(after: 0.5)
    #expect(first.filter { link.resetCode(0, $0) == refused }.count == 16)
    #expect(second.allSatisfy { link.resetCode(1, $0) == nil })
    #expect(link.status(3, link.call(3, "/t.S/Echo", 10)) == "0")
    #expect(link.clients.allSatisfy { $0.goAways.isEmpty })
  }

  @Test func callsThatHaveEndedMakeRoomForOthers() throws {
    let link = try Neighbours([HTTP2TestClient(), HTTP2TestClient()], unary: Self.echo) {
      $0.maximumCalls = 64
    }
    for _ in 0..<1000 { #expect(link.status(0, link.call(0, "/t.S/Echo", 10)) == "0") }
    let open = (0..<32).map { _ in link.call(1, "/t.S/Echo", 10, sent: 3) }
    for stream in open { link.clients[1].reset(stream) }
    link.exchange()
    let again = (0..<32).map { _ in link.call(1, "/t.S/Echo", 10, sent: 3) }
    #expect(again.allSatisfy { link.resetCode(1, $0) == nil })
  }
}
