import SwiftProtobuf

/// What the declarations of a file become when the file is given a package.
struct PackageInsertion {
  private let packageName: String
  private let names: Set<String>

  init(_ packageName: String, rootDeclarations root: Google_Protobuf_FileDescriptorProto) {
    self.packageName = packageName
    names = Set(TopLevelDeclaration.all(in: root).map(\.name))
  }

  func applied(
    to message: Google_Protobuf_DescriptorProto
  ) -> Google_Protobuf_DescriptorProto {
    var message = message
    message.field = message.field.map(applied)
    message.extension = message.extension.map(applied)
    message.nestedType = message.nestedType.map(applied)
    return message
  }

  func applied(
    to field: Google_Protobuf_FieldDescriptorProto
  ) -> Google_Protobuf_FieldDescriptorProto {
    var field = field
    if field.hasTypeName { field.typeName = qualified(field.typeName) }
    if field.hasExtendee { field.extendee = qualified(field.extendee) }
    return field
  }

  func applied(
    to method: Google_Protobuf_MethodDescriptorProto
  ) -> Google_Protobuf_MethodDescriptorProto {
    var method = method
    method.inputType = qualified(method.inputType)
    method.outputType = qualified(method.outputType)
    return method
  }

  private func qualified(_ name: String) -> String {
    guard name.hasPrefix("."), names.contains(String(name.dropFirst().prefix { $0 != "." })) else {
      return name
    }
    return ".\(packageName)\(name)"
  }
}
