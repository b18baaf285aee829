import Bytes
import Logging
import TestSupport
import Testing
import Wire

/// Never answers.
private struct Never: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome { .pending }
}

@Suite("A full house") struct FullHouseTests {
  private let message = HTTP2TestClient.framed([1])

  private func withServer(
    loops: Int, connections: Int,
    _ body: @escaping @Sendable (_ port: Int) -> Void
  ) async throws {
    var configuration = WireConfiguration(loopCount: loops)
    configuration.maximumConnections = connections
    let server = GRPCServer(
      configuration: configuration,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    server.register("/t.S/Echo", unary: EchoHandler())
    server.register("/t.S/Never", unary: Never())
    do {
      let port = try await server.start(BoundAddress(host: "127.0.0.1", port: 0))
      await onThread { body(port) }
      await server.close()
    } catch {
      await server.close()
      throw error
    }
  }

  /// A client that has begun a call, and knows that the server has it.
  private func busyClient(_ port: Int) -> (client: SocketClient, call: Int32)? {
    guard let client = SocketClient(port: port) else { return nil }
    let call = client.http2.request("/t.S/Never", body: message)
    return echoes(client) ? (client, call) : nil
  }

  private func echoes(_ client: SocketClient) -> Bool {
    let call = client.http2.request("/t.S/Echo", body: message)
    return client.run { $0.responses[call]?.isClosed == true }
      && client.http2.responses[call]?.headers["grpc-status"] == "0"
  }

  @Test(arguments: [1, 2])
  func letsGoOfTheConnectionThatIsIdleForLongest(loops: Int) async throws {
    try await withServer(loops: loops, connections: 3) { port in
      guard let busy = busyClient(port), let first = SocketClient(port: port), echoes(first),
        let second = SocketClient(port: port), echoes(second)
      else {
        Issue.record("not even a house that is not full serves")
        return
      }
      guard let newcomer = SocketClient(port: port) else {
        Issue.record("the newcomer is not taken")
        return
      }
      #expect(echoes(newcomer))
      // Two loops look at their connections at different times, and differ by half a second about what is older.
      let (gone, kept) = loops == 1 || echoes(second) ? (first, second) : (second, first)
      _ = gone.run { !$0.goAways.isEmpty }
      #expect(gone.http2.goAways.map(\.text) == ["too_many_connections"])
      #expect(gone.isClosed())
      #expect(echoes(kept))
      #expect(kept.http2.goAways.isEmpty)
      #expect(busy.client.http2.goAways.isEmpty)
      #expect(echoes(busy.client))
    }
  }

  @Test(arguments: [1, 2])
  func turnsNewcomersAwayWhenAllConnectionsHaveCalls(loops: Int) async throws {
    try await withServer(loops: loops, connections: 2) { port in
      let busy = (0..<2).compactMap { _ in busyClient(port) }
      #expect(busy.count == 2)
      // Another loop's connection seems to be idle until that loop has looked: then all are turned away.
      var (served, turnedAway) = (0, 0)
      while turnedAway < 20 && served < 1000 {
        if SocketClient(port: port).map(echoes) == true {
          served += 1
          turnedAway = 0
        } else {
          turnedAway += 1
        }
      }
      #expect(turnedAway == 20)
      if loops == 1 { #expect(served == 0) }
      for (client, _) in busy {
        #expect(echoes(client))
        #expect(client.http2.goAways.isEmpty)
      }
      // Once one of them has no call any more, there is room.
      busy[0].client.http2.reset(busy[0].call)
      #expect(echoes(busy[0].client))
      let end = ContinuousClock.now + .seconds(20)
      var isServed = false
      while !isServed && ContinuousClock.now < end {
        isServed = SocketClient(port: port).map(echoes) == true
      }
      #expect(isServed)
    }
  }

  /// Far more than may be on their way out at a time.
  @Test(arguments: [1, 2])
  func takesManyNewcomersInARow(loops: Int) async throws {
    try await withServer(loops: loops, connections: 8) { port in
      var clients: [SocketClient] = []
      for _ in 0..<200 {
        guard let client = SocketClient(port: port) else { break }
        clients.append(client)
        #expect(echoes(client))
      }
      #expect(clients.count == 200)
    }
  }
}
