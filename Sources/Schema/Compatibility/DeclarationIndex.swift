import SwiftProtobuf

/// All declarations of the user's files by full name, with the place of each.
struct DeclarationIndex {
  struct Place {
    /// The import path; the schema itself has that of the generated file.
    let file: String
    let path: [Int32]
  }

  struct Message {
    let name: String
    let declaration: Google_Protobuf_DescriptorProto
    let place: Place
  }

  struct Enum {
    let name: String
    let declaration: Google_Protobuf_EnumDescriptorProto
    let place: Place
    /// The value that a field without one has: the first, which proto3 wants to be 0.
    var defaultNumber: Int32 { declaration.value.first?.number ?? 0 }
  }

  struct ExtensionKey: Hashable {
    let extendee: String
    let number: Int32
  }

  struct Extension {
    let declaration: Google_Protobuf_FieldDescriptorProto
    let place: Place
  }

  /// The generated file's import path.
  let rootFile: String
  private(set) var packages: [String: String] = [:]
  private(set) var messages: [String: Message] = [:]
  private(set) var enums: [String: Enum] = [:]
  /// Also those of files that come with protoc, for defaults.
  private(set) var allEnums: [String: Enum] = [:]
  private(set) var extensions: [ExtensionKey: Extension] = [:]

  /// - Parameter ownFiles: the files whose declarations are indexed.
  /// - Throws: `damaged`, which a schema that was loaded or compiled cannot be.
  init(_ schema: CompiledSchema, ownFiles: Set<String>) throws(SchemaError) {
    rootFile = schema.databaseName.file
    var generated = Set(schema.models.map(\.pluralName))
    generated.formUnion([ModelNames.query, ModelNames.empty, ModelNames.transaction])
    for file in try CompiledSchema.decode(schema.files) {
      let isOwn = ownFiles.contains(file.name)
      let isRoot = file.name == rootFile
      let scope = file.package.isEmpty ? "" : file.package + "."
      if isOwn { packages[file.name] = file.package }
      for (index, message) in file.messageType.enumerated() {
        if isRoot && generated.contains(message.name) { continue }
        let path = [DescriptorPath.message, Int32(index)]
        add(message, scope: scope, place: Place(file: file.name, path: path), isOwn: isOwn)
      }
      for (index, declaration) in file.enumType.enumerated() {
        let path = [DescriptorPath.fileEnum, Int32(index)]
        add(declaration, scope: scope, place: Place(file: file.name, path: path), isOwn: isOwn)
      }
      if isOwn {
        add(file.extension, file: file.name, path: [DescriptorPath.fileExtension])
      }
    }
    leaveOutUnstored(schema)
  }

  /// Of a file under a well-known name only what records can hold counts: the options of
  /// `descriptor.proto` come and go with the version of protoc.
  private mutating func leaveOutUnstored(_ schema: CompiledSchema) {
    guard messages.values.contains(where: { ImportedFile.isWellKnown($0.place.file) }) else {
      return
    }
    var stored = Set(schema.models.map(\.fullName))
    var next = Array(stored)
    while let name = next.popLast() {
      for field in messages[name]?.declaration.field ?? [] where field.hasTypeName {
        let type = String(field.typeName.dropFirst())
        if stored.insert(type).inserted { next.append(type) }
      }
    }
    messages = messages.filter {
      !ImportedFile.isWellKnown($0.value.place.file) || stored.contains($0.key)
    }
    enums = enums.filter {
      !ImportedFile.isWellKnown($0.value.place.file) || stored.contains($0.key)
    }
  }

  private mutating func add(
    _ message: Google_Protobuf_DescriptorProto, scope: String, place: Place, isOwn: Bool
  ) {
    let name = scope + message.name
    if isOwn {
      messages[name] = Message(name: name, declaration: message, place: place)
      add(message.extension, file: place.file, path: place.path + [DescriptorPath.nestedExtension])
    }
    for (index, nested) in message.nestedType.enumerated() {
      var path = place.path + [DescriptorPath.nestedMessage, Int32(index)]
      if nested.options.mapEntry,
        let field = message.field.firstIndex(where: { $0.typeName == ".\(name).\(nested.name)" })
      {
        // The entry of a map is written nowhere; its field is.
        path = place.path + [DescriptorPath.messageField, Int32(field)]
      }
      add(nested, scope: name + ".", place: Place(file: place.file, path: path), isOwn: isOwn)
    }
    for (index, nested) in message.enumType.enumerated() {
      let path = place.path + [DescriptorPath.nestedEnum, Int32(index)]
      add(nested, scope: name + ".", place: Place(file: place.file, path: path), isOwn: isOwn)
    }
  }

  private mutating func add(
    _ declaration: Google_Protobuf_EnumDescriptorProto, scope: String, place: Place, isOwn: Bool
  ) {
    let name = scope + declaration.name
    let entry = Enum(name: name, declaration: declaration, place: place)
    allEnums[name] = entry
    if isOwn { enums[name] = entry }
  }

  private mutating func add(
    _ fields: [Google_Protobuf_FieldDescriptorProto], file: String, path: [Int32]
  ) {
    for (index, field) in fields.enumerated() {
      let key = ExtensionKey(extendee: field.extendee, number: field.number)
      extensions[key] = Extension(
        declaration: field, place: Place(file: file, path: path + [Int32(index)]))
    }
  }

  /// Takes a type name as a field has it, with a leading dot.
  func enumeration(_ typeName: String) -> Enum? { allEnums[String(typeName.dropFirst())] }
}
