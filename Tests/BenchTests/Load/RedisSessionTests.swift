import Bytes
import Testing
import seandb_bench

@Suite("Answers of Redis")
struct RedisSessionTests {
  private static let answers = Array(
    "+OK\r\n$3\r\na\r\n\r\n:1\r\n$-1\r\n-ERR no\r\n$0\r\n\r\n".utf8)

  /// A session with a call in flight for each answer, in the order of the slots.
  private func session() throws -> (RedisSession, SlotTable) {
    let slots = SlotTable(count: 6)
    let session = RedisSession(slots: slots)
    for slot in 0..<slots.count { try session.submit(slot) }
    return (session, slots)
  }

  private func receive(_ session: RedisSession, _ bytes: some Collection<UInt8>) throws {
    try Array(bytes).withUnsafeBytes { try session.receive($0) }
  }

  private func expectAll(_ session: RedisSession, _ slots: SlotTable) {
    #expect(session.finished == [0, 1, 2, 3, 4, 5])
    let bodies = (0..<6).map { slots.address($0).pointee.response.array() }
    #expect(bodies == [Array("OK".utf8), Array("a\r\n".utf8), Array("1".utf8), [], [], []])
    let outcomes = (0..<6).map { slots.address($0).pointee.outcome }
    #expect(outcomes == [.ok, .ok, .ok, .ok, .failed("ERR no"), .ok])
  }

  @Test(arguments: 1...answers.count)
  func comeInPiecesOfAnyLength(length: Int) throws {
    let (session, slots) = try session()
    var rest = Self.answers[...]
    while !rest.isEmpty {
      try receive(session, rest.prefix(length))
      rest = rest.dropFirst(length)
    }
    expectAll(session, slots)
  }

  @Test(arguments: ["*1\r\n", "$x\r\n", "$-2\r\n", "$99999999999\r\n", "x"])
  func thatAreNoneEndTheLoad(text: String) throws {
    let (session, _) = try session()
    #expect(throws: LoadFailure.self) {
      try receive(session, Array(text.utf8) + Array("\r\n".utf8))
    }
  }

  @Test func toNoCallEndTheLoad() throws {
    let session = RedisSession(slots: SlotTable(count: 1))
    #expect(throws: LoadFailure.self) { try receive(session, Array("+OK\r\n".utf8)) }
  }
}
