import Bytes
import Dispatch
import Engine
import EngineLSM
import EngineRocksDB
import Records
import Schema
import TestSupport
import Testing

/// Which engine a test runs on.
enum EngineKind: String, CaseIterable, CustomTestStringConvertible {
  case memory
  case lsm
  case rocksdb

  var testDescription: String { rawValue }
}

/// A model's store on an engine of its own, without a server.
final class StoreFixture {
  static let schema = """
    syntax = "proto3";
    message Dog {
      string pk = 1;
      string name = 2;
      Owner owner = 3;
      repeated string tags = 4;
      oneof food {
        string meat = 5;
        Owner cook = 6;
      }
      map<string, Owner> sitters = 7;
      optional int32 age = 8;
      message Owner {
        string name = 1;
        string phone = 2;
        Owner partner = 3;
        oneof mail {
          string post = 4;
          string email = 5;
        }
      }
    }
    """

  let engine: any StorageEngine
  let store: ModelStore
  let commits: CommitQueue
  private let folder: TemporaryFolder
  private let committed = DispatchSemaphore(value: 0)

  init(_ kind: EngineKind, cacheSizeBytes: Int = 1 << 20) async throws {
    folder = try TemporaryFolder()
    let path = try folder.write("schema.proto", Self.schema)
    let compiled = try await SchemaCompiler(includeDirectories: []).compile(path)
    var options = EngineOptions()
    options.memtableSizeBytes = 64 << 10
    options.cacheSizeBytes = cacheSizeBytes
    engine =
      switch kind {
      case .memory: MemoryEngine()
      case .lsm: try EngineDescriptor.lsm.open(folder.path + "/store", options: options)
      case .rocksdb: try EngineDescriptor.rocksDB.open(folder.path + "/store", options: options)
      }
    let catalogue = Catalogue(engine: engine, directory: folder.path)
    let adopted = try catalogue.adopt(compiled)
    let identity = try catalogue.establishIdentity()
    commits = CommitQueue(engine: engine, durability: .buffered)
    let model = compiled.models[0]
    guard let id = adopted.modelIDs[model.fullName] else { fatalError("no id") }
    store = ModelStore(
      model: model, modelID: id, plan: compiled.recordPlan, engine: engine,
      cache: RecordCache(capacityBytes: 0), commits: commits, identity: identity)
    commits.start(Observer(committed: committed))
  }

  deinit {
    commits.stop()
    try? engine.close()
  }

  private struct Observer: CommitObserver {
    let committed: DispatchSemaphore

    mutating func didCommit(_ calls: [CommitTicket]) { for _ in calls { committed.signal() } }
    mutating func didFail(_ calls: [CommitTicket], _ error: EngineError, since: String?) {
      fatalError("\(error)")
    }

    mutating func didRefuse(_ call: CommitTicket, _ refusal: WriteRefusal, write: Int?) {
      fatalError("\(refusal)")
    }
  }

  private static let ticket = CommitTicket(words: (0, 0, 0))

  /// Returns once it is stored, as the delete does.
  func put(_ record: [UInt8]) throws {
    let isQueued = try record.withUnsafeBytes { try store.put($0, Self.ticket) }
    precondition(isQueued)
    committed.wait()
  }

  func delete(_ query: TestQuery) throws {
    let request = query.bytes
    let isQueued = try request.withUnsafeBytes {
      try store.delete(parseIndexQuery($0), Self.ticket)
    }
    precondition(isQueued)
    committed.wait()
  }

  /// The whole answer, read in slices of the budget given.
  func get(
    _ query: TestQuery, limits: AnswerLimits = AnswerLimits(bytes: 64 << 20),
    budget: ReadBudget = .unlimited
  ) throws -> TestAnswer {
    let request = query.bytes
    return try request.withUnsafeBytes { request in
      var scan = try store.scan(parseIndexQuery(request), of: request, limits)
      var response = ByteWriter()
      while true {
        let pause = try scan.run(tier: .any, budget: budget, start: 0, into: &response) { false }
        switch pause {
        case .complete, .pageFull:
          scan.finishAnswer(pause, into: &response)
          return TestAnswer(response.array())
        case .budgetSpent: continue
        case .tooLarge, .wouldBlock, .cancelled, .corruptIndex: throw Paused(pause: pause)
        }
      }
    }
  }

  struct Paused: Error, Equatable {
    let pause: RecordScan.Pause
  }

  /// All chunks of a stream.
  func stream(_ query: TestQuery, chunkBytes: Int) throws -> [TestAnswer] {
    let request = query.bytes
    return try request.withUnsafeBytes { request in
      var scan = try store.scan(
        parseIndexQuery(request), of: request, AnswerLimits(bytes: 64 << 20, chunkBytes: chunkBytes)
      )
      var chunks: [TestAnswer] = []
      while true {
        var response = ByteWriter()
        let pause = try scan.run(
          tier: .any, budget: .unlimited, start: 0, into: &response
        ) { false }
        scan.finishAnswer(pause, into: &response)
        chunks.append(TestAnswer(response.array()))
        if pause == .complete { return chunks }
      }
    }
  }
}
