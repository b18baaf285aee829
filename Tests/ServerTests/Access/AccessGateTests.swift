import Access
import Bytes
import Engine
import EngineLSM
import Logging
import NIOCore
import NIOEmbedded
import Platform
import Schema
import Server
import TestSupport
import Testing
import Wire

@Suite("Access from other machines") struct AccessGateTests {
  @Test(arguments: [
    ("127.0.0.1", true), ("127.255.0.9", true), ("::1", true), ("::ffff:127.0.0.1", true),
    ("0.0.0.0", false), ("::", false), ("10.0.0.1", false), ("192.168.1.1", false),
    ("::ffff:10.0.0.1", false), ("fe80::1", false), ("2001:db8::127", false),
  ])
  func knowsThisMachine(_ address: String, _ isThisMachine: Bool) throws {
    let peer = PeerIdentity(remoteAddress: try SocketAddress(ipAddress: address, port: 1))
    #expect(peer.isLocal == isThisMachine)
  }

  private static func schema(_ folder: TemporaryFolder) async throws -> CompiledSchema {
    let path = try folder.write(
      "schema.proto", "syntax = \"proto3\"; message Dog { string pk = 1; }")
    return try await SchemaCompiler(includeDirectories: []).compile(path)
  }

  private struct Nothing: UnaryHandler {
    func call(
      _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
    ) -> UnaryOutcome { .done }
  }

  @Test(arguments: [
    ("127.0.0.1", false, false, true), ("10.0.0.1", false, false, false),
    ("10.0.0.1", true, false, true), ("10.0.0.1", false, true, true),
  ])
  func takesATokenWhereNobodyElseCanReadIt(
    _ address: String, _ isEncrypted: Bool, _ isInsecure: Bool, _ isTaken: Bool
  ) async throws {
    let schema = try await Self.schema(TemporaryFolder())
    let token = AccessToken.make()
    let peer = PeerIdentity(
      remoteAddress: try SocketAddress(ipAddress: address, port: 1),
      link: isEncrypted ? .tls : .plaintext)
    #expect(
      try Self.status(schema, token, peer, isInsecure, AccessFixture.bearer(token))
        == (isTaken ? "0" : "16"))
  }

  @Test(arguments: [
    (PeerCertificate(dnsNames: ["friend"]), "0"),
    (PeerCertificate(uris: ["x"], commonName: "friend"), "0"),
    (PeerCertificate(dnsNames: ["other"]), "16"), (nil, "16"),
    (PeerCertificate(dnsNames: ["friend"], expires: Timestamp(seconds: 1 << 40)), "0"),
    // It was let in, and has expired since.
    (PeerCertificate(dnsNames: ["friend"], expires: Timestamp(seconds: 1_000_000_000)), "16"),
  ])
  func knowsVerifiedCertificates(_ shown: PeerCertificate?, _ expected: String) async throws {
    let schema = try await Self.schema(TemporaryFolder())
    let peer = PeerIdentity(
      remoteAddress: try SocketAddress(ipAddress: "10.0.0.1", port: 1), link: .tls,
      certificate: shown)
    #expect(try Self.status(schema, .make(), peer, false, []) == expected)
    // A header counts before a certificate, also one that says nothing.
    for value in ["Bearer " + AccessToken.make().text, "Bearer", ""] {
      let header = [("authorization", value)]
      #expect(try Self.status(schema, .make(), peer, false, header) == "16", "\(value.count)")
    }
  }

  /// The status of a call to PutDog.
  private static func status(
    _ schema: CompiledSchema, _ known: AccessToken, _ peer: PeerIdentity, _ isInsecure: Bool,
    _ headers: [(String, String)]
  ) throws -> String? {
    let file = """
      [[role]]
      name = "vet"
      allow = ["Dog: write"]
      \(known.table(id: "a", roles: ["vet"], expires: nil))
      [[certificate]]
      san = "DNS:friend"
      roles = ["vet"]
      [[certificate]]
      san = "CN:friend"
      roles = ["vet"]
      """
    let models = schema.models.map { AccessModel(name: $0.name, fullName: $0.fullName) }
    let control = AccessControl(
      try AccessPolicy(Array(file.utf8), path: "", models: models), service: schema.serviceName,
      models: schema.models, takesExposedTokens: isInsecure)
    let loop = EmbeddedEventLoop()
    let server = InMemoryConnection(
      eventLoop: loop, configuration: WireConfiguration(loopCount: 1),
      unary: [(AccessFixture.service + "PutDog", Nothing())], hooks: CallHooks(gate: control),
      peer: peer)
    let client = HTTP2TestClient()
    let stream = client.request(
      AccessFixture.service + "PutDog", body: HTTP2TestClient.framed([]),
      headers: headers)
    for _ in 0..<4 {
      server?.receive(client.output())
      loop.run()
      client.receive(server?.send() ?? [])
    }
    return client.responses[stream]?.headers["grpc-status"]
  }
}
