import ArgumentParser
import Dispatch
import Foundation
import Logging
import Wire

/// Serves gRPC's test service by `Wire` alone, for clients of any language. Tests start it; it is no part of the
/// product.
@main
struct InteropServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "interop-server")

  @Option(help: "The interface to listen on.") var host = "127.0.0.1"
  @Option(help: "The port; 0 takes a free one.") var port = 0
  @Option(help: "The server's certificate, in PEM.") var tlsCert: String?
  @Option(help: "Its key.") var tlsKey: String?
  @Option(help: "Authorities whose clients are let in, and no others.") var tlsClientCa: String?

  func validate() throws {
    guard (tlsCert == nil) == (tlsKey == nil), tlsClientCa == nil || tlsCert != nil else {
      throw ValidationError("--tls-cert and --tls-key come together, --tls-client-ca with both")
    }
  }

  func run() async throws {
    var tls: TLSIdentity?
    if let tlsCert, let tlsKey {
      tls = try TLSIdentity(
        TLSFiles(certificate: tlsCert, key: tlsKey, clientAuthorities: tlsClientCa))
    }
    let stops = Self.stops()
    var configuration = WireConfiguration(loopCount: 2)
    configuration.letsHandlersCompress = true
    let server = GRPCServer(configuration: configuration, logger: Logger(label: "interop-server"))
    TestService.register(on: server)
    let address = try BoundAddress(host: host, port: port)
    try await server.start(address, tls: tls)
    FileHandle.standardOutput.write(Data("listening on \(address.address)\n".utf8))
    for await _ in stops { break }
    await server.drain()
    await server.close()
  }

  /// Has an element when the process is asked to end.
  private static func stops() -> AsyncStream<Void> {
    let (stops, continuation) = AsyncStream<Void>.makeStream()
    sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler { continuation.yield() }
      source.resume()
      return source
    }
    return stops
  }

  // SAFETY of `nonisolated(unsafe)`: written once, before there are other threads, so that they live as long as the
  // process; nobody reads it.
  private nonisolated(unsafe) static var sources: [any DispatchSourceSignal] = []
}
