import ArgumentParser
import Glibc
import Schema

/// `seandb create`.
struct CreateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Writes a server and its database.proto from a schema.",
    discussion: """
      Needs protoc (Debian: protobuf-compiler). The server it writes needs neither protoc nor Swift.
      """)

  @Argument(help: "The schema: a proto3 file.", completion: .file(extensions: ["proto"]))
  var schema: String

  @Option(
    name: [.customShort("I", allowingJoined: true), .customLong("proto-path")],
    help: "A directory to look for imports in. May be given several times.")
  var includeDirectories: [String] = []

  @Option(help: "The directory to write to; made when missing.")
  var out = "out"

  func run() async throws {
    let start = ContinuousClock.now
    let schema = await SchemaInput.compile(schema, includeDirectories: includeDirectories)
    do {
      try SchemaWriter.write(databaseProtoOf: schema, into: out)
      try EmbeddedSchema.writeServer(with: schema, named: "server", into: out)
    } catch let error as SchemaError {
      SchemaInput.fail(error)
    } catch {
      Terminal.fail("\(error)")
    }
    report(schema, since: start)
  }

  private func report(_ schema: CompiledSchema, since start: ContinuousClock.Instant) {
    for note in schema.notes { Terminal.say("note: \(note)") }
    for model in schema.models {
      Terminal.say("\(model.name), key pk (field \(model.keyFieldNumber)):")
      for (method, request, response) in [
        (model.getMethod, "IndexQuery", model.pluralName),
        (model.deleteMethod, "IndexQuery", "Empty"),
        (model.putMethod, model.name, "Empty"),
        (model.batchPutMethod, model.pluralName, "Empty"),
      ] {
        Terminal.say("  \(schema.serviceName)/\(method)(\(request)) -> \(response)")
      }
    }
    let elapsed = (ContinuousClock.now - start) / .milliseconds(1)
    Terminal.say("wrote \(out)/server and \(out)/database.proto in \(Int(elapsed.rounded())) ms")
  }
}
