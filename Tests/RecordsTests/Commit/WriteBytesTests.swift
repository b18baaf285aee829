import Bytes
import Records
import Schema
import TestSupport
import Testing

private typealias W = WireBytes

/// Requests of writes that no client would send: each is refused or taken, and none reads where nothing is.
@Suite("Bytes of writes") struct WriteBytesTests {
  private static let owner = W.field(1, "Ann") + W.field(3, W.field(1, "Bo")) + W.field(4, "lane")
  private static let dog =
    W.field(1, "d1") + W.field(2, "Rex") + W.field(3, owner) + W.field(4, "x")
    + W.field(5, varint: 3)
    + W.field(6, W.field(1, "ball")) + W.field(8, owner) + W.field(9, [1, 2])
  private static let mask =
    W.field(1, "name") + W.field(1, "owner.partner.name") + W.field(1, "cook")
  private static let writes: [[UInt8]] = [
    W.field(1, dog) + W.field(6, varint: 1), W.field(2, dog) + W.field(5, mask),
    W.field(2, dog) + W.field(9, varint: 1), W.field(3, W.field(1, "d1")) + W.field(7, "0123"),
    W.field(4, W.field(1, "d1")) + W.field(6, varint: 0),
  ]

  /// Some bytes become others, go, or come.
  private static func changed(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<1 + random.below(3) where !bytes.isEmpty {
      let place = random.below(bytes.count)
      switch random.below(4) {
      case 0: bytes[place] = UInt8(random.below(256))
      case 1: bytes.remove(at: place)
      case 2: bytes.insert(UInt8(random.below(256)), at: place)
      default: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(8)))
      }
    }
    return bytes
  }

  @Test(arguments: SeededGenerator.seeds)
  func areTakenOrRefused(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let store = try IndexedStore(
      try await IndexedStore.compile("index: {fields: \"name\", unique: true}"), ForgetfulEngine())
    defer { store.stop() }
    #expect(try store.put(Self.dog) == .done)
    var taken = 0
    for _ in 0..<3_000 {
      let request = Self.changed(Self.writes[random.below(Self.writes.count)], &random)
      do {
        _ = try store.queueWrite(request)
        store.wait(for: 1)
        taken += 1
      } catch is WriteRequestError {
      } catch is WriteCallError {
      }
    }
    #expect(taken > 0)
    #expect(try store.problems() == [])
  }

  /// As a transaction that other clients might send.
  @Test(arguments: SeededGenerator.seeds)
  func ofTransactionsAreReadOrRefused(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let fixture = try await StoreFixture(.memory)
    let transactions = Transactions(
      stores: [fixture.store], commits: fixture.commits, maximumWrites: 3)
    let number = Int(fixture.store.model.transactionNumber)
    var counts = (read: 0, refused: 0)
    for _ in 0..<3_000 {
      let writes = (0..<random.below(5)).flatMap { _ in
        W.field(1, W.field(number, Self.writes[random.below(Self.writes.count)]))
      }
      let request = random.below(2) == 0 ? writes : Self.changed(writes, &random)
      do {
        let read = try request.withUnsafeBytes { try transactions.read($0).writes.count }
        #expect(read <= 3)
        counts.read += 1
      } catch is TransactionError {
        counts.refused += 1
      }
    }
    #expect(counts.read > 0 && counts.refused > 0)
  }
}
