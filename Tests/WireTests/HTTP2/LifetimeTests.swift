import Bytes
import NIOEmbedded
import Platform
import Synchronization
import TestSupport
import Testing
import Wire

private let second: UInt64 = 1_000_000_000
private let calm: UInt32 = 11
private let everyStream = Int32.max

/// A server connection and a client, joined without a socket.
private final class Link {
  let client = HTTP2TestClient()
  let loop = EmbeddedEventLoop()
  let server: InMemoryConnection
  let later = LaterHandler()
  private let began = MonotonicClock.now()

  init(_ configure: (inout WireConfiguration) -> Void = { _ in }) throws {
    var configuration = WireConfiguration(loopCount: 1)
    configure(&configuration)
    server = try #require(
      InMemoryConnection(
        eventLoop: loop, configuration: configuration,
        unary: [("/t.S/Echo", EchoHandler()), ("/t.S/Later", later)]))
    exchange()
  }

  func exchange() {
    while true {
      let toServer = client.output()
      if !toServer.isEmpty { server.receive(toServer) }
      let toClient = server.send()
      client.receive(toClient)
      if toServer.isEmpty && toClient.isEmpty { return }
    }
  }

  func call(_ path: String = "/t.S/Echo") -> Int32 {
    let stream = client.request(path, body: HTTP2TestClient.framed([1]))
    exchange()
    return stream
  }

  /// Has the server look after the connection, some seconds after it began, and takes what it sends.
  func look(after seconds: UInt64) {
    server.look(now: began + seconds * second)
    client.receive(server.send())
  }

  func completeAll() {
    var completions = server.completions()
    for token in later.tokens.withLock({ $0 }) { completions.complete(token, .empty) }
    completions.post()
    loop.run()
    exchange()
  }

  func status(_ stream: Int32) -> String? { client.responses[stream]?.headers["grpc-status"] }
}

@Suite("Lifetime of a connection") struct LifetimeTests {
  @Test func endsAClientThatPingsTooOften() throws {
    let link = try Link()
    for _ in 0..<4 {
      #expect(link.client.goAways.isEmpty)
      link.client.ping()
      link.exchange()
    }
    #expect(link.client.goAways.map(\.code) == [calm])
    #expect(link.client.goAways.map(\.text) == ["too_many_pings"])
    #expect(link.server.isFinished)
  }

  @Test(arguments: ["/t.S/Echo", "/t.S/Nope"])
  func forgivesPingsWithEachAnswer(_ path: String) throws {
    let link = try Link()
    for _ in 0..<50 {
      _ = link.call(path)
      link.client.ping()
      link.client.ping()
      link.exchange()
    }
    #expect(link.client.goAways.isEmpty)
  }

  @Test func findsOutThatAClientIsGone() throws {
    let link = try Link()
    link.look(after: 1)
    link.look(after: 300)
    #expect(link.client.pingCount == 0)
    link.look(after: 302)
    #expect(link.client.pingCount == 1)
    link.look(after: 321)
    #expect(!link.server.isFinished)
    link.look(after: 323)
    #expect(link.server.isFinished)
    #expect(link.client.goAways.map(\.text) == ["keepalive_timeout"])
  }

  @Test func keepsAClientThatAnswersItsPing() throws {
    let link = try Link { $0.lifetime.keepaliveTime = 10 * second }
    for time in stride(from: UInt64(1), to: 200, by: 5) {
      link.look(after: time)
      link.exchange()
    }
    #expect(link.client.pingCount > 10)
    #expect(link.client.goAways.isEmpty)
    #expect(link.status(link.call()) == "0")
  }

  @Test func servesCallsBetweenTheTwoGoAways() throws {
    let link = try Link()
    let first = link.call("/t.S/Later")
    // Opened before the client has seen the GOAWAY.
    let second = link.client.request("/t.S/Echo", body: HTTP2TestClient.framed([2]))
    link.server.beginDrain()
    link.exchange()
    #expect(link.client.goAways.map(\.lastStream) == [everyStream, second])
    #expect(link.client.goAways.map(\.text) == ["", "shutting_down"])
    #expect(link.status(second) == "0")
    #expect(!link.server.isFinished)
    link.completeAll()
    #expect(link.status(first) == "0")
    #expect(link.server.isFinished)
  }

  @Test func namesTheLastStreamOfAClientThatDoesNotAnswer() throws {
    let link = try Link()
    let stream = link.call("/t.S/Later")
    link.server.beginDrain()
    link.client.receive(link.server.send())
    link.look(after: 4)
    #expect(link.client.goAways.map(\.lastStream) == [everyStream])
    link.look(after: 6)
    #expect(link.client.goAways.map(\.lastStream) == [everyStream, stream])
  }

  @Test func takesTheAnswerToAnotherPingForNone() throws {
    let link = try Link { $0.lifetime.keepaliveTime = 10 * second }
    _ = link.call("/t.S/Later")
    link.look(after: 1)
    link.look(after: 12)
    #expect(link.client.pingCount == 1)
    let answer = link.client.output()
    link.server.beginDrain()
    link.server.receive(answer)
    link.client.receive(link.server.send())
    #expect(link.client.goAways.map(\.lastStream) == [everyStream])
  }

  @Test func endsAnIdleConnection() throws {
    let link = try Link { $0.lifetime.maximumIdle = 60 * second }
    #expect(link.status(link.call()) == "0")
    link.look(after: 1)
    link.look(after: 60)
    #expect(link.client.goAways.isEmpty)
    link.look(after: 62)
    link.exchange()
    // This client is done with the first GOAWAY: it answers no PING and reads nothing more.
    link.look(after: 68)
    #expect(link.client.goAways.map(\.lastStream) == [everyStream])
    #expect(link.server.isFinished)
  }

  @Test func endsAnOldConnectionAfterItsCalls() throws {
    let link = try Link {
      $0.lifetime.maximumAge = 100 * second
      $0.lifetime.ageGrace = 50 * second
    }
    let stream = link.call("/t.S/Later")
    link.look(after: 89)
    #expect(link.client.goAways.isEmpty)
    link.look(after: 111)
    link.exchange()
    #expect(link.client.goAways.map(\.text) == ["", "max_age"])
    #expect(!link.server.isFinished)
    link.completeAll()
    #expect(link.status(stream) == "0")
    #expect(link.server.isFinished)
  }

  @Test func endsTheCallsOfAnOldConnectionAfterTheGrace() throws {
    let link = try Link {
      $0.lifetime.maximumAge = 100 * second
      $0.lifetime.ageGrace = 50 * second
    }
    _ = link.call("/t.S/Later")
    link.look(after: 111)
    link.exchange()
    link.look(after: 139)
    #expect(!link.server.isFinished)
    link.look(after: 161)
    #expect(link.server.isFinished)
  }
}
