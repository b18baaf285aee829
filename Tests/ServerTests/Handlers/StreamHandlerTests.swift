import Engine
import EngineLSM
import EngineRocksDB
import TestSupport
import Testing

@Suite("Stream handler") struct StreamHandlerTests {
  private static let service = "/database.Database/"
  private static let recordCount = 4000

  private static let schema = "syntax = \"proto3\"; message Dog { string pk = 1; string name = 2; }"

  private func withServer<Result: Sendable>(
    _ engine: EngineDescriptor, maximumStreamSeconds: Int,
    _ body: @escaping @Sendable (Int) -> Result
  ) async throws -> Result {
    try await ServerTests.withServer(
      Self.schema, engine, coreCount: 1, maximumStreamSeconds: maximumStreamSeconds
    ) { port in await onThread { body(port) } }
  }

  private static func key(_ index: Int) -> String { "k\(index + 10000)" }

  private static func fill(_ client: SocketClient) -> Bool {
    let name = String(repeating: "n", count: 900)
    for start in stride(from: 0, to: recordCount, by: 1000) {
      let list = (start..<start + 1000).flatMap { index in
        WireBytes.field(1, WireBytes.field(1, key(index)) + WireBytes.field(2, name))
      }
      let call = client.http2.request(service + "BatchPutDogs", body: HTTP2TestClient.framed(list))
      guard client.run(until: { $0.responses[call]?.isClosed == true }),
        client.http2.responses[call]?.headers["grpc-status"] == "0"
      else { return false }
    }
    return true
  }

  /// Gives credit for what has come, until the stream ends.
  private static func readAll(_ client: SocketClient, _ stream: Int32) {
    var readBytes = 0
    while let response = client.http2.responses[stream], !response.isClosed {
      let bytes = response.body.count
      client.http2.read(stream, bytes - readBytes)
      readBytes = bytes
      let isAlive = client.run(until: {
        $0.responses[stream]?.isClosed == true
          || ($0.responses[stream]?.body.count ?? 0) > readBytes
      })
      if !isAlive { return }
    }
  }

  /// The keys of all records in the messages of an answer.
  private static func keys(_ body: [UInt8]) -> [String] {
    var keys: [String] = []
    var rest = body[...]
    while rest.count >= 5 {
      let length = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
      var list = WireReader(Array(rest.dropFirst(5).prefix(length)))
      while let field = list.next() {
        guard field.number == 1 else { continue }
        var record = WireReader(field.bytes)
        if let pk = record.next() { keys.append(String(decoding: pk.bytes, as: UTF8.self)) }
      }
      rest = rest.dropFirst(5 + length)
    }
    return keys
  }

  @Test(
    "Is of one moment, whatever is written meanwhile", arguments: [EngineDescriptor.lsm, .rocksDB])
  func isOfOneMoment(_ engine: EngineDescriptor) async throws {
    let keys = try await withServer(engine, maximumStreamSeconds: 300) { port -> [String] in
      guard let client = SocketClient(port: port, HTTP2TestClient(readsAtOnce: false)),
        let writer = SocketClient(port: port), Self.fill(writer)
      else { return [] }
      let stream = client.http2.request(
        Self.service + "StreamDogsByPk",
        body: HTTP2TestClient.framed(WireBytes.field(4, "") + WireBytes.field(18, varint: 1)))
      _ = client.run(until: { ($0.responses[stream]?.body.count ?? 0) >= 60000 })
      // Nearly all of it is still to be read.
      let delete = writer.http2.request(
        Self.service + "DeleteDogsByPk", body: HTTP2TestClient.framed(WireBytes.field(4, "")))
      _ = writer.run(until: { $0.responses[delete]?.isClosed == true })
      Self.readAll(client, stream)
      guard client.http2.responses[stream]?.headers["grpc-status"] == "0" else { return [] }
      return Self.keys(client.http2.responses[stream]?.body ?? [])
    }
    #expect(keys == (0..<Self.recordCount).reversed().map(Self.key))
  }

  @Test func letsAMomentGoThatIsReadTooSlowly() async throws {
    let (status, keys) = try await withServer(.lsm, maximumStreamSeconds: 0) {
      port -> (String?, [String]) in
      guard let client = SocketClient(port: port, HTTP2TestClient(readsAtOnce: false)),
        let other = SocketClient(port: port), Self.fill(other)
      else { return (nil, []) }
      let stream = client.http2.request(
        Self.service + "StreamDogsByPk", body: HTTP2TestClient.framed(WireBytes.field(4, "")))
      _ = client.run(until: { ($0.responses[stream]?.body.count ?? 0) >= 60000 })
      // Once a second the server looks what is too old.
      let clock = ContinuousClock()
      let start = clock.now
      while clock.now - start < .seconds(3) {
        let call = other.http2.request(
          Self.service + "GetDog",
          body: HTTP2TestClient.framed(WireBytes.field(1, Self.key(0))))
        _ = other.run(until: { $0.responses[call]?.isClosed == true })
      }
      Self.readAll(client, stream)
      let response = client.http2.responses[stream]
      return (response?.headers["grpc-status"], Self.keys(response?.body ?? []))
    }
    #expect(status == "10")
    // What came before is whole, and from the start.
    #expect(!keys.isEmpty && keys.count < Self.recordCount)
    #expect(keys == (0..<keys.count).map(Self.key))
  }
}
