import Bytes
import Dispatch
import Engine
import NIOEmbedded
import Records
import Schema
import Server
import Synchronization
import TestSupport
import Testing
import Wire

/// A memory engine that notes which keys are looked up together, and in which some keys cannot be read.
private final class WatchedEngine: StorageEngine {
  private let memory = MemoryEngine()
  /// What look-ups of several keys wait for.
  let gate = Gate()
  /// Signalled when one has begun.
  let didBegin = DispatchSemaphore(value: 0)
  let groups = Mutex<[Int]>([])
  let damaged = Mutex<Set<[UInt8]>>([])
  /// Keys that a look-up of several leaves out at its end, against the contract.
  let unvisited = Mutex(0)

  var traits: EngineTraits { memory.traits }

  func get(
    _ key: UnsafeRawBufferPointer, snapshot: (any EngineSnapshot)?, tier: ReadTier,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(EngineError) -> ReadOutcome {
    let bytes = Array(key)
    if damaged.withLock({ $0.contains(bytes) }) {
      throw .corruption(.init(operation: .get, directory: "", detail: "damaged"))
    }
    return try memory.get(key, snapshot: snapshot, tier: tier, visit)
  }

  func get(
    _ keys: UnsafeBufferPointer<UnsafeRawBufferPointer>, snapshot: (any EngineSnapshot)?,
    tier: ReadTier, _ visit: (Int, UnsafeRawBufferPointer?) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    groups.withLock { $0.append(keys.count) }
    didBegin.signal()
    gate.wait()
    for index in keys.indices.dropLast(unvisited.withLock { $0 }) {
      let outcome = try get(keys[index], snapshot: snapshot, tier: tier) { _ = visit(index, $0) }
      if outcome == .absent { _ = visit(index, nil) }
    }
    return .complete
  }

  func scan(
    _ range: KeyRange, direction: ScanDirection, limit: Int, snapshot: (any EngineSnapshot)?,
    tier: ReadTier, _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    try memory.scan(
      range, direction: direction, limit: limit, snapshot: snapshot, tier: tier, visit)
  }

  func apply(_ batch: WriteBatch, durability: Durability) throws(EngineError) {
    try memory.apply(batch, durability: durability)
  }

  func snapshot() throws(EngineError) -> any EngineSnapshot { try memory.snapshot() }
  func lastSequence() throws(EngineError) -> UInt64 { try memory.lastSequence() }
  func writeState() -> WriteState { memory.writeState() }
  func refuseWrites(_ reason: String) { memory.refuseWrites(reason) }
  func statistics() throws(EngineError) -> EngineStatistics { try memory.statistics() }
  func close() throws(EngineError) { try memory.close() }
}

/// Asks for the record whose key is the request.
private struct ReadOne: UnaryHandler {
  let queue: PointReadQueue
  let store: ModelStore
  let answer: ModelStore.PointAnswer

  func call(_ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter)
    -> UnaryOutcome
  {
    queue.read(request, of: store, answer, context)
  }
}

/// A queue over records `0` to `49`, behind a connection: each is named by its number and has that as its bytes.
private final class Link {
  let engine = WatchedEngine()
  let queue: PointReadQueue
  let queued = QueuedReads()
  let store: ModelStore
  /// Not in use yet.
  let cache = RecordCache(capacityBytes: 256 << 10)
  private let client = HTTP2TestClient()
  private let loop = EmbeddedEventLoop()
  private let server: InMemoryConnection

  init(threadCount: Int, maximumResponseBytes: Int = 1000, answerBytes: Int = 1 << 20) async throws
  {
    let folder = try TemporaryFolder()
    let path = try folder.write(
      "schema.proto", "syntax = \"proto3\"; message Dog { string pk = 1; }")
    let compiled = try await SchemaCompiler(includeDirectories: []).compile(path)
    let catalogue = Catalogue(engine: engine, directory: folder.path)
    let adopted = try catalogue.adopt(compiled)
    let model = compiled.models[0]
    store = ModelStore(
      model: model, modelID: try #require(adopted.modelIDs[model.fullName]),
      plan: compiled.recordPlan, engine: engine,
      cache: cache,
      commits: CommitQueue(engine: engine, durability: .buffered),
      identity: try catalogue.establishIdentity())
    let batch = WriteBatch()
    for number in 0..<50 {
      batch.put(store.prefix.key(Array("\(number)".utf8)), Array("\(number)".utf8))
    }
    try engine.apply(batch, durability: .buffered)
    queue = PointReadQueue(
      engine: engine, threadCount: threadCount, maximumResponseBytes: maximumResponseBytes,
      answers: MemoryBudgets(requestBytes: 1, answerBytes: answerBytes).answers, queued: queued)
    server = try #require(
      InMemoryConnection(
        eventLoop: loop, configuration: WireConfiguration(loopCount: 1),
        unary: [
          ("/t.S/Get", ReadOne(queue: queue, store: store, answer: .inList)),
          ("/t.S/GetOne", ReadOne(queue: queue, store: store, answer: .alone)),
        ]))
    exchange()
  }

  private func exchange() { client.exchange(with: server) }

  func start() { queue.start(server.completions()) }

  /// Queues reads of these numbers.
  func read(_ numbers: some Sequence<Int>, _ method: String = "GetOne") -> [Int32] {
    let streams = numbers.map {
      client.request("/t.S/\(method)", body: HTTP2TestClient.framed(Array("\($0)".utf8)))
    }
    exchange()
    return streams
  }

  func reset(_ stream: Int32) {
    client.reset(stream)
    exchange()
  }

  func stop() {
    queue.stop()
    loop.run()
    exchange()
  }

  /// What a call was answered with, without the prefix of its message; its status when that is not OK.
  func answer(_ stream: Int32) -> String? {
    guard let response = client.responses[stream], response.isClosed,
      let status = response.headers["grpc-status"]
    else { return nil }
    return status == "0"
      ? String(decoding: response.body.dropFirst(5), as: UTF8.self) : "status \(status)"
  }

  func message(_ stream: Int32) -> String? { client.responses[stream]?.headers["grpc-message"] }

  /// Waits until so many look-ups have begun.
  func waitForLookUps(_ count: Int) -> Bool {
    (0..<count).allSatisfy { _ in engine.didBegin.wait(timeout: .now() + 60) == .success }
  }
}

@Suite("Point read queue") struct PointReadQueueTests {
  @Test func looksUpTogetherWhatWaits() async throws {
    let link = try await Link(threadCount: 1)
    link.start()
    let first = link.read([7])
    #expect(link.waitForLookUps(1))
    let rest = link.read(0..<40)
    link.engine.gate.open()
    link.stop()
    #expect(link.engine.groups.withLock { $0 } == [1, PointReadQueue.groupReads, 8])
    #expect(first.map { link.answer($0) } == ["7"])
    #expect(rest.map { link.answer($0) } == (0..<40).map { "\($0)" })
  }

  /// Whether the cache has a record.
  private func isCached(_ number: Int, by link: Link) -> Bool {
    let key = link.store.prefix.key(Array("\(number)".utf8))
    var value: [UInt8]?
    _ = key.withUnsafeBytes { link.cache.lookUp($0) { value = Array($0) } }
    return value == Array("\(number)".utf8)
  }

  @Test func offersToTheCacheWhatItHasRead() async throws {
    let link = try await Link(threadCount: 1)
    link.cache.start()
    let damaged = link.store.prefix.key(Array("3".utf8))
    link.engine.damaged.withLock { _ = $0.insert(damaged) }
    link.engine.gate.open()
    // Twice: at the first time a record is only noted.
    let streams = link.read([1, 2, 3, 4, 77, 1, 2, 3, 4, 77])
    link.start()
    link.stop()
    #expect(link.answer(streams[0]) == "1" && link.answer(streams[5]) == "1")
    #expect([1, 2, 4].allSatisfy { isCached($0, by: link) })
    #expect(!isCached(3, by: link) && !isCached(77, by: link))
    #expect(link.cache.recordCount == 3)
  }

  @Test func sharesWhatWaitsAmongItsThreads() async throws {
    let link = try await Link(threadCount: 4)
    let streams = link.read(0..<40)
    link.start()
    #expect(link.waitForLookUps(4))
    // 40 / 4, then a quarter of what is left each time.
    #expect(link.engine.groups.withLock { $0.sorted() } == [4, 5, 7, 10])
    link.engine.gate.open()
    link.stop()
    #expect(streams.map { link.answer($0) } == (0..<40).map { "\($0)" })
  }

  @Test func wakesAllThreadsWhileTheDiskIsSlow() async throws {
    let link = try await Link(threadCount: 4)
    link.start()
    let streams = (0..<4).flatMap { number in
      let streams = link.read([number])
      #expect(link.waitForLookUps(1), "thread \(number)")
      return streams
    }
    link.engine.gate.open()
    link.stop()
    #expect(link.engine.groups.withLock { $0 } == [1, 1, 1, 1])
    #expect(streams.map { link.answer($0) } == ["0", "1", "2", "3"])
  }

  @Test func failsOnlyTheReadThatHitsDamage() async throws {
    let link = try await Link(threadCount: 1)
    link.engine.gate.open()
    link.engine.damaged.withLock {
      $0 = Set(["2", "3", "5"].map { link.store.prefix.key(Array($0.utf8)) })
    }
    let streams = link.read(0..<6)
    link.start()
    link.stop()
    #expect(
      streams.map { link.answer($0) } == ["0", "1", "status 15", "status 15", "4", "status 15"])
  }

  @Test func answersWhatTheEngineLeavesOut() async throws {
    let link = try await Link(threadCount: 1)
    link.engine.gate.open()
    link.engine.unvisited.withLock { $0 = 2 }
    let streams = link.read(0..<5)
    link.start()
    link.stop()
    #expect(streams.map { link.answer($0) } == ["0", "1", "2", "status 13", "status 13"])
  }

  @Test func doesNotDoWhatNobodyWaitsFor() async throws {
    let link = try await Link(threadCount: 1)
    link.engine.gate.open()
    let streams = link.read(0..<5)
    link.reset(streams[1])
    link.reset(streams[4])
    link.start()
    link.stop()
    #expect(link.engine.groups.withLock { $0 } == [3])
    #expect([0, 2, 3].map { link.answer(streams[$0]) } == ["0", "2", "3"])
  }

  @Test func endsWhenNobodyWaitsForAnything() async throws {
    let link = try await Link(threadCount: 1)
    for stream in link.read(0..<5) { link.reset(stream) }
    link.start()
    link.stop()
    #expect(link.engine.groups.withLock { $0 } == [])
  }

  @Test func answersWithoutARecord() async throws {
    let link = try await Link(threadCount: 1)
    link.engine.gate.open()
    let alone = link.read([77], "GetOne")
    let list = link.read([77, 8], "Get")
    link.start()
    link.stop()
    #expect(alone.map { link.answer($0) } == ["status 5"])
    #expect(link.message(alone[0]) == "no database.Dog has the pk \"77\"")
    #expect(list.map { link.answer($0) } == ["", "\n\u{1}8"])
  }

  @Test func namesTheRecordThatIsTooLarge() async throws {
    let link = try await Link(threadCount: 1, maximumResponseBytes: 1)
    link.engine.gate.open()
    let streams = link.read([4, 44])
    link.start()
    link.stop()
    #expect(streams.map { link.answer($0) } == ["4", "status 8"])
    #expect(
      link.message(streams[1])?.hasPrefix("the database.Dog with the pk \"44\" alone is larger")
        == true)
  }

  @Test func readsNothingWhileTheMemoryForAnswersIsSpent() async throws {
    let link = try await Link(threadCount: 1, answerBytes: 0)
    let streams = link.read(0..<3)
    link.start()
    link.stop()
    #expect(link.engine.groups.withLock { $0 } == [])
    #expect(streams.map { link.answer($0) } == Array(repeating: "status 8", count: 3))
  }

  @Test func refusesWhatIsMoreThanItsLimit() async throws {
    let link = try await Link(threadCount: 1)
    link.engine.gate.open()
    for _ in 0..<QueuedReads.limit - 1 { #expect(link.queued.add()) }
    let streams = link.read(0..<3)
    #expect(streams.map { link.answer($0) } == [nil, "status 8", "status 8"])
    link.start()
    link.stop()
    #expect(link.answer(streams[0]) == "0")
    // Its place is free again.
    #expect(link.queued.add())
    #expect(!link.queued.add())
  }

  @Test func takesNothingOnceItIsStopped() async throws {
    let link = try await Link(threadCount: 2)
    link.start()
    link.stop()
    let streams = link.read([1])
    #expect(streams.map { link.answer($0) } == ["status 8"])
  }
}
