import SwiftProtobuf

/// Whether a schema can take over the records of an older one.
///
/// The rules are those of buf's category WIRE (buf.build/docs/breaking/rules, version v2), which
/// keep every stored record readable as what it was, and seandb's own: `MODEL_NO_DELETE`, `KEY_SAME_FIELD`, and for
/// keys of columns `KEY_SAME_COLUMNS`, `KEY_SAME_TYPE` and `KEY_SAME_PRESENCE`. The messages that seandb generates are
/// left out.
package struct SchemaCompatibility {
  /// A rule that the new schema breaks.
  package struct Violation: Sendable, Equatable {
    /// Points into the new schema: at the declaration, or at what is around the place where a
    /// deleted one was.
    package let diagnostic: Diagnostic
    /// The full name of the old model that the new schema does not have any more
    /// (`MODEL_NO_DELETE`): no harm is done when it has no records.
    package let deletedModel: String?
    /// What the old schema has and the new one lacks, when that is all there is to the violation: the
    /// new schema could be an earlier one, which reads what the old one wrote.
    package let missing: String?
  }

  /// All violations, by file and position. Empty for the same schema.
  /// - Complexity: O(declarations).
  package static func violations(old: CompiledSchema, new: CompiledSchema) -> [Violation] {
    do {
      return try check(old: old, new: new).violations.sorted {
        ($0.diagnostic.file, $0.diagnostic.line, $0.diagnostic.column, $0.diagnostic.message)
          < ($1.diagnostic.file, $1.diagnostic.line, $1.diagnostic.column, $1.diagnostic.message)
      }
    } catch {
      // Both schemas decoded their descriptors when they were made; should one fail to now, nothing
      // may be said to be compatible.
      return [
        Violation(
          diagnostic: Diagnostic(file: new.sourceName, line: 1, column: 1, message: "\(error)"),
          deletedModel: nil, missing: nil)
      ]
    }
  }

  /// Changes that break no rule and yet may change what stored records mean; by file and position.
  /// - Complexity: O(declarations).
  package static func warnings(old: CompiledSchema, new: CompiledSchema) -> [Diagnostic] {
    guard let check = try? check(old: old, new: new) else { return [] }
    return check.warnings.sorted {
      ($0.file, $0.line, $0.column, $0.message) < ($1.file, $1.line, $1.column, $1.message)
    }
  }

  /// What `old` has more than `new`, when that is all there is between them: `new` could be an earlier schema,
  /// and it reads every record that was stored by `old`. Nil when it is anything else.
  package static func additions(of old: CompiledSchema, over new: CompiledSchema) -> [String]? {
    let violations = violations(old: old, new: new)
    let found = violations.compactMap(\.missing)
    // What `new` says of models of `old` was said before these were added.
    let dropped = ModelChanges(old: old, new: new).dropped
    let missing =
      old.models.filter { dropped.contains($0.fullName) }.map { "model \($0.name)" } + found
    // A model that got another name, or was dropped, on the way to `old` is none that was added.
    guard !missing.isEmpty, found.count == violations.count,
      ModelChanges(old: new, new: old).isEmpty,
      self.violations(old: new, new: old).isEmpty
    else { return nil }
    return missing
  }

  /// Whether records of the one mean the same by the other, in both directions.
  package static func isSame(_ first: CompiledSchema, _ second: CompiledSchema) -> Bool {
    Set(first.models.map(\.fullName)) == Set(second.models.map(\.fullName))
      && violations(old: first, new: second).isEmpty
      && violations(old: second, new: first).isEmpty
  }

  private static func check(
    old: CompiledSchema, new: CompiledSchema
  ) throws(SchemaError) -> SchemaCompatibility {
    // A file may be protoc's own in one schema and the user's in the other.
    let ownFiles = old.ownFileNames.union(new.ownFileNames)
    var check = SchemaCompatibility(
      old: try DeclarationIndex(old, ownFiles: ownFiles),
      new: try DeclarationIndex(new, ownFiles: ownFiles), newSchema: new,
      changes: ModelChanges(old: old, new: new))
    check.checkAll(oldSchema: old)
    return check
  }

  let old: DeclarationIndex
  let new: DeclarationIndex
  let newSchema: CompiledSchema
  let changes: ModelChanges
  /// Of renamed models, by the old name; both with their package.
  let newNames: [String: String]
  private var violations: [Violation] = []
  private var warnings: [Diagnostic] = []

  private init(
    old: DeclarationIndex, new: DeclarationIndex, newSchema: CompiledSchema, changes: ModelChanges
  ) {
    self.old = old
    self.new = new
    self.newSchema = newSchema
    self.changes = changes
    newNames = Dictionary(
      changes.renamed.map { ($0.oldName, $0.newName) }, uniquingKeysWith: { first, _ in first })
  }

  mutating func report(
    _ rule: String, _ place: DeclarationIndex.Place, _ part: [Int32] = [], _ message: String,
    missing: String? = nil, deletedModel: String? = nil
  ) {
    let positions = newSchema.positions(ofFile: place.file)
    violations.append(
      Violation(
        diagnostic: positions.diagnostic(at: place.path + part, message, rule: rule),
        deletedModel: deletedModel, missing: missing))
  }

  mutating func warn(_ place: DeclarationIndex.Place, _ part: [Int32], _ message: String) {
    warnings.append(
      newSchema.positions(ofFile: place.file).diagnostic(at: place.path + part, message))
  }

  /// A schema without a package has the one that the name gives.
  private func packageAdvice(
    _ file: String, _ package: String, _ newPackage: String, _ oldSchema: CompiledSchema
  ) -> String {
    guard file == old.rootFile, package == oldSchema.databaseName.defaultPackage,
      newPackage == newSchema.databaseName.defaultPackage
    else { return "change it back" }
    return "change it back, or give --name \(package) when the schema has no package of its own"
  }

  private mutating func checkAll(oldSchema: CompiledSchema) {
    for (file, package) in old.packages {
      let newFile = file == old.rootFile ? new.rootFile : file
      guard let newPackage = new.packages[newFile], newPackage != package else { continue }
      report(
        "FILE_SAME_PACKAGE", .init(file: newFile, path: [DescriptorPath.package]), [],
        "the package changed from \"\(package)\" to \"\(newPackage)\": "
          + packageAdvice(file, package, newPackage, oldSchema))
    }
    checkModels(oldSchema: oldSchema)
    warnOfExpiry(oldSchema: oldSchema)
    warnOfWatch(oldSchema: oldSchema)
    for (name, message) in old.messages {
      if let newMessage = new.messages[newName(of: name)] { check(message, newMessage) }
    }
    for (name, declaration) in old.enums {
      if let newDeclaration = new.enums[newName(of: name)] { check(declaration, newDeclaration) }
    }
    for (key, field) in old.extensions {
      let newKey = DeclarationIndex.ExtensionKey(
        extendee: newName(ofType: key.extendee), number: key.number)
      guard let newField = new.extensions[newKey] else { continue }
      checkFieldPair(
        field.declaration, newField.declaration, place: newField.place, isMapEntry: false,
        oneofs: nil, owner: "message \(newKey.extendee.dropFirst())")
    }
  }

  // MARK: - Messages

  private mutating func check(
    _ old: DeclarationIndex.Message, _ new: DeclarationIndex.Message
  ) {
    let oldFields = old.declaration.field
    let newFields = Dictionary(
      new.declaration.field.enumerated().map { ($1.number, (offset: $0, field: $1)) },
      uniquingKeysWith: { first, _ in first })
    // Message ranges end before their end.
    let reserved = NumberRanges(new.declaration.reservedRange.map { ($0.start, $0.end &- 1) })
    for field in oldFields {
      guard let (offset, newField) = newFields[field.number] else {
        if !reserved.contains(field.number) {
          report(
            "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", new.place, [DescriptorPath.name],
            "field `\(field.name)` (\(field.number)) of message \(new.name) was deleted: put it "
              + "back, or add `reserved \(field.number);`",
            missing: "field `\(field.name)` (\(field.number)) of message \(new.name)")
        }
        continue
      }
      let path = new.place.path + [DescriptorPath.messageField, Int32(offset)]
      checkFieldPair(
        field, newField, place: .init(file: new.place.file, path: path),
        isMapEntry: old.declaration.options.mapEntry && new.declaration.options.mapEntry,
        oneofs: (old.declaration.oneofDecl.map(\.name), new.declaration.oneofDecl.map(\.name)),
        owner: "message \(new.name)")
    }
    checkRequiredFields(old, new)
    for range in old.declaration.reservedRange {
      reportMissing(
        reserved.missing(from: range.start, through: range.end &- 1),
        used: new.declaration.field.map(\.number),
        "RESERVED_MESSAGE_NO_DELETE", "message \(new.name)", new.place)
    }
    reportMissing(
      old.declaration.reservedName, new.declaration.reservedName,
      "RESERVED_MESSAGE_NO_DELETE", "message \(new.name)", new.place)
  }

  private mutating func checkRequiredFields(
    _ old: DeclarationIndex.Message, _ new: DeclarationIndex.Message
  ) {
    let oldRequired = old.declaration.field.filter { $0.label == .required }
    let newRequired = new.declaration.field.enumerated().filter { $1.label == .required }
    for field in oldRequired where !newRequired.contains(where: { $1.number == field.number }) {
      report(
        "MESSAGE_SAME_REQUIRED_FIELDS", new.place, [DescriptorPath.name],
        "required field `\(field.name)` (\(field.number)) of message \(new.name) is required no "
          + "more: older clients cannot read a message without it")
    }
    for (offset, field) in newRequired
    where !oldRequired.contains(where: { $0.number == field.number }) {
      report(
        "MESSAGE_SAME_REQUIRED_FIELDS", new.place, [DescriptorPath.messageField, Int32(offset)],
        "field `\(field.name)` (\(field.number)) of message \(new.name) is required now: stored "
          + "records may not have it")
    }
  }

  // MARK: - Enums

  private mutating func check(_ old: DeclarationIndex.Enum, _ new: DeclarationIndex.Enum) {
    let reserved = NumberRanges(new.declaration.reservedRange.map { ($0.start, $0.end) })
    let numbers = Set(new.declaration.value.map(\.number))
    var reported: Set<Int32> = []
    for value in old.declaration.value
    where !numbers.contains(value.number) && !reserved.contains(value.number)
      && reported.insert(value.number).inserted
    {
      report(
        "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED", new.place, [DescriptorPath.name],
        "value \(value.name) (\(value.number)) of enum \(new.name) was deleted: put it "
          + "back, or add "
          + "`reserved \(value.number);`",
        missing: "value \(value.name) (\(value.number)) of enum \(new.name)")
    }
    checkNames(old, new)
    for range in old.declaration.reservedRange {
      reportMissing(
        reserved.missing(from: range.start, through: range.end), used: Array(numbers),
        "RESERVED_ENUM_NO_DELETE",
        "enum \(new.name)", new.place)
    }
    reportMissing(
      old.declaration.reservedName, new.declaration.reservedName, "RESERVED_ENUM_NO_DELETE",
      "enum \(new.name)", new.place)
  }

  // MARK: - Reserved numbers and names

  private mutating func reportMissing(
    _ ranges: [ClosedRange<Int32>], used: [Int32], _ rule: String, _ subject: String,
    _ place: DeclarationIndex.Place
  ) {
    for range in ranges {
      let isUsed = used.contains { range.contains($0) }
      let numbers =
        range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
      report(
        rule, place, [DescriptorPath.name],
        "\(subject) does not reserve \(numbers) any more: put `reserved \(numbers);` back",
        missing: isUsed ? nil : "`reserved \(numbers);` of \(subject)")
    }
  }

  private mutating func reportMissing(
    _ oldNames: [String], _ newNames: [String], _ rule: String, _ subject: String,
    _ place: DeclarationIndex.Place
  ) {
    for name in oldNames where !newNames.contains(name) {
      report(
        rule, place, [DescriptorPath.name],
        "\(subject) does not reserve the name \"\(name)\" any more: put `reserved "
          + "\"\(name)\";` back",
        missing: "`reserved \"\(name)\";` of \(subject)"
      )
    }
  }
}
