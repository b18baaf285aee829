import ArgumentParser
import Glibc
import Schema
import Synchronization

/// `seandb serve`.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Runs the server of a schema, or of the schema stored in a data directory.",
    discussion: ServerOptions.discussion)

  @Argument(
    help: "The schema; the one stored in the data directory when left out.",
    completion: .file(extensions: ["proto"]))
  var schema: String?

  @Option(
    name: [.customShort("I", allowingJoined: true), .customLong("proto-path")],
    help: "A directory to look for imports in. May be given several times.")
  var includeDirectories: [String] = []

  @OptionGroup var naming: NameOption

  @OptionGroup var options: ServerOptions

  func validate() throws {
    if schema == nil && naming.name != nil {
      throw ValidationError("--name goes with a SCHEMA; the stored schema keeps its own name")
    }
  }

  func run() async throws {
    var compiled: CompiledSchema?
    if let schema {
      compiled = await SchemaInput.compile(
        schema, includeDirectories: includeDirectories, databaseName: naming.databaseName)
    }
    await ServerProcess.run(schema: compiled, options: options)
  }
}

/// `out/server`: the same server, with its schema inside.
struct EmbeddedServerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "server",
    abstract: "Runs the database server made by `seandb create`.",
    discussion: ServerOptions.discussion)

  /// Set once by ``Main`` before the command runs.
  static let schema = Mutex<CompiledSchema?>(nil)

  @OptionGroup var options: ServerOptions

  func run() async throws {
    await ServerProcess.run(schema: Self.schema.withLock { $0 }, options: options)
  }
}
