import Bytes
import Engine
import Records
import Schema
import TestSupport
import Testing

private typealias W = WireBytes

/// A record that has ended is absent for every call, from that moment on, whether it is stored or not.
@Suite("Expiry") struct ExpiryTests {
  /// Fields that a record may end by, each of another type.
  enum Field: String, CaseIterable, Sendable {
    case ends, until, last, age

    func bytes(_ seconds: UInt64) -> [UInt8] {
      switch self {
      case .ends: seconds == 0 ? W.field(11, []) : W.field(11, W.field(1, varint: seconds))
      case .until: W.field(12, varint: seconds)
      case .last: W.tag(13, 5) + (0..<4).map { UInt8(truncatingIfNeeded: seconds >> ($0 * 8)) }
      case .age: W.field(5, varint: seconds << 1)
      }
    }
  }

  private struct Dog {
    let key: String
    let name: String
    /// 0: never, nil: not set.
    let end: UInt64?

    func hasEnded(_ now: UInt64) -> Bool { end.map { $0 != 0 && $0 <= now } ?? false }

    func bytes(_ field: Field) -> [UInt8] {
      W.field(1, key) + W.field(2, name) + W.field(4, "t") + W.field(4, "u\(key)")
        + (end.map(field.bytes) ?? [])
    }
  }

  private static let indexes = """
    index: {fields: "name", unique: true}, index: {fields: "tags"}, \
    index: {fields: "weight", include: "name"}, index: {fields: "weight, name", include: "*"}
    """

  private static func key(_ record: [UInt8]) -> String {
    String(decoding: record.dropFirst(2).prefix(Int(record[1])), as: UTF8.self)
  }

  /// What a read answers, page by page: keys, or their number.
  private static func read(
    _ store: IndexedStore, byIndex place: Int?, pageSize: Int, fields: [String] = [],
    count: Bool = false
  ) throws -> (keys: [String], count: UInt64) {
    var keys: [String] = []
    var token = ""
    var total: UInt64 = 0
    repeat {
      var query = TestQuery(.beginsWith(""))
      (query.pageSize, query.pageToken) = (pageSize, token)
      (query.mask, query.isCountOnly) = (fields, count)
      var request = query.bytes
      if place != nil { request.removeFirst(2) }
      var response = ByteWriter()
      try request.withUnsafeBytes { request in
        var scan =
          try place.map {
            try store.store.scan(byIndex: $0, request, AnswerLimits(bytes: 1 << 20))
          } ?? store.store.scan(parseIndexQuery(request), of: request, AnswerLimits(bytes: 1 << 20))
        // A few records at a time, so that runs begin and end among records that have ended.
        while true {
          let budget = ReadBudget(records: 3, bytes: .max, visitedBytes: 40)
          let pause = try scan.run(tier: .any, budget: budget, start: 0, into: &response) { false }
          if pause == .budgetSpent { continue }
          #expect(pause == .complete || pause == .pageFull)
          scan.finishAnswer(pause, into: &response)
          break
        }
      }
      token = ""
      var records = 0
      let answer = response.array()
      try answer.withUnsafeBytes { bytes in
        var reader = ProtobufReader(bytes)
        while !reader.isAtEnd {
          let tag = try reader.nextTag()
          switch tag.number {
          case 1:
            keys.append(key(Array(try reader.nextLengthDelimited())))
            records += 1
          case 2: token = String(decoding: try reader.nextLengthDelimited(), as: UTF8.self)
          case 3: total = try reader.nextVarint()
          default: try reader.skip(tag)
          }
        }
      }
      // A token is there exactly when more records are.
      if !token.isEmpty { #expect(records == pageSize) }
    } while !token.isEmpty
    return (keys, total)
  }

  @Test(arguments: SeededGenerator.seeds, Field.allCases)
  func hidesWhatHasEndedFromEveryCall(seed: UInt64, field: Field) async throws {
    var random = SeededGenerator(seed: seed)
    let clock = ManualClock(date: 1000)
    var now: UInt64 = 1000
    let engine = ForgetfulEngine(seed: seed, percentForgotten: seed % 2 == 0 ? 0 : 40)
    let schema = try await IndexedStore.compile(
      "expires: \"\(field)\", \(Self.indexes)")
    let store = try IndexedStore(schema, engine, clock: clock.clock)
    defer { store.stop() }
    var dogs: [String: Dog] = [:]
    for round in 0..<80 {
      dogs = dogs.filter { !$0.value.hasEnded(now) }
      let dog = Dog(
        key: "k\(random.below(8))", name: "n\(random.below(8))",
        end: [nil, 0, now - 1, now + UInt64(random.below(4)), now + 3][random.below(5)])
      let before = dogs[dog.key]
      let isTaken = dogs.values.contains { $0.key != dog.key && $0.name == dog.name }
      switch random.below(5) {
      case 0:
        let outcome = try store.put(dog.bytes(field))
        #expect(isTaken ? outcome != .done : outcome == .done, "\(round)")
        if !isTaken { dogs[dog.key] = dog }
      case 1:
        let outcome = try store.write(W.field(1, dog.bytes(field)) + W.field(6, varint: 0))
        if before != nil {
          guard case .exists = outcome else {
            Issue.record("\(String(describing: outcome))")
            break
          }
        } else if !isTaken {
          guard case .answered = outcome else {
            Issue.record("\(String(describing: outcome))")
            break
          }
          dogs[dog.key] = dog
        }
      case 2:
        let update = W.field(2, dog.bytes(field)) + W.field(5, W.field(1, "name"))
        let outcome = try store.write(update + W.field(9, varint: 2))
        if let before, !isTaken {
          guard case .answered(let answer) = outcome else {
            Issue.record("\(String(describing: outcome))")
            break
          }
          #expect(Array(answer.dropFirst(18)) == W.field(2, before.bytes(field)))
          dogs[dog.key] = Dog(key: dog.key, name: dog.name, end: before.end)
        } else if before == nil {
          #expect(outcome == .notFound)
        }
      case 3:
        let outcome = try store.write(
          W.field(3, W.field(1, dog.key)) + W.field(9, varint: 2)
            + (before == nil ? [] : W.field(6, varint: 1)))
        #expect(outcome == .answered(before.map { W.field(2, $0.bytes(field)) } ?? []))
        dogs[dog.key] = nil
      default:
        clock.advance(seconds: 1)
        now += 1
        // A clock that goes back brings nothing back.
        if random.below(3) == 0 { clock.set(date: 5) }
        clock.set(date: now)
        if random.below(3) == 0 { _ = try store.sweeper.sweepNow() }
      }
      try Self.check(store, dogs.values.filter { !$0.hasEnded(now) })
    }
    #expect(try store.problems() == [])
    clock.advance(seconds: 10)
    _ = try store.sweeper.sweepNow()
    let left = dogs.values.filter { !$0.hasEnded(now + 10) }.map(\.key).sorted()
    #expect(try store.keys() == left)
    #expect(try store.problems() == [])
  }

  private static func check(_ store: IndexedStore, _ dogs: [Dog]) throws {
    let keys = dogs.map(\.key).sorted()
    for size in [0, 1, 3] {
      #expect(try read(store, byIndex: nil, pageSize: size).keys == keys)
      for place in 0..<4 {
        #expect(try read(store, byIndex: place, pageSize: size).keys.sorted() == keys)
      }
      // From the entries alone.
      #expect(try read(store, byIndex: 2, pageSize: size, fields: ["pk", "name"]).keys == keys)
    }
    for place in [nil, 0, 1, 2, 3] {
      #expect(try read(store, byIndex: place, pageSize: 0, count: true).count == UInt64(keys.count))
    }
    for number in 0..<8 {
      let key = "k\(number)"
      var answer = ByteWriter()
      let outcome = try Array(key.utf8).withUnsafeBytes {
        try store.store.point($0, .alone, tier: .any, into: &answer)
      }
      #expect(outcome == (keys.contains(key) ? .found : .absent))
      #expect(answer.count == 0 || keys.contains(key))
      let dog = dogs.first { $0.name == "n\(number)" }
      var entry = ByteWriter()
      let isWhole = try W.field(1, W.field(1, "n\(number)")).withUnsafeBytes {
        try store.store.appendEntryKey(byIndex: 0, $0, to: &entry)
      }
      #expect(isWhole)
      let found = try store.store.point(ofEntry: entry.bytes, byIndex: 0, tier: .any, into: &answer)
      #expect(dog == nil ? found != .found : found == .found)
    }
  }

  /// The old holder of two unique values ends, and another record takes one of them, in one call.
  @Test(arguments: [true, false], [true, false])
  func leavesNothingOfARecordThatEndsInTheCall(isTakerFirst: Bool, isTransaction: Bool) async throws
  {
    let store = try IndexedStore(
      try await IndexedStore.compile(
        "expires: \"until\", index: {fields: \"name\", unique: true}, "
          + "index: {fields: \"marks\", unique: true}, index: {fields: \"age\"}"),
      MemoryEngine(), clock: ManualClock(date: 100).clock)
    defer { store.stop() }
    func dog(_ key: String, name: String, mark: UInt64, until: UInt64) -> [UInt8] {
      W.field(1, key) + W.field(2, name) + W.field(5, varint: mark) + W.field(9, varint: mark)
        + W.field(12, varint: until)
    }
    _ = try store.put(dog("b", name: "token", mark: 1, until: 500))
    let taker = dog("a", name: "token", mark: 7, until: 500)
    let ended = dog("b", name: "token", mark: 2, until: 50)
    let records = isTakerFirst ? [taker, ended] : [ended, taker]
    let call =
      isTransaction
      ? try store.queueTransaction(records.map { W.field(1, $0) })
      : try store.queueBatchPut(records)
    store.wait(for: 1)
    if case .taken = store.outcome(of: call) { Issue.record("the value is free") }
    #expect(try store.keys() == ["a"])
    #expect(try store.problems() == [])
    // Nobody holds its other value.
    #expect(try store.put(dog("c", name: "other", mark: 2, until: 500)) == .done)
  }

  @Test func neverGoesBackInTime() async throws {
    let clock = ManualClock(date: 100)
    let store = try IndexedStore(
      try await IndexedStore.compile("expires: \"until\""), MemoryEngine(), clock: clock.clock)
    defer { store.stop() }
    _ = try store.put(W.field(1, "a") + Field.until.bytes(150))
    #expect(try Self.read(store, byIndex: nil, pageSize: 0).keys == ["a"])
    clock.set(date: 150)
    #expect(try Self.read(store, byIndex: nil, pageSize: 0).keys == [])
    clock.set(date: 100)
    #expect(try Self.read(store, byIndex: nil, pageSize: 0).keys == [])
  }

  @Test func sweepsInSteps() async throws {
    let clock = ManualClock(date: 100)
    let store = try IndexedStore(
      try await IndexedStore.compile("expires: \"ends\", index: {fields: \"tags\"}"),
      MemoryEngine(), clock: clock.clock)
    defer { store.stop() }
    let count = 2 * ExpirySweeper.stepRecords + 7
    for number in 0..<count {
      let end = UInt64(101 + number % 2 * 1000)
      _ = try store.put(
        W.field(1, "k\(number)") + W.field(4, "t") + Field.ends.bytes(end))
    }
    clock.advance(seconds: 1)
    #expect(try store.sweeper.sweepNow() == (count + 1) / 2)
    #expect(try store.keys().count == count / 2)
    #expect(try store.entries(ofIndex: 0).count == count / 2)
    #expect(try store.entries(ofIndex: 1).count == count / 2)
    #expect(try store.problems() == [])
  }

  /// A record is put again, with another end, after the sweeper has found its entry.
  @Test func looksAgainBeforeItDeletes() async throws {
    let clock = ManualClock(date: 100)
    let engine = ForgetfulEngine()
    let store = try IndexedStore(
      try await IndexedStore.compile("expires: \"ends\""), engine, clock: clock.clock)
    defer { store.stop() }
    _ = try store.put(W.field(1, "a") + Field.ends.bytes(101))
    clock.advance(seconds: 1)
    // Look-up 0 reads ahead; the next one is on the commit thread.
    engine.interrupt(atLookUp: 0) {
      let batch = WriteBatch()
      let record = W.field(1, "a") + Field.ends.bytes(5000)
      batch.put(store.store.prefix.key("a".utf8), record)
      try? engine.apply(batch, durability: .buffered)
    }
    _ = try store.sweeper.sweepNow()
    #expect(try store.keys() == ["a"])
  }

  // Values in other encodings end their records as well, and nonsense ends none.
  private static let encodings: [([UInt8], Bool)] = [
    (W.field(12, varint: 50), true), (W.field(12, varint: 51), false),
    (W.field(12, varint: 99) + W.field(12, varint: 50), true),
    (W.field(12, varint: 50) + W.field(12, varint: 99), false),
    (W.field(12, varint: 50) + W.field(12, varint: 0), false),
    (W.field(12, varint: .max), false), (W.field(12, varint: 1 << 63), false),
    (W.tag(12, 0) + [0xb2, 0x80, 0x00], true), (W.field(99, "?") + W.field(12, varint: 50), true),
    (W.group(98, W.field(12, varint: 50)), false), (W.field(3, W.field(12, varint: 50)), false),
    (W.field(12, varint: 50) + [0xff], false), (W.field(12, "2"), false), ([], false),
  ]

  @Test(arguments: encodings)
  func readsTheFieldAsADecoderDoes(_ bytes: [UInt8], _ hasEnded: Bool) async throws {
    let store = try IndexedStore(
      try await IndexedStore.compile("expires: \"until\""), MemoryEngine(),
      clock: ManualClock(date: 50).clock)
    defer { store.stop() }
    let expiry = try #require(store.store.expiry)
    #expect(bytes.withUnsafeBytes { expiry.hasPassed($0) } == hasEnded)
  }

  /// Parts of a message are the parts together.
  private static let times: [([UInt8], Bool)] = [
    (W.field(11, W.field(1, varint: 50)), true),
    (W.field(11, W.field(1, varint: 50) + W.field(2, varint: 1)), false),
    (W.field(11, W.field(2, varint: 1)), true), (W.field(11, []), false),
    (W.field(11, W.field(1, varint: 50)) + W.field(11, W.field(2, varint: 1)), false),
    (W.field(11, W.field(1, varint: UInt64(bitPattern: -5))), true),
  ]

  @Test(arguments: times)
  func readsTimesAsADecoderDoes(_ bytes: [UInt8], _ hasEnded: Bool) async throws {
    let store = try IndexedStore(
      try await IndexedStore.compile("expires: \"ends\""), MemoryEngine(),
      clock: ManualClock(date: 50).clock)
    defer { store.stop() }
    let expiry = try #require(store.store.expiry)
    #expect(bytes.withUnsafeBytes { expiry.hasPassed($0) } == hasEnded)
  }

  /// An index of the user on the same field is another one.
  @Test func hasAnIndexOfItsOwn() async throws {
    let store = try IndexedStore(
      try await IndexedStore.compile(
        "expires: \"until\", index: {fields: \"until\", sparse: true}"),
      MemoryEngine())
    defer { store.stop() }
    _ = try store.put(W.field(1, "a") + Field.until.bytes(4_000_000_000))
    _ = try store.put(W.field(1, "b"))
    let (own, hidden) = (try store.entries(ofIndex: 0), try store.entries(ofIndex: 1))
    #expect(own.map(\.key) == hidden.map(\.key) && own.count == 1)
    #expect(Hexadecimal.text(hidden[0].key) == "f3ee6b280061")
    let indexes = try #require(store.store.indexes).all
    #expect(indexes[0].id != indexes[1].id)
  }
}
