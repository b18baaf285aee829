import SwiftProtobuf

/// A name that a file puts into its package.
struct TopLevelDeclaration {
  let name: String
  /// `message Dog`
  let description: String
  /// The path of the name in the file's ``SourcePositions``.
  let path: [Int32]

  /// In no particular order. Values of top-level enums are names of the package too.
  static func all(in file: Google_Protobuf_FileDescriptorProto) -> [TopLevelDeclaration] {
    var result: [TopLevelDeclaration] = []
    func add(_ kind: String, _ name: String, _ path: [Int32]) {
      result.append(
        TopLevelDeclaration(
          name: name, description: "\(kind) \(name)", path: path + [DescriptorPath.name]))
    }
    for (index, message) in file.messageType.enumerated() {
      add("message", message.name, [DescriptorPath.message, Int32(index)])
    }
    for (index, declaration) in file.enumType.enumerated() {
      let path = [DescriptorPath.fileEnum, Int32(index)]
      add("enum", declaration.name, path)
      for (valueIndex, value) in declaration.value.enumerated() {
        add("enum value", value.name, path + [DescriptorPath.enumValue, Int32(valueIndex)])
      }
    }
    for (index, service) in file.service.enumerated() {
      add("service", service.name, [DescriptorPath.service, Int32(index)])
    }
    for (index, field) in file.extension.enumerated() {
      add("extension", field.name, [DescriptorPath.fileExtension, Int32(index)])
    }
    return result
  }
}
