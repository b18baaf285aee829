import ArgumentParser
import Engine
import Records
import Schema
import Server

/// `seandb check`.
struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Says whether a schema may replace another without breaking stored records.",
    usage: """
      seandb check OLD NEW [-I DIR]...
      seandb check --data DIR NEW [-I DIR]...
      """,
    discussion: """
      Compares by the WIRE rules of `buf breaking`, and by what the database needs of keys and models. With \
      --data the old schema is the one stored in a data directory, and a model without records may go; nothing \
      is changed, and a server may be running on it.

      Exit code 0: it may; warnings name changes that records survive and that may yet change what they mean. \
      1: it may not; each violation stands on its line, with its place in NEW and the rule's name. 65: a schema \
      is bad.
      """)

  @Argument(
    help: ArgumentHelp("The schema in use, then the one to replace it.", valueName: "schema"),
    completion: .file(extensions: ["proto"]))
  var schemas: [String]

  @Option(help: "A data directory; its schema is the one in use.", completion: .directory)
  var data: String?

  @Option(
    name: [.customShort("I", allowingJoined: true), .customLong("proto-path")],
    help: "A directory to look for imports in. May be given several times.")
  var includeDirectories: [String] = []

  func validate() throws {
    guard schemas.count == (data == nil ? 2 : 1) else {
      throw ValidationError(
        data == nil
          ? "two schemas are needed, OLD and NEW; or --data DIR and NEW"
          : "with --data one schema is needed, the new one")
    }
  }

  func run() async throws {
    if let data { await check(schemas[0], in: data) }
    let old = await SchemaInput.compile(schemas[0], includeDirectories: includeDirectories)
    let new = await SchemaInput.compile(schemas[1], includeDirectories: includeDirectories)
    let violations = SchemaCompatibility.violations(old: old, new: new)
    warn(SchemaCompatibility.warnings(old: old, new: new))
    for violation in violations { Terminal.warn("\(violation.diagnostic)") }
    if violations.contains(where: { $0.deletedModel != nil }) {
      Terminal.warn(
        "note: a model without records may go: `seandb check --data DIR \(new.sourceName)` looks at them"
      )
    }
    let changes = ModelChanges(old: old, new: new)
    for note in notes(on: changes.renamed, deleted: changes.dropped) { Terminal.warn(note) }
    for note in notes(on: IndexChanges(old: old, new: new), counts: [:]) { Terminal.warn(note) }
    if !violations.isEmpty, SchemaCompatibility.additions(of: old, over: new) != nil {
      Terminal.warn(
        "note: \(new.sourceName) could be an earlier schema: a server would serve it and keep the stored one"
      )
    }
    guard violations.isEmpty else { Terminal.end(Terminal.failure) }
    Terminal.say("compatible: \(new.sourceName) may replace \(old.sourceName)")
  }

  private func warn(_ warnings: [Diagnostic]) {
    for warning in warnings {
      Terminal.warn(
        "\(warning.file):\(warning.line):\(warning.column): warning: \(warning.message)")
    }
  }

  private func notes(on renamed: [ModelChanges.Renaming], deleted: [String]) -> [String] {
    renamed.map { "note: model \($0.newName) takes over the records of \($0.oldName)" }
      + deleted.map { "note: model \($0) and its records would be deleted" }
  }

  /// - Parameter counts: of the records of models, by name in the old schema, where they are known.
  private func notes(on indexes: IndexChanges, counts: [String: UInt64]) -> [String] {
    indexes.built.map { index in
      let count = index.oldModel.flatMap { counts[$0] }
      let records = count.map { ", from \(ReportText.count($0, "record"))" } ?? ""
      return
        "note: index \(index.name) of \(index.model) (\(index.fields)) would be built\(records)"
    }
      + indexes.dropped.map {
        "note: index \($0.name) of \($0.model) (\($0.fields)) would be dropped"
      }
  }

  // MARK: - A data directory

  private func check(_ path: String, in directory: String) async -> Never {
    let new = await SchemaInput.compile(path, includeDirectories: includeDirectories)
    do throws(DatabaseError) {
      try report(try await StoredSchemaCheck(directory: directory).run(new), on: new, directory)
    } catch {
      Terminal.fail("\(error)")
    }
  }

  private func report(
    _ result: StoredSchemaCheck.Result, on new: CompiledSchema, _ directory: String
  ) throws(DatabaseError) -> Never {
    let name = new.sourceName
    warn(result.warnings)
    switch result.verdict {
    case .first: Terminal.say("compatible: \(directory) has no schema yet")
    case .replaces(let models):
      for model in models.forgotten {
        Terminal.say("note: model \(model) has no records and would be forgotten")
      }
      for note in notes(on: models.renamed, deleted: models.deleted) { Terminal.say(note) }
      if let indexes = result.indexes {
        for note in notes(on: indexes, counts: result.counts) { Terminal.say(note) }
      }
      Terminal.say("compatible: \(name) may replace the schema stored in \(directory)")
    case .precedes(let missing):
      for part in missing { Terminal.say("note: the stored schema has more: \(part)") }
      Terminal.say(
        "compatible: \(name) may be served on \(directory) as an earlier schema; the stored one stays"
      )
    case .breaks(let diagnostics):
      for diagnostic in diagnostics { Terminal.warn("\(diagnostic)") }
      Terminal.end(Terminal.failure)
    }
    Terminal.end(0)
  }
}

/// Looks at the schema and the records of a data directory without changing them.
struct StoredSchemaCheck {
  struct Result {
    let verdict: SchemaVerdict
    let warnings: [Diagnostic]
    /// Nil without a stored schema.
    let indexes: IndexChanges?
    /// Records of the models whose indexes would be built, by the stored name.
    let counts: [String: UInt64]
  }

  /// How often a running server may take files away in the middle of a look.
  private static let attempts = 10

  let directory: String

  func run(_ new: CompiledSchema) async throws(DatabaseError) -> Result {
    let location = try StoreLocation(directory, among: .installed)
    for attempt in 1... {
      do throws(DatabaseError) {
        return try look(at: location, new)
      } catch {
        guard Self.mayBeARace(error) else { throw error }
        if attempt == Self.attempts {
          throw .dataDirectory(
            path: directory,
            problem: "\(error); if a server runs on it, this can be a race with it: check again")
        }
        try? await Task.sleep(for: .milliseconds(20 * attempt))
      }
    }
    preconditionFailure("the loop above has no end")
  }

  private func look(
    at location: StoreLocation, _ new: CompiledSchema
  ) throws(DatabaseError) -> Result {
    var options = EngineOptions()
    options.isReadOnly = true
    options.createIfMissing = false
    let engine: any StorageEngine
    do throws(EngineError) {
      engine = try location.engine.open(location.storePath, options: options)
    } catch {
      throw .engine(error)
    }
    defer { try? engine.close() }
    let catalogue = Catalogue(engine: engine, directory: directory)
    let verdict = try catalogue.verdict(on: new)
    let stored = try catalogue.storedSchema()
    let indexes = stored.map { IndexChanges(old: $0, new: new) }
    var counts: [String: UInt64] = [:]
    for name in Set(indexes?.built.compactMap(\.oldModel) ?? []) {
      counts[name] = try catalogue.recordCount(ofModel: name)
    }
    return Result(
      verdict: verdict,
      warnings: stored.map { SchemaCompatibility.warnings(old: $0, new: new) } ?? [],
      indexes: indexes, counts: counts)
  }

  /// A file that went after the store's list of files was read is told as damage or as a failed read.
  private static func mayBeARace(_ error: DatabaseError) -> Bool {
    switch error {
    case .engine(.corruption), .engine(.io): true
    default: false
    }
  }
}
