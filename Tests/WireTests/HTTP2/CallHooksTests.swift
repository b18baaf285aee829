import Bytes
import NIOEmbedded
import Synchronization
import TestSupport
import Testing
import Wire

private struct Echo: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    response.append(request)
    return request.count == 13
      ? .failed(RPCStatus(.notFound, reason: "UNLUCKY", "13 bytes")) : .done
  }
}

/// Answers with what the context says of its call.
private struct Introspection: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    for name in ["authorization", "traceparent", "te"] {
      response.append("\(name)=\(context.metadata(name) ?? "nil") ")
    }
    response.append("peer=\(context.peer?.address ?? "nil")")
    return .done
  }
}

private struct Silent: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome { .pending }
}

/// Lets in who says "open", once each; refreshed, nobody any more.
private final class Door: CallGate {
  let asked = Mutex<[String]>([])
  let methods = Mutex<[CallMethod]>([])
  let isLocked = Mutex(false)

  func prepare(_ methods: [CallMethod]) { self.methods.withLock { $0 = methods } }
  func makeConnectionGate() -> any ConnectionGate { Doorkeeper(self) }
}

private final class Doorkeeper: ConnectionGate {
  private let door: Door
  private var isLocked = false
  private var peer = ""

  init(_ door: Door) { self.door = door }

  func peerBecame(_ peer: PeerIdentity) { self.peer = peer.certificate?.names.first ?? "" }

  func caller(_ value: UnsafeRawBufferPointer, isRepeated: Bool) -> UInt32 {
    !isRepeated && value.elementsEqual("open".utf8) ? 7 : 1
  }

  func refusal(method: Int, caller: UInt32) -> RPCStatus? {
    door.asked.withLock { asked in
      asked.append(door.methods.withLock { $0[method].path })
    }
    if !isLocked, caller == 7 || caller == 0 && peer == "DNS:friend" { return nil }
    return RPCStatus(.permissionDenied, reason: "CLOSED", "say open")
  }

  func refresh() { isLocked = door.isLocked.withLock { $0 } }
}

private final class Ends: CallObserver {
  let calls = Mutex<[EndedCall]>([])

  func callEnded(_ call: EndedCall) { calls.withLock { $0.append(call) } }
}

@Suite("Call hooks") struct CallHooksTests {
  private func link(
    _ hooks: CallHooks, client: HTTP2TestClient = HTTP2TestClient(), numbers: NumberedStreams? = nil
  ) throws -> ServiceLink {
    let numbers = numbers ?? NumberedStreams(count: 3, messageBytes: 100)
    let health = HealthService()
    health.set(.serving, for: "")
    return try ServiceLink(
      unary: [
        ("/t.S/Echo", Echo()), ("/t.S/Context", Introspection()), ("/t.S/Silent", Silent()),
      ],
      streaming: ReflectionService(files: [], services: []).methods,
      serverStreams: [("/t.S/Numbers", numbers)], hooks: hooks, client: client)
  }

  private static let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

  // MARK: - Context

  @Test func keepsTheHeadersThatWereAskedFor() throws {
    let link = try link(CallHooks(keptMetadata: ["authorization", "traceparent"]))
    func context(_ headers: [(String, String)]) throws -> String {
      let stream = link.client.request(
        "/t.S/Context", body: HTTP2TestClient.framed([]), headers: headers)
      link.exchange()
      return String(decoding: try #require(link.messages(stream).first), as: UTF8.self)
    }
    #expect(
      try context([("authorization", "a"), ("x-other", "b"), ("traceparent", "c")])
        == "authorization=a traceparent=c te=nil peer=nil")
    #expect(
      try context([("authorization", "a"), ("traceparent", ""), ("authorization", "b")])
        == "authorization=a,b traceparent= te=nil peer=nil")
    #expect(try context([]) == "authorization=nil traceparent=nil te=nil peer=nil", "a new call")
  }

  // MARK: - Gate

  @Test(arguments: ["/t.S/Echo", "/t.S/Numbers", reflection])
  func asksTheGateBeforeAHandlerRuns(_ path: String) throws {
    let (door, numbers) = (Door(), NumberedStreams(count: 1, messageBytes: 1))
    let link = try link(CallHooks(gate: door, keptMetadata: ["authorization"]), numbers: numbers)
    func status(_ authorization: String) -> String? {
      // Lists services by reflection; the others take any message.
      let stream = link.client.request(
        path, body: HTTP2TestClient.framed([0x3a, 0]), headers: [("authorization", authorization)])
      link.exchange()
      return link.status(stream)
    }
    #expect(status("closed") == "7")
    #expect(numbers.streams.isEmpty)
    #expect(status("open") == "0")
    #expect(door.asked.withLock { $0 } == [path, path])
    #expect(link.requestBytes == 0)
  }

  @Test func refusesBeforeTheMessageComes() throws {
    let door = Door()
    let link = try link(CallHooks(gate: door))
    func opened(_ headers: [(String, String)]) -> Int32 {
      let stream = link.client.request(
        "/t.S/Echo", body: HTTP2TestClient.framed([1]).dropLast(), endsStream: false,
        headers: headers)
      link.exchange()
      return stream
    }
    for headers in [
      [], [("authorization", "shut")], [("authorization", "open"), ("authorization", "open")],
    ] {
      #expect(link.status(opened(headers)) == "7")
    }
    let stream = opened([("authorization", "open")])
    #expect(link.status(stream) == nil)
    link.client.send([1], on: stream, endsStream: true)
    link.exchange()
    #expect(link.status(stream) == "0")
    #expect(link.requestBytes == 0)
  }

  @Test func tellsTheGateWhoIsThere() throws {
    let friend = PeerIdentity(
      remoteAddress: nil, certificate: PeerCertificate(dnsNames: ["friend"]))
    for (peer, expected) in [(friend, "0"), (PeerIdentity(remoteAddress: nil), "7")] {
      let link = try ServiceLink(
        unary: [("/t.S/Echo", Echo())], hooks: CallHooks(gate: Door()), peer: peer)
      #expect(link.status(link.open("/t.S/Echo", [[1]])) == expected)
    }
  }

  @Test func endsWhatIsAllowedNoMore() throws {
    let (door, numbers) = (Door(), NumberedStreams(count: .max, messageBytes: 70_000))
    let link = try link(
      CallHooks(gate: door), client: HTTP2TestClient(windowBytes: 100_000, readsAtOnce: false),
      numbers: numbers)
    func opened(_ path: String, _ body: [UInt8], endsStream: Bool) -> Int32 {
      let stream = link.client.request(
        path, body: body, endsStream: endsStream, headers: [("authorization", "open")])
      link.exchange()
      return stream
    }
    let message = HTTP2TestClient.framed([1, 2, 3])
    let numbered = opened("/t.S/Numbers", message, endsStream: true)
    let reflected = opened(Self.reflection, HTTP2TestClient.framed([0x3a, 0]), endsStream: false)
    let unfinished = opened("/t.S/Echo", message, endsStream: false)
    let pending = opened("/t.S/Silent", message, endsStream: true)
    link.server?.recheckCalls()
    link.exchange()
    for stream in [numbered, reflected, unfinished, pending] { #expect(link.status(stream) == nil) }
    door.isLocked.withLock { $0 = true }
    link.server?.recheckCalls()
    link.exchange()
    link.client.read(numbered, 100_000)
    link.exchange()
    for stream in [reflected, unfinished] { #expect(link.status(stream) == "7") }
    #expect(numbers.streams.allSatisfy { $0.cancels == 1 })
    // The handler of a unary call has it, and will answer.
    #expect(link.status(pending) == nil)
    #expect(link.requestBytes == 0)
  }

  // MARK: - Observer

  enum Ending: CaseIterable {
    case ok, failed, unknownMethod, refused, plainHTTP, stream, reflection, reset, deadline
    case disconnect, closedGate, unreadAnswerReset, drainedStream
  }

  @Test(arguments: Ending.allCases)
  func tellsOfEachCallOnce(_ ending: Ending) throws {
    let ends = Ends()
    var hooks = CallHooks(observer: ends)
    if ending == .closedGate { hooks.gate = Door() }
    let isHeld = ending == .unreadAnswerReset || ending == .drainedStream
    let link = try link(
      hooks, client: HTTP2TestClient(windowBytes: isHeld ? 0 : 65535, readsAtOnce: !isHeld),
      numbers: NumberedStreams(count: ending == .drainedStream ? .max : 3, messageBytes: 70_000))
    func open(_ path: String, _ body: [UInt8]) -> Int32 {
      let stream = link.client.request(path, body: body, headers: [("grpc-timeout", "1H")])
      link.exchange()
      return stream
    }
    let message = HTTP2TestClient.framed([1, 2, 3])
    var path: String? = "/t.S/Echo"
    let status: StatusCode
    var request = (1, 3)
    var response = (0, 0)
    switch ending {
    case .ok:
      (status, response) = (.ok, (1, 3))
      _ = open("/t.S/Echo", message)
    case .failed:
      (status, request) = (.notFound, (1, 13))
      _ = open("/t.S/Echo", HTTP2TestClient.framed([UInt8](repeating: 1, count: 13)))
    case .unknownMethod:
      (status, path, request) = (.unimplemented, nil, (0, 0))
      _ = open("/t.S/Nope", message)
    case .refused:
      (status, request) = (.internal, (0, 0))
      _ = open("/t.S/Echo", [2, 0, 0, 0, 0])
    case .plainHTTP:
      (status, request) = (.unknown, (0, 0))
      _ = link.client.request("/t.S/Echo", body: message, contentType: "text/plain")
      link.exchange()
    case .stream:
      (status, path, response) = (.ok, "/t.S/Numbers", (3, 210_000))
      _ = open("/t.S/Numbers", message)
    case .reflection:
      (status, path, request) = (.ok, Self.reflection, (2, 4))
      let list = HTTP2TestClient.framed([0x3a, 0])
      let stream = open(Self.reflection, list + list)
      let messages = try link.messages(stream)
      response = (2, messages.map(\.count).reduce(0, +))
    case .reset, .deadline, .disconnect:
      (status, path) = (ending == .deadline ? .deadlineExceeded : .cancelled, "/t.S/Silent")
      let stream = open("/t.S/Silent", message)
      switch ending {
      case .reset: link.client.reset(stream)
      case .deadline: link.server?.expireCalls(now: .max / 2 + .max / 4)
      default: link.disconnect()
      }
      link.exchange()
    case .closedGate:
      (status, request) = (.permissionDenied, (0, 0))
      _ = open("/t.S/Echo", message)
    case .unreadAnswerReset:
      (status, response) = (.cancelled, (1, 3))
      link.client.reset(open("/t.S/Echo", message))
      link.exchange()
    case .drainedStream:
      (status, path, response) = (.unavailable, "/t.S/Numbers", (1, 70_000))
      let stream = open("/t.S/Numbers", message)
      link.server?.beginDrain()
      link.exchange()
      #expect(ends.calls.withLock { $0.isEmpty }, "its answer is not read yet")
      link.client.reset(stream)
      link.exchange()
    }
    link.disconnect()
    let calls = ends.calls.withLock { $0 }
    try #require(calls.count == 1)
    #expect(calls[0].method?.path == path)
    #expect(calls[0].status == status)
    #expect((calls[0].requestMessages, calls[0].requestBytes) == request)
    #expect((calls[0].responseMessages, calls[0].responseBytes) == response)
    #expect(calls[0].began > 0)
    #expect(calls[0].duration < 60_000_000_000)
  }
}
