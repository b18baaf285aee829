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
    if let warning = options.exposureWarning { Terminal.warn(warning) }
    do throws(ServerError) {
      let server = try DatabaseServer.open(
        schema: schema, configuration: configuration, logger: logger)
      // Without anything to read again SIGHUP stays what it is elsewhere: the terminal is gone, and the process goes.
      let hasFiles =
        configuration.tls != nil || configuration.accessFile != nil
        || configuration.auditFile != nil
      try ProcessSignals.install(reloads: hasFiles)
      for address in try await server.start() { Terminal.say("listening on \(address)") }
      var signal = await ProcessSignals.next()
      while signal == SIGHUP {
        server.reload()
        signal = await ProcessSignals.next()
      }
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
}
