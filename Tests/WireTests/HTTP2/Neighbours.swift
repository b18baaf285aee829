import Bytes
import NIOEmbedded
import Platform
import TestSupport
import Testing
import Wire

/// Several connections of one server's event loop, each with a client, joined without sockets.
final class Neighbours {
  private let loop = EmbeddedEventLoop()
  private let began = MonotonicClock.now()
  private(set) var servers: [InMemoryConnection] = []
  private(set) var clients: [HTTP2TestClient] = []

  init(
    _ clients: [HTTP2TestClient], unary: [(String, any UnaryHandler)],
    streaming: [(String, any StreamingHandler)] = [],
    _ configure: (inout WireConfiguration) -> Void = { _ in }
  ) throws {
    var configuration = WireConfiguration(loopCount: 1)
    configure(&configuration)
    for client in clients {
      servers.append(
        try #require(
          InMemoryConnection(
            eventLoop: loop, configuration: configuration, unary: unary, streaming: streaming,
            beside: servers.first)))
      self.clients.append(client)
    }
    exchange()
  }

  /// Bytes of answers and of requests that all connections hold.
  var answerBytes: Int { servers[0].budgets.answers.usedBytes }
  var requestBytes: Int { servers[0].budgets.requests.usedBytes }

  /// Carries bytes both ways, at most 16 KiB of a client at a time, until nothing moves.
  ///
  /// - Parameter look: is called again and again in between.
  func exchange(_ look: () -> Void = {}) {
    var isMoving = true
    while isMoving {
      isMoving = false
      for (server, client) in zip(servers, clients) {
        var toServer = client.output()[...]
        while !toServer.isEmpty {
          server.receive(Array(toServer.prefix(16 << 10)))
          toServer = toServer.dropFirst(16 << 10)
          look()
          isMoving = true
        }
        loop.run()
        let toClient = server.send()
        client.receive(toClient)
        if !toClient.isEmpty { isMoving = true }
      }
    }
  }

  /// Lets time go by, in seconds since the beginning, and carries what follows.
  func look(after seconds: Double) {
    let now = began + UInt64(seconds * 1e9)
    for server in servers { server.look(now: now) }
    exchange()
  }

  /// Begins a call of a client with one message, and tells its stream.
  func call(
    _ client: Int, _ path: String, _ bytes: Int, sent: Int? = nil
  ) -> Int32 {
    let body = HTTP2TestClient.framed([UInt8](repeating: 7, count: bytes))
    let stream = clients[client].request(
      path, body: Array(body.prefix(sent ?? body.count)), endsStream: sent == nil)
    exchange()
    return stream
  }

  func status(_ client: Int, _ stream: Int32) -> String? {
    clients[client].responses[stream]?.headers["grpc-status"]
  }

  func resetCode(_ client: Int, _ stream: Int32) -> UInt32? {
    clients[client].responses[stream]?.resetCode
  }
}
