import SwiftProtobuf

/// Tells the user's files from those that come with protoc.
///
/// An import that is found in the user's folders is the user's; any other comes with protoc. Of files
/// under a well-known name, which people carry along in their trees, only those count as the user's
/// that say something else than protoc's own: a client's protoc has the others too.
struct WellKnownFiles {
  let protoc: Protoc
  /// The temporary directory of this compilation.
  let directory: String

  /// Those of `imports` that are the user's, in their order. Runs protoc once more when there are files
  /// under well-known names among them.
  func userFiles(
    among imports: [Google_Protobuf_FileDescriptorProto], location: SchemaLocation
  ) async throws(SchemaError) -> [Google_Protobuf_FileDescriptorProto] {
    let found = imports.filter {
      $0.name != OptionsFile.path && (try? location.path(ofImport: $0.name)) != nil
    }
    let copies = found.filter { ImportedFile.isWellKnown($0.name) }
    guard !copies.isEmpty else { return found }
    let known = try await protocsOwn(copies.map(\.name))
    return found.filter { file in
      guard ImportedFile.isWellKnown(file.name), let own = known[file.name] else { return true }
      return Self.declarations(of: own) != Self.declarations(of: file)
    }
  }

  /// protoc's own files of these names; none when it has not all of them.
  private func protocsOwn(
    _ names: [String]
  ) async throws(SchemaError) -> [String: Google_Protobuf_FileDescriptorProto] {
    let folder = directory + "/wellknown"
    let probe = "probe.proto"
    let text = "syntax = \"proto3\";\n" + names.map { "import \"\($0)\";\n" }.joined()
    try TemporaryDirectory.place(Array(text.utf8), at: probe, below: folder)
    let output = directory + "/wellknown.binpb"
    do throws(SchemaError) {
      _ = try await protoc.compile(
        "\(folder)/\(probe)", searchPath: [folder], includingSourceInfo: false, to: output,
        in: directory
      ) { $0 }
    } catch .invalid {
      return [:]
    }
    let bytes = try POSIXFile.read(output)
    guard let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: bytes) else {
      throw .protocFailed(output: "its descriptors cannot be read")
    }
    return Dictionary(set.file.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// What a file declares: options of the file itself are for single languages.
  private static func declarations(
    of file: Google_Protobuf_FileDescriptorProto
  ) -> Google_Protobuf_FileDescriptorProto {
    var file = file
    file.clearOptions()
    file.clearSourceCodeInfo()
    return file
  }
}
