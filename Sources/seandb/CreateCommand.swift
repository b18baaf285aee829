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

  @OptionGroup var naming: NameOption

  func validate() throws {
    guard !out.isEmpty else { throw ValidationError("--out takes a directory; it is empty") }
  }

  private static let programName = "server"

  func run() async throws {
    let start = ContinuousClock.now
    if POSIXFile.isPlainFile(out) {
      Terminal.fail("\(out) is a file, not a directory. Name another with --out")
    }
    let schema = await SchemaInput.compile(
      schema, includeDirectories: includeDirectories, databaseName: naming.databaseName)
    let previous: CompiledSchema?
    do {
      previous = try EmbeddedSchema.schema(ofServerAt: "\(out)/\(Self.programName)")
      try SchemaWriter.write(
        schema, program: EmbeddedSchema.server(with: schema, named: Self.programName),
        replacing: previous, into: out)
    } catch let error as SchemaError {
      SchemaInput.fail(error)
    } catch {
      Terminal.fail("\(error)")
    }
    report(schema, replaced: previous, since: start)
  }

  private func report(
    _ schema: CompiledSchema, replaced: CompiledSchema?, since start: ContinuousClock.Instant
  ) {
    for note in schema.notes { Terminal.say("note: \(note)") }
    if let replaced, replaced.serviceName != schema.serviceName {
      Terminal.say(
        "note: \(out)/\(Self.programName) was the server of \(replaced.serviceName), and is "
          + "\(schema.serviceName)'s now; to have both, give each a directory of its own with --out"
      )
    }
    for model in schema.models {
      let expiry = model.expiry.map { ", ends by \($0.name)" } ?? ""
      Terminal.say("\(model.name), key \(Self.text(of: model.key))\(expiry):")
      for (method, request, response) in [
        (model.getOneMethod, "\(model.pluralName).Key", model.name),
        (model.getMethod, model.queryMessage, model.pluralName),
        (model.streamMethod, model.queryMessage, "stream \(model.pluralName)"),
        (model.deleteMethod, model.queryMessage, "Empty"),
        (model.putMethod, model.name, "Empty"),
        (model.batchPutMethod, model.pluralName, "Empty"),
        (model.writeMethod, "\(model.pluralName).Write", "\(model.pluralName).Written"),
      ] {
        Terminal.say("  \(schema.serviceName)/\(method)(\(request)) -> \(response)")
      }
      if model.watch != nil {
        Terminal.say(
          "  \(schema.serviceName)/\(model.watchMethod)(\(model.pluralName).Watch) -> stream \(model.pluralName).Changes"
        )
      }
      for index in model.indexes { report(index, of: model, schema) }
    }
    Terminal.say("All models:")
    Terminal.say("  \(schema.serviceName)/Transact(Transaction) -> Transaction.Result")
    let elapsed = (ContinuousClock.now - start) / .milliseconds(1)
    Terminal.say(
      "wrote \(out)/\(Self.programName) and \(out)/\(schema.databaseName.file) in "
        + "\(Int(elapsed.rounded())) ms")
  }

  private func report(_ index: ModelIndex, of model: Model, _ schema: CompiledSchema) {
    Terminal.say("\(model.name), index \(index.name) \(Self.text(of: index)):")
    let (plural, list) = (model.pluralName, "\(model.pluralName).\(index.queryMessage)")
    Terminal.say("  \(schema.serviceName)/\(index.getMethod(plural: plural))(\(list)) -> \(plural)")
    Terminal.say(
      "  \(schema.serviceName)/\(index.streamMethod(plural: plural))(\(list)) -> stream \(plural)")
    guard index.isUnique else { return }
    Terminal.say("  \(schema.serviceName)/\(index.deleteMethod(plural: plural))(\(list)) -> Empty")
  }

  /// `(breed string, age uint32 descending), unique, with name`
  private static func text(of index: ModelIndex) -> String {
    let inclusion: String? =
      switch index.inclusion {
      case .none: nil
      case .paths(let paths): "with \(paths.map(\.name).joined(separator: ", "))"
      case .everything: "with the whole record"
      }
    let parts = [index.isUnique ? "unique" : nil, index.isSparse ? "sparse" : nil, inclusion]
    return ([text(of: index.columns)] + parts.compactMap(\.self)).joined(separator: ", ")
  }

  /// `pk (field 1)`, or `(tenant string, created google.protobuf.Timestamp descending)`.
  private static func text(of key: ModelKey) -> String {
    guard !key.isPlain else { return "\(key.columns[0].name) (field \(key.columns[0].number))" }
    return text(of: key.columns)
  }

  private static func text(of columns: [Column]) -> String {
    let columns = columns.map { column in
      let type = column.typeName.isEmpty ? column.kind.name : String(column.typeName.dropFirst())
      return "\(column.name) \(type)\(column.isDescending ? " descending" : "")"
    }
    return "(\(columns.joined(separator: ", ")))"
  }
}
