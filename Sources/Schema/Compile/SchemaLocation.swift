/// Where a schema is among the directories that imports are looked for in.
struct SchemaLocation: Sendable {
  /// The path that another file would import the schema by.
  let importPath: String
  /// Absolute paths, in the order of search.
  let searchPath: [String]

  /// - Throws: `includeDirectoryMissing`, `io`.
  init(_ schemaPath: String, includeDirectories: [String]) throws(SchemaError) {
    let (folderName, fileName) = POSIXFile.split(schemaPath)
    guard let folder = POSIXFile.resolved(folderName) else {
      throw .io(operation: "open", path: folderName, code: 2)
    }
    var directories: [String] = []
    for directory in includeDirectories {
      guard POSIXFile.isDirectory(directory), let path = POSIXFile.resolved(directory) else {
        throw .includeDirectoryMissing(directory)
      }
      if !directories.contains(path) { directories.append(path) }
    }
    for directory in directories {
      let prefix = directory == "/" ? "/" : directory + "/"
      guard folder == directory || folder.hasPrefix(prefix) else { continue }
      let below = folder == directory ? "" : folder.dropFirst(prefix.count) + "/"
      importPath = below + fileName
      searchPath = directories
      return
    }
    importPath = fileName
    searchPath = [folder] + directories
  }

  /// The file that an import path leads to: the first there is in the order of search.
  func path(ofImport name: String) throws(SchemaError) -> String {
    for directory in searchPath {
      let path = directory + "/" + name
      if POSIXFile.identity(of: path) != nil { return path }
    }
    throw .io(operation: "find the imported file", path: name, code: 2)
  }
}
