/// A file of the user's that the schema imports.
package struct ImportedFile: Sendable, Equatable {
  /// The path it is imported by.
  package let path: String
  /// Its text as it was read.
  package let contents: [UInt8]

  /// Files that every protobuf tool brings along, so that they are not written to the output.
  ///
  /// A list and no prefix: what else is below `google/protobuf/` (`go_features.proto`, a file of
  /// the user's) is not in every tool. A copy of the user's that says something else than protoc's own
  /// file is the user's all the same (``WellKnownFiles``).
  static func isWellKnown(_ path: String) -> Bool { wellKnownPaths.contains(path) }

  private static let wellKnownPaths = Set(
    [
      "any", "api", "compiler/plugin", "descriptor", "duration", "empty", "field_mask",
      "source_context", "struct", "timestamp", "type", "wrappers",
    ].map { "google/protobuf/\($0).proto" })
}

/// A file that the server's reflection answers with.
package struct DescriptorFile: Sendable, Equatable {
  /// Its import path.
  package let name: String
  /// A serialized `google.protobuf.FileDescriptorProto`. The source info of the user's files has
  /// their comments and no more, that of others is left out.
  package let descriptor: [UInt8]
  /// The names of the files that it imports.
  package let dependencies: [String]
}
