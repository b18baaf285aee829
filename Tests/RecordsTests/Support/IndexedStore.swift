import Bytes
import Dispatch
import Engine
import Logging
import Records
import Schema
import Synchronization
import TestSupport
import Testing

/// A model with indexes on an engine, without a server.
final class IndexedStore {
  /// What became of a call.
  enum Outcome: Equatable {
    case done
    /// The name of the index, and the key of the record that has the values.
    case taken(String, by: String)
    /// The message, of a write that has one.
    case answered([UInt8])
    /// There is no record.
    case notFound
    /// There is one; its etag.
    case exists(String)
    /// It has this etag.
    case otherEtag(String)
    /// Its request id was that of another call.
    case idReused
    case failed(String)
  }

  let engine: any StorageEngine
  let store: ModelStore
  let builder: IndexBuilder
  let sweeper: ExpirySweeper
  let feed: ChangeFeed
  let commits: CommitQueue
  private let outcomes = Mutex<[UInt64: Outcome]>([:])
  private let ended = DispatchSemaphore(value: 0)
  private var calls: UInt64 = 0

  /// Compiles a schema whose first model has these fields and options.
  static func compile(_ options: String, key: String = "") async throws -> CompiledSchema {
    let folder = try TemporaryFolder()
    let path = try folder.write(
      "schema.proto",
      """
      syntax = "proto3";
      import "seandb/options.proto";
      import "google/protobuf/timestamp.proto";
      message Dog {
        \(key.isEmpty && options.isEmpty ? "" : "option (seandb.model) = {\(key)\(options)};")
        string pk = 1;
        string name = 2;
        Owner owner = 3;
        repeated string tags = 4;
        optional sint32 age = 5;
        repeated Toy toys = 6;
        oneof food { string meat = 7; Owner cook = 8; }
        repeated uint32 marks = 9;
        double weight = 10;
        google.protobuf.Timestamp ends = 11;
        uint64 until = 12;
        optional sfixed32 last = 13;
        message Owner { string name = 1; optional string phone = 2; Owner partner = 3; }
        message Toy { string name = 1; int32 price = 2; }
      }
      """)
    return try await SchemaCompiler(includeDirectories: []).compile(path)
  }

  init(
    _ schema: CompiledSchema, _ engine: any StorageEngine, clock: DatabaseClock = .system
  ) throws {
    self.engine = engine
    let catalogue = Catalogue(engine: engine, directory: "memory")
    let adopted = try catalogue.adopt(schema)
    let identity = try catalogue.establishIdentity()
    let logs = try catalogue.changeLogs(of: adopted.recordSchema, ids: adopted.modelIDs)
    feed = ChangeFeed(try catalogue.reserveRevisions(beside: logs), logs: logs)
    commits = CommitQueue(engine: engine, durability: .buffered, clock: clock, feed: feed)
    let model = adopted.recordSchema.models[0]
    guard let id = adopted.modelIDs[model.fullName] else { fatalError("no id") }
    let plan = adopted.recordSchema.recordPlan
    store = ModelStore(
      model: model, modelID: id,
      indexes: (adopted.indexes[model.fullName] ?? (model.watch == nil ? nil : [])).map {
        ModelIndexes(model, $0, plan: plan)
      },
      plan: plan, engine: engine, cache: RecordCache(capacityBytes: 0), commits: commits,
      identity: identity)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    builder = IndexBuilder(
      stores: [store], engine: engine, commits: commits, directory: "memory", logger: logger)
    sweeper = ExpirySweeper(stores: [store], engine: engine, commits: commits)
    commits.start(Observer(store: self))
  }

  /// Ends the threads; nothing is written after it.
  func stop() { commits.stop() }

  private struct Observer: CommitObserver {
    let note: @Sendable (CommitTicket, Outcome) -> Void

    init(store: IndexedStore) {
      note = { [outcomes = Unowned(store)] in outcomes.store.note($0, $1) }
    }

    mutating func didCommit(_ calls: [CommitTicket]) { for call in calls { note(call, .done) } }

    mutating func didCommit(_ calls: [AnsweredCall], _ answers: UnsafeRawBufferPointer) {
      for call in calls {
        note(call.ticket, .answered(Array(UnsafeRawBufferPointer(rebasing: answers[call.answer]))))
      }
    }

    mutating func didFail(_ calls: [CommitTicket], _ error: EngineError, since: String?) {
      for call in calls { note(call, .failed("\(error)")) }
    }

    mutating func didRefuse(_ call: CommitTicket, _ refusal: WriteRefusal, write: Int?) {
      switch refusal {
      case .uniqueViolation(_, let index, let holder, _):
        note(call, .taken(index.name, by: String(decoding: holder, as: UTF8.self)))
      case .notFound: note(call, .notFound)
      case .exists(_, _, let etag): note(call, .exists(etag.text))
      case .otherEtag(_, _, let etag): note(call, .otherEtag(etag.text))
      case .requestIDReused: note(call, .idReused)
      default: note(call, .failed("\(refusal)"))
      }
    }
  }

  // The store outlives its commit thread, which `stop` ends.
  private struct Unowned: @unchecked Sendable {
    unowned let store: IndexedStore
    init(_ store: IndexedStore) { self.store = store }
  }

  private func note(_ call: CommitTicket, _ outcome: Outcome) {
    outcomes.withLock { $0[call.words.2 == 0 ? UInt64(call.words.1 & 0xffff_ffff) : 0] = outcome }
    ended.signal()
  }

  // MARK: - Calls

  private func ticket(_ source: UInt64) -> CommitTicket {
    calls += 1
    return CommitTicket(words: (source, calls, 0))
  }

  /// Queues a record.
  ///
  /// - Returns: the number of the call.
  func queuePut(_ record: [UInt8], source: UInt64 = 1) throws -> UInt64 {
    let ticket = ticket(source)
    let isTaken = try record.withUnsafeBytes { try store.put($0, ticket) }
    #expect(isTaken)
    return calls
  }

  /// Queues a list of records.
  func queueBatchPut(_ records: [[UInt8]], source: UInt64 = 1) throws -> UInt64 {
    let ticket = ticket(source)
    let list = records.flatMap { WireBytes.field(1, $0) }
    let isTaken = try list.withUnsafeBytes { try store.batchPut($0, ticket) }
    #expect(isTaken == true)
    return calls
  }

  /// Queues a delete.
  func queueDelete(_ query: TestQuery, source: UInt64 = 1) throws -> UInt64 {
    let ticket = ticket(source)
    let request = query.bytes
    let isTaken = try request.withUnsafeBytes { try store.delete(parseIndexQuery($0), ticket) }
    #expect(isTaken)
    return calls
  }

  /// Queues a `Write`.
  func queueWrite(_ request: [UInt8], source: UInt64 = 1) throws -> UInt64 {
    let ticket = ticket(source)
    let isTaken = try request.withUnsafeBytes { try store.write(WriteRequest($0), ticket) }
    #expect(isTaken)
    return calls
  }

  /// Queues a transaction of writes to the model.
  func queueTransaction(
    _ writes: [[UInt8]], id: String = "", source: UInt64 = 1
  ) throws -> UInt64 {
    let ticket = ticket(source)
    let number = Int(store.model.transactionNumber)
    let request =
      writes.flatMap { WireBytes.field(1, WireBytes.field(number, $0)) }
      + (id.isEmpty ? [] : WireBytes.field(2, id))
    let transactions = Transactions(stores: [store], commits: commits, maximumWrites: 1000)
    let isTaken = try request.withUnsafeBytes {
      try transactions.submit(transactions.read($0), ticket)
    }
    #expect(isTaken == true)
    return calls
  }

  /// Makes a write, and waits until it has ended.
  func write(_ request: [UInt8]) throws -> Outcome? {
    let call = try queueWrite(request)
    wait(for: 1)
    return outcome(of: call)
  }

  /// Queues a delete by the values of a unique index.
  func queueDelete(byIndex place: Int, _ request: [UInt8]) throws -> UInt64 {
    let ticket = ticket(1)
    let isTaken = try request.withUnsafeBytes {
      try store.delete(byIndex: place, $0, ticket)
    }
    #expect(isTaken)
    return calls
  }

  /// Waits until so many queued calls have ended.
  func wait(for count: Int) { for _ in 0..<count { ended.wait() } }

  func outcome(of call: UInt64) -> Outcome? { outcomes.withLock { $0[call] } }

  @discardableResult
  func put(_ record: [UInt8]) throws -> Outcome? {
    let call = try queuePut(record)
    wait(for: 1)
    return outcome(of: call)
  }

  // MARK: - What is stored

  /// The entries of an index: keys without the prefix, and values.
  func entries(ofIndex place: Int) throws -> [(key: [UInt8], value: [UInt8])] {
    let prefix = try #require(store.indexes).all[place].plan.prefix
    var found: [(key: [UInt8], value: [UInt8])] = []
    _ = try engine.scan(
      prefix.all, direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { key, value in
      found.append((Array(key.dropFirst(KeyPrefix.byteCount)), Array(value)))
      return .next
    }
    return found
  }

  /// The keys of all records.
  func keys() throws -> [String] {
    var found: [String] = []
    _ = try engine.scan(
      store.prefix.all, direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { key, _ in
      found.append(String(decoding: key.dropFirst(KeyPrefix.byteCount), as: UTF8.self))
      return .next
    }
    return found
  }

  /// What the check of all indexes finds.
  func problems() throws -> [String] {
    try IndexCheck.run(store, engine).flatMap { result in
      result.problems.map { "\(result.name): \($0)" }
    }
  }

  /// Builds all indexes that are not built yet.
  func build() {
    builder.buildSmall()
  }
}

extension OpenIndex {
  var isBuilding: Bool { if case .building = state { true } else { false } }
}
