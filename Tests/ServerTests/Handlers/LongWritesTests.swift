import Bytes
import Engine
import NIOEmbedded
import Records
import Schema
import Server
import Synchronization
import TestSupport
import Testing
import Wire

/// A store behind a connection, whose threads do nothing before `finish`.
private final class Link {
  let engine = MemoryEngine()
  private let commits: CommitQueue
  private let client = HTTP2TestClient()
  private let loop = EmbeddedEventLoop()
  private let server: InMemoryConnection
  private let prefix: KeyPrefix

  /// How to hand over what a thread makes: there only once the handlers are.
  private final class Late: Sendable {
    let completions = Mutex<Completions?>(nil)
  }

  init() async throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(
      "schema.proto", "syntax = \"proto3\"; message Dog { string pk = 1; string name = 2; }")
    let compiled = try await SchemaCompiler(includeDirectories: []).compile(path)
    let catalogue = Catalogue(engine: engine, directory: folder.path)
    let adopted = try catalogue.adopt(compiled)
    let model = compiled.models[0]
    commits = CommitQueue(engine: engine, durability: .buffered)
    let store = ModelStore(
      model: model, modelID: try #require(adopted.modelIDs[model.fullName]),
      plan: compiled.recordPlan, engine: engine, cache: RecordCache(capacityBytes: 0),
      commits: commits, identity: try catalogue.establishIdentity())
    prefix = store.prefix
    let late = Late()
    let longWrites = LongWrites {
      guard let completions = late.completions.withLock({ $0 }) else { fatalError("too early") }
      return completions
    }
    var configuration = WireConfiguration(loopCount: 1)
    configuration.streamWindowBytes = 8 << 20
    configuration.connectionWindowBytes = 8 << 20
    server = try #require(
      InMemoryConnection(
        eventLoop: loop, configuration: configuration,
        unary: [
          ("/d.D/BatchPutDogs", BatchPutHandler(store: store, longWrites: longWrites)),
          ("/d.D/PutDog", PutHandler(store: store, longWrites: longWrites)),
          ("/d.D/DeleteDogsByPk", DeleteHandler(store: store, longWrites: longWrites)),
        ]))
    late.completions.withLock { $0 = server.completions() }
    exchange()
  }

  private func exchange() { client.exchange(with: server) }

  func call(_ method: String, _ message: [UInt8]) -> Int32 {
    let stream = client.request("/d.D/" + method, body: HTTP2TestClient.framed(message))
    exchange()
    return stream
  }

  /// How long the loop's thread is busy with the end of a request, by which its handler runs.
  func secondsOfLoop(_ method: String, _ message: [UInt8]) -> (Int32, Double) {
    let stream = client.request(
      "/d.D/" + method, body: HTTP2TestClient.framed(message), endsStream: false)
    exchange()
    client.send([], on: stream, endsStream: true)
    let end = client.output()
    let began = threadProcessorSeconds()
    server.receive(end)
    return (stream, threadProcessorSeconds() - began)
  }

  /// Lets the threads do all that is queued.
  func finish() {
    commits.start(CallCompletions(server.completions()))
    commits.stop()
    loop.run()
    exchange()
  }

  func status(_ stream: Int32) -> String? { client.responses[stream]?.headers["grpc-status"] }

  func response(_ stream: Int32) -> HTTP2TestClient.Response? { client.responses[stream] }

  func value(_ key: String) throws -> [UInt8]? {
    try engine.value(forKey: prefix.key(Array(key.utf8)))
  }
}

private func record(_ key: String, _ name: String = "") -> [UInt8] {
  var writer = ByteWriter()
  writer.appendField(1, key)
  if !name.isEmpty { writer.appendField(2, name) }
  return writer.array()
}

private func list(_ records: [[UInt8]]) -> [UInt8] {
  var writer = ByteWriter()
  for record in records { record.withUnsafeBytes { writer.appendField(1, $0) } }
  return writer.array()
}

/// A list of about so many bytes, whose last record is wrong.
private func tinyRecords(bytes: Int) -> [UInt8] {
  list((0..<(bytes / 12)).map { record("k\(1_000_000 + $0)") } + [record("")])
}

@Suite("Long writes") struct LongWritesTests {
  /// A third of a million records, and a limit of the loop's time that their check is far beyond.
  @Test func aBatchOfTinyRecordsHoldsNoLoop() async throws {
    let link = try await Link()
    let batch = tinyRecords(bytes: (4 << 20) - (1 << 12))
    let (stream, seconds) = link.secondsOfLoop("BatchPutDogs", batch)
    #expect(seconds < 0.01)
    link.finish()
    #expect(link.status(stream) == "3")
    #expect(try link.value("k1000007") == nil)
  }

  /// What a handler says of a request, when it is short, and when it is made long by fields that nobody knows.
  @Test(
    arguments: [
      ("BatchPutDogs", list([record("a"), record("b"), record("")])),
      ("BatchPutDogs", list([record("a")]) + [0x0A, 0x7F]),
      ("BatchPutDogs", list([record("a")]) + [0x20, 1]),
      ("BatchPutDogs", []),
      ("PutDog", record("")),
      ("PutDog", record("a") + [0x12, 1, 0xFF]),
      ("DeleteDogsByPk", [0x0A, 0]),
      ("DeleteDogsByPk", [0x80, 0x01, 1, 0x0A, 1, 0x61]),
      ("DeleteDogsByPk", []),
    ] as [(String, [UInt8])])
  func answersAsAShortOneDoes(_ method: String, _ message: [UInt8]) async throws {
    let link = try await Link()
    let short = link.call(method, message)
    let padding = ByteWriter.padding(LongRequest.bytes)
    let long = link.call(method, padding + message)
    link.finish()
    let expected = try #require(link.response(short))
    let actual = try #require(link.response(long))
    #expect(actual.headers["grpc-status"] == expected.headers["grpc-status"])
    #expect(actual.body == expected.body)
    // Offsets are those of the request.
    let reason = expected.headers["grpc-message"]?.split(separator: " ").first
    #expect(actual.headers["grpc-message"]?.split(separator: " ").first == reason)
  }

  @Test func keepsTheOrderOfAConnection() async throws {
    let link = try await Link()
    let long = String(repeating: "x", count: LongRequest.bytes)
    let streams = [
      link.call("PutDog", record("a", "1")),
      link.call("BatchPutDogs", list([record("a", "2"), record("b", long)])),
      link.call("PutDog", record("a", "3")),
      link.call("PutDog", record("c", "1" + long)),
      link.call("DeleteDogsByPk", [0x0A, 1, UInt8(ascii: "c")]),
      link.call("PutDog", record("b", "4")),
    ]
    link.finish()
    #expect(streams.map { link.status($0) } == Array(repeating: "0", count: streams.count))
    #expect(try link.value("a") == record("a", "3"))
    #expect(try link.value("b") == record("b", "4"))
    #expect(try link.value("c") == nil)
  }
}

extension ByteWriter {
  /// Fields that no message has, of so many bytes or a few more.
  fileprivate static func padding(_ bytes: Int) -> [UInt8] {
    var writer = ByteWriter()
    [UInt8](repeating: 7, count: bytes).withUnsafeBytes { writer.appendField(100, $0) }
    return writer.array()
  }
}
