import Engine
import Records
import Schema
import TestSupport
import Testing

private typealias W = WireBytes

/// A call with a request id is made once, however often it is sent.
@Suite("Request ids") struct RequestIDTests {
  private static func put(_ key: String, _ name: String) -> [UInt8] {
    W.field(1, W.field(1, key) + W.field(2, name))
  }

  private static func id(_ text: String) -> [UInt8] { W.field(8, text) }

  private static let absent = W.field(6, varint: 0)
  private static let returningNew = W.field(9, varint: 1)

  private static func store(
    _ clock: ManualClock = ManualClock(), _ engine: any StorageEngine = MemoryEngine(),
    indexes: String = ""
  ) async throws -> IndexedStore {
    try IndexedStore(try await IndexedStore.compile(indexes), engine, clock: clock.clock)
  }

  /// Few ids, so that most calls are repetitions: in the same group, in a later one, after a restart.
  @Test(arguments: SeededGenerator.seeds, [0, 30, 90])
  func answerWhatTheFirstOneDid(seed: UInt64, percentForgotten: Int) async throws {
    var random = SeededGenerator(seed: seed)
    let engine = ForgetfulEngine(seed: seed, percentForgotten: percentForgotten)
    let schema = try await IndexedStore.compile(
      seed % 2 == 0 ? "" : "index: {fields: \"name\", unique: true}")
    // What was stored under each id, or nothing while no call with it succeeded.
    var answers: [String: [UInt8]] = [:]
    var dogs: [String: String] = [:]
    for _ in 0..<10 {
      let store = try IndexedStore(schema, engine)
      defer { store.stop() }
      for _ in 0..<10 {
        var queued: [(call: UInt64, expected: IndexedStore.Outcome, id: String)] = []
        for _ in 0..<1 + random.below(12) {
          let (id, key) = ("id\(random.below(40))", "k\(random.below(8))")
          let (name, mustBeAbsent) = ("n\(key)\(random.below(3))", random.below(2) == 0)
          let expected: IndexedStore.Outcome
          if let answer = answers[id] {
            expected = .answered(answer)
          } else if mustBeAbsent && dogs[key] != nil {
            expected = .exists("")
          } else {
            dogs[key] = name
            let answer = W.field(2, W.field(1, key) + W.field(2, name))
            answers[id] = answer
            expected = .answered(answer)
          }
          let request =
            Self.put(key, name) + Self.returningNew + Self.id(id)
            + (mustBeAbsent ? Self.absent : [])
          queued.append((try store.queueWrite(request), expected, id))
        }
        store.wait(for: queued.count)
        for (call, expected, id) in queued {
          switch (store.outcome(of: call), expected) {
          case (.exists, .exists): break
          case (.answered(let answer), .answered(let record)):
            #expect(Array(answer.dropFirst(18)) == record, "\(id)")
          case (let outcome, _): Issue.record("\(String(describing: outcome)), \(expected)")
          }
        }
        #expect(try store.keys() == dogs.keys.sorted())
      }
      #expect(try KeptRequests.check(engine).problems == [])
      #expect(try KeptRequests.check(engine).idCount == UInt64(answers.count))
    }
  }

  @Test func ofTransactionsAreAnsweredWithTheirEtags() async throws {
    let store = try await Self.store()
    defer { store.stop() }
    let writes = [Self.put("a", "1"), Self.put("b", "2") + Self.absent]
    let first = try store.queueTransaction(writes, id: "once")
    let second = try store.queueTransaction(writes, id: "once", source: 2)
    let third = try store.queueTransaction(writes, id: "twice")
    store.wait(for: 3)
    guard case .answered(let answer) = store.outcome(of: first) else {
      Issue.record("\(String(describing: store.outcome(of: first)))")
      return
    }
    #expect(answer.count == 36)
    #expect(store.outcome(of: second) == .answered(answer))
    guard case .exists = store.outcome(of: third) else {
      Issue.record("\(String(describing: store.outcome(of: third)))")
      return
    }
  }

  @Test func areOneSpaceForAllCalls() async throws {
    let store = try await Self.store()
    defer { store.stop() }
    _ = try store.write(Self.put("a", "1") + Self.id("x"))
    #expect(try store.write(Self.put("a", "2") + Self.id("x") + Self.returningNew) == .idReused)
    let transaction = try store.queueTransaction([Self.put("a", "3")], id: "x")
    store.wait(for: 1)
    #expect(store.outcome(of: transaction) == .idReused)
    // An empty one is none.
    _ = try store.write(Self.put("b", "1") + Self.id(""))
    #expect(try store.write(Self.put("b", "1") + Self.id("") + Self.absent) != .answered([]))
  }

  /// What failed may succeed later.
  @Test func ofFailuresAreNotKept() async throws {
    let store = try await Self.store()
    defer { store.stop() }
    _ = try store.put(W.field(1, "a"))
    guard case .exists = try store.write(Self.put("a", "1") + Self.absent + Self.id("x")) else {
      Issue.record("it is there")
      return
    }
    let delete = W.field(3, W.field(1, "a"))
    #expect(try store.write(delete + Self.id("y")) == .answered([]))
    guard case .answered = try store.write(Self.put("a", "1") + Self.absent + Self.id("x")) else {
      Issue.record("it is not there")
      return
    }
    // The delete is not made again.
    #expect(try store.write(delete + Self.id("y")) == .answered([]))
    #expect(try store.keys() == ["a"])
  }

  private static func isMadeAgain(_ store: IndexedStore, _ id: String) throws -> Bool {
    if case .exists = try store.write(put("dog", "1") + absent + Self.id(id)) {
      true
    } else {
      false
    }
  }

  @Test func countForTenMinutesAtLeast() async throws {
    let clock = ManualClock()
    let store = try await Self.store(clock)
    defer { store.stop() }
    #expect(try !Self.isMadeAgain(store, "x"))
    for (number, step) in ([599, 1, 599] as [UInt64]).enumerated() {
      clock.advance(seconds: step)
      #expect(try !Self.isMadeAgain(store, "x"))
      // Whatever the date does meanwhile.
      clock.set(date: step * 1_000_000)
      _ = try store.write(Self.put("other", "1") + Self.id("\(number)"))
    }
    clock.advance(seconds: 1)
    _ = try store.write(Self.put("other", "1") + Self.id("y"))
    #expect(try Self.isMadeAgain(store, "x"))
    // Two buckets are there: those of the last two.
    #expect(try KeptRequests.check(store.engine).idCount == 3)
  }

  /// How many seconds the date moves over a restart, and whether an id of before counts after it and one more bucket.
  @Test(arguments: [(1, true), (599, true), (600, false), (86_400, false), (-86_400, true)])
  func countOverARestart(seconds: Int, counts: Bool) async throws {
    let (clock, engine) = (ManualClock(), MemoryEngine())
    let first = try await Self.store(clock, engine)
    #expect(try !Self.isMadeAgain(first, "x"))
    first.stop()
    clock.set(date: UInt64(1_800_000_000 + seconds))
    for number in 0..<2 {
      let store = try await Self.store(clock, engine)
      defer { store.stop() }
      #expect(try !Self.isMadeAgain(store, "x"))
      _ = try store.write(Self.put("other", "1") + Self.id("y\(number)"))
    }
    // The next bucket was begun if the first one had ended.
    clock.advance(seconds: 600)
    let store = try await Self.store(clock, engine)
    defer { store.stop() }
    _ = try store.write(Self.put("other", "1") + Self.id("z"))
    #expect(try Self.isMadeAgain(store, "x") == !counts)
  }

  // MARK: - Bytes

  @Test func areStoredInTheseBytes() async throws {
    let (engine, clock) = (MemoryEngine(), ManualClock(date: 1))
    let store = try await Self.store(clock, engine)
    defer { store.stop() }
    _ = try store.write(Self.put("a", "1") + Self.id("q7"))
    var found: [String] = []
    _ = try engine.scan(
      KeyRange.prefix([4]), direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { key, value in
      found.append(Hexadecimal.text(Array(key)) + " = " + Hexadecimal.text(Array(value.prefix(8))))
      return .next
    }
    #expect(
      found == [
        "040000000000000001 = 0100ca9a3b000000", "0400000000000000017137 = 0101000000000a10",
      ])
  }

  @Test(arguments: [[], [1], [2, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0]] as [[UInt8]])
  func refuseAnAnswerThatCannotBeRead(_ value: [UInt8]) async throws {
    let store = try await Self.store()
    defer { store.stop() }
    _ = try store.write(Self.put("a", "1") + Self.id("x"))
    let batch = WriteBatch()
    batch.put([4, 0, 0, 0, 0, 0, 0, 0, 1] + Array("x".utf8), value)
    try store.engine.apply(batch, durability: .buffered)
    guard case .failed(let why) = try store.write(Self.put("a", "2") + Self.id("x")) else {
      Issue.record("it is not known what it was")
      return
    }
    #expect(why.contains("unreadableAnswer"))
    #expect(try KeptRequests.check(store.engine).problems.count == 1)
  }

  @Test func theCheckFindsWhatIsNoId() throws {
    let engine = MemoryEngine()
    let batch = WriteBatch()
    batch.put([4, 0, 0, 0, 0, 0, 0, 0, 1], [1, 2])
    batch.put([4, 0, 0, 0, 0, 0, 0], [])
    batch.put([4, 0, 0, 0, 1, 0, 0, 0, 1, 65], [1, 0, 0, 0, 0, 0])
    batch.put([4, 0, 0, 0, 0, 0, 0, 0, 1, 32], [1, 0, 0, 0, 0, 0])
    try engine.apply(batch, durability: .buffered)
    #expect(try KeptRequests.check(engine).problems.count == 4)
  }

  @Test(arguments: ["a b", "ä", String(repeating: "x", count: 37), "\u{7f}"])
  func mustBeShortAndPrintable(_ text: String) {
    #expect(throws: WriteRequestError.badRequestID(byteCount: text.utf8.count)) {
      try (Self.put("a", "1") + Self.id(text)).withUnsafeBytes { _ = try WriteRequest($0) }
    }
  }
}
