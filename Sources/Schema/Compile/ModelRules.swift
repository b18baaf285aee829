import SwiftProtobuf

/// Finds the models of a schema and everything that keeps it from being one.
struct ModelRules {
  /// A model before it has a place in a ``RecordPlan``.
  struct Candidate: Equatable {
    let name: String
    let plural: String
    let listField: String
    let key: ModelKey
    /// What it was called before; empty when the schema says nothing of it.
    let previously: String
    let indexes: [ModelIndex]
    /// Where each of them is asked for.
    let indexPaths: [[Int32]]
    /// nil when its changes are not kept.
    let watch: WatchOption?
    /// Of its field in a transaction.
    let transactionNumber: UInt32
    /// Its place among the file's messages.
    let index: Int
  }

  let root: Google_Protobuf_FileDescriptorProto
  /// All files that the root imports, and their imports.
  let imports: [Google_Protobuf_FileDescriptorProto]
  /// Which of them are the user's, by name.
  private let ownImports: Set<String>
  private let databaseName: DatabaseName
  let positions: SourcePositions
  /// All messages of the schema and of its imports.
  let types: MessageTypes
  let importPositions: [String: SourcePositions]
  let packageName: String

  private(set) var models: [Candidate] = []
  private(set) var violations: [Diagnostic] = []
  private(set) var notes: [String] = []

  init(
    root: Google_Protobuf_FileDescriptorProto, imports: [Google_Protobuf_FileDescriptorProto],
    ownImports: Set<String>, databaseName: DatabaseName, positions: SourcePositions,
    importPositions: [String: SourcePositions]
  ) {
    self.root = root
    self.imports = imports
    self.ownImports = ownImports
    self.databaseName = databaseName
    self.positions = positions
    self.importPositions = importPositions
    types = MessageTypes([root] + imports)
    packageName = root.package.isEmpty ? databaseName.defaultPackage : root.package
    checkImportPaths()
    findModels()
    checkLengths()
    // The rules below name what they speak of.
    guard violations.isEmpty || !hasLongNames else { return }
    checkModelNames()
    checkPreviousNames()
    checkDroppedNames()
    checkGeneratedNames()
    if models.isEmpty && violations.isEmpty {
      violations.append(
        positions.diagnostic(
          at: [DescriptorPath.syntax],
          "the schema has no model: give a top-level message a field `string pk = 1;`"))
    }
    violations.sort { ($0.line, $0.column) < ($1.line, $1.column) }
    collectNotes()
  }

  mutating func note(_ text: String) { notes.append(text) }

  mutating func report(_ path: [Int32], _ message: String) {
    violations.append(positions.diagnostic(at: path, message))
  }

  static func nameOfMessage(_ index: Int) -> [Int32] {
    [DescriptorPath.message, Int32(index), DescriptorPath.name]
  }

  /// `schema.proto:3:9`
  static func place(_ positions: SourcePositions?, _ path: [Int32]) -> String {
    guard let positions else { return "" }
    let position = positions.position(of: path)
    return " (\(positions.displayName):\(position.line):\(position.column))"
  }

  // MARK: - Imports

  private mutating func checkImportPaths() {
    let paths = Set(imports.map(\.name))
    for path in paths {
      if path == databaseName.file {
        reportImport(
          path,
          "an imported file has the path \"\(path)\", which the generated file takes: rename the "
            + "imported file")
      }
      for folder in Self.folders(of: path) {
        if folder == databaseName.file {
          reportImport(
            path,
            "an imported file has the path \"\(path)\", but \(folder) is the generated file and no "
              + "folder: rename the folder")
        } else if paths.contains(folder) {
          reportImport(
            path,
            "the import \"\(path)\" is in a folder \"\(folder)\", and a file that is imported as "
              + "well has the same path: rename one of them")
        }
      }
    }
  }

  private mutating func reportImport(_ path: String, _ message: String) {
    let index = root.dependency.firstIndex(of: path)
    report(
      index.map { [DescriptorPath.dependency, Int32($0)] } ?? [DescriptorPath.dependency], message)
  }

  /// `a` and `a/b` for `a/b/c.proto`.
  static func folders(of path: String) -> [String] {
    path.indices.filter { path[$0] == "/" }.map { String(path[..<$0]) }
  }

  // MARK: - Models

  private mutating func findModels() {
    let used = TypeUses(root, packageName: root.package).usedTopLevelMessages
    for (index, message) in root.messageType.enumerated() {
      refuseOptionsOfNestedFields(
        in: message, path: [DescriptorPath.message, Int32(index)], name: message.name)
      guard let options = options(of: message, index) else { continue }
      guard !options.isEmbedded else {
        checkThatNothingIsAsked(of: message, index, options)
        continue
      }
      if !options.key.isEmpty {
        addModel(message, index, options, keyText: options.key)
        continue
      }
      guard let fieldIndex = message.field.firstIndex(where: { $0.name == ModelNames.keyField })
      else {
        if used.contains(message.name) {
          checkThatNothingIsAsked(of: message, index, options)
        } else {
          let advice =
            Self.likelyKey(of: message).map { "is `\($0)` meant as the key? Name it `pk`" }
            ?? "add a field `string pk` to make it a model, or name its key (option (seandb.model) = {key: \"…\"}), use "
            + "it in a model, or remove it"
          report(
            Self.nameOfMessage(index),
            "message \(message.name) has no `string pk` and no other message uses it: \(advice)")
        }
        continue
      }
      let field = message.field[fieldIndex]
      if let problem = problem(withKey: field, of: message) {
        report(
          [
            DescriptorPath.message, Int32(index), DescriptorPath.messageField, Int32(fieldIndex),
          ], problem)
      } else {
        addModel(message, index, options, keyText: ModelNames.keyField)
      }
    }
  }

  /// Nil, and a violation is reported, when they cannot be read.
  private mutating func options(
    of message: Google_Protobuf_DescriptorProto, _ index: Int
  ) -> ModelOptions? {
    do throws(ModelOptions.Failure) {
      return try ModelOptions(message.options)
    } catch {
      let what =
        switch error {
        case .unknownField(let number):
          "field \(number) of its option, which this seandb does not know"
        case .unknownIndexField(let number):
          "field \(number) of an index of its option, which this seandb does not know"
        case .unknownWatchField(let number):
          "field \(number) of watch in its option, which this seandb does not know"
        case .malformed: "an option (seandb.model) that cannot be read"
        }
      report(
        Self.optionOfMessage(index),
        "message \(message.name) has \(what): take the \(OptionsFile.path) of this seandb")
      return nil
    }
  }

  /// `[4, index, 7, 50731]`: where `option (seandb.model)` is.
  static func optionOfMessage(_ index: Int) -> [Int32] {
    [
      DescriptorPath.message, Int32(index), DescriptorPath.messageOptions,
      Int32(OptionsFile.extensionNumber),
    ]
  }

  private mutating func addModel(
    _ message: Google_Protobuf_DescriptorProto, _ index: Int, _ options: ModelOptions,
    keyText: String
  ) {
    let key: ModelKey
    do throws(KeyDefinition.Problem) {
      key = try KeyDefinition.key(keyText, of: message)
    } catch {
      return report(
        Self.optionOfMessage(index), "the key of model \(message.name) \(error.text)")
    }
    if let problem = Self.problem(withNumber: options.number, of: message.name) {
      return report(Self.optionOfMessage(index), problem)
    }
    let plural = options.plural.isEmpty ? nil : options.plural
    if let plural, let problem = ModelNames.problem(withPlural: plural, of: message.name) {
      return report(Self.optionOfMessage(index), problem)
    }
    let pluralName = plural ?? ModelNames.plural(message.name)
    let indexes = indexes(of: message, index, options, key: key, plural: pluralName)
    checkExpiry(of: message, index, options, key: key)
    if let watch = options.watch {
      let taken = [ModelNames.watch, ModelNames.changes, ModelNames.change].contains(pluralName)
      let problem =
        taken
        ? "has a message \(pluralName) in the list message, which is called so: give the model another plural"
        : watch.problem
      if let problem {
        report(Self.optionOfMessage(index), "watch of model \(message.name) \(problem)")
      }
    }
    models.append(
      Candidate(
        name: message.name, plural: pluralName,
        listField: ModelNames.listField(message.name, plural: plural), key: key,
        previously: options.previously, indexes: indexes.map(\.index),
        indexPaths: indexes.map(\.path), watch: options.watch,
        transactionNumber: options.transactionNumber(of: message.name, package: packageName),
        index: index))
  }

  /// A string field that looks like a key under another name: `PK`, `id`, `dog_id`.
  private static func likelyKey(of message: Google_Protobuf_DescriptorProto) -> String? {
    let owner = ModelNames.folded(message.name)
    let names = ["pk", "id", "key", "\(owner)id", "\(owner)key", "\(owner)pk", "primarykey"]
    return message.field.first {
      $0.type == .string && $0.label != .repeated && names.contains(ModelNames.folded($0.name))
    }?.name
  }

  private func problem(
    withKey field: Google_Protobuf_FieldDescriptorProto,
    of message: Google_Protobuf_DescriptorProto
  ) -> String? {
    let advice =
      "without an option the key is one `string pk`; change its type, name the key (option (seandb.model) = "
      + "{key: \"pk\"}), or give the field another name if it is not the key"
    if field.label == .repeated {
      let isMap =
        field.type == .message
        && message.nestedType.contains {
          $0.options.mapEntry && field.typeName.hasSuffix("." + $0.name)
        }
      return "field `pk` of message \(message.name) is \(isMap ? "a map" : "repeated"): \(advice)"
    }
    if field.type != .string {
      return "field `pk` of message \(message.name) has type \(FieldKind.name(of: field)), not "
        + "string: \(advice)"
    }
    if field.hasOneofIndex && !field.proto3Optional {
      return
        "field `pk` of message \(message.name) is in a oneof and so may be absent: move it out "
        + "of the oneof"
    }
    return nil
  }

  // MARK: - Names

  /// Methods are paths of HTTP/2, and a path with package, service and model must stay far below what clients and
  /// proxies allow for all headers, usually 8 KiB.
  static let nameLimit = 255

  private var hasLongNames: Bool {
    packageName.utf8.count > Self.nameLimit
      || models.contains { $0.name.utf8.count > Self.nameLimit }
  }

  private mutating func checkLengths() {
    if packageName.utf8.count > Self.nameLimit {
      report([DescriptorPath.package], Self.tooLong("the package", packageName))
    }
    for model in models where model.name.utf8.count > Self.nameLimit {
      report(Self.nameOfMessage(model.index), Self.tooLong("the model's name", model.name))
    }
  }

  private static func tooLong(_ what: String, _ name: String) -> String {
    "\(what) \(name.prefix(20))… has \(name.utf8.count) letters, and at most \(nameLimit) are allowed: shorten it"
  }

  private mutating func checkModelNames() {
    var byFoldedName: [String: Candidate] = [:]
    for model in models {
      let folded = ModelNames.folded(model.name)
      if let other = byFoldedName[folded] {
        report(
          Self.nameOfMessage(model.index),
          "models \(model.name) and \(other.name)"
            + "\(Self.place(positions, Self.nameOfMessage(other.index))) differ only by case or "
            + "underscores: rename one of them")
      } else {
        byFoldedName[folded] = model
      }
    }
  }

  private struct Owner {
    let description: String
    /// Nil when it is not in the root file.
    let path: [Int32]?
    let place: String
  }

  private mutating func checkGeneratedNames() {
    var owners: [String: Owner] = [:]
    for declaration in TopLevelDeclaration.all(in: root) {
      owners[declaration.name] = Owner(
        description: declaration.description, path: declaration.path,
        place: Self.place(positions, declaration.path))
    }
    let rootNames = owners
    for file in imports {
      if file.package == packageName {
        for declaration in TopLevelDeclaration.all(in: file) {
          let owner = Owner(
            description: "\(declaration.description) of \(file.name)", path: nil,
            place: Self.place(importPositions[file.name], declaration.path))
          if let own = rootNames[declaration.name], let path = own.path, root.package.isEmpty {
            report(
              path,
              "\(own.description) clashes with \(owner.description)\(owner.place), "
                + "whose package is "
                + "\(packageName) as well: rename one of them, or give this file a package")
          } else {
            owners[declaration.name] = owner
          }
        }
      } else if file.package.hasPrefix(packageName + ".") {
        let component = file.package.dropFirst(packageName.count + 1).prefix { $0 != "." }
        if owners[String(component)] == nil {
          owners[String(component)] = Owner(
            description: "package \(packageName).\(component) of \(file.name)", path: nil,
            place: Self.place(importPositions[file.name], [DescriptorPath.package]))
        }
      }
    }
    for model in models {
      let plural = model.plural
      guard let owner = owners[plural] else { continue }
      // Placed at the declaration that a user can rename without renaming a model.
      let name = Self.nameOfMessage(model.index)
      if let path = owner.path {
        report(
          path,
          "\(owner.description) clashes with the message \(plural) that is generated for model "
            + "\(model.name)\(Self.place(positions, name)): rename one of them")
      } else {
        report(
          name,
          "message \(plural), generated for model \(model.name), clashes with "
            + "\(owner.description)\(owner.place): rename one of them")
      }
    }
    checkMethodNames()
    // A wrong name in `previously` gives a wrong number as well.
    if violations.isEmpty { checkTransactionNumbers() }
    checkServiceName()
    let fixed = [
      ("message", ModelNames.query), ("message", ModelNames.empty),
      ("message", ModelNames.transaction),
      ("service", databaseName.service),
    ]
    for (kind, name) in fixed {
      guard let owner = owners[name] else { continue }
      report(
        owner.path ?? [DescriptorPath.package],
        "\(owner.description)\(owner.path == nil ? owner.place : "") clashes with the \(kind) "
          + "\(name) that seandb generates for every schema: rename it")
    }
  }

  /// The service must not be called like a generated message; the name `database` cannot lead to it.
  private mutating func checkServiceName() {
    let service = databaseName.service
    let advice = "that the name \(databaseName.text) gives: choose another --name"
    if let model = models.first(where: { $0.plural == service }) {
      report(
        Self.nameOfMessage(model.index),
        "message \(service), generated for model \(model.name), clashes with the service \(service) "
          + advice)
    } else if [ModelNames.query, ModelNames.empty, ModelNames.transaction].contains(service) {
      report(
        [DescriptorPath.syntax],
        "message \(service), generated for every schema, clashes with the service \(service) "
          + advice)
    }
  }

  // MARK: - Notes

  private mutating func collectNotes() {
    for file in imports {
      guard ownImports.contains(file.name) else {
        if !ImportedFile.isWellKnown(file.name) && file.name != OptionsFile.path {
          notes.append(
            "\(file.name) comes with this protoc: clients need a protoc that has it too")
        }
        continue
      }
      noteFileOptions(of: file)
      for message in file.messageType {
        if asksForIndexes(message) {
          notes.append(
            "\(file.name): message \(message.name) has an index in its options but is imported: it is an embedded "
              + "type, and there is no index")
        }
        let isKeyed = message.field.contains {
          $0.name == ModelNames.keyField && $0.type == .string && $0.label != .repeated
        }
        guard isKeyed else { continue }
        notes.append(
          "\(file.name): message \(message.name) has a `string pk` but is imported: it is an "
            + "embedded type, not a model")
      }
    }
    let taken = Dictionary(
      ModelNames.clientNames(service: databaseName.service).map { ($0.name, $0.language) },
      uniquingKeysWith: { $0 + ", " + $1 })
    for message in root.messageType {
      guard let language = taken[message.name] else { continue }
      notes.append(
        "\(positions.displayName): message \(message.name) has the name of something that gRPC for "
          + "\(language) generates for service \(databaseName.service): such a client does not compile"
      )
    }
    for service in root.service {
      notes.append(
        "\(positions.displayName): service \(service.name) is kept in \(databaseName.file), "
          + "but the server does not serve it")
    }
  }
}
