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
}
