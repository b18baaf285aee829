/// A file of the user's that the schema imports.
package struct ImportedFile: Sendable, Equatable {
  /// The path it is imported by.
  package let path: String
  /// Its text as it was read.
  package let contents: [UInt8]

  /// Files that every protobuf tool brings along, so that they are not written to the output.
  static func isWellKnown(_ path: String) -> Bool { path.hasPrefix("google/protobuf/") }
}

/// A file that the server's reflection answers with.
package struct DescriptorFile: Sendable, Equatable {
  /// Its import path.
  package let name: String
  /// A serialized `google.protobuf.FileDescriptorProto` without source info.
  package let descriptor: [UInt8]
  /// The names of the files that it imports.
  package let dependencies: [String]
}
