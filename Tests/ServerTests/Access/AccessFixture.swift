import Access
import Engine
import EngineLSM
import Foundation
import Logging
import Schema
import Server
import TestSupport
import Wire

/// A server with an access file, which tests write and change.
final class AccessFixture {
  static let service = "/database.Database/"
  let folder: TemporaryFolder
  let server: DatabaseServer
  let port: Int

  /// - Parameter milliseconds: from one look at the file to the next.
  init(_ file: String, milliseconds: Int = 60_000) async throws {
    folder = try TemporaryFolder()
    let path = try folder.write(
      "schema.proto",
      "syntax = \"proto3\"; message Dog { string pk = 1; } message Tag { string pk = 1; }")
    let schema = try await SchemaCompiler(includeDirectories: []).compile(path)
    var configuration = ServerConfiguration(engines: EngineList([.lsm]), coreCount: 2)
    configuration.addresses = [.tcp(host: "127.0.0.1", port: 0)]
    configuration.durability = .buffered
    configuration.dataDirectory = folder.path + "/data"
    configuration.accessFile = try folder.write("access.toml", file)
    configuration.fileCheckMilliseconds = milliseconds
    configuration.auditFile = folder.path + "/audit"
    server = try DatabaseServer.open(
      schema: schema, configuration: configuration,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    port = try await server.start().first?.port ?? 0
  }

  func replaceFile(_ text: String) throws { try folder.write("access.toml", text) }

  /// The lines of the audit log so far.
  func audit() throws -> String {
    try String(contentsOfFile: folder.path + "/audit", encoding: .utf8)
  }

  /// The status and the reason of a call; the reason is empty when it went well.
  static func call(
    _ client: SocketClient, _ method: String, _ message: [UInt8],
    _ headers: [(String, String)]
  ) -> (code: String, reason: String) {
    let path = method.hasPrefix("/") ? method : service + method
    let stream = client.http2.request(
      path, body: HTTP2TestClient.framed(message), headers: headers)
    guard client.run(until: { $0.responses[stream]?.isClosed == true }),
      let headers = client.http2.responses[stream]?.headers
    else { return ("gone", "") }
    return (headers["grpc-status"] ?? "none", reason(headers))
  }

  static func reason(_ headers: [String: String]) -> String {
    guard var text = headers["grpc-status-details-bin"] else { return "" }
    text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
    let bytes = Data(base64Encoded: text).map(Array.init) ?? []
    // Status.details (3) > Any.value (2) > ErrorInfo.reason (1)
    return String(decoding: field(1, of: field(2, of: field(3, of: bytes))), as: UTF8.self)
  }

  private static func field(_ number: Int, of bytes: [UInt8]) -> [UInt8] {
    var reader = WireReader(bytes)
    while let field = reader.next() { if field.number == number { return field.bytes } }
    return []
  }

  /// See `onThread`, beside what goes on.
  static func thread<R: Sendable>(_ body: @escaping @Sendable () -> R) -> Task<R, Never> {
    Task { await onThread(body) }
  }

  static func bearer(_ token: AccessToken) -> [(String, String)] {
    [("authorization", "Bearer " + token.text)]
  }
}
