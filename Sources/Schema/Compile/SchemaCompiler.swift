import Bytes
import SwiftProtobuf

// SAFETY: the array lends its bytes to the reader until its fields are copied.

/// Makes a ``CompiledSchema`` from a `.proto` file with the help of `protoc`.
///
/// Thread-safety: a value; compilations may run at the same time.
package struct SchemaCompiler: Sendable {
  private let includeDirectories: [String]
  private let databaseName: DatabaseName
  private let protoc: Protoc

  /// - Parameters:
  ///   - includeDirectories: where imports are looked for, in this order (`-I`). A schema outside
  ///     of all of them finds imports in its own folder first.
  ///   - databaseName: what the generated file, its service and, when the schema has none, its package
  ///     are called.
  ///   - protoc: the compiler's name, looked up on the PATH.
  package init(
    includeDirectories: [String], databaseName: DatabaseName = .standard,
    protoc: String = "protoc"
  ) {
    self.includeDirectories = includeDirectories
    self.databaseName = databaseName
    self.protoc = Protoc(program: protoc)
  }

  /// Reads, checks and compiles a schema. Runs protoc twice, some milliseconds each, in a temporary
  /// directory that is gone afterwards.
  ///
  /// - Throws: `invalid` with every violation that was found; `protocMissing`; `io`.
  package func compile(_ schemaPath: String) async throws(SchemaError) -> CompiledSchema {
    let contents = try POSIXFile.read(schemaPath)
    let source = try SourceText(contents, name: schemaPath)
    try SyntaxStatement.check(source, name: schemaPath)
    let location = try SchemaLocation(schemaPath, includeDirectories: includeDirectories)
    return try await TemporaryDirectory.with { directory throws(SchemaError) in
      try await compile(source, at: location, named: schemaPath, in: directory)
    }
  }

  private func compile(
    _ source: SourceText, at location: SchemaLocation, named name: String, in directory: String
  ) async throws(SchemaError) -> CompiledSchema {
    // protoc reads the schema from a copy that comes first in the search path, and the folders
    // through links: so no path of the user's can be taken for an option or for several paths.
    try TemporaryDirectory.place(source.bytes, at: location.importPath, below: directory + "/root")
    // The program's own file comes before any copy of it among the user's.
    try TemporaryDirectory.place(
      Array(OptionsFile.text.utf8), at: OptionsFile.path, below: directory + "/options")
    var searchPath = [directory + "/root", directory + "/options"]
    for (index, folder) in location.searchPath.enumerated() {
      let link = "\(directory)/include\(index)"
      try TemporaryDirectory.link(folder, at: link)
      searchPath.append(link)
    }
    let importPath = location.importPath
    let editions = ImportEditions(location: location)
    let described: Described
    do {
      described = try await describe(
        "\(directory)/root/\(importPath)", searchPath: searchPath, ownFiles: [],
        output: "source.binpb", in: directory
      ) { $0 == importPath ? name : $0 }
    } catch .invalid(let diagnostics) {
      // A protoc of before editions says something else of them.
      let found = editions.diagnostics(importedFrom: source)
      throw .invalid(found.isEmpty ? diagnostics : found)
    }
    guard let root = described.files.last, root.name == importPath else {
      throw .protocFailed(output: "it left \(importPath) out of its answer")
    }
    let imports = described.files.dropLast()

    let positions = SourcePositions(
      file: databaseName.file, displayName: name, info: root.sourceCodeInfo)
    let unsupported = imports.filter { $0.syntax == "editions" }
    guard unsupported.isEmpty else {
      throw .invalid(unsupported.map { editions.diagnostic(forFile: $0.name) })
    }
    let ownImports = try await WellKnownFiles(protoc: protoc, directory: directory).userFiles(
      among: Array(imports), location: location)
    let usesOptions = imports.contains { $0.name == OptionsFile.path }
    let importPositions = ownImports.map {
      SourcePositions(file: $0.name, displayName: $0.name, info: $0.sourceCodeInfo)
    }
    let rules = ModelRules(
      root: root, imports: Array(imports), ownImports: Set(ownImports.map(\.name)),
      databaseName: databaseName, positions: positions,
      importPositions: Dictionary(
        importPositions.map { ($0.file, $0) }, uniquingKeysWith: { first, _ in first }))
    guard rules.violations.isEmpty else { throw .invalid(rules.violations) }

    let generator = DatabaseProto(
      source: source, descriptor: root, schemaName: Self.printable(POSIXFile.split(name).name),
      models: rules.models, databaseName: databaseName)
    let text = generator.text()
    var sourcePaths = [name]
    var importedFiles: [ImportedFile] = []
    if usesOptions {
      importedFiles.append(
        ImportedFile(path: OptionsFile.path, contents: Array(OptionsFile.text.utf8)))
    }
    for file in ownImports {
      let path = try location.path(ofImport: file.name)
      sourcePaths.append(path)
      importedFiles.append(ImportedFile(path: file.name, contents: try POSIXFile.read(path)))
    }
    let served = try await describeGenerated(
      generator, text, importedFiles: importedFiles, named: name, in: directory)
    guard let generated = served.files.last, generated.name == databaseName.file else {
      throw .protocFailed(output: "it left \(databaseName.file) out of its answer")
    }
    let meaning = MeaningCheck(
      root: root, generated: generated, defaultPackage: databaseName.defaultPackage,
      positions: positions)
    guard meaning.violations.isEmpty else { throw .invalid(meaning.violations) }

    return try CompiledSchema(
      sourceName: name,
      packageName: root.package.isEmpty ? databaseName.defaultPackage : root.package,
      modelNames: rules.models.map { ($0.name, Int($0.key.columns[0].number)) },
      databaseProto: text,
      importedFiles: importedFiles,
      files: served.descriptors,
      positions: [positions] + importPositions,
      notes: rules.notes + notes(onReflectionOf: served.descriptors),
      warnings: described.warnings,
      sourcePaths: sourcePaths)
  }

  private static func printable(_ name: String) -> String {
    String(name.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : Character($0) })
  }

  /// Clients take messages of 4 MiB unless they are told otherwise.
  private func notes(onReflectionOf files: [DescriptorFile]) -> [String] {
    let size = files.reduce(0) { $0 + $1.descriptor.count + 8 }
    guard size > 4 << 20 else { return [] }
    return [
      "the schema's descriptors have \((size + (1 << 20) - 1) >> 20) MiB, more than the 4 MiB that "
        + "grpcurl and other clients of reflection take: raise their limit (grpcurl -max-msg-sz), or "
        + "generate clients from \(databaseName.file)"
    ]
  }

  // MARK: - Running protoc

  private struct Described: Sendable {
    /// Dependencies first; the root is the last.
    let files: [Google_Protobuf_FileDescriptorProto]
    let descriptors: [DescriptorFile]
    let warnings: [String]
  }

  /// - Parameter ownFiles: the files whose comments are kept.
  private func describe(
    _ file: String, searchPath: [String], ownFiles: Set<String>, output name: String,
    in directory: String,
    displayName: @Sendable (String) -> String
  ) async throws(SchemaError) -> Described {
    let output = "\(directory)/\(name)"
    let said = try await protoc.compile(
      file, searchPath: searchPath, includingSourceInfo: true, to: output, in: directory,
      displayName: displayName)
    let bytes = try POSIXFile.read(output)
    let warnings = said.warnings.map { warning in
      "\(warning.file):\(warning.line):\(warning.column): warning: \(warning.message)"
    }
    do {
      // The bytes of each file are kept as protoc wrote them: what reflection serves is its own
      // word.
      let descriptors = try Self.fileDescriptors(in: bytes)
      let files = try descriptors.map {
        try Google_Protobuf_FileDescriptorProto(serializedBytes: $0)
      }
      let named = try zip(files, descriptors).map {
        DescriptorFile(
          name: $0.name,
          descriptor: try SourceComments.descriptor(
            $1, keepingComments: ownFiles.contains($0.name)),
          dependencies: $0.dependency)
      }
      return Described(files: files, descriptors: named, warnings: warnings)
    } catch {
      throw .protocFailed(output: "its descriptors cannot be read: \(error)")
    }
  }

  /// The `file` fields (1) of a serialized `FileDescriptorSet`.
  private static func fileDescriptors(in set: [UInt8]) throws -> [[UInt8]] {
    try unsafe set.withUnsafeBytes { bytes in
      var reader = unsafe ProtobufReader(bytes)
      var files: [[UInt8]] = []
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        if tag.number == 1 && tag.wireType == 2 {
          unsafe files.append(Array(try reader.nextLengthDelimited()))
        } else {
          try reader.skip(tag)
        }
      }
      return files
    }
  }

  /// Compiles the generated text beside copies of the imported files alone, as a client's protoc
  /// will.
  private func describeGenerated(
    _ generator: DatabaseProto, _ text: String, importedFiles: [ImportedFile], named name: String,
    in directory: String
  ) async throws(SchemaError) -> Described {
    let output = directory + "/out"
    for file in importedFiles {
      try TemporaryDirectory.place(file.contents, at: file.path, below: output)
    }
    try TemporaryDirectory.place(Array(text.utf8), at: databaseName.file, below: output)
    do {
      return try await describe(
        "\(output)/\(databaseName.file)", searchPath: [output],
        ownFiles: Set(importedFiles.map(\.path) + [databaseName.file]),
        output: "served.binpb", in: directory
      ) { $0 }
    } catch SchemaError.invalid(let diagnostics) {
      throw .invalid(
        diagnostics.map { diagnostic in
          let place = generator.sourcePosition(ofLine: diagnostic.line, column: diagnostic.column)
          return Diagnostic(
            file: name, line: place?.line ?? 1, column: place?.column ?? 1,
            message: "in \(databaseName.file), where a name can mean a generated message: "
              + "\(diagnostic.message)"
              + (diagnostic.message.hasSuffix(".") ? "" : ".")
              + " Write names of other packages in full, with a leading dot")
        })
    }
  }
}
