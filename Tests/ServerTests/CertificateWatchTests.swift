import Engine
import EngineRocksDB
import Logging
import Schema
import Server
import Synchronization
import TestSupport
import Testing
import Wire

/// What was logged, for a test to look at.
private final class Lines: Sendable {
  private let lines = Mutex<[String]>([])

  func append(_ line: String) { lines.withLock { $0.append(line) } }
  func count(_ part: String) -> Int { lines.withLock { $0.count { $0.contains(part) } } }
}

private struct LineHandler: LogHandler {
  let lines: Lines
  var metadata = Logger.Metadata()
  var logLevel = Logger.Level.info

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    lines.append("\(event.level) \(event.message) \(event.metadata ?? [:])")
  }
}

@Suite("Certificate watch") struct CertificateWatchTests {
  /// Nobody says so: the server looks at its files.
  @Test func findsAnotherCertificateAndLosesNoCall() async throws {
    let files = try await TLSTestFiles()
    let folder = try TemporaryFolder()
    let tls = TLSFiles(certificate: folder.path + "/a.pem", key: folder.path + "/a.key")
    func put(_ certificate: TLSTestFiles.Name, _ key: TLSTestFiles.Name) throws {
      try folder.write("a.pem", TLSTestFiles.text(files.certificate(certificate)))
      try folder.write("a.key", TLSTestFiles.text(files.key(key)))
    }
    try put(.server, .server)
    let schema = try await SchemaCompiler(includeDirectories: []).compile(
      try folder.write("schema.proto", "syntax = \"proto3\"; message Dog { string pk = 1; }"))
    var configuration = ServerConfiguration(engines: EngineList([.rocksDB]), coreCount: 1)
    configuration.addresses = [.tcp(host: "127.0.0.1", port: 0)]
    configuration.tls = tls
    configuration.fileCheckMilliseconds = 20
    configuration.durability = .buffered
    configuration.dataDirectory = folder.path + "/data"
    let lines = Lines()
    let server = try DatabaseServer.open(
      schema: schema, configuration: configuration,
      logger: Logger(label: "test") { _ in LineHandler(lines: lines) })
    let port = try #require(try await server.start().first?.port)

    let isOver = Flag()
    async let calls = Self.load(port, isOver)
    let first = await Self.signature(port)
    // The key of another one: as long as it is there nothing is taken.
    try put(.otherServer, .server)
    #expect(await Self.eventually { lines.count("the one from before stays") == 1 })
    #expect(await Self.signature(port) == first)
    try put(.otherServer, .otherServer)
    #expect(await Self.eventually { lines.count("get the new certificate") == 1 })
    #expect(await Self.signature(port) != first)
    isOver.set()
    let (good, bad) = await calls
    #expect(good > 0 && bad == 0)
    await server.shutDown()
    #expect(lines.count("the one from before stays") == 1)
  }

  private final class Flag: Sendable {
    private let isSetNow = Atomic(false)
    var isSet: Bool { isSetNow.load(ordering: .relaxed) }
    func set() { isSetNow.store(true, ordering: .relaxed) }
  }

  private static func signature(_ port: Int) async -> [UInt8]? {
    await onThread { TLSSocketClient(port: port)?.serverSignature }
  }

  /// Looks every few milliseconds, for half a minute.
  private static func eventually(_ condition: @Sendable () -> Bool) async -> Bool {
    for _ in 0..<6000 {
      if condition() { return true }
      try? await Task.sleep(for: .milliseconds(5))
    }
    return false
  }

  /// Calls on one connection, which stays, and on new ones.
  private static func load(_ port: Int, _ isOver: Flag) async -> (good: Int, bad: Int) {
    await onThread {
      var (good, bad) = (0, 0)
      guard let kept = TLSSocketClient(port: port) else { return (0, 1) }
      while !isOver.isSet {
        for client in [kept, TLSSocketClient(port: port)] {
          guard let client else {
            bad += 1
            continue
          }
          let call = client.http2.request(
            "/grpc.health.v1.Health/Check", body: HTTP2TestClient.framed([]))
          let isAnswered = client.run(until: { $0.responses[call]?.isClosed == true })
          if isAnswered, client.http2.responses[call]?.headers["grpc-status"] == "0" {
            good += 1
          } else {
            bad += 1
          }
        }
      }
      return (good, bad)
    }
  }
}
