import SwiftProtobuf

/// What a schema says became of models that it has no more: other names, or nothing.
extension ModelRules {
  /// `[4, index, 7, 50731, 6]`: where `previously` is, or what is around it.
  private static func previousName(_ index: Int) -> [Int32] {
    optionOfMessage(index) + [Int32(OptionsFile.ModelField.previously.rawValue)]
  }

  /// Where `option (seandb.file)` is.
  private static let optionOfFile = [
    DescriptorPath.fileOptions, Int32(OptionsFile.extensionNumber),
  ]

  /// `[8, 50731, 1, index]`: where `dropped` is, or what is around it.
  static func droppedName(_ index: Int) -> [Int32] {
    optionOfFile + [Int32(OptionsFile.FileField.dropped.rawValue), Int32(index)]
  }

  // MARK: - Renamed models

  mutating func checkPreviousNames() {
    var heirs: [String: Candidate] = [:]
    for model in models where !model.previously.isEmpty {
      if let problem = problem(withPreviousNameOf: model, heirs[model.previously]) {
        report(Self.previousName(model.index), problem)
      } else {
        heirs[model.previously] = model
      }
    }
  }

  private func problem(withPreviousNameOf model: Candidate, _ other: Candidate?) -> String? {
    let old = model.previously
    guard ModelNames.isMessageName(old) else {
      return "the previous name \"\(old.prefix(40))\" of model \(model.name) \(Self.noName)"
    }
    if old == model.name {
      return
        "model \(model.name) was previously \(old), as it is called now: name the model that it was, or take "
        + "`previously` away"
    }
    if let place = placeOfMessage(old) {
      return
        "model \(model.name) was previously \(old), and there is a message \(old)\(place): take `previously` away if "
        + "the database has the new name already, or else the message"
    }
    if let other {
      return
        "models \(model.name) and \(other.name)\(Self.place(positions, Self.previousName(other.index))) were both "
        + "previously \(old), and one of them can have its records: take `previously` away from the other one"
    }
    return nil
  }

  private static let noName =
    "is no name of a message: write it without its package, in letters, digits and _, at most "
    + "\(nameLimit)"

  /// Of a message of the schema's package, imported ones too, ` (schema.proto:3:9)`; nil when there is none.
  private func placeOfMessage(_ name: String) -> String? {
    if let index = root.messageType.firstIndex(where: { $0.name == name }) {
      return Self.place(positions, Self.nameOfMessage(index))
    }
    for file in imports where file.package == packageName {
      guard let index = file.messageType.firstIndex(where: { $0.name == name }) else { continue }
      guard let positions = importPositions[file.name] else { return " in \(file.name)" }
      return Self.place(positions, Self.nameOfMessage(index))
    }
    return nil
  }

  /// Of a message that is no model.
  mutating func refusePreviousName(
    of message: Google_Protobuf_DescriptorProto, _ index: Int, _ options: ModelOptions
  ) {
    guard !options.previously.isEmpty else { return }
    report(
      Self.previousName(index),
      "message \(message.name) has `previously` in its option and is no model, so it has no records: "
        + (options.isEmbedded
          ? "take `embedded` or `previously` away"
          : "give it a field `string pk` or name its key, or take `previously` away"))
  }

  // MARK: - Dropped models

  mutating func checkDroppedNames() {
    let options: FileOptions
    do throws(ModelOptions.Failure) {
      options = try FileOptions(root.options)
    } catch {
      let what =
        switch error {
        case .unknownField(let number), .unknownIndexField(let number),
          .unknownWatchField(let number):
          "field \(number) of its option, which this seandb does not know"
        case .malformed: "an option (seandb.file) that cannot be read"
        }
      return report(
        Self.optionOfFile,
        "the file has \(what): take the \(OptionsFile.path) of this seandb")
    }
    for (index, name) in options.dropped.enumerated() {
      guard let problem = problem(withDropped: name) else { continue }
      report(Self.droppedName(index), problem)
    }
  }

  private func problem(withDropped name: String) -> String? {
    guard ModelNames.isMessageName(name) else {
      return "`dropped` names \"\(name.prefix(40))\", which \(Self.noName)"
    }
    if let model = models.first(where: { $0.name == name }) {
      return
        "`dropped` names model \(name), which is in the schema\(Self.place(positions, Self.nameOfMessage(model.index))): "
        + "take the name out of `dropped`, or the model out of the schema"
    }
    if let heir = models.first(where: { $0.previously == name }) {
      return
        "`dropped` names model \(name), whose records model \(heir.name)"
        + "\(Self.place(positions, Self.previousName(heir.index))) takes over: take the name out of `dropped`, or "
        + "`previously` away"
    }
    return nil
  }

  /// Of an imported file, which may be another database's schema.
  mutating func noteFileOptions(of file: Google_Protobuf_FileDescriptorProto) {
    guard let options = try? FileOptions(file.options), !options.dropped.isEmpty else { return }
    note(
      "\(file.name): its option (seandb.file) is of no effect: only the schema itself says which models are dropped"
    )
  }
}
