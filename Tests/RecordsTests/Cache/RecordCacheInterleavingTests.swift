import Engine
import Records
import Testing

/// Every order of the steps of one write and two reads, against what one register may answer.
@Suite("Record cache: every order of steps") struct RecordCacheInterleavingTests {
  enum Write: CaseIterable, Sendable {
    case put
    case delete
    case deleteRange
    /// The engine refuses it, and it is not stored.
    case failing
  }

  private static let key = [UInt8]("dog".utf8)
  private static let old = [UInt8](repeating: 1, count: 8)
  private static let new = [UInt8](repeating: 2, count: 8)

  /// Whether the record is in the cache when the steps begin, and whether the cache is in use.
  enum Start: CaseIterable, Sendable {
    case unused
    case empty
    case held
  }

  @Test(arguments: Write.allCases, Start.allCases)
  func isLinearizable(_ write: Write, _ start: Start) throws {
    var orders = 0
    try Self.visitOrders([3, 3, 3]) { order in
      orders += 1
      try Self.run(order, write, start)
    }
    #expect(orders == 1680)
  }

  /// All orders of so many steps of each party.
  private static func visitOrders(_ counts: [Int], _ visit: ([Int]) throws -> Void) rethrows {
    var left = counts
    var order: [Int] = []
    func goOn() throws {
      if left.allSatisfy({ $0 == 0 }) { return try visit(order) }
      for party in left.indices where left[party] > 0 {
        left[party] -= 1
        order.append(party)
        try goOn()
        order.removeLast()
        left[party] += 1
      }
    }
    try goOn()
  }

  private final class Store {
    let engine = MemoryEngine()
    let cache = RecordCache(capacityBytes: 1 << 20)

    func engineValue() throws -> [UInt8]? { try engine.value(forKey: key) }

    func lookUp() -> (value: [UInt8]?, ticket: RecordCache.Ticket?) {
      var value: [UInt8]?
      let ticket = key.withUnsafeBytes { key in
        cache.lookUp(key) { value = Array($0) }
      }
      return (value, ticket)
    }

    /// Often enough to be kept, when it may be.
    func offer(_ value: [UInt8], _ ticket: RecordCache.Ticket) {
      for _ in 0..<2 {
        key.withUnsafeBytes { key in
          value.withUnsafeBytes { cache.offer(key, $0, ticket) }
        }
      }
    }
  }

  /// One read, by the steps: look up, read the engine, offer.
  private struct Read {
    var steps = 0
    var ticket: RecordCache.Ticket?
    var answer: [UInt8]??
    var begin = 0
    var end = 0

    mutating func step(_ store: Store, at time: Int) throws {
      defer { steps += 1 }
      switch steps {
      case 0:
        begin = time
        let (value, ticket) = store.lookUp()
        self.ticket = ticket
        if let value { finish(value, at: time) }
      case 1:
        guard answer == nil else { return }
        finish(try store.engineValue(), at: time)
      default:
        // The answer goes out after it was offered; that it is known before makes the check stricter.
        guard let ticket, let answer, let value = answer else { return }
        store.offer(value, ticket)
      }
    }

    private mutating func finish(_ value: [UInt8]?, at time: Int) {
      answer = .some(value)
      end = time
    }
  }

  private static func batch(_ write: Write) -> WriteBatch {
    let batch = WriteBatch()
    switch write {
    case .put, .failing: batch.put(key, new)
    case .delete: batch.delete(key)
    case .deleteRange: batch.deleteRange([0], [255])
    }
    return batch
  }

  private static func run(_ order: [Int], _ write: Write, _ start: Start) throws {
    let store = Store()
    let first = WriteBatch()
    first.put(key, old)
    try store.engine.apply(first, durability: .buffered)
    switch start {
    case .unused: break
    case .empty: store.cache.start()
    case .held:
      store.cache.start()
      store.offer(old, try #require(store.lookUp().ticket))
      try #require(store.lookUp().value == old)
    }
    let batch = batch(write)
    let after: [UInt8]? = write == .put ? new : write == .failing ? old : nil
    var mark: RecordCache.Mark?
    var writeBegin = 0
    var writeEnd = 0
    var writeSteps = 0
    var reads = [Read(), Read()]
    for (time, party) in order.enumerated() {
      if party > 0 {
        try reads[party - 1].step(store, at: time)
        continue
      }
      switch writeSteps {
      case 0:
        writeBegin = time
        mark = store.cache.willApply(batch)
      case 1:
        if write != .failing { try store.engine.apply(batch, durability: .buffered) }
      default:
        store.cache.didApply(batch, try #require(mark))
        writeEnd = time
      }
      writeSteps += 1
    }
    for read in reads {
      let answer = try #require(read.answer)
      #expect(answer == old || answer == after, "\(order)")
      if read.begin > writeEnd { #expect(answer == after, "a stale answer: \(order)") }
      if read.end < writeBegin { #expect(answer == old, "an answer before its write: \(order)") }
    }
    for (one, other) in [(reads[0], reads[1]), (reads[1], reads[0])]
    where one.end < other.begin && one.answer == .some(after) {
      #expect(other.answer == .some(after), "an answer that goes back: \(order)")
    }
    if let value = store.lookUp().value { #expect(value == after, "a stale record: \(order)") }
  }
}
