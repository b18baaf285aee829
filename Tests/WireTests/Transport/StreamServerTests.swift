import Bytes
import Dispatch
import Logging
import TestSupport
import Testing
import Wire

/// Streams whose first request byte is their number of messages; every other message is made on another thread.
private struct Pages: ServerStreamHandler {
  static let messageBytes = 90_000
  /// The request of a stream without an end.
  static let endless: UInt8 = 255

  func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart {
    .stream(PageStream(context.output, request.first ?? 0))
  }
}

private final class PageStream: ServerStream {
  private let output: ResponseStream
  private let count: UInt8
  private var next: UInt8 = 0

  init(_ output: ResponseStream, _ count: UInt8) {
    self.output = output
    self.count = count
  }

  func pull(_ response: inout ByteWriter) -> PullOutcome {
    guard next < count || count == Pages.endless else { return .finished(nil) }
    let message = [UInt8](repeating: next, count: Pages.messageBytes)
    next &+= 1
    if next % 2 == 0 {
      response.append(message)
      return .message
    }
    let output = output
    DispatchQueue.global().async {
      var writer = ByteWriter()
      writer.append(message)
      output.send(writer)
    }
    return .pending
  }

  func cancel() {}
}

/// Answers with the request, or with its client's address.
private struct Echo: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    response.append(request.isEmpty ? Array((context.peer?.address ?? "").utf8) : Array(request))
    return .done
  }
}

@Suite("Server with streams") struct StreamServerTests {
  private func withServer(
    _ body: @escaping @Sendable (_ port: Int, _ server: GRPCServer) async throws -> Void
  ) async throws {
    var configuration = WireConfiguration(loopCount: 2)
    configuration.maximumAnswerMemoryBytes = 200_000
    configuration.lifetime.drainGrace = 60_000_000_000
    configuration.drainStallGrace = 500_000_000
    let server = GRPCServer(
      configuration: configuration,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    server.register("/t.S/Pages", serverStream: Pages())
    server.register("/t.S/Echo", unary: Echo())
    let port = try await server.start(BoundAddress(host: "127.0.0.1", port: 0))
    do {
      try await body(port, server)
      await server.drain()
      await server.close()
    } catch {
      await server.close()
      throw error
    }
  }

  @Test func manyStreamsShareLittleMemoryAndAllEnd() async throws {
    try await withServer { port, server in
      let isRight = await withTaskGroup(of: Bool.self, returning: [Bool].self) { group in
        for _ in 0..<4 {
          group.addTask {
            await onThread {
              guard let client = SocketClient(port: port) else { return false }
              let streams = (0..<8).map { _ in
                client.http2.request("/t.S/Pages", body: HTTP2TestClient.framed([20]))
              }
              guard
                client.run(until: { client in
                  streams.allSatisfy { client.responses[$0]?.isClosed == true }
                })
              else { return false }
              let expected = (0..<20).flatMap {
                HTTP2TestClient.framed([UInt8](repeating: UInt8($0), count: Pages.messageBytes))
              }
              return streams.allSatisfy {
                client.http2.responses[$0]?.body == expected
                  && client.http2.responses[$0]?.headers["grpc-status"] == "0"
              }
            }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(isRight == [true, true, true, true])
      #expect(server.budgets.answers.usedBytes == 0)
    }
  }

  @Test func tellsHandlersWhoCalls() async throws {
    try await withServer { port, _ in
      let address = await onThread { () -> String in
        guard let client = SocketClient(port: port) else { return "" }
        let call = client.http2.request("/t.S/Echo", body: HTTP2TestClient.framed([]))
        _ = client.run(until: { $0.responses[call]?.isClosed == true })
        return String(
          decoding: client.http2.responses[call]?.body.dropFirst(5) ?? [], as: UTF8.self)
      }
      #expect(address.hasPrefix("127.0.0.1:"))
    }
  }

  @Test func answersCallsBesideAnEndlessStream() async throws {
    try await withServer { port, _ in
      let isRight = await onThread {
        guard let client = SocketClient(port: port) else { return false }
        let endless = client.http2.request(
          "/t.S/Pages", body: HTTP2TestClient.framed([Pages.endless]))
        for round in 0..<50 {
          let call = client.http2.request("/t.S/Echo", body: HTTP2TestClient.framed([UInt8(round)]))
          guard client.run(until: { $0.responses[call]?.isClosed == true }),
            client.http2.responses[call]?.body == HTTP2TestClient.framed([UInt8(round)]),
            client.http2.responses[endless]?.isClosed != true
          else { return false }
        }
        return client.run(until: {
          ($0.responses[endless]?.body.count ?? 0) > 20 * Pages.messageBytes
        })
      }
      #expect(isRight)
    }
  }

  @Test func drainEndsAnEndlessStream() async throws {
    try await withServer { port, server in
      let isOpen = Gate()
      async let end = onThread { () -> (String?, Int) in
        guard let client = SocketClient(port: port) else { return (nil, 0) }
        let stream = client.http2.request(
          "/t.S/Pages", body: HTTP2TestClient.framed([Pages.endless]))
        _ = client.run(until: { ($0.responses[stream]?.body.count ?? 0) > 0 })
        isOpen.open()
        _ = client.run(until: { $0.responses[stream]?.isClosed == true })
        let response = client.http2.responses[stream]
        return (response?.headers["grpc-status"], response?.body.count ?? 0)
      }
      await onThread { isOpen.wait() }
      await server.drain()
      let (status, bytes) = await end
      #expect(status == "14")
      #expect(bytes % (Pages.messageBytes + 5) == 0, "no message is cut")
    }
  }
  @Test func drainDoesNotWaitForAClientThatStandsStill() async throws {
    try await withServer { port, server in
      let isOpen = Gate()
      let isOver = Gate()
      async let end: Void = onThread {
        guard let client = SocketClient(port: port) else { return isOpen.open() }
        let stream = client.http2.request(
          "/t.S/Pages", body: HTTP2TestClient.framed([Pages.endless]))
        _ = client.run(until: { ($0.responses[stream]?.body.count ?? 0) > 0 })
        isOpen.open()
        isOver.wait()
      }
      await onThread { isOpen.wait() }
      let start = ContinuousClock.now
      await server.drain()
      #expect(ContinuousClock.now - start < .seconds(20), "60 s are for those who get on")
      isOver.open()
      await end
    }
  }
}
