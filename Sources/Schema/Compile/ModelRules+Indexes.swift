import SwiftProtobuf

/// The indexes of models, and the methods of them all.
extension ModelRules {
  /// An index, and where the schema asks for it.
  struct PlacedIndex {
    let index: ModelIndex
    let path: [Int32]
  }

  /// Those that can be made; of the others there is a violation.
  mutating func indexes(
    of message: Google_Protobuf_DescriptorProto, _ messageIndex: Int, _ options: ModelOptions,
    key: ModelKey, plural: String
  ) -> [PlacedIndex] {
    let asked = options.indexes + fieldIndexes(of: message, messageIndex)
    guard asked.count <= ModelIndex.maximumCount else {
      report(
        Self.optionOfMessage(messageIndex),
        "model \(message.name) has \(asked.count) indexes, and at most \(ModelIndex.maximumCount) are allowed: leave "
          + "some out")
      return []
    }
    let definition = IndexDefinition(message, key: key, types: types)
    var result: [PlacedIndex] = []
    for option in asked {
      let path = path(of: option, messageIndex)
      do throws(KeyDefinition.Problem) {
        let index = PlacedIndex(index: try definition.index(option), path: path)
        if let problem = problem(with: index, of: message.name, plural: plural, beside: result) {
          report(path, problem)
        } else {
          result.append(index)
        }
      } catch {
        report(path, "\(IndexDefinition.subject(option)) of model \(message.name) \(error.text)")
      }
    }
    return result
  }

  /// Reports what is wrong with the field that says when a record ends.
  mutating func checkExpiry(
    of message: Google_Protobuf_DescriptorProto, _ index: Int, _ options: ModelOptions,
    key: ModelKey
  ) {
    guard !options.expires.isEmpty else { return }
    do throws(KeyDefinition.Problem) {
      _ = try IndexDefinition(message, key: key, types: types).expiry(options.expires)
    } catch {
      report(Self.optionOfMessage(index), "expires of model \(message.name) \(error.text)")
    }
  }

  private func problem(
    with placed: PlacedIndex, of model: String, plural: String, beside others: [PlacedIndex]
  ) -> String? {
    let index = placed.index
    if let other = others.first(where: { $0.index.isSame(as: index) }) {
      return "index \(index.name) of model \(model) is the same as index \(other.index.name)"
        + "\(Self.place(positions, other.path)): leave one of them out"
    }
    if let other = others.first(where: { $0.index.methodName == index.methodName }) {
      return "index \(index.name) of model \(model) and index \(other.index.name)"
        + "\(Self.place(positions, other.path)) have the same method, \(index.getMethod(plural: plural)): give one of "
        + "them another name"
    }
    if index.queryMessage == plural {
      return
        "index \(index.name) of model \(model) has a message \(index.queryMessage), as its list is called: give "
        + "the index another name"
    }
    return nil
  }

  // MARK: - Options of fields

  private mutating func fieldIndexes(
    of message: Google_Protobuf_DescriptorProto, _ messageIndex: Int
  ) -> [IndexOption] {
    var result: [IndexOption] = []
    for (index, field) in message.field.enumerated() {
      do throws(ModelOptions.Failure) {
        if let option = try IndexOption(field, at: index) { result.append(option) }
      } catch {
        let what =
          switch error {
          case .unknownField(let number), .unknownIndexField(let number),
            .unknownWatchField(let number):
            "field \(number) of its option, which this seandb does not know"
          case .malformed: "an option (seandb.field) that cannot be read"
          }
        report(
          Self.optionOfField(index, of: [DescriptorPath.message, Int32(messageIndex)]),
          "field `\(field.name)` of message \(message.name) has \(what): take the \(OptionsFile.path) of this seandb"
        )
      }
    }
    return result
  }

  /// Of a message that is no model: no option may ask for an index, or for the records of a model.
  mutating func checkThatNothingIsAsked(
    of message: Google_Protobuf_DescriptorProto, _ index: Int, _ options: ModelOptions
  ) {
    refusePreviousName(of: message, index, options)
    if !options.indexes.isEmpty {
      report(
        Self.optionOfMessage(index),
        "message \(message.name) has an index in its option and is no model: "
          + (options.isEmbedded
            ? "take `embedded` or the index away"
            : "give it a field `string pk` or name its key, or take the index away"))
    }
    if options.watch != nil {
      report(
        Self.optionOfMessage(index),
        "message \(message.name) has `watch` in its option and is no model: take it away")
    }
    if !options.expires.isEmpty {
      report(
        Self.optionOfMessage(index),
        "message \(message.name) has `expires` in its option and is no model: take it away")
    }
    refuseFieldOptions(
      of: message, path: [DescriptorPath.message, Int32(index)], name: message.name)
  }

  private mutating func refuseFieldOptions(
    of message: Google_Protobuf_DescriptorProto, path: [Int32], name: String
  ) {
    for (index, field) in message.field.enumerated() where Self.hasOption(field) {
      report(
        Self.optionOfField(index, of: path),
        "field `\(field.name)` of message \(name) has an option (seandb.field), and \(name) is no model: take it away, "
          + "and name the path to the field in an index of the model, as in "
          + "{index: {fields: \"\(ModelNames.snakeCase(message.name)).\(field.name)\"}}")
    }
  }

  /// Messages in a message are no models.
  mutating func refuseOptionsOfNestedFields(
    in message: Google_Protobuf_DescriptorProto, path: [Int32], name: String
  ) {
    for (index, nested) in message.nestedType.enumerated() {
      let nestedPath = path + [DescriptorPath.nestedMessage, Int32(index)]
      let nestedName = "\(name).\(nested.name)"
      refuseFieldOptions(of: nested, path: nestedPath, name: nestedName)
      refuseOptionsOfNestedFields(in: nested, path: nestedPath, name: nestedName)
    }
  }

  private static func hasOption(_ field: Google_Protobuf_FieldDescriptorProto) -> Bool {
    guard field.hasOptions else { return false }
    return (try? ModelOptions.parts(of: field.options))?.isEmpty != true
  }

  /// Whether an option of the message, or of a field of it, asks for an index.
  func asksForIndexes(_ message: Google_Protobuf_DescriptorProto) -> Bool {
    (try? ModelOptions(message.options))?.indexes.isEmpty == false
      || message.field.contains(where: Self.hasOption)
  }

  // MARK: - Places

  private static func optionOfField(_ index: Int, of message: [Int32]) -> [Int32] {
    message + [
      DescriptorPath.messageField, Int32(index), DescriptorPath.fieldOptions,
      Int32(OptionsFile.extensionNumber),
    ]
  }

  private func path(of option: IndexOption, _ messageIndex: Int) -> [Int32] {
    switch option.place {
    case .field(let field):
      return Self.optionOfField(field, of: [DescriptorPath.message, Int32(messageIndex)])
    case .model(let index):
      let path = Self.optionOfMessage(messageIndex)
      // protoc says where a statement for one index is (`option (seandb.model).index = …`), and nothing of those within
      // a statement for the whole option.
      guard positions.positions[path] == nil else { return path }
      return path + [Int32(OptionsFile.ModelField.index.rawValue), Int32(index)]
    }
  }

  // MARK: - Methods

  private struct MethodOwner {
    let description: String
    let path: [Int32]
  }

  /// Of two models, `Dog` and `DogsByPk`, each has a method `GetDogsByPk`.
  mutating func checkMethodNames() {
    var owners: [String: MethodOwner] = [:]
    for model in models {
      let owner = MethodOwner(
        description: "model \(model.name)", path: Self.nameOfMessage(model.index))
      claim(
        ModelNames.methods(name: model.name, plural: model.plural, isWatched: model.watch != nil),
        for: owner, in: &owners)
      for (index, path) in zip(model.indexes, model.indexPaths) {
        let owner = MethodOwner(
          description: "index \(index.name) of model \(model.name)", path: path)
        claim(index.methods(plural: model.plural), for: owner, in: &owners)
      }
    }
  }

  private mutating func claim(
    _ methods: [String], for owner: MethodOwner, in owners: inout [String: MethodOwner]
  ) {
    for method in methods {
      guard let other = owners[method] else {
        owners[method] = owner
        continue
      }
      report(
        owner.path,
        "the method \(method) is generated for \(owner.description) and for \(other.description)"
          + "\(Self.place(positions, other.path)): rename one of them")
    }
  }
}

extension ModelIndex {
  /// Whether it would have the same entries, whatever it is called.
  fileprivate func isSame(as other: ModelIndex) -> Bool {
    self
      == ModelIndex(
        name: name, columns: other.columns, isUnique: other.isUnique, isSparse: other.isSparse,
        inclusion: other.inclusion)
  }
}
