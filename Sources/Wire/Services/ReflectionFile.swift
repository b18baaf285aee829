import Bytes

/// One `.proto` file as reflection serves it.
package struct ReflectionFile: Sendable {
  /// The name other files import it by.
  package let name: String
  /// The serialized `google.protobuf.FileDescriptorProto`; handed to clients as it is.
  package let descriptor: [UInt8]
  /// The names of the files it imports.
  package let dependencies: [String]

  package init(name: String, descriptor: [UInt8], dependencies: [String]) {
    self.name = name
    self.descriptor = descriptor
    self.dependencies = dependencies
  }

  /// The same file under another name. Its descriptor has the name in front, as protoc writes it.
  func renamed(_ name: String) -> ReflectionFile {
    let front = protobufName(self.name)
    guard descriptor.starts(with: front) else { return self }
    return ReflectionFile(
      name: name, descriptor: protobufName(name) + descriptor.dropFirst(front.count),
      dependencies: dependencies)
  }

  private func protobufName(_ name: String) -> [UInt8] {
    var writer = ByteWriter()
    writer.appendField(1, name)
    return writer.array()
  }
}
