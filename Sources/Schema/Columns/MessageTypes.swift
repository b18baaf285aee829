import SwiftProtobuf

/// The messages of a schema's files, by which the paths of columns are followed.
struct MessageTypes {
  struct Entry {
    let message: Google_Protobuf_DescriptorProto
    /// Whether an `optional` field can be told from one with its default: in proto2. In proto3 a field says so itself.
    let isProto2: Bool
  }

  private var entries: [String: Entry] = [:]
  /// Enums whose values may be none of the declared ones: those of proto3.
  private var openEnums: Set<String> = []

  init(_ files: [Google_Protobuf_FileDescriptorProto]) {
    for file in files {
      let scope = file.package.isEmpty ? "" : ".\(file.package)"
      if file.syntax == "proto3" {
        openEnums.formUnion(file.enumType.map { "\(scope).\($0.name)" })
      }
      for message in file.messageType {
        add(message, scope: scope, isProto2: file.syntax != "proto3")
      }
    }
  }

  private mutating func add(
    _ message: Google_Protobuf_DescriptorProto, scope: String, isProto2: Bool
  ) {
    let name = "\(scope).\(message.name)"
    entries[name] = Entry(message: message, isProto2: isProto2)
    if !isProto2 { openEnums.formUnion(message.enumType.map { "\(name).\($0.name)" }) }
    for nested in message.nestedType { add(nested, scope: name, isProto2: isProto2) }
  }

  /// Whether messages of proto3 may have a field of the enum.
  func isOpenEnum(_ typeName: String) -> Bool { openEnums.contains(typeName) }

  /// Takes a type name as a field has it, with a leading dot.
  subscript(typeName: String) -> Entry? { entries[typeName] }
}
