import Bytes
import Engine
import Records
import Schema
import TestSupport
import Testing

private typealias W = WireBytes

/// One who reads changes, and keeps a copy of the store by them.
private struct Follower {
  enum Kind: UInt64 {
    case put = 0
    case delete, expired
  }

  struct Change: Equatable {
    let kind: Kind
    let key: String
    let record: [UInt8]
    let old: [UInt8]?
  }

  var reader: ChangeReader
  var copy: [String: [UInt8]] = [:]
  var changes: [Change] = []
  /// Of the last message that had one.
  var revision: UInt64 = 0
  var isInitialDone = false
  var hasMore = false

  init(_ store: IndexedStore, _ request: [UInt8] = W.field(1, varint: 0)) throws {
    reader = try request.withUnsafeBytes { try store.feed.reader($0, of: store.store) }
    if reader.needsMoment {
      let moment = try store.commits.moment()
      reader.begin(moment.snapshot, at: moment.revision)
    }
  }

  /// Reads one message.
  ///
  /// - Returns: how it ended.
  @discardableResult
  mutating func read(_ store: IndexedStore) throws -> ChangeReader.Outcome {
    var response = ByteWriter()
    let outcome = try reader.read(through: store.feed.revision, into: &response)
    let bytes = response.array()
    hasMore = false
    try bytes.withUnsafeBytes { bytes in
      var reader = ProtobufReader(bytes)
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        switch tag.number {
        case 1:
          let next = try reader.nextVarint()
          #expect(next >= revision)
          revision = next
        case 2: try take(try reader.nextLengthDelimited())
        case 3: hasMore = try reader.nextVarint() != 0
        default:
          isInitialDone = try reader.nextVarint() != 0
        }
      }
    }
    return outcome
  }

  private mutating func take(_ bytes: UnsafeRawBufferPointer) throws {
    var reader = ProtobufReader(bytes)
    var kind = Kind.put
    var (key, record, old) = ("", [UInt8](), [UInt8]?.none)
    while !reader.isAtEnd {
      switch try reader.nextTag().number {
      case 1: kind = try #require(Kind(rawValue: try reader.nextVarint()))
      case 2:
        let name = Array(try reader.nextLengthDelimited())
        key = String(decoding: name.dropFirst(2), as: UTF8.self)
      case 3: record = Array(try reader.nextLengthDelimited())
      default: old = Array(try reader.nextLengthDelimited())
      }
    }
    copy[key] = kind == .put ? record : nil
    changes.append(Change(kind: kind, key: key, record: record, old: old))
  }

  mutating func readAll(_ store: IndexedStore) throws {
    while case .message = try read(store) {}
  }
}

/// The changes of a model that is watched: each one once, in the order of the commits, whatever happens between.
@Suite("Changes") struct ChangeReaderTests {
  private static func record(_ key: String, _ name: String, until: UInt64 = 0) -> [UInt8] {
    W.field(1, key) + W.field(2, name) + (until == 0 ? [] : W.field(12, varint: until))
  }

  private static func stored(_ store: IndexedStore) throws -> [String: [UInt8]] {
    var found: [String: [UInt8]] = [:]
    _ = try store.engine.scan(
      store.store.prefix.all, direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { key, value in
      found[String(decoding: key.dropFirst(KeyPrefix.byteCount), as: UTF8.self)] = Array(value)
      return .next
    }
    return found
  }

  static let options = [
    "watch: {}", "watch: {with_old: true}, index: {fields: \"name\", unique: true}",
    "watch: {}, expires: \"until\", index: {fields: \"name\"}",
  ]

  /// Writers of all kinds, readers that begin and read at any time, and restarts.
  @Test(arguments: SeededGenerator.seeds, options)
  func replayedAreTheStore(seed: UInt64, options: String) async throws {
    var random = SeededGenerator(seed: seed)
    let clock = ManualClock(date: 1000)
    var now: UInt64 = 1000
    let engine = ForgetfulEngine(seed: seed, percentForgotten: seed % 2 == 0 ? 0 : 50)
    let schema = try await IndexedStore.compile(options)
    var positions: [(copy: [String: [UInt8]], changes: [Follower.Change], revision: UInt64)] = []
    var newest: UInt64 = 0
    for _ in 0..<4 {
      let store = try IndexedStore(schema, engine, clock: clock.clock)
      defer { store.stop() }
      #expect(store.feed.revision >= newest)
      var followers = [try Follower(store), try Follower(store, W.field(2, varint: 1))]
      // Those of before go on where they were.
      for position in positions {
        var resumed = try Follower(store, W.field(1, varint: position.revision))
        (resumed.copy, resumed.changes, resumed.revision) = position
        followers.append(resumed)
      }
      for _ in 0..<40 {
        let key = "k\(random.below(8))"
        let name = "n\(random.below(12))"
        let until = random.below(3) == 0 ? now + UInt64(random.below(4)) : 0
        switch random.below(8) {
        case 0: _ = try store.queueDelete(TestQuery(.beginsWith(random.below(4) == 0 ? "" : "k1")))
        case 1: _ = try store.queueDelete(TestQuery(.in([key, "k3"])))
        case 2:
          _ = try store.queueBatchPut(
            (0..<3).map { Self.record("k\($0)", name + "\($0)", until: until) })
        case 3:
          _ = try store.queueTransaction([
            W.field(1, Self.record(key, name)), W.field(3, W.field(1, "k9")),
            W.field(2, Self.record("k8", name + "x")) + W.field(5, W.field(1, "name")),
          ])
        case 4:
          _ = try store.queueWrite(
            W.field(2, Self.record(key, name)) + W.field(5, W.field(1, "name")))
        case 5: _ = try store.queueWrite(W.field(3, W.field(1, key)))
        case 6:
          _ = try store.queuePut(Self.record("k8", "n"))
        default: _ = try store.queuePut(Self.record(key, name, until: until))
        }
        store.wait(for: 1)
        if random.below(6) == 0 {
          clock.advance(seconds: 1)
          now += 1
          _ = try store.sweeper.sweepNow()
        }
        let reader = random.below(followers.count)
        try followers[reader].read(store)
        if random.below(10) == 0 { followers.append(try Follower(store, W.field(2, varint: 1))) }
      }
      clock.advance(seconds: 10)
      now += 10
      _ = try store.sweeper.sweepNow()
      let all = try Self.stored(store)
      for place in followers.indices {
        try followers[place].readAll(store)
        #expect(followers[place].copy == all)
      }
      // From the beginning each one once: as one that reads all of it now.
      var whole = try Follower(store)
      try whole.readAll(store)
      #expect(whole.changes.suffix(followers[0].changes.count) == followers[0].changes[...])
      if options.contains("with_old") { try Self.checkOld(store) }
      positions = followers.prefix(3).map { ($0.copy, $0.changes, $0.reader.revision) }
      newest = store.feed.revision
      #expect(try ChangeCheck.run(engine, directory: "memory").problems == [])
    }
  }

  /// What was before a change is what the one before it left.
  private static func checkOld(_ store: IndexedStore) throws {
    var follower = try Follower(store, W.field(1, varint: 0) + W.field(4, varint: 1))
    try follower.readAll(store)
    var copy: [String: [UInt8]] = [:]
    for change in follower.changes {
      #expect(change.old == copy[change.key])
      copy[change.key] = change.kind == .put ? change.record : nil
    }
  }

  @Test func ofATransactionComeTogether() async throws {
    let store = try IndexedStore(try await IndexedStore.compile("watch: {}"), MemoryEngine())
    defer { store.stop() }
    let large = String(repeating: "x", count: 100_000)
    let calls = try [2, 5, 1].map { count in
      try store.queueTransaction((0..<count).map { W.field(1, Self.record("k\($0)", large)) })
    }
    store.wait(for: calls.count)
    var follower = try Follower(store)
    var read: [(changes: Int, hasMore: Bool, revision: UInt64)] = []
    while case .message = try follower.read(store) {
      read.append((follower.changes.count, follower.hasMore, follower.revision))
    }
    // Two changes have room in a message.
    #expect(read.map(\.changes) == [2, 4, 6, 8])
    #expect(read.map(\.hasMore) == [false, true, true, false])
    let first = read[0].revision
    #expect(read.map(\.revision) == [first, first, first, first + 2])
    // Who stops in the midst of a transaction gets all of it again.
    var resumed = try Follower(store, W.field(1, varint: read[1].revision))
    try resumed.readAll(store)
    #expect(resumed.changes.count == 6)
  }

  @Test func areFiltered() async throws {
    let store = try IndexedStore(try await IndexedStore.compile("watch: {}"), MemoryEngine())
    defer { store.stop() }
    var follower = try Follower(store, W.field(3, W.field(4, "a")))
    var initial = try Follower(store, W.field(2, varint: 1) + W.field(3, W.field(1, "b1")))
    for key in ["a1", "b1", "a2", "b2"] { _ = try store.put(Self.record(key, "n")) }
    try follower.readAll(store)
    try initial.readAll(store)
    #expect(follower.changes.map(\.key) == ["a1", "a2"])
    #expect(follower.reader.revision == store.feed.revision)
    #expect(initial.isInitialDone && initial.changes.map(\.key) == ["b1"])
  }

  @Test func areTrimmedBySize() async throws {
    let clock = ManualClock()
    let store = try IndexedStore(
      try await IndexedStore.compile("watch: {keep_bytes: 65536}"), MemoryEngine(),
      clock: clock.clock)
    defer { store.stop() }
    let log = store.feed.all[0]
    try store.feed.load(log, store.engine)
    var slow = try Follower(store)
    for number in 0..<100 {
      _ = try store.put(Self.record("k\(number)", String(repeating: "x", count: 2000)))
    }
    let now = clock.clock.date()
    let dropped = try #require(log.trim(now: now))
    #expect(dropped.bytes > 130_000 && dropped.bytes < 145_000)
    #expect(try slow.read(store) == .compacted(oldest: log.oldest))
    #expect(throws: WatchRequest.Problem.self) { try Follower(store) }
    var follower = try Follower(store, W.field(1, varint: log.oldest))
    try follower.readAll(store)
    #expect((28...33).contains(follower.changes.count) && follower.changes.last?.key == "k99")
    store.commits.remove(dropped, of: log)
    #expect(log.trim(now: now) == nil)
    var again = try Follower(store, W.field(1, varint: log.oldest))
    try again.readAll(store)
    #expect(again.changes == follower.changes)
    #expect(
      try ChangeCheck.run(store.engine, directory: "memory").count == UInt64(follower.changes.count)
    )
  }

  @Test func areTrimmedByTime() async throws {
    let clock = ManualClock()
    let engine = MemoryEngine()
    let schema = try await IndexedStore.compile("watch: {keep_hours: 1}")
    for hour in 0..<3 {
      let store = try IndexedStore(schema, engine, clock: clock.clock)
      defer { store.stop() }
      let log = store.feed.all[0]
      try store.feed.load(log, engine)
      for number in 0..<10 { _ = try store.put(Self.record("k\(number)", "h\(hour)")) }
      clock.advance(seconds: 1800)
      let dropped = log.trim(now: clock.clock.date())
      if hour < 2 { #expect(dropped == nil) }
      if hour == 2, let dropped { store.commits.remove(dropped, of: log) }
      var follower = try Follower(store, W.field(1, varint: log.oldest))
      try follower.readAll(store)
      #expect(follower.changes.count == [10, 20, 20][hour])
      // The last ones go as well, though none comes after them.
      guard hour == 2 else { continue }
      clock.advance(seconds: 1801)
      store.commits.remove(try #require(log.trim(now: clock.clock.date())), of: log)
      #expect(log.oldest == store.feed.revision)
      #expect(try ChangeCheck.run(engine, directory: "memory").count == 0)
    }
  }

  /// Whatever an unsynced end of the log had: the numbers are reserved on the disk before one is told to anybody.
  @Test func beginAboveWhatAnEarlierProcessMayHaveTold() async throws {
    let engine = MemoryEngine()
    let schema = try await IndexedStore.compile("watch: {}")
    var ends: [UInt64] = []
    for _ in 0..<3 {
      let store = try IndexedStore(schema, engine)
      defer { store.stop() }
      ends.append(store.feed.revision)
    }
    #expect(ends == [0, 1 << 20, 2 << 20])
    let store = try IndexedStore(schema, engine)
    _ = try store.put(Self.record("a", "x"))
    let newest = store.feed.revision
    store.stop()
    // A repair has lost the ceiling.
    let batch = WriteBatch()
    batch.delete([0, 0, 0, 0, 0] + Array("revision-ceiling".utf8))
    try engine.apply(batch, durability: .buffered)
    let repaired = try IndexedStore(schema, engine)
    defer { repaired.stop() }
    #expect(repaired.feed.revision == newest)
  }

  @Test(
    arguments: [
      [0, 0, 0, 0, 0, 0, 0, 0], [1], [255, 255, 255, 255, 255, 255, 255, 255],
    ] as [[UInt8]])
  func refuseACeilingThatIsNone(_ bytes: [UInt8]) async throws {
    let engine = MemoryEngine()
    let schema = try await IndexedStore.compile("watch: {}")
    try IndexedStore(schema, engine).stop()
    let batch = WriteBatch()
    batch.put([0, 0, 0, 0, 0] + Array("revision-ceiling".utf8), bytes)
    try engine.apply(batch, durability: .buffered)
    #expect(throws: DatabaseError.self) { try IndexedStore(schema, engine) }
  }

  /// A change without a record must not be taken for one with an empty record.
  @Test func beginAnewWhenOtherThingsAreKept() async throws {
    let engine = MemoryEngine()
    let options = [
      "watch: {keys_only: true}", "watch: {}", "watch: {keep_hours: 5}", "watch: {with_old: true}",
    ]
    var kept: [Int] = []
    for option in options {
      let store = try IndexedStore(try await IndexedStore.compile(option), engine)
      defer { store.stop() }
      _ = try store.put(Self.record("a", option))
      var follower = try Follower(store, W.field(1, varint: store.feed.all[0].oldest))
      try follower.readAll(store)
      kept.append(follower.changes.count)
    }
    #expect(kept == [1, 1, 2, 1])
  }

  /// Whether it is stored still or not, nobody is shown what was over.
  @Test func showNoRecordThatHadEnded() async throws {
    let clock = ManualClock(date: 100)
    let store = try IndexedStore(
      try await IndexedStore.compile("watch: {with_old: true}, expires: \"until\""),
      MemoryEngine(), clock: clock.clock)
    defer { store.stop() }
    for key in ["a", "b", "c", "d", "e"] { _ = try store.put(Self.record(key, "x", until: 101)) }
    clock.advance(seconds: 1)
    _ = try store.put(Self.record("a", "y"))
    _ = try store.write(W.field(1, Self.record("b", "y")))
    _ = try store.queueDelete(TestQuery(.eq("c")))
    store.wait(for: 1)
    _ = try store.write(W.field(3, W.field(1, "d")))
    _ = try store.queueDelete(TestQuery(.beginsWith("e")))
    store.wait(for: 1)
    var follower = try Follower(store, W.field(1, varint: 0) + W.field(4, varint: 1))
    try follower.readAll(store)
    let last = follower.changes.suffix(5)
    #expect(last.map(\.kind) == [.put, .put, .expired, .expired, .expired])
    #expect(last.map { $0.old == nil } == [true, true, false, false, false])
  }

  @Test func ofAFewRecordsReadThoseAlone() async throws {
    let store = try IndexedStore(try await IndexedStore.compile("watch: {}"), MemoryEngine())
    defer { store.stop() }
    for number in 0..<300 {
      _ = try store.put(Self.record("k\(1000 + number)", String(repeating: "x", count: 3000)))
    }
    for (query, keys) in [
      (W.field(4, "k12"), (1200..<1300).map { "k\($0)" }),
      (W.field(8, ["k1290", "k1005", "k9"].flatMap { W.field(1, $0) }), ["k1005", "k1290"]),
      (W.field(1, "none"), []), (W.field(4, ""), (1000..<1300).map { "k\($0)" }),
    ] {
      var follower = try Follower(store, W.field(2, varint: 1) + W.field(3, query))
      while !follower.isInitialDone { try follower.read(store) }
      #expect(follower.changes.map(\.key) == keys)
      #expect(follower.revision == store.feed.revision)
    }
  }

  /// Nobody knows whether a group that failed is stored: its numbers are never used again.
  @Test func neverUseARevisionTwice() async throws {
    let memory = MemoryEngine()
    let schema = try await IndexedStore.compile("watch: {}")
    var newest: UInt64 = 0
    for writes in [4, 3, 5, 100] {
      let engine = ForgetfulEngine(memory, writes: writes)
      guard let store = try? IndexedStore(schema, engine) else { continue }
      defer { store.stop() }
      #expect(store.feed.revision >= newest)
      for number in 0..<6 { _ = try store.put(Self.record("k\(number)", "n\(writes)")) }
      newest = store.feed.revision
    }
    let store = try IndexedStore(schema, memory)
    defer { store.stop() }
    var follower = try Follower(store)
    try follower.readAll(store)
    #expect(follower.copy == (try Self.stored(store)))
    #expect(try ChangeCheck.run(memory, directory: "memory").problems == [])
  }

  static let requests: [([UInt8], String)] = [
    (W.field(1, varint: 5), "unknownRevision"), ([0x08], "malformed"),
    (W.field(1, varint: 0) + W.field(2, varint: 1), "severalStarts"),
    (W.field(4, varint: 1), "noOld"), (W.field(9, varint: 1), "unsupported"),
    (W.field(3, W.field(1, "a")) + W.field(3, W.field(1, "b")), "severalQueries"),
    (W.field(3, []), "query"), (W.field(3, W.field(1, "a") + W.field(16, varint: 1)), "query"),
  ]

  @Test(arguments: requests)
  func areRefused(_ request: [UInt8], _ problem: String) async throws {
    let store = try IndexedStore(try await IndexedStore.compile("watch: {}"), MemoryEngine())
    defer { store.stop() }
    #expect {
      try request.withUnsafeBytes { _ = try store.feed.reader($0, of: store.store) }
    } throws: {
      "\($0)".contains(problem)
    }
  }

  /// Keys of columns are told as the message of the model has them.
  @Test(
    arguments: [
      ("age", W.field(5, varint: 7), W.field(1, varint: 7)),
      (
        "-until, pk", W.field(12, varint: 300) + W.field(1, "a"),
        W.field(1, varint: 300) + W.field(2, "a")
      ),
      (
        "ends, name",
        W.field(11, W.field(1, varint: 9) + W.field(2, varint: 5)) + W.field(2, "a\u{0}b"),
        W.field(1, W.field(1, varint: 9) + W.field(2, varint: 5)) + W.field(2, "a\u{0}b")
      ),
      ("last", W.tag(13, 5) + [0xfe, 0xff, 0xff, 0xff], W.tag(1, 5) + [0xfe, 0xff, 0xff, 0xff]),
    ] as [(String, [UInt8], [UInt8])])
  func nameKeysOfColumns(_ key: String, _ record: [UInt8], _ message: [UInt8]) async throws {
    let schema = try await IndexedStore.compile("watch: {}", key: "key: \"\(key)\", ")
    let store = try IndexedStore(schema, MemoryEngine())
    defer { store.stop() }
    #expect(try store.put(record) == .done)
    let request = W.field(1, varint: 0)
    var reader = try request.withUnsafeBytes { try store.feed.reader($0, of: store.store) }
    var response = ByteWriter()
    #expect(
      try reader.read(through: store.feed.revision, into: &response) == .message(hasMore: false))
    let change = W.field(2, message) + W.field(3, record)
    #expect(response.array() == W.field(2, change) + W.field(1, varint: store.feed.revision))
  }

  @Test func areStoredInTheseBytes() async throws {
    let store = try IndexedStore(
      try await IndexedStore.compile("watch: {with_old: true}"), MemoryEngine(),
      clock: ManualClock(date: 1).clock)
    defer { store.stop() }
    _ = try store.put(Self.record("a", "x"))
    _ = try store.put(Self.record("a", "y"))
    _ = try store.write(W.field(3, W.field(1, "a")))
    var found: [String] = []
    _ = try store.engine.scan(
      KeyRange.prefix([3]), direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { key, value in
      found.append(Hexadecimal.text(Array(key)) + " = " + Hexadecimal.text(Array(value)))
      return .next
    }
    #expect(
      found == [
        "0300000001" + "0000000000000001" + "00000000 = 0100e803000000000000" + "0161" + "00"
          + "0a0161120178",
        "0300000001" + "0000000000000002" + "00000000 = 0100e803000000000000" + "0161"
          + "070a0161120178" + "0a0161120179",
        "0300000001" + "0000000000000003" + "00000000 = 0101e803000000000000" + "0161"
          + "070a0161120179",
      ])
    let ceiling = try store.engine.value(forKey: [0, 0, 0, 0, 0] + Array("revision-ceiling".utf8))
    #expect(ceiling.map { Hexadecimal.text($0) } == "0100100000000000")
  }

  @Test(
    arguments: [
      [], [1], [2, 0] + [UInt8](repeating: 0, count: 10),
      [1, 3] + [UInt8](repeating: 0, count: 10),
      [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 97, 9, 1],
    ] as [[UInt8]])
  func thatCannotBeReadAreTold(_ value: [UInt8]) async throws {
    let store = try IndexedStore(try await IndexedStore.compile("watch: {}"), MemoryEngine())
    defer { store.stop() }
    _ = try store.put(Self.record("a", "x"))
    let batch = WriteBatch()
    batch.put([3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], value)
    try store.engine.apply(batch, durability: .buffered)
    #expect(throws: EngineError.self) {
      var follower = try Follower(store)
      try follower.readAll(store)
    }
    #expect(try ChangeCheck.run(store.engine, directory: "memory").problems.count == 1)
  }
}
