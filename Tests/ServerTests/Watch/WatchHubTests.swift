import Engine
import EngineLSM
import EngineRocksDB
import TestSupport
import Testing

private typealias W = WireBytes

@Suite("Watch hub") struct WatchHubTests {
  private static let service = "/database.Database/"
  private static let schema = """
    syntax = "proto3";
    import "seandb/options.proto";
    message Dog { option (seandb.model) = {watch: {}}; string pk = 1; string name = 2; }
    message Cat { option (seandb.model) = {watch: {}}; string pk = 1; }
    """

  private static func call(_ client: SocketClient, _ method: String, _ request: [UInt8]) -> Bool {
    let call = client.http2.request(service + method, body: HTTP2TestClient.framed(request))
    return client.run(until: { $0.responses[call]?.isClosed == true })
      && client.http2.responses[call]?.headers["grpc-status"] == "0"
  }

  private static func put(_ client: SocketClient, _ key: String, size: Int = 10) -> Bool {
    call(
      client, "PutDog", W.field(1, key) + W.field(2, String(repeating: "n", count: size)))
  }

  /// What came: the keys of changes in their order, and the last revision.
  private struct Seen: Sendable {
    var keys: [String] = []
    var revision: UInt64 = 0

    /// - Parameter body: messages, the last one may be cut.
    init(_ body: [UInt8]) {
      var rest = body[...]
      while rest.count >= 5 {
        let length = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
        guard rest.count >= 5 + length else { return }
        var message = WireReader(Array(rest.dropFirst(5).prefix(length)))
        while let field = message.next() {
          switch field.number {
          case 1: revision = field.value
          case 2:
            var change = WireReader(field.bytes)
            // Of a PUT the key is the first one.
            if let part = change.next(), part.number == 2 {
              var key = WireReader(part.bytes)
              if let pk = key.next() { keys.append(String(decoding: pk.bytes, as: UTF8.self)) }
            }
          default: break
          }
        }
        rest = rest.dropFirst(5 + length)
      }
    }
  }

  /// Watches until a key came; begins anew after the last revision when a call is cancelled on the way.
  private static func follow(
    _ port: Int, _ request: [UInt8], until end: String, cancelsAfter count: Int
  )
    -> [String]
  {
    guard let client = SocketClient(port: port) else { return [] }
    var keys: [String] = []
    var request = request
    while true {
      let call = client.http2.request(
        service + "WatchDogs", body: HTTP2TestClient.framed(request))
      var seen = Seen([])
      let isAlive = client.run(until: {
        seen = Seen($0.responses[call]?.body ?? [])
        let isCancelled = count > 0 && seen.keys.count >= count && seen.revision > 0
        return seen.keys.last == end || isCancelled || $0.responses[call]?.isClosed == true
      })
      keys += seen.keys
      guard isAlive, client.http2.responses[call]?.isClosed != true, keys.last != end else {
        return keys
      }
      client.http2.reset(call)
      request = W.field(1, varint: seen.revision)
    }
  }

  /// Readers that stay and readers that come again, beside writers of both models.
  @Test(arguments: [EngineDescriptor.lsm, .rocksDB])
  func tellsEveryReaderEachChangeOnce(_ engine: EngineDescriptor) async throws {
    let count = 300
    let found = try await withServer(Self.schema, engine, coreCount: 2) { port -> [[String]] in
      async let readers = withTaskGroup(of: (Int, [String]).self) { group in
        for reader in 0..<6 {
          group.addTask {
            await onThread {
              let all = W.field(1, varint: 0)
              let filtered = all + W.field(3, W.field(4, "d"))
              let request = reader % 3 == 2 ? filtered : all
              return (
                reader,
                Self.follow(port, request, until: "dend", cancelsAfter: reader % 2 == 0 ? 40 : 0)
              )
            }
          }
        }
        var found = [[String]](repeating: [], count: 6)
        for await (reader, keys) in group { found[reader] = keys }
        return found
      }
      async let others = onThread {
        guard let client = SocketClient(port: port) else { return false }
        return (0..<count).allSatisfy { Self.call(client, "PutCat", W.field(1, "c\($0)")) }
      }
      let isWritten = await onThread {
        guard let client = SocketClient(port: port) else { return false }
        return (0..<count).allSatisfy { Self.put(client, "d\($0)") } && Self.put(client, "dend")
      }
      #expect(isWritten)
      #expect(await others)
      return await readers
    }
    let expected = (0..<count).map { "d\($0)" } + ["dend"]
    // Who was cut off and goes on filters no more, and nothing is left out for that.
    for keys in found { #expect(keys == expected) }
  }

  @Test func letsAMomentGoWhoseRecordsAreNotTaken() async throws {
    let status = try await withServer(Self.schema, .lsm, coreCount: 2, maximumStreamSeconds: 0) {
      port -> String? in
      await onThread {
        guard let client = SocketClient(port: port, HTTP2TestClient(readsAtOnce: false)),
          let writer = SocketClient(port: port),
          (0..<40).allSatisfy({ Self.put(writer, "d\($0)", size: 100_000) })
        else { return nil }
        let stream = client.http2.request(
          Self.service + "WatchDogs", body: HTTP2TestClient.framed(W.field(2, varint: 1)))
        _ = client.run(until: { ($0.responses[stream]?.body.count ?? 0) >= 60000 })
        // Once a second the server looks what is too old.
        let clock = ContinuousClock()
        let start = clock.now
        while clock.now - start < .seconds(3) { _ = Self.put(writer, "d0") }
        var readBytes = 0
        while let response = client.http2.responses[stream], !response.isClosed {
          let bytes = response.body.count
          client.http2.read(stream, bytes - readBytes)
          readBytes = bytes
          let isAlive = client.run(until: {
            $0.responses[stream]?.isClosed == true
              || ($0.responses[stream]?.body.count ?? 0) > readBytes
          })
          if !isAlive { return nil }
        }
        return client.http2.responses[stream]?.headers["grpc-status"]
      }
    }
    #expect(status == "10")
  }
}
