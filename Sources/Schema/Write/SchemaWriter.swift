import Glibc

/// Writes what `create` makes: a program that serves the schema, and what a client needs to generate its
/// code, the generated file and the files it imports.
package struct SchemaWriter {
  /// The program to write.
  package struct Program {
    let name: String
    let write: (Int32, String) throws(SchemaError) -> Void

    /// - Parameter write: writes the program to a descriptor; the path is for its errors.
    package init(
      name: String, write: @escaping (Int32, String) throws(SchemaError) -> Void
    ) {
      self.name = name
      self.write = write
    }
  }

  private let schema: CompiledSchema
  private let directory: String
  /// The schema of the program that is replaced.
  private let previous: CompiledSchema?

  /// Writes the program, the generated file and the user's imported files at their import paths; the
  /// directory is made if it is missing.
  ///
  /// All or nothing: every file is written beside its place before the first one is put there. A file
  /// that seandb did not write is not replaced.
  ///
  /// - Parameter previous: the schema of the program that is in `program`'s place, if one is: the
  ///   copies of imports that came with it may be replaced.
  /// - Throws: `invalid` when an import has the path of another file that is written;
  ///   `wouldOverwriteSource` when the schema or one of its imports is where a file would go; `inTheWay`;
  ///   `unsafePath` for an import path that leads elsewhere; `io`, also when a folder below `directory`
  ///   is a symbolic link. Nothing is changed then.
  package static func write(
    _ schema: CompiledSchema, program: Program? = nil, replacing previous: CompiledSchema? = nil,
    into directory: String
  ) throws(SchemaError) {
    let writer = SchemaWriter(schema: schema, directory: directory, previous: previous)
    try writer.check(program)
    let output = try OutputDirectory(directory)
    do throws(SchemaError) {
      if let program { try output.stage(program.name, mode: 0o755, program.write) }
      let text = Array(schema.databaseProto.utf8)
      let files =
        [(schema.databaseName.file, text)] + schema.importedFiles.map { ($0.path, $0.contents) }
      for (path, contents) in files {
        try output.stage(path) { file, path throws(SchemaError) in
          try POSIXFile.write(contents, to: file, path: path)
        }
      }
      try output.commit()
    } catch {
      output.discard()
      throw error
    }
  }

  // MARK: - Before anything is written

  private func check(_ program: Program?) throws(SchemaError) {
    for file in schema.importedFiles where !Self.isSafe(file.path) { throw .unsafePath(file.path) }
    if let program { try checkImports(beside: program.name) }
    let sources = Set(
      ([schema.sourceName] + schema.sourcePaths).compactMap(POSIXFile.identity(of:)))
    let outputs = [schema.databaseName.file] + schema.importedFiles.map(\.path)
    for output in outputs + [program?.name].compactMap(\.self) {
      let path = directory + "/" + output
      if let identity = POSIXFile.identity(of: path), sources.contains(identity) {
        throw .wouldOverwriteSource(path: path)
      }
      if let what = POSIXFile.whatIsNoFile(path) { throw .inTheWay(path: path, what: what) }
    }
    try checkGeneratedFile()
    for file in schema.importedFiles { try checkCopy(of: file) }
  }

  private static func isSafe(_ path: String) -> Bool {
    let components = path.split(separator: "/", omittingEmptySubsequences: false)
    return !path.utf8.contains(0)
      && components.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
  }

  /// An import that has the program's path, or is in a folder of that path, is named with its place.
  private func checkImports(beside program: String) throws(SchemaError) {
    for file in schema.importedFiles
    where file.path == program || file.path.hasPrefix(program + "/") {
      throw .invalid([
        try schema.diagnostic(
          atImportOf: file.path,
          "the import \"\(file.path)\" needs the path \"\(program)\" of the output directory, where the "
            + "program goes: rename the imported \(file.path == program ? "file" : "folder")")
      ])
    }
  }

  private func checkGeneratedFile() throws(SchemaError) {
    let path = directory + "/" + schema.databaseName.file
    guard POSIXFile.identity(of: path) != nil else { return }
    guard try POSIXFile.read(path).starts(with: DatabaseProto.mark.utf8) else {
      throw .inTheWay(path: path, what: "a file that seandb did not write")
    }
  }

  /// A copy of an import may be replaced when it came with the program before, or says the same.
  private func checkCopy(of file: ImportedFile) throws(SchemaError) {
    let path = directory + "/" + file.path
    guard POSIXFile.identity(of: path) != nil,
      previous?.importedFiles.contains(where: { $0.path == file.path }) != true,
      try POSIXFile.read(path) != file.contents
    else { return }
    throw .inTheWay(path: path, what: "a file that seandb did not write")
  }
}
