import Dispatch
import Glibc
import Logging
import Schema
import Server

/// A server as a process: log, start, the line on stdout, signals, exit code.
enum ServerProcess {
  static func run(schema: CompiledSchema?, options: ServerOptions) async -> Never {
    let level = options.logLevel
    var logger = Logger(label: "seandb") { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = level
      return handler
    }
    logger.logLevel = level
    do throws(ServerError) {
      let server = try DatabaseServer.open(
        schema: schema, configuration: options.serverConfiguration, logger: logger)
      let signals = TerminationSignals()
      let port = try await server.start()
      Terminal.say("listening on \(options.listen.text(port: port))")
      let signal = await signals.first()
      logger.info("draining", metadata: ["signal": "\(signal)"])
      await server.shutDown()
      logger.info("stopped")
      Terminal.end(0)
    } catch {
      if case .schemaBreaks = error {
        Terminal.warn("\(error)")
        Terminal.end(Terminal.failure)
      }
      Terminal.fail("\(error)")
    }
  }
}

/// SIGTERM and SIGINT: the first is awaited, the second ends the process at once.
///
/// Confined to the task that made it.
final class TerminationSignals {
  private let sources: [any DispatchSourceSignal]
  private let stream: AsyncStream<Int32>

  init() {
    let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
    self.stream = stream
    let queue = DispatchQueue(label: "seandb.signals")
    let counter = SignalCounter()
    sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        // 128 + signal: what a shell reports for a process that the signal killed.
        if counter.next() > 1 { _exit(128 + number) }
        continuation.yield(number)
      }
      source.resume()
      return source
    }
  }

  /// Waits for the first signal.
  func first() async -> Int32 {
    for await number in stream { return number }
    return SIGTERM
  }

  // SAFETY of `@unchecked Sendable`: only the signals' serial queue uses it.
  private final class SignalCounter: @unchecked Sendable {
    private var count = 0

    func next() -> Int {
      count += 1
      return count
    }
  }
}
