import Engine
import Records
import Schema
import TestSupport
import Testing

/// Calls that are executed in groups, with reads that miss, have the effect that they have one by one.
@Suite("Writes with indexes") struct IndexedWritesTests {
  private static let indexes = """
    index: {fields: "name", unique: true, sparse: true}, index: {fields: "tags"}, \
    index: {fields: "age, -owner.name", include: "tags"}, index: {fields: "toys.name", unique: true}
    """

  /// A record of a few values, so that many collide.
  private struct Dog {
    let key: String
    let name: String
    let age: UInt64?
    let tags: [String]
    let toys: [String]

    init(_ random: inout SeededGenerator) {
      key = "k\(random.below(12))"
      name = random.below(3) == 0 ? "" : "n\(random.below(10))"
      age = random.below(3) == 0 ? nil : UInt64(random.below(4))
      tags = (0..<random.below(3)).map { _ in "t" }.enumerated().map { "\($1)\($0)" }
      toys = random.below(3) == 0 ? ["y\(random.below(20))", "y\(random.below(20))"] : []
    }

    var bytes: [UInt8] {
      WireBytes.field(1, key) + (name.isEmpty ? [] : WireBytes.field(2, name))
        + tags.flatMap { WireBytes.field(4, $0) }
        + (age.map { WireBytes.field(5, varint: $0) } ?? [])
        + toys.flatMap { WireBytes.field(6, WireBytes.field(1, $0)) }
    }
  }

  /// What is stored, one call after the other.
  private struct Model {
    var dogs: [String: Dog] = [:]

    /// Whether the call is taken.
    mutating func put(_ records: [Dog]) -> Bool {
      var next = dogs
      for dog in records { next[dog.key] = dog }
      let names = next.values.map(\.name).filter { !$0.isEmpty }
      let toys = next.values.flatMap { Set($0.toys) }
      guard Set(names).count == names.count, Set(toys).count == toys.count else { return false }
      dogs = next
      return true
    }

    mutating func delete(_ query: TestQuery) {
      dogs = dogs.filter { !query.names($0.key) }
    }
  }

  private static func deletion(_ random: inout SeededGenerator) -> TestQuery {
    let key = "k\(random.below(12))"
    switch random.below(8) {
    case 0: return TestQuery(.beginsWith(""))
    case 1: return TestQuery(.gte(key))
    case 2: return TestQuery(.beginsWith("k1"))
    case 3, 4: return TestQuery(.in([key, "k\(random.below(12))"]))
    default: return TestQuery(.eq(key))
    }
  }

  private enum Queued {
    case put(UInt64, isTaken: Bool)
    case delete(UInt64)
  }

  @Test(arguments: SeededGenerator.seeds, [0, 30, 90])
  func haveTheEffectOfOneByOne(seed: UInt64, percentForgotten: Int) async throws {
    var random = SeededGenerator(seed: seed)
    let schema = try await IndexedStore.compile(Self.indexes)
    let engine = ForgetfulEngine(seed: seed, percentForgotten: percentForgotten)
    let store = try IndexedStore(schema, engine)
    defer { store.stop() }
    var model = Model()
    for _ in 0..<30 {
      // One connection's calls are executed in their order, however they are grouped.
      var queued: [Queued] = []
      for _ in 0..<1 + random.below(40) {
        switch random.below(10) {
        case 0:
          let query = Self.deletion(&random)
          model.delete(query)
          queued.append(.delete(try store.queueDelete(query)))
        case 1...3:
          let dogs = (0..<2 + random.below(4)).map { _ in Dog(&random) }
          let isTaken = model.put(dogs)
          queued.append(.put(try store.queueBatchPut(dogs.map(\.bytes)), isTaken: isTaken))
        default:
          let dog = Dog(&random)
          let isTaken = model.put([dog])
          queued.append(.put(try store.queuePut(dog.bytes), isTaken: isTaken))
        }
      }
      store.wait(for: queued.count)
      for call in queued {
        switch call {
        case .delete(let number): #expect(store.outcome(of: number) == .done)
        case .put(let number, let isTaken):
          let outcome = store.outcome(of: number)
          if case .taken = outcome {
            #expect(!isTaken)
          } else {
            #expect(isTaken && outcome == .done, "\(String(describing: outcome))")
          }
        }
      }
      #expect(try store.keys() == model.dogs.keys.sorted())
      #expect(try store.problems() == [])
    }
  }

  /// Of several connections, whose calls may be executed in any order.
  @Test(arguments: SeededGenerator.seeds)
  func keepEntriesWhateverTheOrderOfTheCalls(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let schema = try await IndexedStore.compile(Self.indexes)
    let engine = ForgetfulEngine(seed: seed, percentForgotten: 50)
    let store = try IndexedStore(schema, engine)
    defer { store.stop() }
    for _ in 0..<20 {
      var count = 0
      for _ in 0..<60 {
        let source = UInt64(1 + random.below(5))
        if random.below(6) == 0 {
          _ = try store.queueDelete(Self.deletion(&random), source: source)
        } else {
          _ = try store.queuePut(Dog(&random).bytes, source: source)
        }
        count += 1
      }
      store.wait(for: count)
      #expect(try store.problems() == [])
    }
  }

  @Test func namesWhoHasTheValues() async throws {
    let schema = try await IndexedStore.compile(Self.indexes)
    let store = try IndexedStore(schema, MemoryEngine())
    defer { store.stop() }
    func dog(_ key: String, _ name: String) -> [UInt8] {
      WireBytes.field(1, key) + WireBytes.field(2, name)
    }
    #expect(try store.put(dog("a", "Rex")) == .done)
    #expect(try store.put(dog("b", "Rex")) == .taken("name", by: "a"))
    // Two records swap their values in one call.
    #expect(try store.put(dog("b", "Bello")) == .done)
    let swap = try store.queueBatchPut([dog("a", "Bello"), dog("b", "Rex")])
    store.wait(for: 1)
    #expect(store.outcome(of: swap) == .done)
    #expect(try store.put(dog("c", "Rex")) == .taken("name", by: "b"))
    #expect(try store.problems() == [])
  }

  @Test func writesNothingForWhatIsNotThere() async throws {
    let schema = try await IndexedStore.compile(Self.indexes)
    let engine = MemoryEngine()
    let store = try IndexedStore(schema, engine)
    defer { store.stop() }
    let before = try engine.lastSequence()
    let call = try store.queueDelete(TestQuery(.eq("nobody")))
    store.wait(for: 1)
    #expect(store.outcome(of: call) == .done)
    #expect(try engine.lastSequence() == before)
  }
}
