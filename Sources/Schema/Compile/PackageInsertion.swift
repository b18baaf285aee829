import SwiftProtobuf

/// What a file's descriptor becomes when the file is given a package.
struct PackageInsertion {
  private let packageName: String
  private let names: Set<String>

  init(_ packageName: String, rootDeclarations root: Google_Protobuf_FileDescriptorProto) {
    self.packageName = packageName
    names = Set(TopLevelDeclaration.all(in: root).map(\.name))
  }

  func applied(
    to root: Google_Protobuf_FileDescriptorProto
  ) -> Google_Protobuf_FileDescriptorProto {
    var file = root
    file.package = packageName
    file.messageType = root.messageType.map(applied)
    return file
  }

  private func applied(
    to message: Google_Protobuf_DescriptorProto
  ) -> Google_Protobuf_DescriptorProto {
    var message = message
    message.field = message.field.map(applied)
    message.extension = message.extension.map(applied)
    message.nestedType = message.nestedType.map(applied)
    return message
  }

  private func applied(
    to field: Google_Protobuf_FieldDescriptorProto
  ) -> Google_Protobuf_FieldDescriptorProto {
    var field = field
    if field.hasTypeName { field.typeName = qualified(field.typeName) }
    if field.hasExtendee { field.extendee = qualified(field.extendee) }
    return field
  }

  private func qualified(_ name: String) -> String {
    guard name.hasPrefix("."), names.contains(String(name.dropFirst().prefix { $0 != "." })) else {
      return name
    }
    return ".\(packageName)\(name)"
  }
}
