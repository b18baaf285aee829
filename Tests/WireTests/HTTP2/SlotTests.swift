import Bytes
import Platform
import Synchronization
import TestSupport
import Testing
import Wire

private let second: UInt64 = 1_000_000_000

@Suite("Slots of calls") struct SlotTests {
  private let began = MonotonicClock.now()
  private let later = LaterHandler()

  private func makeLink() throws -> ServiceLink {
    try ServiceLink(unary: [("/t.S/Echo", EchoHandler()), ("/t.S/Later", later)])
  }

  /// Calls at the same time, with messages of 10,000 bytes.
  private func burst(_ link: ServiceLink, _ count: Int) {
    let body = HTTP2TestClient.framed([UInt8](repeating: 1, count: 10_000))
    let streams = (0..<count).map { _ in link.client.request("/t.S/Echo", body: body) }
    link.exchange()
    for stream in streams { #expect(link.status(stream) == "0") }
  }

  private func look(_ link: ServiceLink, after seconds: UInt64) {
    link.server?.look(now: began + seconds * second)
    link.exchange()
  }

  @Test func areGivenUpWhenTheyAreNotUsed() throws {
    let link = try makeLink()
    look(link, after: 6)
    burst(link, 300)
    let kept = try #require(link.server?.keptBytes)
    // Most give up their buffers at once.
    #expect(kept > 0 && kept < 129 * (32 << 10))
    look(link, after: 12)
    #expect(link.server?.keptBytes == kept, "they were in use a moment ago")
    look(link, after: 18)
    #expect(link.server?.keptBytes == 0)
    burst(link, 300)
  }

  @Test func stayAsManyAsAreUsed() throws {
    let link = try makeLink()
    look(link, after: 6)
    burst(link, 100)
    for time in UInt64(7)...30 {
      burst(link, 2)
      look(link, after: time)
    }
    let kept = try #require(link.server?.keptBytes)
    #expect(kept > 0 && kept <= 2 * (32 << 10))
  }

  /// The first call of a new slot must not be taken for one of the slot that was there before.
  @Test func doNotTakeAnswersForCallsThatHadTheirPlaceBefore() throws {
    let link = try makeLink()
    let old = (0..<5).map { _ in link.open("/t.S/Later", [[1]]) }
    for stream in old { link.client.reset(stream) }
    link.exchange()
    for time in [UInt64(6), 12, 18] { look(link, after: time) }
    let new = (0..<5).map { _ in link.open("/t.S/Later", [[1]]) }
    let tokens = later.tokens.withLock { $0 }
    var completions = try #require(link.server?.completions())
    for token in tokens.prefix(5) { completions.complete(token, .empty) }
    completions.post()
    link.exchange()
    #expect(new.allSatisfy { link.status($0) == nil })
    for token in tokens { completions.complete(token, .empty) }
    completions.post()
    link.exchange()
    #expect(new.allSatisfy { link.status($0) == "0" })
  }
}
