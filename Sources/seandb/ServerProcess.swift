import CMalloc
import Dispatch
import Glibc
import Logging
import Records
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
    // Buffers from this size on are given back to the system when they are freed; by default, glibc
    // raises the bound with the first large answer and then keeps the memory.
    mallopt(M_MMAP_THRESHOLD, 256 << 10)
    let configuration = options.serverConfiguration
    if let warning = options.memoryWarning(configuration) { Terminal.warn(warning) }
    do throws(ServerError) {
      let server = try DatabaseServer.open(
        schema: schema, configuration: configuration, logger: logger)
      if configuration.isInsecure { Terminal.warn(insecurityWarning(configuration)) }
      // A server that has nothing to take anew is ended by SIGHUP, as ever.
      try TerminationSignals.install(
        withHangUp: configuration.accessFile != nil || configuration.auditFile != nil)
      let port = try await server.start()
      Terminal.say("listening on \(options.listen.text(port: port))")
      let signal = await TerminationSignals.first { server.reload() }
      logger.info("draining", metadata: ["signal": "\(signal)"])
      guard await server.shutDown() else {
        Terminal.fail(
          "stopped while no writes were taken, for the cause that the log names. Mend it, then start again"
        )
      }
      logger.info("stopped")
      Terminal.end(0)
    } catch {
      if case .database(let reason) = error, case .schemaBreaks = reason {
        Terminal.warn("\(error)")
        Terminal.end(Terminal.failure)
      }
      Terminal.fail("\(error)")
    }
  }

  private static func insecurityWarning(_ configuration: ServerConfiguration) -> String {
    let who =
      configuration.accessFile == nil
      ? "whoever reaches the port may read and change everything"
      : "tokens are taken over plaintext, where others may read them"
    return "warning: --insecure: \(who)"
  }
}
