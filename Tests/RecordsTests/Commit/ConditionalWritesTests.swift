import Engine
import Records
import Schema
import TestSupport
import Testing

private typealias W = WireBytes

/// What a `Write` is made of.
private enum WriteBytes {
  static func put(_ record: [UInt8]) -> [UInt8] { W.field(1, record) }
  static func update(_ record: [UInt8], _ paths: [String]) -> [UInt8] {
    W.field(2, record) + W.field(5, paths.flatMap { W.field(1, $0) })
  }
  static func delete(_ key: String) -> [UInt8] { W.field(3, W.field(1, key)) }
  static func check(_ key: String) -> [UInt8] { W.field(4, W.field(1, key)) }
  static func exists(_ exists: Bool) -> [UInt8] { W.field(6, varint: exists ? 1 : 0) }
  static func etag(_ etag: String) -> [UInt8] { W.field(7, etag) }
  static let returningNew = W.field(9, varint: 1)
  static let returningOld = W.field(9, varint: 2)
}

/// A record of a few values, so that many collide.
private struct Dog: Equatable {
  var key: String
  var name = ""
  var tags: [String] = []
  var age: UInt64?

  init(_ key: String, name: String = "") { (self.key, self.name) = (key, name) }

  init(_ random: inout SeededGenerator) {
    key = "k\(random.below(10))"
    name = random.below(3) == 0 ? "" : "n\(random.below(9))"
    tags = (0..<random.below(3)).map { "t\($0)" }
    age = random.below(3) == 0 ? nil : UInt64(random.below(4))
  }

  var bytes: [UInt8] {
    W.field(1, key) + (name.isEmpty ? [] : W.field(2, name)) + tags.flatMap { W.field(4, $0) }
      + (age.map { W.field(5, varint: $0) } ?? [])
  }

  mutating func update(_ paths: [String], from other: Dog) {
    if paths.contains("name") { name = other.name }
    if paths.contains("tags") { tags = other.tags }
    if paths.contains("age") { age = other.age }
  }
}

/// What is stored, one call after the other.
private struct Model {
  var dogs: [String: Dog] = [:]
  /// The dogs whose etags are known.
  var known: [String: (dog: Dog, etag: String)] = [:]
  let isUnique: Bool

  /// Changes it as a write does.
  ///
  /// - Returns: the bytes of the write, and its outcome: an answer without its etag, or a failure.
  mutating func write(_ random: inout SeededGenerator) -> (request: [UInt8], IndexedStore.Outcome) {
    let dog = Dog(&random)
    let before = dogs[dog.key]
    var after: Dog?
    let action = random.below(4)
    var request: [UInt8]
    switch action {
    case 0:
      request = WriteBytes.put(dog.bytes)
      after = dog
    case 1:
      let paths = ["name", "tags", "age", "pk"].filter { _ in random.below(2) == 0 } + ["weight"]
      request = WriteBytes.update(dog.bytes, paths)
      after = before
      after?.update(paths, from: dog)
    case 2: request = WriteBytes.delete(dog.key)
    default:
      request = WriteBytes.check(dog.key)
      after = before
    }
    var outcome: IndexedStore.Outcome?
    let known = known[dog.key]
    switch random.below(4) {
    case 0 where action != 3:
      if action == 1 && before == nil { outcome = .notFound }
    case 1 where action != 1:
      request += WriteBytes.exists(false)
      if before != nil { outcome = .exists("") }
    case 2:
      request += WriteBytes.etag(known?.etag ?? "0000000000000000")
      if before == nil {
        outcome = .notFound
      } else if before != known?.dog {
        outcome = .otherEtag("")
      }
    default:
      request += WriteBytes.exists(true)
      if before == nil { outcome = .notFound }
    }
    var answer: [UInt8] = []
    switch random.below(3) {
    case 0: break
    case 1:
      request += WriteBytes.returningNew
      answer = after.map { W.field(2, $0.bytes) } ?? []
    default:
      request += WriteBytes.returningOld
      answer = before.map { W.field(2, $0.bytes) } ?? []
    }
    if let outcome { return (request, outcome) }
    if isUnique, let after, !after.name.isEmpty,
      let other = dogs.values.first(where: { $0.key != after.key && $0.name == after.name })
    {
      return (request, .taken("name", by: other.key))
    }
    dogs[dog.key] = after
    return (request, .answered(answer))
  }
}

/// Writes with conditions have the effect that they have one by one, however they are grouped and whatever is not in
/// memory when they are executed.
@Suite("Conditional writes") struct ConditionalWritesTests {
  private static let indexes = """
    index: {fields: "name", unique: true, sparse: true}, index: {fields: "age, tags"}
    """

  @Test(arguments: SeededGenerator.seeds, [0, 30, 90])
  func haveTheEffectOfOneByOne(seed: UInt64, percentForgotten: Int) async throws {
    try await Self.run(seed, percentForgotten, indexes: Self.indexes)
  }

  @Test(arguments: SeededGenerator.seeds, [0, 50])
  func haveTheSameEffectWithoutIndexes(seed: UInt64, percentForgotten: Int) async throws {
    try await Self.run(seed, percentForgotten, indexes: "")
  }

  private static func run(_ seed: UInt64, _ percentForgotten: Int, indexes: String) async throws {
    var random = SeededGenerator(seed: seed)
    let schema = try await IndexedStore.compile(indexes)
    let engine = ForgetfulEngine(seed: seed, percentForgotten: percentForgotten)
    let store = try IndexedStore(schema, engine)
    defer { store.stop() }
    var model = Model(isUnique: !indexes.isEmpty)
    for _ in 0..<30 {
      var queued: [(call: UInt64, expected: IndexedStore.Outcome)] = []
      for _ in 0..<1 + random.below(30) {
        // Of a model with indexes, other writes are executed in their turn as well.
        if !indexes.isEmpty, random.below(5) == 0 {
          let key = "k\(random.below(10))"
          model.dogs[key] = nil
          queued.append((try store.queueDelete(TestQuery(.eq(key))), .done))
        } else {
          let (request, expected) = model.write(&random)
          queued.append((try store.queueWrite(request), expected))
        }
      }
      store.wait(for: queued.count)
      for (call, expected) in queued {
        try Self.compare(store.outcome(of: call), expected)
      }
      #expect(try store.keys() == model.dogs.keys.sorted())
      if !indexes.isEmpty { #expect(try store.problems() == []) }
      model.known = [:]
      for dog in model.dogs.values where random.below(2) == 0 {
        let outcome = try store.write(
          WriteBytes.check(dog.key) + WriteBytes.exists(true) + WriteBytes.returningNew)
        guard case .answered(let answer) = outcome else {
          Issue.record("\(String(describing: outcome))")
          continue
        }
        #expect(Array(answer.dropFirst(18)) == W.field(2, dog.bytes))
        model.known[dog.key] = (dog, String(decoding: answer[2..<18], as: UTF8.self))
      }
    }
  }

  /// Etags of failures and answers are seen elsewhere; here, whether there is one.
  private static func compare(
    _ outcome: IndexedStore.Outcome?, _ expected: IndexedStore.Outcome
  ) throws {
    switch (outcome, expected) {
    case (.exists, .exists), (.otherEtag, .otherEtag): break
    case (.answered(let answer), .answered(let record)):
      let etag = answer.starts(with: [0x0a, 16]) ? 18 : 0
      #expect(Array(answer.dropFirst(etag)) == record)
    default: #expect(outcome == expected)
    }
  }

  /// Puts and deletes of a model without indexes are not executed. A write with a condition sees those of its group.
  @Test(arguments: SeededGenerator.seeds)
  func seeWhatTheirGroupHasChanged(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let schema = try await IndexedStore.compile("")
    let engine = ForgetfulEngine(seed: seed)
    let store = try IndexedStore(schema, engine)
    defer { store.stop() }
    for _ in 0..<20 {
      var there: Set<String> = []
      for key in try store.keys() { there.insert(key) }
      // While the first one is written, the others gather in one group.
      let hold = engine.holdNextWrite()
      var queued = [try store.queuePut(Dog("first").bytes)]
      hold.begun.wait()
      there.insert("first")
      for _ in 0..<random.below(8) {
        let dog = Dog(&random)
        if random.below(3) > 0 {
          queued.append(try store.queuePut(dog.bytes))
          there.insert(dog.key)
        } else if random.below(2) == 0 {
          queued.append(try store.queueDelete(TestQuery(.eq(dog.key))))
          there.remove(dog.key)
        } else {
          queued.append(try store.queueDelete(TestQuery(.beginsWith(""))))
          there = []
        }
      }
      var checks: [(UInt64, Bool)] = []
      for number in 0..<10 {
        let request = WriteBytes.check("k\(number)") + WriteBytes.exists(true)
        checks.append((try store.queueWrite(request), there.contains("k\(number)")))
      }
      hold.isReleased.open()
      store.wait(for: queued.count + checks.count)
      for (call, isThere) in checks {
        if case .answered = store.outcome(of: call) {
          #expect(isThere)
        } else {
          #expect(!isThere && store.outcome(of: call) == .notFound)
        }
      }
      #expect(try store.keys() == there.sorted())
    }
  }

  @Test func doNotAnswerWithWhatAnotherOneHasRead() async throws {
    let store = try IndexedStore(try await IndexedStore.compile(""), MemoryEngine())
    defer { store.stop() }
    _ = try store.put(Dog("a", name: "secret").bytes)
    _ = try store.write(
      WriteBytes.check("a") + WriteBytes.exists(true) + WriteBytes.returningOld)
    for returning in [WriteBytes.returningOld, WriteBytes.returningNew] {
      let absent = WriteBytes.check("b") + WriteBytes.exists(false)
      #expect(try store.write(absent + returning) == .answered([]))
      #expect(try store.write(WriteBytes.delete("b") + returning) == .answered([]))
    }
  }

  static let refusals: [([UInt8], WriteRequestError)] = [
    ([], .noAction), (WriteBytes.exists(true), .noAction),
    (WriteBytes.delete("a") + WriteBytes.check("a"), .severalActions(3, 4)),
    (WriteBytes.delete("a") + WriteBytes.delete("a"), .severalActions(3, 3)),
    (WriteBytes.check("a"), .checkWithoutCondition),
    (WriteBytes.delete("a") + WriteBytes.etag(""), .emptyEtag),
    (WriteBytes.delete("a") + WriteBytes.exists(true) + WriteBytes.etag("x"), .severalConditions),
    (WriteBytes.update([], ["name"]) + WriteBytes.exists(false), .updateOfNothing),
    (WriteBytes.put([]) + W.field(5, ""), .maskWithout(.put)),
    (WriteBytes.delete("a") + W.field(9, varint: 3), .unknownReturning(3)),
    (WriteBytes.delete("a") + W.field(12, varint: 1), .unsupported(12)),
  ]

  @Test(arguments: refusals)
  func refuseWhatSaysNothing(_ request: [UInt8], _ expected: WriteRequestError) {
    #expect(throws: expected) {
      try request.withUnsafeBytes { _ = try WriteRequest($0) }
    }
  }

  @Test(arguments: [
    W.field(1, varint: 1), W.field(6, "x"), W.field(7, varint: 1), [0x0a, 5, 1], [0x30], [0x0a],
  ])
  func refuseWhatIsNoMessage(_ request: [UInt8]) {
    #expect {
      try request.withUnsafeBytes { _ = try WriteRequest($0) }
    } throws: { error in
      if case .malformed = error as? WriteRequestError { true } else { false }
    }
  }

  /// Fields that a later version may add and that say nothing of the write are stepped over.
  @Test func stepOverUnknownFields() throws {
    let request = WriteBytes.delete("a") + W.field(99, "?") + W.group(98, W.field(1, "?"))
    let action = try request.withUnsafeBytes { try WriteRequest($0).action }
    #expect(action == .delete)
  }
}
