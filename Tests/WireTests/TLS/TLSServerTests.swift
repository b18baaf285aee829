import Bytes
import Logging
import TestSupport
import Testing
import Wire

/// Answers with the request, or with who calls.
private struct Echo: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    guard request.isEmpty, let peer = context.peer else {
      response.append(Array(request))
      return .done
    }
    let certificate = peer.certificate
    let names = [
      "\(peer.link)", peer.isConfidential ? "confidential" : "open",
      certificate?.dnsNames.joined(separator: ",") ?? "-",
      certificate?.uris.joined(separator: ",") ?? "-", certificate?.commonName ?? "-",
    ]
    response.append(Array(names.joined(separator: " ").utf8))
    return .done
  }
}

/// A stream of 64 KiB messages without an end.
private struct Endless: ServerStreamHandler {
  func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart {
    .stream(EndlessStream())
  }
}

private final class EndlessStream: ServerStream {
  func pull(_ response: inout ByteWriter) -> PullOutcome {
    response.append([UInt8](repeating: 7, count: 64 << 10))
    return .message
  }

  func cancel() {}
}

/// Runs servers of TLS for tests.
enum TLSTestServer {
  static let echo = "/t.S/Echo"
  static let endless = "/t.S/Endless"

  static func run(
    _ files: TLSFiles, handshakeMilliseconds: UInt64 = 10_000,
    _ body: @escaping @Sendable (_ port: Int, _ server: GRPCServer) async throws -> Void
  ) async throws {
    var configuration = WireConfiguration(loopCount: 2)
    configuration.handshakeTime = handshakeMilliseconds * 1_000_000
    configuration.maximumRequestBytes = 32 << 20
    configuration.drainStallGrace = 500_000_000
    let server = GRPCServer(
      configuration: configuration,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    server.register(echo, unary: Echo())
    server.register(endless, serverStream: Endless())
    let port = try await server.start(
      BoundAddress(host: "127.0.0.1", port: 0), tls: TLSIdentity(files))
    do {
      try await body(port, server)
      await server.drain()
      await server.close()
    } catch {
      await server.close()
      throw error
    }
  }

  /// The answer to a call of ``echo``; nil when there is none.
  static func call(_ client: TLSSocketClient?, _ message: [UInt8] = []) -> [UInt8]? {
    guard let client else { return nil }
    let call = client.http2.request(echo, body: HTTP2TestClient.framed(message))
    guard client.run(until: { $0.responses[call]?.isClosed == true }),
      let response = client.http2.responses[call], response.headers["grpc-status"] == "0"
    else { return nil }
    return Array(response.body.dropFirst(5))
  }

  static func text(_ answer: [UInt8]?) -> String? {
    answer.map { String(decoding: $0, as: UTF8.self) }
  }
}

@Suite("Server with TLS") struct TLSServerTests {
  private static func plain(_ files: TLSTestFiles) -> TLSFiles {
    TLSFiles(certificate: files.certificate(.server), key: files.key(.server))
  }

  private static func mutual(_ files: TLSTestFiles) -> TLSFiles {
    var all = plain(files)
    all.clientAuthorities = files.certificate(.authority)
    return all
  }

  /// What a client with these options gets for an empty call.
  private static func answer(
    _ port: Int, _ options: TLSSocketClient.Options = .init()
  ) async -> String? {
    await onThread {
      TLSTestServer.text(TLSTestServer.call(TLSSocketClient(port: port, options: options)))
    }
  }

  @Test(arguments: [false, true]) func answersByBothVersions(isTLS12: Bool) async throws {
    let files = try await TLSTestFiles()
    try await TLSTestServer.run(Self.plain(files)) { port, _ in
      var options = TLSSocketClient.Options()
      options.isTLS12 = isTLS12
      let version = await onThread { [options] in
        TLSSocketClient(port: port, options: options)?.version
      }
      #expect(version == (isTLS12 ? "TLSv1.2" : "TLSv1.3"))
      #expect(await Self.answer(port, options) == "tls confidential - - -")
    }
  }

  /// No ALPN, one without h2, and a version that nobody should speak any more.
  @Test func endsClientsThatAreNotHTTP2OrTooOld() async throws {
    let files = try await TLSTestFiles()
    try await TLSTestServer.run(Self.plain(files)) { port, _ in
      for alpn in [nil, "http/1.1"] {
        let isClosed = await onThread {
          var options = TLSSocketClient.Options()
          options.alpn = alpn
          return TLSSocketClient(port: port, options: options)?.isClosedCleanly()
        }
        #expect(isClosed == true)
      }
      var old = TLSSocketClient.Options()
      old.isOld = true
      #expect(await Self.answer(port, old) == nil)
      #expect(await Self.answer(port) != nil)
    }
  }

  @Test func tellsHandlersWhatTheCertificateNames() async throws {
    let files = try await TLSTestFiles()
    try await TLSTestServer.run(Self.mutual(files)) { port, _ in
      func options(_ name: TLSTestFiles.Name?) -> TLSSocketClient.Options {
        var options = TLSSocketClient.Options()
        options.certificate = name.map(files.certificate)
        options.key = name.map(files.key)
        return options
      }
      for isTLS12 in [false, true] {
        var good = options(.client)
        good.isTLS12 = isTLS12
        #expect(
          await Self.answer(port, good)
            == "tls confidential billing.internal spiffe://test/billing billing")
        for bad: TLSTestFiles.Name? in [.stranger, .expiredClient, nil] {
          var refused = options(bad)
          refused.isTLS12 = isTLS12
          #expect(await Self.answer(port, refused) == nil, "\(String(describing: bad))")
        }
      }
    }
  }

  /// Of a server that has let in the clients of two authorities, and does not know one of them any more.
  @Test func endsTheClientsOfAnAuthorityThatIsGone() async throws {
    let files = try await TLSTestFiles()
    let folder = try TemporaryFolder()
    func put(_ names: TLSTestFiles.Name...) throws {
      let texts = try names.map { try TLSTestFiles.text(files.certificate($0)) }
      try folder.write("ca.pem", texts.joined())
    }
    try put(.authority, .otherAuthority)
    var paths = Self.plain(files)
    paths.clientAuthorities = folder.path + "/ca.pem"
    let identity = try TLSIdentity(paths)
    let server = GRPCServer(
      configuration: WireConfiguration(loopCount: 2),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    server.register(TLSTestServer.echo, unary: Echo())
    let port = try await server.start(BoundAddress(host: "127.0.0.1", port: 0), tls: identity)
    let clients = await onThread {
      ([.client, .stranger, .stranger] as [TLSTestFiles.Name]).map { name in
        var options = TLSSocketClient.Options()
        options.certificate = files.certificate(name)
        options.key = files.key(name)
        let client = TLSSocketClient(port: port, options: options)
        return TLSTestServer.call(client) == nil ? nil : Confined(client)
      }
    }
    func answers() async -> [Bool] {
      await onThread { clients.map { TLSTestServer.call($0?.client, [1]) == [1] } }
    }
    #expect(await answers() == [true, true, true])
    // The same authority, made anew, and one more.
    try put(.renewedAuthority, .otherAuthority, .namesake)
    #expect(identity.reload() == .taken(identity.facts))
    server.recheckClients()
    #expect(await answers() == [true, true, true])
    try put(.renewedAuthority, .namesake)
    #expect(identity.reload() == .taken(identity.facts))
    server.recheckClients()
    #expect(await answers() == [true, false, false])
    let goAway = await onThread { clients[1]?.client?.http2.goAways.last?.text }
    #expect(goAway == "client_certificate_withdrawn")
    await server.drain()
    await server.close()
  }

  // One thread at a time has it: each use is awaited.
  private final class Confined: @unchecked Sendable {
    let client: TLSSocketClient?
    init(_ client: TLSSocketClient?) { self.client = client }
  }

  @Test func closesPlaintextClients() async throws {
    let files = try await TLSTestFiles()
    try await TLSTestServer.run(Self.plain(files)) { port, _ in
      let isServed = await onThread {
        guard let client = SocketClient(port: port) else { return true }
        let call = client.http2.request(TLSTestServer.echo, body: HTTP2TestClient.framed([]))
        return client.run(until: { $0.responses[call]?.isClosed == true })
      }
      #expect(!isServed)
      #expect(await Self.answer(port) != nil)
    }
  }

  @Test func endsSilentHandshakesInTime() async throws {
    let files = try await TLSTestFiles()
    try await TLSTestServer.run(Self.plain(files), handshakeMilliseconds: 300) { port, _ in
      let areEnded = await onThread {
        let silent = (0..<300).compactMap { _ in SocketClient(port: port) }
        // A newcomer is served meanwhile.
        let isServed = TLSTestServer.call(TLSSocketClient(port: port)) != nil
        return isServed && silent.count == 300 && silent.allSatisfy { $0.isClosed() }
      }
      #expect(areEnded)
    }
  }

  @Test func takesLargeMessagesBothWays() async throws {
    let files = try await TLSTestFiles()
    try await TLSTestServer.run(Self.plain(files)) { port, server in
      for count in [1, 16_000, 300_000, 20 << 20] {
        let isRight = await onThread {
          let message = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
          return TLSTestServer.call(
            TLSSocketClient(port: port, HTTP2TestClient(windowBytes: 1 << 20)), message) == message
        }
        #expect(isRight, "\(count) bytes")
      }
      #expect(server.budgets.answers.usedBytes == 0)
      #expect(server.budgets.requests.usedBytes == 0)
    }
  }

  /// A client that does not read holds a message and the window's worth of them, by HTTP/2's windows and by TCP's.
  @Test func aStoppedReaderHoldsLittle() async throws {
    let files = try await TLSTestFiles()
    try await TLSTestServer.run(Self.plain(files)) { port, server in
      let isRight = await onThread {
        // Of the first the window is small, of the second only the socket is full.
        let slow = TLSSocketClient(port: port, HTTP2TestClient(readsAtOnce: false))
        let stuck = TLSSocketClient(port: port, HTTP2TestClient(windowBytes: 1 << 30))
        guard let slow, let stuck else { return false }
        for client in [slow, stuck] {
          let call = client.http2.request(TLSTestServer.endless, body: HTTP2TestClient.framed([]))
          guard client.run(until: { ($0.responses[call]?.body.count ?? 0) > 0 }) else {
            return false
          }
        }
        return (0..<200).allSatisfy { _ in TLSTestServer.call(TLSSocketClient(port: port)) != nil }
      }
      #expect(isRight)
      #expect(server.budgets.answers.usedBytes < 1 << 20)
    }
  }

  @Test func newConnectionsGetTheNewCertificate() async throws {
    let files = try await TLSTestFiles()
    let folder = try TemporaryFolder()
    let paths = TLSFiles(certificate: folder.path + "/a.pem", key: folder.path + "/a.key")
    func put(_ name: TLSTestFiles.Name) throws {
      try folder.write("a.pem", TLSTestFiles.text(files.certificate(name)))
      try folder.write("a.key", TLSTestFiles.text(files.key(name)))
    }
    try put(.server)
    let identity = try TLSIdentity(paths)
    let server = GRPCServer(
      configuration: WireConfiguration(loopCount: 1),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    server.register(TLSTestServer.echo, unary: Echo())
    let port = try await server.start(BoundAddress(host: "127.0.0.1", port: 0), tls: identity)
    let first = await onThread { TLSSocketClient(port: port)?.serverSignature }
    try put(.otherServer)
    #expect(identity.reload() == .taken(identity.facts))
    let second = await onThread { TLSSocketClient(port: port)?.serverSignature }
    #expect(first != nil && second != nil && first != second)
    await server.drain()
    await server.close()
  }
}
