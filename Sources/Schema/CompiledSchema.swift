import SwiftProtobuf

/// A schema with all that a server needs to serve it: its models, the descriptors for reflection,
/// and the tables that records are checked by.
///
/// It comes from ``SchemaCompiler``, or from the bytes of ``serialized()``: then no protoc is
/// needed.
///
/// Thread-safety: an immutable value.
package struct CompiledSchema: Sendable {
  /// How diagnostics name the schema: the path that the user gave.
  package let sourceName: String
  /// What the database is called: ``DatabaseName/standard`` unless the user gave a name.
  package let databaseName: DatabaseName
  /// That of ``databaseName`` when the schema has no package of its own.
  package let packageName: String
  /// In the order of the file.
  package let models: [Model]
  /// The text of the generated file, `database.proto` unless the database has a name.
  package let databaseProto: String
  /// The user's own files that the schema imports, directly or not; without those that come with
  /// every protoc.
  package let importedFiles: [ImportedFile]
  /// `database.proto` and all that it imports, those of protoc too; dependencies first, so
  /// `database.proto` is the last.
  package let files: [DescriptorFile]
  /// By which records of all models are checked; compiled from ``files``.
  package let recordPlan: RecordPlan
  /// Models that are gone and whose records may go, by full name.
  package let droppedModels: [String]
  /// Whether the schema says anything of models or of itself in options: earlier programs do not know them.
  package let hasOptions: Bool
  /// What is worth telling the user, one sentence each.
  package let notes: [String]
  /// What protoc warned of, as `file:line:column: warning: message`.
  package let warnings: [String]

  /// For `database.proto` and each of ``importedFiles``.
  let positions: [SourcePositions]
  /// The files that this schema was made from; empty when it comes from its serialized form.
  let sourcePaths: [String]

  /// `Transact`
  package static var transactMethod: String { ModelNames.transact }

  /// The name that the service has on the wire: `database.Database`.
  package var serviceName: String { "\(packageName).\(databaseName.service)" }

  /// - Throws: `damaged` when the descriptors do not fit each other or the models.
  init(
    sourceName: String, packageName: String, modelNames: [(name: String, keyFieldNumber: Int)],
    databaseProto: String, importedFiles: [ImportedFile], files: [DescriptorFile],
    positions: [SourcePositions], notes: [String], warnings: [String], sourcePaths: [String]
  ) throws(SchemaError) {
    guard let databaseName = files.last.flatMap({ DatabaseName(generatedFile: $0.name) }) else {
      throw .damaged(.inconsistentDescriptors("there is no generated file"))
    }
    let descriptors = try Self.decode(files)
    let plan = try RecordPlan(descriptors)
    let types = MessageTypes(descriptors)
    var models: [Model] = []
    let messages = descriptors.last?.messageType ?? []
    guard let fileOptions = try? FileOptions(descriptors.last?.options ?? .init()) else {
      throw .damaged(.inconsistentDescriptors("the file's options cannot be read"))
    }
    var saysMore = fileOptions != FileOptions()
    for (name, keyFieldNumber) in modelNames {
      let fullName = "\(packageName).\(name)"
      guard let message = messages.first(where: { $0.name == name }),
        let options = try? ModelOptions(message.options),
        let key = try? KeyDefinition.key(
          options.key.isEmpty ? ModelNames.keyField : options.key, of: message),
        Int(key.columns[0].number) == keyFieldNumber
      else {
        throw .damaged(.inconsistentDescriptors("there is no message \(fullName) with its key"))
      }
      guard let given = try? Self.indexes(of: message, options, key: key, types: types) else {
        throw .damaged(.inconsistentDescriptors("there is no index as \(fullName) wants it"))
      }
      let expiry: Column?
      do {
        expiry = try Self.expiry(of: message, options, key: key, types: types)
      } catch {
        throw .damaged(.inconsistentDescriptors("records of \(fullName) cannot end as it wants it"))
      }
      let indexes = given.map { index in expiry.map { index.including($0, besideKey: key) } ?? index
      }
      saysMore = saysMore || !options.isEmpty || !indexes.isEmpty
      let plural = options.plural.isEmpty ? nil : options.plural
      let pluralName = plural ?? ModelNames.plural(name)
      guard let index = plan.index(ofMessage: fullName),
        let listIndex = plan.index(ofMessage: "\(packageName).\(pluralName)")
      else {
        throw .damaged(.inconsistentDescriptors("there is no list of \(fullName)"))
      }
      models.append(
        Model(
          name: name, fullName: fullName, pluralName: pluralName,
          listField: ModelNames.listField(name, plural: plural), key: key, indexes: indexes,
          expiry: expiry, watch: options.watch,
          previousFullName: options.previously.isEmpty
            ? nil : "\(packageName).\(options.previously)",
          transactionNumber: options.transactionNumber(of: name, package: packageName),
          messageIndex: index, listMessageIndex: listIndex))
    }
    hasOptions = saysMore
    droppedModels = fileOptions.dropped.map { "\(packageName).\($0)" }
    self.sourceName = sourceName
    self.databaseName = databaseName
    self.packageName = packageName
    self.models = models
    self.databaseProto = databaseProto
    self.importedFiles = importedFiles
    self.files = files
    self.recordPlan = plan
    self.notes = notes
    self.warnings = warnings
    self.positions = positions
    self.sourcePaths = sourcePaths
  }

  /// Those of the message's option, then those of its fields'.
  private static func indexes(
    of message: Google_Protobuf_DescriptorProto, _ options: ModelOptions, key: ModelKey,
    types: MessageTypes
  ) throws -> [ModelIndex] {
    let definition = IndexDefinition(message, key: key, types: types)
    let ofFields = try message.field.enumerated().compactMap { try IndexOption($1, at: $0) }
    return try (options.indexes + ofFields).map { try definition.index($0) }
  }

  /// nil when no record ends.
  private static func expiry(
    of message: Google_Protobuf_DescriptorProto, _ options: ModelOptions, key: ModelKey,
    types: MessageTypes
  ) throws -> Column? {
    guard !options.expires.isEmpty else { return nil }
    return try IndexDefinition(message, key: key, types: types).expiry(options.expires)
  }

  /// The names of the files that are the user's: compatibility is about what these declare.
  var ownFileNames: Set<String> {
    let imported = Set(importedFiles.map(\.path))
    // What options there are is a matter of the program.
    // Also what earlier versions took for protoc's own because of its folder, and left out of the
    // imported files.
    return Set(
      files.map(\.name).filter {
        $0 != OptionsFile.path && (imported.contains($0) || !ImportedFile.isWellKnown($0))
      })
  }

  static func decode(
    _ files: [DescriptorFile]
  ) throws(SchemaError) -> [Google_Protobuf_FileDescriptorProto] {
    var result: [Google_Protobuf_FileDescriptorProto] = []
    for file in files {
      do {
        result.append(try Google_Protobuf_FileDescriptorProto(serializedBytes: file.descriptor))
      } catch {
        throw .damaged(.inconsistentDescriptors("the descriptor of \(file.name) cannot be read"))
      }
    }
    return result
  }

  /// A diagnostic with the place where a file is imported.
  func diagnostic(atImportOf path: String, _ message: String) throws(SchemaError) -> Diagnostic {
    // The schema itself is the last, and the user's first place to look.
    for file in try Self.decode(files).reversed() {
      guard let index = file.dependency.firstIndex(of: path) else { continue }
      return positions(ofFile: file.name).diagnostic(
        at: [DescriptorPath.dependency, Int32(index)], message)
    }
    return Diagnostic(file: sourceName, line: 1, column: 1, message: message)
  }

  /// A diagnostic with the place of a model, by its full name.
  package func diagnostic(atModel name: String, _ message: String) -> Diagnostic {
    let messages = root?.messageType ?? []
    let index = messages.firstIndex { "\(packageName).\($0.name)" == name }
    return diagnostic(at: index.map(ModelRules.nameOfMessage) ?? [], message)
  }

  /// A diagnostic with the place where the schema says that a model, by its full name, may go.
  package func diagnostic(atDropped name: String, _ message: String) -> Diagnostic {
    let index = droppedModels.firstIndex(of: name) ?? 0
    return diagnostic(at: ModelRules.droppedName(index), message)
  }

  private func diagnostic(at path: [Int32], _ message: String) -> Diagnostic {
    positions(ofFile: databaseName.file).diagnostic(at: path, message)
  }

  private var root: Google_Protobuf_FileDescriptorProto? {
    files.last.flatMap { try? Google_Protobuf_FileDescriptorProto(serializedBytes: $0.descriptor) }
  }

  /// The positions of a file's declarations; of nothing when the file is none of the user's.
  func positions(ofFile name: String) -> SourcePositions {
    positions.first { $0.file == name } ?? SourcePositions(file: name, displayName: name)
  }
}
