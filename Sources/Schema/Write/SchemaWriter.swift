import Glibc

/// Writes what a client needs to generate its code: `database.proto` and the files it imports.
package enum SchemaWriter {
  /// Writes `database.proto` and the user's imported files at their import paths.
  ///
  /// Each file is there whole or not at all: it is written beside its place, synced, and renamed;
  /// then the folder is synced. The directory is made
  /// if it is missing.
  ///
  /// - Throws: `wouldOverwriteSource`, before anything is written, when the schema or one of its
  ///   imports is where a file would go; `unsafePath` for an import path that leads elsewhere;
  ///   `io`, also when a folder below `directory` is a symbolic link.
  package static func write(
    databaseProtoOf schema: CompiledSchema, into directory: String
  ) throws(SchemaError) {
    var outputs = [(path: ModelNames.generatedFile, contents: Array(schema.databaseProto.utf8))]
    for file in schema.importedFiles {
      guard isSafe(file.path), file.path != ModelNames.generatedFile else {
        throw .unsafePath(file.path)
      }
      outputs.append((file.path, file.contents))
    }
    let sources = Set(
      ([schema.sourceName] + schema.sourcePaths).compactMap(POSIXFile.identity(of:)))
    for output in outputs {
      let path = directory + "/" + output.path
      if let identity = POSIXFile.identity(of: path), sources.contains(identity) {
        throw .wouldOverwriteSource(path: path)
      }
    }
    try makeDirectories(directory)
    let root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard root >= 0 else { throw .io(operation: "open", path: directory, code: errno) }
    defer { close(root) }
    for output in outputs {
      try write(output.contents, at: output.path, below: root, named: directory)
    }
  }

  private static func isSafe(_ path: String) -> Bool {
    let components = path.split(separator: "/", omittingEmptySubsequences: false)
    return !path.utf8.contains(0)
      && components.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
  }

  private static func makeDirectories(_ path: String) throws(SchemaError) {
    var reached = path.hasPrefix("/") ? "/" : ""
    for component in path.split(separator: "/") {
      reached += component + "/"
      if mkdir(reached, 0o777) != 0 && errno != EEXIST {
        throw .io(operation: "make the directory", path: reached, code: errno)
      }
    }
  }

  private static func write(
    _ contents: [UInt8], at path: String, below root: Int32, named directory: String
  ) throws(SchemaError) {
    let components = path.split(separator: "/").map(String.init)
    guard let name = components.last else { throw .unsafePath(path) }
    var folder = dup(root)
    guard folder >= 0 else { throw .io(operation: "open", path: directory, code: errno) }
    defer { close(folder) }
    for component in components.dropLast() {
      if mkdirat(folder, component, 0o777) != 0 && errno != EEXIST {
        throw .io(operation: "make the directory", path: "\(directory)/\(path)", code: errno)
      }
      // A link could lead out of the output directory.
      let next = openat(folder, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      guard next >= 0 else {
        throw .io(operation: "open the folder of", path: "\(directory)/\(path)", code: errno)
      }
      close(folder)
      folder = next
    }
    try replace(name, in: folder, with: contents, path: "\(directory)/\(path)")
  }

  private static func replace(
    _ name: String, in folder: Int32, with contents: [UInt8], path: String
  ) throws(SchemaError) {
    let temporary = ".\(name).\(getpid()).\(UInt64.random(in: 0 ... .max))"
    let file = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw .io(operation: "create", path: path, code: errno) }
    var isRenamed = false
    defer {
      close(file)
      if !isRenamed { unlinkat(folder, temporary, 0) }
    }
    try POSIXFile.write(contents, to: file, path: path)
    guard fsync(file) == 0 else { throw .io(operation: "sync", path: path, code: errno) }
    guard renameat(folder, temporary, folder, name) == 0 else {
      throw .io(operation: "replace", path: path, code: errno)
    }
    isRenamed = true
    guard fsync(folder) == 0 else {
      throw .io(operation: "sync the folder of", path: path, code: errno)
    }
  }
}
