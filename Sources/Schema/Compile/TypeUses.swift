import SwiftProtobuf

/// Which top-level messages of a file something else in the file uses.
struct TypeUses {
  private(set) var usedTopLevelMessages: Set<String> = []
  private let prefix: String

  /// A message counts as used when a field, extension or method outside of it has it, or a type
  /// nested in it, as its type, or when it is the scope of an extension.
  init(_ file: Google_Protobuf_FileDescriptorProto, packageName: String) {
    prefix = packageName.isEmpty ? "." : ".\(packageName)."
    for message in file.messageType {
      collect(message, inside: message.name)
    }
    for field in file.extension { use(field.typeName, from: nil) }
    for method in file.service.flatMap(\.method) {
      use(method.inputType, from: nil)
      use(method.outputType, from: nil)
    }
  }

  private mutating func collect(_ message: Google_Protobuf_DescriptorProto, inside owner: String) {
    for field in message.field { use(field.typeName, from: owner) }
    if !message.extension.isEmpty { usedTopLevelMessages.insert(owner) }
    for field in message.extension { use(field.typeName, from: owner) }
    for nested in message.nestedType { collect(nested, inside: owner) }
  }

  private mutating func use(_ typeName: String, from owner: String?) {
    guard typeName.hasPrefix(prefix) else { return }
    let topLevel = String(typeName.dropFirst(prefix.count).prefix { $0 != "." })
    if topLevel != owner { usedTopLevelMessages.insert(topLevel) }
  }
}
