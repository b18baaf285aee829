import Bytes
import TestSupport
import Testing
import Wire

@Suite("Health service")
struct HealthServiceTests {
  private let health = HealthService()
  private let link: ServiceLink

  init() throws {
    link = try ServiceLink(unary: health.unaryMethods, serverStreams: health.serverStreams)
  }

  private static func request(_ service: String) -> [UInt8] {
    protobuf { if !service.isEmpty { $0.appendField(1, service) } }
  }

  private func check(_ service: String) throws -> (status: String?, value: UInt64?) {
    let stream = link.open("/grpc.health.v1.Health/Check", [Self.request(service)])
    let value = try link.messages(stream).first.map { try TestFields($0).varints[1]?.last ?? 0 }
    return (link.status(stream), value)
  }

  private func watched(_ stream: Int32) throws -> [UInt64] {
    try link.messages(stream).map { try TestFields($0).varints[1]?.last ?? 0 }
  }

  @Test func checkAnswersTheStatusThatWasSet() throws {
    health.set(.serving, for: "")
    health.set(.notServing, for: "a.B")
    health.set(.unknown, for: "c.D")
    #expect(try check("") == ("0", 1))
    #expect(try check("a.B") == ("0", 2))
    #expect(try check("c.D") == ("0", 0))
    health.set(.serving, for: "a.B")
    #expect(try check("a.B") == ("0", 1))
  }

  @Test func checkOfAnUnknownServiceIsNotFound() throws {
    #expect(try check("no.Such") == ("5", nil))
  }

  @Test func rejectsABrokenRequest() {
    let stream = link.open("/grpc.health.v1.Health/Check", [[0x0a, 0x05, 0x61]])
    #expect(link.status(stream) == "13")
  }

  @Test func listsEveryService() throws {
    health.set(.serving, for: "b")
    health.set(.notServing, for: "")
    health.set(.unknown, for: "a")
    let stream = link.open("/grpc.health.v1.Health/List", [[]])
    let entries = try TestFields(try #require(try link.messages(stream).first)).messages(1)
    #expect(entries.map { $0.strings(1).first } == ["", "a", "b"])
    #expect(try entries.map { try $0.messages(2).first?.varints[1]?.last ?? 0 } == [2, 0, 1])
  }

  @Test func refusesALongList() {
    for index in 0..<101 { health.set(.serving, for: "s\(index)") }
    let stream = link.open("/grpc.health.v1.Health/List", [[]])
    #expect(link.status(stream) == "8")
    #expect(link.sentence(stream) == "there are over 100 services; use Check for each")
  }

  @Test func watchSendsTheStatusNowAndEachChangeOnce() throws {
    health.set(.serving, for: "a")
    let stream = link.open("/grpc.health.v1.Health/Watch", [Self.request("a")])
    #expect(try watched(stream) == [1])
    health.set(.serving, for: "a")
    health.set(.notServing, for: "another")
    link.exchange()
    #expect(try watched(stream) == [1])
    health.set(.notServing, for: "a")
    health.set(.serving, for: "a")
    link.exchange()
    #expect(try watched(stream) == [1, 2, 1])
    #expect(link.status(stream) == nil, "the stream stays open")
  }

  @Test func watchTellsASlowClientTheLatestAlone() throws {
    let link = try ServiceLink(
      serverStreams: health.serverStreams,
      client: HTTP2TestClient(windowBytes: 7, readsAtOnce: false))
    health.set(.serving, for: "a")
    let stream = link.open("/grpc.health.v1.Health/Watch", [Self.request("a")])
    #expect(try watched(stream, link) == [1])
    // Many small messages wait below the low mark; then only the latest status does.
    for round in 0..<30_000 {
      health.set(round % 2 == 0 ? .notServing : .serving, for: "a")
      if round % 7 == 0 { link.exchange() }
    }
    link.exchange()
    #expect(link.answerBytes <= (64 << 10) + 7)
    health.set(.unknown, for: "a")
    var read = 0
    while let received = link.client.responses[stream]?.body.count, received > read {
      link.client.read(stream, received - read)
      read = received
      link.exchange()
    }
    let all = try watched(stream, link)
    #expect(all.last == 0)
    #expect(zip(all, all.dropFirst()).allSatisfy { $0 != $1 })
    #expect(link.status(stream) == nil)
  }

  private func watched(_ stream: Int32, _ link: ServiceLink) throws -> [UInt64] {
    try link.messages(stream).map { try TestFields($0).varints[1]?.last ?? 0 }
  }

  @Test func watchOfAnUnknownServiceWaitsForIt() throws {
    let stream = link.open("/grpc.health.v1.Health/Watch", [Self.request("later")])
    #expect(try watched(stream) == [3])
    #expect(link.status(stream) == nil)
    health.set(.serving, for: "later")
    link.exchange()
    #expect(try watched(stream) == [3, 1])
  }

  @Test func watchTakesExactlyOneRequest() throws {
    #expect(link.status(link.open("/grpc.health.v1.Health/Watch", [])) == "12")
    #expect(link.status(link.open("/grpc.health.v1.Health/Watch", [[], []])) == "12")
  }

  @Test func watcherThatWentAwayIsForgotten() throws {
    health.set(.serving, for: "a")
    let gone = link.open("/grpc.health.v1.Health/Watch", [Self.request("a")])
    let stays = link.open("/grpc.health.v1.Health/Watch", [Self.request("a")])
    link.client.reset(gone)
    link.exchange()
    health.set(.notServing, for: "a")
    link.exchange()
    #expect(try watched(gone) == [1])
    #expect(try watched(stays) == [1, 2])
  }

  @Test func shutDownTellsWatchersAndEndsThem() throws {
    health.set(.serving, for: "")
    health.set(.notServing, for: "told already")
    let stream = link.open("/grpc.health.v1.Health/Watch", [Self.request("")])
    let told = link.open("/grpc.health.v1.Health/Watch", [Self.request("told already")])
    health.shutDown()
    health.set(.serving, for: "")
    link.exchange()
    #expect(try watched(stream) == [1, 2])
    #expect(link.status(stream) == "14")
    #expect(link.sentence(stream) == "the server is shutting down; connect again")
    #expect(try watched(told) == [2])
    #expect(link.status(told) == "14")
    #expect(try check("") == ("0", 2))
    let late = link.open("/grpc.health.v1.Health/Watch", [Self.request("")])
    #expect(try watched(late) == [2])
    #expect(link.status(late) == "14")
  }
}
